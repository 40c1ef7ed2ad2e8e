# SPDX-License-Identifier: MIT
"""How a master ends: asked, killed, with its terminal."""

import os
import signal
import time

from harness import Failed, wait_until
from harness import http, leftovers, proc


def test_term_int_quit_end_clean(env):
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        before = leftovers.leaves()
        m = env.start("--port", env.port(), "--workers", 2)
        pids = [w["pid"] for w in m.wait_workers(2)]
        m.stop(number)
        if any(proc.exists(pid) for pid in pids):
            raise Failed(f"{number!r}: a worker outlived its master")
        wait_until(f"{number!r}: no leaf is left", lambda b=before: not leftovers.leaves() - b, 2)


def test_signals_that_the_shell_had_ignored(env):
    """`mpsup ... &` in a script ignores INT, nohup ignores HUP: the workers do not."""
    sleep = env.need_program("sleep")
    m = env.start("--port", env.port(), "--workers", 1, "--ready", "exec", "--stop-signal", "INT",
                  "--", sleep, "1000",
                  under=["/bin/sh", "-c", 'trap "" INT HUP QUIT USR1; exec "$@"', "sh"])
    ignored = int(proc.status(m.wait_workers(1)[0]["pid"])["SigIgn"], 16)
    if ignored & ~(1 << (signal.SIGPIPE - 1)):
        raise Failed(f"SigIgn {ignored:#x}")
    m.stop()
    if "signal SIGINT" not in m.log():
        raise Failed("it did not end by its stop signal")


def test_stop_command_ends_the_instance(env):
    m = env.start("--port", env.port(), "--workers", 1)
    m.ctl("stop", seconds=20)
    m.wait_exit(0)


def test_open_request_is_finished_in_a_stop(env):
    port = env.port()
    m = env.start("--port", port, "--workers", 1)
    answer = http.background(port, "/slow?ms=3000")
    wait_until("the request is accepted", lambda: m.workers()[0]["connections"] == 1, 2.9)
    m.stop()
    if answer().status != 200:
        raise Failed(f"the open request got {answer()}")


def test_second_term_ends_at_once(env):
    port = env.port()
    m = env.start("--port", port, "--workers", 1)
    http_answer = http.background(port, "/slow?ms=20000")
    wait_until("the request is accepted", lambda: m.workers()[0]["connections"] == 1)
    m.send(signal.SIGTERM)
    time.sleep(0.3)
    started = time.monotonic()
    m.stop(signal.SIGTERM, code=1)
    if time.monotonic() - started > 5:
        raise Failed("the second signal did not end it at once")
    http_answer()


def test_killed_master_leaves_no_worker_and_next_start_is_clean(env):
    port = env.port()
    before = leftovers.leaves()
    m = env.start("--port", port, "--workers", 2, "--spares", 1)
    m.wait_workers(1, state="parked", role="spare")
    pids = [p for w in m.pool()["workers"] for p in (w["pid"], w["init_pid"])]
    m.send(signal.SIGKILL)
    m.wait_exit(-signal.SIGKILL)
    wait_until("no worker is left", lambda: not any(proc.exists(p) for p in pids), 3)
    again = env.start("--port", port, "--workers", 2)
    if http.get(port).status != 200:
        raise Failed("the second master does not serve")
    again.stop()
    wait_until("the leaves of both are gone", lambda: not leftovers.leaves() - before, 3)


def test_resize_changes_nothing(env):
    m = env.start("--port", env.port(), "--workers", 2, pty=True)
    before = [w["pid"] for w in m.wait_workers(2)]
    for rows in (30, 50, 24):
        m.resize(rows, 90)
    time.sleep(0.5)
    if [w["pid"] for w in m.wait_workers(2)] != before:
        raise Failed("a resize changed the workers")
    m.stop()


def test_ctrl_c_drains(env):
    port = env.port()
    m = env.start("--port", port, "--workers", 1, pty=True)
    answer = http.background(port, "/slow?ms=3000")
    wait_until("the request is accepted", lambda: m.workers()[0]["connections"] == 1, 2.9)
    m.type(b"\x03")
    m.wait_exit(0)
    if answer().status != 200:
        raise Failed(f"Ctrl-C cut an open request: {answer()}")


def test_closed_terminal_ends_everything(env):
    m = env.start("--port", env.port(), "--workers", 2, pty=True)
    pids = [w["pid"] for w in m.wait_workers(2)]
    m.close_pty()
    m.wait_exit(0)
    if any(proc.exists(pid) for pid in pids):
        raise Failed("a worker outlived the terminal")


def test_ctrl_c_reaches_the_master_alone(env):
    """Every worker has a session of its own."""
    m = env.start("--port", env.port(), "--workers", 1, pty=True)
    worker = m.wait_workers(1)[0]
    if os.getsid(worker["pid"]) == os.getsid(m.pid) or os.getsid(worker["init_pid"]) == os.getsid(
            m.pid):
        raise Failed("a worker shares the master's session")
    m.stop()
