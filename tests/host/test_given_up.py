# SPDX-License-Identifier: MIT
"""Slots that were stopped and pools that have failed: whoever waits there hears of it, whoever
comes is refused or goes elsewhere, and with the next worker all is as it was."""

import errno
import signal
import socket

from harness import Failed, wait_until
from harness import http, proc, programs
from harness.spread import all_serve

# One that takes its time, one after another: clients wait in its queue.
SLOW = """
import os, socket, sys, time
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('0.0.0.0', int(sys.argv[1])))
s.listen(50)
while True:
    c, _ = s.accept()
    time.sleep(0.1)
    try:
        c.recv(4096)
        c.sendall(b'HTTP/1.0 200 OK\\r\\nContent-Length: 4\\r\\n\\r\\nhere')
    except OSError:
        pass
    c.close()
"""

HOLD = ("--workers", 2, "--restart-limit", "1/600s", "--backoff", "0ms..0ms", "--on-failed", "hold")


def test_a_stopped_slot_leaves_nobody_waiting(env):
    port = env.port()
    app = env.app(slow_py=SLOW)
    m = env.start("--workers", 3, "--port", port, "--", env.need_program("python3"), "slow.py",
                  port, cwd=app)
    asked = [http.background(port, "/", 10) for _ in range(45)]
    wait_until("they wait in its queue", lambda: [
        w for w in m.workers() if w["slot"] == 1 and w["connections"] > 0])
    m.ctl("stop", "web/1")
    answers = [result() for result in asked]
    hung = [a for a in answers if a.outcome in (http.HUNG, http.REFUSED)]
    if hung:
        raise Failed(f"{len(hung)} of {len(asked)} clients: {hung[0]}")
    m.ctl("start", "web/1")
    all_serve(m, port)
    m.stop()


def connect(where):
    kind = socket.AF_INET if isinstance(where, int) else socket.AF_UNIX
    s = socket.socket(kind)
    s.settimeout(10)
    try:
        s.connect(("127.0.0.1", where) if isinstance(where, int) else str(where))
        s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    except OSError:
        pass
    return s


def check_ended(clients):
    """Answered, or told that nobody will."""
    for n, s in enumerate(clients):
        try:
            with s:
                while s.recv(65536):
                    pass
        except (TimeoutError, socket.timeout):
            raise Failed(f"client {n + 1} of {len(clients)} waits for ever") from None
        except OSError:
            pass


def fail(m, where):
    """Kills until nothing is tried any more; whoever comes meanwhile waits at a stopped one."""
    clients = []

    def has_failed():
        for w in m.workers(state="ready"):
            proc.kill(w["pid"], signal.SIGSTOP)
            clients.extend(connect(where) for _ in range(3))
            proc.kill(w["pid"])
        return m.pool()["state"] == "failed"

    wait_until("the pool has failed", has_failed, 20, 0.05)
    check_ended(clients)
    a = http.get(where, seconds=5)
    if a.outcome != http.REFUSED:
        raise Failed(f"a client of a failed pool: {a}")


def still_ours(port):
    with socket.socket() as s:
        try:
            s.bind(("0.0.0.0", port))
        except OSError as e:
            if e.errno == errno.EADDRINUSE:
                return
        raise Failed(f"anybody may have port {port} now")


def check_failed_pool(m, port):
    fail(m, port)
    still_ours(port)
    m.ctl("reset", "web")
    m.wait_workers(2)
    all_serve(m, port, 2)
    fail(m, port)
    for slot in (1, 0):  # one of them gets the last socket, whoever had it
        m.ctl("reset", f"web/{slot}")
        m.wait_workers(2 - slot)
        for a in http.many(port, 20, 4):
            if a.outcome != http.OK:
                raise Failed(f"after the reset of slot {slot}: {a}")
    all_serve(m, port, 2)
    m.ctl("stop", "web/1")
    m.ctl("start", "web/1")
    all_serve(m, port, 2)
    m.stop()


