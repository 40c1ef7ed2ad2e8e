# SPDX-License-Identifier: MIT
"""The built-in worker by itself: its pages, its drain, its ends. fake_master.py is its master."""

import http.client
import os
import signal
import socket
import threading
import time

from fake_master import FakeMaster
from harness import Failed
from harness.env import BUILD


def start(*args, spare=False, **hello):
    master = FakeMaster([str(BUILD / "mpsup-worker"), *args], spare)
    if spare:
        master.hear_until("PARKED=1")
    master.hello(**hello)
    master.hear_until("READY=1")
    return master


def ask(connection, path, method="GET", body=None):
    connection.request(method, path, body=body)
    answer = connection.getresponse()
    return answer, answer.read().decode()


def connect(master):
    return http.client.HTTPConnection("127.0.0.1", master.port, timeout=5)


def check(what, found, expected):
    if found != expected:
        raise Failed(f"{what}: {found!r}, not {expected!r}")


def test_pages(_env):
    with start() as m:
        c = connect(m)
        answer, text = ask(c, "/")
        first, second, rest = text.split("\n")
        check("type", answer.headers["Content-Type"], "text/plain; charset=utf-8")
        check("length", answer.headers["Content-Length"], str(len(text)))
        check("first line", first, f"I am worker, pid:{m.pid}, ppid:{os.getpid()}")
        check("second line", second.rsplit(":", 1)[0],
              f"slot:1 host-pid:{m.pid} generation:3 cpu")
        check("rest", rest, "")
        check("/healthz", ask(c, "/healthz")[1], "ok\n")
        for path, method, status in (
                ("/nothing", "GET", 404), ("/", "POST", 405), ("/slow", "GET", 400),
                ("/slow?ms=", "GET", 400), ("/slow?ms=-1", "GET", 400),
                ("/slow?ms=600001", "GET", 400), ("/slow?ms=1x", "GET", 400),
                ("/slow?ms=99999999999999999999", "GET", 400), ("/slow?ms=0", "GET", 200),
                ("/crash", "GET", 404), ("/exit?code=3", "GET", 404), ("/", "HEAD", 200),
                ("//", "GET", 404), ("/healthz?x=1", "GET", 200)):
            check(f"{method} {path}", ask(c, path, method)[0].status, status)
        check("a body", ask(connect(m), "/", "POST", b"x" * 300000)[0].status, 405)
        check("GET with a body", ask(c, "/healthz", "GET", b"x" * 300000)[0].status, 200)
        c.close()


def test_host_pid_that_was_not_told(_env):
    with start(HOST_PID=None) as m:
        check("second line", ask(connect(m), "/")[1].split("\n")[1].split(" ")[1], "host-pid:-")


def test_two_sockets_one_of_them_unix(env):
    path = str(env.dir / "web.sock")
    with socket.socket(socket.AF_UNIX) as local, \
         FakeMaster([str(BUILD / "mpsup-worker")]) as m:
        local.bind(path)
        local.listen()
        local.setblocking(False)
        m.hello([m.listener.fileno(), local.fileno()], LISTEN_FDNAMES="http:local")
        m.hear_until("READY=1")
        check("TCP", ask(connect(m), "/healthz")[1], "ok\n")
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(5)
            client.connect(path)
            client.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
            answer = b"".join(iter(lambda: client.recv(4096), b""))
            check("unix", answer.rsplit(b"\r\n\r\n", 1)[1], b"ok\n")
        m.drain()
        check("exit", m.exit_status(2), 0)


def test_full_house(_env):
    """Past its limit a worker leaves connections in the queue, and takes them as others end."""
    with FakeMaster(["prlimit", "--nofile=96", str(BUILD / "mpsup-worker")]) as m:
        m.hello()
        m.hear_until("READY=1")
        idle = [socket.create_connection(("127.0.0.1", m.port)) for _ in range(80)]
        late = connect(m)
        late.request("GET", "/healthz")
        late.sock.settimeout(0.3)
        try:
            raise Failed(f"answered though full: {late.sock.recv(100)!r}")
        except TimeoutError:
            pass
        ticks = sum(map(int, open(f"/proc/{m.pid}/stat", encoding="ascii").read().split()[13:15]))
        if ticks > 10:
            raise Failed(f"a full worker burns the CPU: {ticks} ticks")
        for s in idle:
            s.close()
        late.sock.settimeout(5)
        check("answer", late.getresponse().read(), b"ok\n")
        m.drain()
        check("exit", m.exit_status(2), 0)


