# SPDX-License-Identifier: MIT
"""How a master ends: asked, killed, with its terminal."""

import json
import os
import signal
import socket
import threading
import time

from harness import Failed, timeout, wait_until
from harness import http, leftovers, proc
from test_reload_unix import SERVER


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


# ---- programs that know no word: the kernel refuses new connections, what is begun is finished ----

SIZE = 16 << 20


class Download:
    """A large file from http.server, of which the client has read the beginning."""

    def __init__(self, port, host="127.0.0.1"):
        self._socket = socket.create_connection((host, port), 30)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        self._socket.sendall(b"GET /large HTTP/1.0\r\n\r\n")
        self._got = len(self._socket.recv(4096))

    def rest(self):
        """Whether all of it came."""
        with self._socket:
            try:
                while piece := self._socket.recv(1 << 20):
                    self._got += len(piece)
            except OSError:
                return False
        return self._got > SIZE


def files(env, *command):
    app = env.app(index_html="here")
    (app / "large").write_bytes(b"x" * SIZE)
    (app / "large").chmod(0o644)
    return app, (env.need_program("python3"), "-m", "http.server", *command)


def refused(port, hosts=("127.0.0.1", "::1")):
    """At once, by everybody; a wait would be as bad as a cut."""
    for host in hosts:
        answer = http.get((host, port), seconds=5)
        if answer.outcome != http.REFUSED or "refused" not in answer.error:
            raise Failed(f"{host}: {answer}")


def aside(env, *args):
    """A client command, while the test goes on; its result waits for it."""
    box = []
    t = threading.Thread(target=lambda: box.append(env.client(*args, seconds=50)), daemon=True)
    t.start()

    def result():
        t.join()
        if box[0].returncode != 0:
            raise Failed(f"{box[0].stdout} {box[0].stderr}")

    return result


def all_are_leaving(m):
    return not m.workers(state="ready")


@timeout(60)
def test_a_download_is_finished_in_a_stop(env):
    port = env.port()
    app, command = files(env, "--bind", "::", port)
    for host, how in (("127.0.0.1", "term"), ("::1", "stop"), ("::1", "pool")):
        m = env.start("--port", port, "--workers", 3, "--", *command, cwd=app)
        m.wait_workers(3)
        download = Download(port, host)
        if how == "term":
            m.send(signal.SIGTERM)
        else:
            stopped = aside(env, "stop", *(("web",) if how == "pool" else ()))
        wait_until("all are leaving", lambda m=m: all_are_leaving(m))
        refused(port)
        wait_until("who has nobody is gone", lambda m=m: len(m.workers(state="draining")) == 1)
        time.sleep(1)
        if not download.rest():
            raise Failed(f"{how} {host}: it was cut")
        if how != "term":
            stopped()
        if how == "pool":
            if m.pool()["usage"]["connections_cut"]:
                raise Failed("one was counted as cut")
            refused(port)
            m.ctl("start", "web", seconds=20)
            for address in ("127.0.0.1", "::1"):
                answer = http.get((address, port))
                if answer.outcome != http.OK:
                    raise Failed(f"started again, {address}: {answer}")
            m.stop()
        m.wait_exit(0)


@timeout(60)
def test_a_download_is_finished_when_apply_stops_its_pool(env):
    first, second = env.port(), env.port()
    app, command = files(env)
    path = env.dir / "shop.yaml"

    def write(*pools):
        path.write_text(json.dumps({"name": "shop", "pools": [
            {"name": name, "port": port, "cwd": str(app), "workers": 2,
             "command": [*command, str(port)], **more} for name, port, more in pools]}))
        path.chmod(0o644)

    write(("web", first, {}), ("other", second, {}))
    m = env.start("-c", path)
    m.wait_workers(2)
    download = Download(first)
    write(("web", first, {"balance": "sticky"}), ("other", second, {}))
    applied = aside(env, "apply")
    wait_until("it is replaced", lambda: m.pool()["state"] == "draining")
    refused(first)
    time.sleep(1)
    if not download.rest():
        raise Failed("of the pool that is replaced: it was cut")
    applied()
    if http.get(first).outcome != http.OK:
        raise Failed("the new one does not serve")
    download = Download(first)
    write(("other", second, {}))
    applied = aside(env, "apply")
    wait_until("it is on its way", lambda: m.pool()["state"] == "draining")
    refused(first)
    if http.get(second).outcome != http.OK:
        raise Failed("the other one has not to do with it")
    time.sleep(1)
    if not download.rest():
        raise Failed("of the pool that is removed: it was cut")
    applied()
    wait_until("it is gone", lambda: len(m.status()["pools"]) == 1, 15)
    m.stop()