def check_with(env, balance, *tail, cwd=None, protocol=None):
    port = env.port()
    more = ("--protocol", protocol) if protocol else ()
    tail = [port if word == "PORT" else word for word in tail]
    m = env.start("--port", port, "--balance", balance, *HOLD, *more, *tail, cwd=cwd)
    check_failed_pool(m, port)


def test_builtin_shared(env):
    check_with(env, "shared")


def test_builtin_reuseport(env):
    check_with(env, "reuseport")


def test_builtin_roundrobin(env):
    check_with(env, "roundrobin")


def check_node(env, balance):
    app, command = programs.node(env, "PORT")
    check_with(env, balance, "--", *command, cwd=app)


def test_node_shared(env):
    check_node(env, "shared")


def test_node_reuseport(env):
    check_node(env, "reuseport")


def test_node_sticky(env):
    check_node(env, "sticky")


def check_binds(env, balance, protocol):
    app = env.fixture("binds.py")
    check_with(env, balance, "--", env.need_program("python3"), "binds.py", "PORT", "plain",
               cwd=app.parent, protocol=protocol)


def test_bind_shared(env):
    check_binds(env, "shared", "bind")


def test_bind_reuseport(env):
    check_binds(env, "reuseport", "bind")


def test_auto_reuseport(env):
    check_binds(env, "reuseport", "auto")


def check_activated(env, balance, protocol):
    app = env.fixture("activated.py")
    check_with(env, balance, "--", env.need_program("python3"), "activated.py", "poll",
               cwd=app.parent, protocol=protocol)


def test_activated_shared(env):
    check_activated(env, "shared", "systemd")


def test_activated_reuseport(env):
    check_activated(env, "reuseport", "systemd")


def test_activated_by_auto(env):
    check_activated(env, "reuseport", "auto")


def check_unix(env, path, *tail, cwd=None):
    m = env.start("--listen", f"unix:{path},mode=0666", *HOLD, *tail, cwd=cwd)
    for _ in range(2):
        fail(m, path)
        m.ctl("reset", "web")
        m.wait_workers(2)
        for a in http.many(path, 20, 4):
            if a.outcome != http.OK:
                raise Failed(f"after the reset: {a}")
    m.stop()


def test_unix_builtin(env):
    check_unix(env, env.dir / "web.sock")


def test_unix_bind(env):
    app, path = env.fixture("binds.py"), env.dir / "web.sock"
    check_unix(env, path, "--protocol", "bind", "--", env.need_program("python3"), "binds.py", 1,
               "unix", path, cwd=app.parent)


def test_the_last_socket_goes_to_who_comes_first(env):
    """Slot 0 waits, slot 1 is given up for good and had the last socket: what waits there is
    slot 0's."""
    port = env.port()
    app = env.fixture("binds.py")
    m = env.start("--workers", 2, "--port", port, "--restart-limit", "2/600s", "--backoff",
                  "2s..2s", "--", env.need_program("python3"), "binds.py", port, "plain",
                  cwd=app.parent)

    def lose(slot, state):
        w = wait_until(f"slot {slot} is there", lambda: [
            w for w in m.workers(state="ready") if w["slot"] == slot], 15)[0]
        proc.kill(w["pid"])
        wait_until(f"slot {slot} is {state}", lambda: [
            v for v in m.workers(state=state) if v["slot"] == slot and v["pid"] != w["pid"]])

    lose(1, "ready")
    lose(1, "backoff")
    lose(0, "ready")
    wait_until("slot 1 is back", lambda: len(m.workers(state="ready")) == 2, 15)
    lose(0, "backoff")
    lose(1, "failed")
    clients = [http.background(port, "/", 10) for _ in range(6)]
    for result in clients:
        a = result()
        if a.outcome != http.OK:
            raise Failed(f"a client that waited for slot 0: {a}")
    if m.workers(state="failed")[0]["slot"] != 1:
        raise Failed("slot 1 is back too")
    m.stop()