def test_two_workers_share_one_socket(_env):
    """200 requests, each on a connection of its own, 20 at a time: both workers answer."""
    def answers(port):
        for _ in range(10):
            c = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            seen.append(ask(c, "/")[1].split("\n")[1].split(" ")[0])
            c.close()

    seen = []
    with start(SLOT=0) as first, FakeMaster([str(BUILD / "mpsup-worker")]) as second:
        second.hello([first.listener.fileno()], SLOT=1)
        second.hear_until("READY=1")
        threads = [threading.Thread(target=answers, args=(first.port,)) for _ in range(20)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    check("answers", len(seen), 200)
    check("workers", set(seen), {"slot:0", "slot:1"})


def test_keep_alive_and_many_at_once(_env):
    with start() as m:
        clients = [connect(m) for _ in range(100)]
        for _ in range(3):
            for c in clients:
                c.request("GET", "/healthz")
            for c in clients:
                check("answer", c.getresponse().read(), b"ok\n")
        for c in clients:
            c.close()


def test_slow_waits_without_holding_up(_env):
    with start() as m:
        begin = time.monotonic()
        slow, quick = connect(m), connect(m)
        slow.request("GET", "/slow?ms=300")
        check("/healthz", ask(quick, "/healthz")[1], "ok\n")
        if time.monotonic() - begin > 0.2:
            raise Failed("/slow held up another connection")
        check("/slow", slow.getresponse().read(), b"waited 300 ms\n")
        if not 0.29 < time.monotonic() - begin < 1.5:
            raise Failed(f"/slow took {time.monotonic() - begin:.3f} s")


def test_demo_ends(_env):
    with start("--demo") as m:
        connect(m).request("GET", "/crash")
        check("/crash", m.exit_status(), -signal.SIGSEGV)
    with start("--demo") as m:
        check("bad code", ask(connect(m), "/exit?code=256")[0].status, 400)
        connect(m).request("GET", "/exit?code=42")
        check("/exit", m.exit_status(), 42)


def test_drain_when_idle(_env):
    with start() as m:
        m.drain()
        m.hear_until("STOPPING=1")
        check("exit", m.exit_status(1), 0)


def test_drain_finishes_what_is_open(_env):
    with start() as m:
        slow, idle, fresh = connect(m), connect(m), connect(m)
        ask(idle, "/healthz")
        fresh.connect()
        slow.request("GET", "/slow?ms=600")
        time.sleep(0.1)
        m.drain()
        m.hear_until("STOPPING=1")
        late = socket.create_connection(("127.0.0.1", m.port))    # stays in the queue
        check("idle keep-alive", idle.sock.recv(1), b"")
        answer, text = ask(fresh, "/healthz")
        check("accepted before", (text, answer.headers["Connection"]), ("ok\n", "close"))
        answer = slow.getresponse()
        check("slow", (answer.read(), answer.headers["Connection"]),
              (b"waited 600 ms\n", "close"))
        check("exit", m.exit_status(1), 0)
        late.settimeout(0.1)
        taken = m.listener.accept()[0]
        taken.close()
        late.close()


def test_drain_ends_at_its_time(_env):
    with start() as m:
        c = connect(m)
        c.request("GET", "/slow?ms=20000")
        time.sleep(0.1)
        begin = time.monotonic()
        m.drain(0.5)
        check("exit", m.exit_status(3), 0)
        if time.monotonic() - begin < 0.45:
            raise Failed("ended before the drain's time")


def test_signals(_env):
    for sig in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        with start() as m:
            c = connect(m)
            c.request("GET", "/slow?ms=200")
            time.sleep(0.05)
            m.process.send_signal(sig)
            check("answer", c.getresponse().read(), b"waited 200 ms\n")
            check("exit", m.exit_status(1), 0)


def test_master_gone(_env):
    with start() as m:
        m.channel.close()
        check("exit, idle", m.exit_status(1), 0)
    with start() as m:
        c = connect(m)
        c.request("GET", "/slow?ms=400")
        time.sleep(0.1)
        m.channel.close()
        check("answer", c.getresponse().read(), b"waited 400 ms\n")
        check("exit, busy", m.exit_status(1), 0)


def test_spare_parks(_env):
    with start(spare=True) as m:
        check("answer", ask(connect(m), "/healthz")[1], "ok\n")
    with FakeMaster([str(BUILD / "mpsup-worker")], spare=True) as m:
        m.hear_until("PARKED=1")
        m.drain()
        check("a parked spare leaves", m.exit_status(1), 0)


def test_watchdog(_env):
    with start(WATCHDOG_USEC=200000) as m:
        begin = time.monotonic()
        for _ in range(5):
            m.hear_until("WATCHDOG=1", 1)
        if not 0.3 < time.monotonic() - begin < 0.9:
            raise Failed(f"5 pings in {time.monotonic() - begin:.2f} s")


def test_bad_masters(_env):
    for how in ({"LISTEN_FDS": 2}, {"SLOT": "x"}, {"SLOT": 2}, {"LISTEN_FDNAMES": "a:b"}):
        with FakeMaster([str(BUILD / "mpsup-worker")]) as m:
            m.hello(**how)
            check(f"exit after {how}", m.exit_status(2), 1)
            if b"protocol" not in m.process.stderr.read():
                raise Failed("said nothing about it")


def test_half_requests_and_hang_ups(_env):
    with start() as m:
        for text in (b"", b"GET", b"GET / HTTP/1.1\r\nHost", b"\0\1\2\r\n\r\n", b"x" * 100000,
                     b"GET /slow?ms=300 HTTP/1.1\r\nHost: a\r\n\r\n"):
            s = socket.create_connection(("127.0.0.1", m.port))
            try:
                s.sendall(text)
            except OSError:
                pass
            s.close()
        time.sleep(0.5)
        check("answer", ask(connect(m), "/healthz")[1], "ok\n")
        m.drain()
        check("exit", m.exit_status(2), 0)


def test_drain_under_load_loses_nothing(_env):
    """Clients that open a connection for each request: each one accepted is answered."""
    with start() as m:
        stop, bad, count = threading.Event(), [], [0]

        def client():
            while not stop.is_set():
                s = socket.create_connection(("127.0.0.1", m.port))
                s.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
                s.settimeout(0.3)
                try:
                    data = s.recv(1000)
                    if not data.startswith(b"HTTP/1.1 200"):
                        bad.append(data)
                    count[0] += 1
                except TimeoutError:
                    pass        # in the queue, for a sibling
                except OSError as error:
                    bad.append(error)
                s.close()

        threads = [threading.Thread(target=client) for _ in range(8)]
        for t in threads:
            t.start()
        time.sleep(0.5)
        m.drain()
        check("exit", m.exit_status(3), 0)
        stop.set()
        for t in threads:
            t.join()
        check("bad answers", bad, [])
        if count[0] < 20:
            raise Failed(f"only {count[0]} answers")
