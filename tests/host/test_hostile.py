# SPDX-License-Identifier: MIT
"""A worker that sends rubbish, too much, too many descriptors or nothing harms only itself.

Slot 0 is a good worker all the time; every other slot does what HOSTILE says.
"""

import time

from harness import Failed, timeout, wait_until
from harness import http, proc


def start(env, how, port, *more, workers=2):
    python = env.need_program("python3")
    app = env.fixture("native.py")
    return env.start("--port", port, "--workers", workers, "--protocol", "native", "--env",
                     f"HOSTILE={how}", "--restart-limit", "2/60s", "--backoff", "10ms..20ms",
                     "--on-failed", "hold", *more, "--", python, "native.py", cwd=app.parent,
                     ready=False)


def check_harm(m, port, reason):
    """Slot 1 ends with this reason, again and again until it is failed; slot 0 stays."""
    good = wait_until("slot 0 is ready", lambda: [
        w for w in m.workers(state="ready") if w["slot"] == 0], 15, 0.1)[0]["pid"]
    wait_until("slot 1 is failed", lambda: [
        w for w in m.workers(state="failed") if w["slot"] == 1], 20, 0.1)
    ends = m.events("worker.exit")
    if {e["slot"] for e in ends} != {1}:
        raise Failed(f"not only slot 1 died: {[(e['slot'], e['reason']) for e in ends]}")
    if {e["reason"] for e in ends} != {reason}:
        raise Failed(f"reasons {[e['reason'] for e in ends]}, not {reason}")
    if m.workers(state="ready")[0]["pid"] != good:
        raise Failed("slot 0 was harmed")
    if http.get(port).text != "slot 0":
        raise Failed("slot 0 does not answer")
    if m.pool()["state"] != "degraded":
        raise Failed(f"the pool is {m.pool()['state']}")


def run_case(env, how, reason="protocol"):
    port = env.port()
    m = start(env, how, port)
    check_harm(m, port, reason)
    # native.py gives away /dev/null; the master's own are stdin and what workers get as theirs.
    gifts = [what for what in proc.descriptors(m.pid).values() if what == "/dev/null"]
    if len(gifts) > 3:
        raise Failed(f"the master keeps {len(gifts)} descriptors of /dev/null")
    m.stop()


def test_rubbish(env):
    run_case(env, "rubbish")


def test_nul_byte(env):
    run_case(env, "nul")


def test_too_long(env):
    run_case(env, "long")


def test_a_descriptor(env):
    run_case(env, "descriptor")


def test_too_many_descriptors(env):
    run_case(env, "descriptors")


@timeout(90)
def test_nothing_at_all(env):
    port = env.port()
    m = start(env, "silent", port, "--ready-timeout", "500ms")
    check_harm(m, port, "ready_timeout")
    m.stop()


def test_flood_does_not_stop_the_master(env):
    port = env.port()
    m = start(env, "flood", port)
    wait_until("a ready worker", lambda: m.workers(state="ready"), 15)
    end = time.monotonic() + 2.5
    slowest = 0.0
    while time.monotonic() < end:
        started = time.monotonic()
        if http.get(port).outcome != http.OK:
            raise Failed("the good worker does not answer")
        for worker in m.workers():
            if "\x1b" in (worker["status_text"] or ""):
                raise Failed("a control character came through")
        slowest = max(slowest, time.monotonic() - started)
    if slowest > 2:
        raise Failed(f"status took {slowest:.1f} s under a flood")
    m.stop()


def test_flood_of_suicides_is_one(env):
    port = env.port()
    m = start(env, "suicide-flood", port, "--on-failed", "hold", "--drain-timeout", "2s")
    wait_until("slot 1 is failed", lambda: [
        w for w in m.workers(state="failed") if w["slot"] == 1], 20, 0.1)
    said = [e["pid"] for e in m.events("worker.suicide")]
    if len(said) != len(set(said)):
        raise Failed("the suicide of one life was counted more than once")
    births = [e for e in m.events("worker.spawn") if e["slot"] == 1]
    if len(births) > 3:
        raise Failed(f"{len(births)} births for a limit of 2 restarts")
    m.stop()


def test_worker_that_ignores_the_stop_signal(env):
    port = env.port()
    m = start(env, "ignore-term", port, "--stop-timeout", "500ms", "--drain-timeout", "500ms")
    m.wait_workers(2)
    pids = [w["pid"] for w in m.workers()]
    started = time.monotonic()
    m.stop()
    if time.monotonic() - started > 8:
        raise Failed("it took too long")
    if any(proc.exists(pid) for pid in pids):
        raise Failed("the worker lives on")