@timeout(60)
def test_a_download_by_a_unix_socket_is_finished_in_a_stop(env):
    """Its path leads nowhere then, and to the next start's socket."""
    app, port = env.app(server_py=SERVER), env.port()
    folder = app / "sockets"
    folder.mkdir()
    folder.chmod(0o755)
    path = folder / "web.sock"
    m = env.start("--listen", f"unix:{path},mode=0666", "--port", port, "--workers", 2, "--env",
                  f"AT={path}", "--", env.need_program("python3"), "server.py", cwd=app)
    for how in ("pool", "term"):
        m.wait_workers(2)
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(str(path))
            s.sendall(b"GET /large HTTP/1.0\r\n\r\n")
            got = len(s.recv(4096))
            if how == "term":
                m.send(signal.SIGTERM)
            else:
                stopped = aside(env, "stop", "web")
            wait_until("all are leaving", lambda: all_are_leaving(m))
            refused(port)
            if http.get(str(path)).outcome != http.REFUSED:
                raise Failed("its path leads there still")
            time.sleep(1)
            while piece := s.recv(1 << 20):
                got += len(piece)
        if got < 16 << 20:
            raise Failed(f"{how}: {got} bytes came")
        if how == "term":
            break
        stopped()
        if os.listdir(folder):
            raise Failed(f"{os.listdir(folder)} was left")
        m.ctl("start", "web", seconds=20)
        if http.get(str(path)).outcome != http.OK:
            raise Failed("it was started again")
    m.wait_exit(0)
    if os.listdir(folder):
        raise Failed(f"{os.listdir(folder)} was left")


@timeout(60)
def test_who_waits_in_the_queue_is_answered_in_a_stop(env):
    app, command = files(env, port := env.port())
    m = env.start("--port", port, "--workers", 1, "--", *command, cwd=app)
    worker = m.wait_workers(1)[0]
    os.kill(worker["pid"], signal.SIGSTOP)
    try:
        answers = [http.background(port, "/") for _ in range(8)]
        wait_until("they wait", lambda: m.pool()["accept_queue"] == 8)
        m.send(signal.SIGTERM)
        wait_until("it stops", lambda: all_are_leaving(m))
        refused(port, ["127.0.0.1"])
        time.sleep(1)
    finally:
        os.kill(worker["pid"], signal.SIGCONT)
    for answer in answers:
        got = answer()
        if got.outcome != http.OK:
            raise Failed(str(got))
    m.wait_exit(0)


@timeout(60)
def test_who_never_ends_is_cut_and_counted_in_a_stop(env):
    app, command = files(env, port := env.port())
    m = env.start("--port", port, "--workers", 2, "--drain-timeout", "1s", "--", *command, cwd=app)
    m.wait_workers(2)
    with socket.create_connection(("127.0.0.1", port), 10) as s:
        s.sendall(b"GET / HT")       # half a request: it has something to say still
        wait_until("it is accepted", lambda: sum(w["connections"] for w in m.workers()) == 1)
        m.ctl("stop", "web", seconds=20)
    if m.pool()["usage"]["connections_cut"] != 1:
        raise Failed(f"{m.pool()['usage']}")
    m.stop()


@timeout(60)
def test_a_second_term_ends_what_drains(env):
    app, command = files(env, port := env.port())
    m = env.start("--port", port, "--workers", 1, "--", *command, cwd=app)
    m.wait_workers(1)
    download = Download(port)
    m.send(signal.SIGTERM)
    wait_until("it stops", lambda: all_are_leaving(m))
    began = time.monotonic()
    m.stop(signal.SIGTERM, code=1)
    if time.monotonic() - began > 5:
        raise Failed("not at once")
    if download.rest():
        raise Failed("so it was finished?")


@timeout(60)
def test_nobody_is_waited_for_in_an_idle_stop(env):
    app, command = files(env, port := env.port())
    m = env.start("--port", port, "--workers", 3, "--drain-idle", "60s", "--", *command, cwd=app)
    m.wait_workers(3)
    m.ctl("stop", "web", seconds=20)
    if m.events("worker.drain"):
        raise Failed(f"{m.events('worker.drain')}")
    m.ctl("start", "web", seconds=20)
    m.wait_workers(3)
    with socket.create_connection(("127.0.0.1", port), 10):      # and never says anything
        wait_until("it is accepted", lambda: sum(w["connections"] for w in m.workers()) == 1)
        began = time.monotonic()
        m.ctl("stop", "web", seconds=20)
        if time.monotonic() - began > 8:
            raise Failed("who rests was waited for")
    if m.pool()["usage"]["connections_cut"]:
        raise Failed("one was counted as cut")
    m.stop()


@timeout(60)
def test_where_nobody_can_be_refused_the_signal_comes_at_once(env):
    """Without bpf(2), with one socket for all, and where a person wants the signal."""
    port = env.port()
    app, command = files(env, port)
    for under, args in (([str(env.build / "helpers" / "deny"), "bpf=EPERM", "--"], ()),
                        ((), ("--balance", "shared")), ((), ("--drain", "signal"))):
        m = env.start("--port", port, "--workers", 1, *args, "--", *command, cwd=app, under=under)
        m.wait_workers(1)
        download = Download(port)
        m.ctl("stop", "web", seconds=20)
        if m.events("worker.drain") or download.rest():
            raise Failed(f"{under} {args}: it was watched")
        m.stop()
