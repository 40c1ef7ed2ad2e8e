# SPDX-License-Identifier: MIT
"""Who gets a connection: groups of sockets, one for each slot."""

import socket
import time

from harness import Failed, timeout, wait_until
from harness import http, proc

NODE = """
require('http').createServer((q, r) => r.end(`slot ${process.env.MPSUP_WORKER}`))
  .listen(Number(process.argv[2]));
"""


def start(env, port, mode, *more, workers=3, program="binds.py", **kw):
    """By bind, by native or by node-cluster: the same promise."""
    if program == "binds.py":
        app = env.fixture(program)
        tail = ("--protocol", "bind", "--", env.need_program("python3"), program, port, "plain")
        cwd = app.parent
    elif program == "node":
        cwd = env.app(app_js=NODE)
        tail = ("--", env.need_program("node"), "app.js", port)
    else:
        cwd, tail = env.dir, ()
    return env.start("--workers", workers, "--port", port, "--balance", mode, *more, *tail,
                     cwd=cwd, **kw)


def by(source, port):
    """Which slot answers a client of this address."""
    s = socket.socket()
    s.settimeout(10)
    s.bind((source, 0))
    s.connect(("127.0.0.1", port))
    s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    data = b""
    while True:
        more = s.recv(4096)
        if not more:
            break
        data += more
    s.close()
    if b"slot" not in data:
        raise Failed(f"{source}: {data}")
    return data.split(b"slot", 1)[1].split()[0].strip(b":,").decode()


def slots(port, count=60):
    return {by("127.0.0.1", port) for _ in range(count)}


def check_group(env, program):
    port = env.port()
    m = start(env, port, "reuseport", program=program)
    if slots(port) != {"0", "1", "2"}:
        raise Failed("not all serve")
    m.ctl("stop", "web/1")
    if slots(port) != {"0", "2"}:
        raise Failed("a stopped slot is asked")
    m.ctl("start", "web/1")
    m.wait_workers(3)
    if slots(port) != {"0", "1", "2"}:
        raise Failed("slot 1 gets nothing after its return")
    m.stop()


def test_group_of_binding_programs(env):
    check_group(env, "binds.py")


def test_group_of_node_programs(env):
    check_group(env, "node")


def test_group_of_builtin_workers(env):
    port = env.port()
    m = start(env, port, "reuseport", program="")
    held = [socket.create_connection(("127.0.0.1", port)) for _ in range(60)]
    wait_until("each has its share", lambda: all(w["connections"] for w in m.workers()))
    for s in held:
        s.close()
    m.stop()


def check_sticky(env, program):
    port = env.port()
    m = start(env, port, "sticky", program=program)
    sources = [f"127.0.0.{n}" for n in range(2, 42)]
    home = {s: by(s, port) for s in sources}
    if set(home.values()) != {"0", "1", "2"}:
        raise Failed(f"40 addresses went to {set(home.values())} alone")
    for _ in range(3):
        if {s: by(s, port) for s in sources} != home:
            raise Failed("an address changed its worker")
    for slot in ("1", "0", "2", "0"):     # first, last and between in the kernel's order
        check_away_and_home(m, port, home, slot)
    m.stop()


def check_away_and_home(m, port, home, slot):
    m.ctl("stop", f"web/{slot}")
    away = {s: by(s, port) for s in home}
    moved = [s for s in home if away[s] != home[s]]
    if any(home[s] != slot for s in moved) or slot in away.values():
        raise Failed(f"more moved than those of the stopped worker {slot}: {home}, then {away}")
    m.ctl("start", f"web/{slot}")
    m.wait_workers(3)
    back = {s: by(s, port) for s in home}
    if back != home:
        raise Failed(f"those of {slot} did not come home: {home}, then {back}")


def test_sticky_group_of_binding_programs(env):
    check_sticky(env, "binds.py")


def test_sockets_shut_by_workers_keep_their_addresses(env):
    """The kernel numbers the members of a group anew when one leaves and comes back."""
    port = env.port()
    m = start(env, port, "sticky", workers=4)
    home = {s: by(s, port) for s in [f"127.0.0.{n}" for n in range(2, 42)]}
    for slot in ("1", "3", "0", "2", "2"):
        source = next(s for s in home if home[s] == slot)
        if http.get(("127.0.0.1", port, source), "/shut").outcome != http.OK:
            raise Failed(f"slot {slot} did not shut its socket")
        # Until the master has seen it others take its clients.
        wait_until(f"slot {slot} has shut its socket, and all are at home again",
                   lambda: {s: by(s, port) for s in home} == home)
    m.stop()


@timeout(90)
def test_kills_in_a_group(env):
    port = env.port()
    m = start(env, port, "reuseport", "--restart-limit", "1000/60s", "--backoff", "0ms..0ms",
              "--spares", 1, program="node")
    with http.Load(port, 6, seconds=15) as load:
        for n in range(16):
            w = m.workers(state="ready")
            if w:
                proc.kill(w[n % len(w)]["pid"])
            time.sleep(0.3)
    for bad in (http.REFUSED, http.HUNG):
        if load.count(bad):
            raise Failed(f"{load.count(bad)} {bad} of {len(load.results)}")
    m.stop()
