# SPDX-License-Identifier: MIT
"""Sockets that mpsup's own starter holds (a .socket unit): they are used as they are, and
outlive a master, with those who wait in their queues."""

import contextlib
import os
import signal
import socket
import threading
import time

from harness import Failed, http, proc, programs, timeout, wait_until

STARTER = ("sh", "-c", "export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=web; exec \"$@\"", "sh")
UNIX = """
import socket
s = socket.socket(fileno=3)
while True:
    c, _ = s.accept()
    c.recv(4096)
    name = s.getsockname().encode()
    c.sendall(b"HTTP/1.0 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n%s" % (len(name), name))
    c.close()
"""


class Held:
    """What systemd does for a .socket unit: it listens, and starts mpsup with a copy as 3."""

    def __init__(self, port):
        self.socket = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(("::", port))
        self.socket.listen(100)
        self.link = f"/proc/{os.getpid()}/fd/{self.socket.fileno()}"

    def listens(self):
        return self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1


def pull(fds):
    """The harness closes what it does not know: the starter gets these from us by pidfd."""
    return ("python3", "-c", f"""
import ctypes, fcntl, os, sys
libc = ctypes.CDLL(None, use_errno=True)
pidfd = libc.syscall(434, {os.getpid()}, 0)
got = [fcntl.fcntl(libc.syscall(438, pidfd, fd, 0), fcntl.F_DUPFD, 1000) for fd in {fds}]
os.closerange(3, 1000)
for n, fd in enumerate(got):
    os.dup2(fd, 3 + n)
os.closerange(1000, 2000)
os.execvp(sys.argv[1], sys.argv[1:])
""")


def start(env, held, port, *command, **more):
    return env.start("--port", port, "--workers", 2, *command,
                     under=(*pull([held.socket.fileno()]), *STARTER), **more)


class Store:
    """What systemd does for a service with FileDescriptorStoreMax=: it keeps what it is given,
    and starts the next master with that. It looks at none of them (FDPOLL=0)."""

    def __init__(self, env):
        self.env, self.kept, self.said = env, [], []
        self.path = env.dir / "notify"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.path))
        self.reader = threading.Thread(target=self.read, daemon=True)

    def __enter__(self):
        self.reader.start()
        return self

    def __exit__(self, *_):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.sendto(b"OVER=1", str(self.path))
        self.reader.join(10)
        self.socket.close()
        for _, s in self.kept:
            s.close()

    def read(self):
        said = {}
        while "OVER" not in said:
            data, fds, _, _ = socket.recv_fds(self.socket, 4096, 8)
            said = dict(line.split("=", 1) for line in data.decode().splitlines())
            self.said += said
            if said.get("FDSTOREREMOVE") == "1":
                for gone in [k for k in self.kept if k[0] == said["FDNAME"]]:
                    self.kept.remove(gone)
                    gone[1].close()
            for fd in fds:
                s = socket.socket(fileno=fd)
                inode = os.fstat(fd).st_ino
                if any(os.fstat(k.fileno()).st_ino == inode for _, k in self.kept):
                    s.close()
                else:
                    self.kept.append((said["FDNAME"], s))

    def start(self, *command, **more):
        fds = [s.fileno() for _, s in self.kept]
        names = ":".join(name for name, _ in self.kept)
        starter = ("sh", "-c", f"export LISTEN_PID=$$ LISTEN_FDS={len(fds)} "
                   f'LISTEN_FDNAMES={names}; exec "$@"', "sh")
        return self.env.start(*command, under=(*pull(fds), *starter),
                              env={"NOTIFY_SOCKET": str(self.path)}, **more)

    def where(self):
        return [s.getsockname()[1] for _, s in self.kept]


def kill(m):
    m.send(signal.SIGKILL)
    m.wait_exit(-signal.SIGKILL)


def check(env, program, *args):
    port = env.port()
    held = Held(port)
    app, command = program(env, port) if program else (None, None)
    command = (*args, *(("--", *command) if command else ()))
    more = {"cwd": app} if app else {}
    m = start(env, held, port, *command, **more)
    if http.get(port).outcome != http.OK:
        raise Failed("it does not serve")
    for w in m.wait_workers(2):
        os.kill(w["pid"], signal.SIGSTOP)
    waiting = [http.background(port, "/", 40) for _ in range(8)]
    time.sleep(0.3)
    m.send(signal.SIGKILL)
    m.wait_exit(-signal.SIGKILL)
    m = start(env, held, port, *command, **more)
    bad = [r for r in (w() for w in waiting) if r.outcome != http.OK]
    if bad:
        raise Failed(f"{len(bad)} of 8 that waited: {bad[:3]}")
    m.ctl("reload")
    m.ctl("stop", "web")
    if not held.listens():
        raise Failed("a stop of the pool shut down what is not its own")
    m.ctl("start", "web")
    if http.get(port).outcome != http.OK:
        raise Failed("it does not serve again")
    m.stop()
    if not held.listens():
        raise Failed("the end of the master shut down what is not its own")
    held.socket.close()


@timeout(60)
def test_builtin(env):
    check(env, None)


@timeout(60)
def test_node(env):
    check(env, programs.node)


@timeout(60)
def test_activated(env):
    check(env, programs.gunicorn_activated, "--protocol", "systemd", "--balance", "shared")


@timeout(60)
def test_what_nobody_wants_is_told(env):
    held = Held(env.port())
    m = start(env, held, env.port())
    m.wait_line(r"1 socket of the service manager fits no address of a pool")
    m.stop()
    wait_until("it listens", held.listens)
    held.socket.close()


@timeout(60)
def test_the_store_has_what_the_next_master_takes(env):
    """Programs that open their socket themselves get one of the next master's: one that is in
    the store would be in its way, and it could never start."""
    for protocol in ("bind", "auto"):
        port = env.port()
        app, command = programs.http_server(env, port)
        with Store(env) as store:
            for end in (kill, kill, lambda m: m.stop()):
                m = store.start("--port", port, "--workers", 2, "--protocol", protocol, "--balance",
                                "shared", "--", *command, "--bind", "::", cwd=app)
                if http.get(port).outcome != http.OK:
                    raise Failed(f"{protocol}: it does not serve")
                end(m)
            if store.kept:
                raise Failed(f"{protocol}: {store.kept} are kept")
        store.path.unlink()


@timeout(60)
def test_what_is_stale_leaves_the_store(env):
    """The address is another one, or in another form, after a master was killed."""
    first, second = env.port(), env.port()
    with Store(env) as store:
        for n, (listen, port) in enumerate((
                (("--port", first), first), (("--port", second), second),
                (("--listen", f"127.0.0.1:{second}"), second), (("--port", first), first),
                (("--port", first, "--balance", "reuseport"), None), (("--port", first), first))):
            m = store.start(*listen, "--workers", 1)
            if http.get(port or first).outcome != http.OK:
                raise Failed(f"{listen}: it does not serve")
            kept = [port] if port else []
            wait_until(f"{n}: {port} alone is kept", lambda k=kept: store.where() == k)
            m.ctl("upgrade", seconds=20)
            wait_until("still", lambda k=kept: store.where() == k)
            kill(m)
        store.start("--port", first, "--workers", 1).stop()


@timeout(60)
def test_the_store_has_the_socket_that_the_path_leads_to(env):
    path = env.dir / "web.sock"
    app = env.app(server_py=UNIX)
    command = ("--listen", f"unix:{path},mode=0666", "--workers", 1, "--protocol", "systemd", "--",
               env.need_program("python3"), "server.py")
    with Store(env) as store:
        m = store.start(*command, cwd=app)
        for n in range(3):
            wait_until("one is kept", lambda: len(store.kept) == 1)
            m.ctl("reload", "--wait", "drained", seconds=30)
            wait_until("one is kept", lambda: len(store.kept) == 1)
            os.kill(pid := m.wait_workers(1)[0]["pid"], signal.SIGSTOP)
            wait_until("it stands still", lambda p=pid: proc.status(p)["State"][0] == "T")
            waiting = [http.background(str(path), "/", 40) for _ in range(4)]
            wait_until("they wait", lambda: m.pool()["accept_queue"] == 4)
            kill(m)
            m = store.start(*command, cwd=app)
            bad = [r for r in (w() for w in waiting) if r.text != str(path)]
            if bad:
                raise Failed(f"{n}: {len(bad)} of 4 that waited: {bad[:3]}")
        m.stop()
        wait_until("nothing is", lambda: store.kept == [])
    if path.exists():
        raise Failed("its file was left")


@timeout(60)
def test_the_path_of_a_unit_is_not_turned(env):
    path, app = env.dir / "web.sock", env.app(server_py=UNIX)
    with socket.socket(socket.AF_UNIX) as held:
        held.bind(str(path))
        held.listen(100)
        path.chmod(0o666)
        inode = path.stat().st_ino
        m = env.start("--listen", f"unix:{path},mode=0666", "--workers", 2, "--protocol", "systemd",
                      "--", env.need_program("python3"), "server.py", cwd=app,
                      under=(*pull([held.fileno()]), *STARTER))
        for _ in range(2):
            m.ctl("reload", "--wait", "drained", seconds=30)
            if http.get(str(path)).text != str(path) or path.stat().st_ino != inode:
                raise Failed("the path leads elsewhere")
        m.stop()
        if path.stat().st_ino != inode or not held.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            raise Failed("it was not the master's to close")


@timeout(60)
def test_a_failed_pools_socket_leaves_the_store(env):
    port = env.port()
    with Store(env) as store:
        m = store.start("--port", port, "--workers", 1, "--demo", "--restart-limit", "1/60s",
                        "--on-failed", "hold")
        wait_until("it is kept", lambda: store.where() == [port])
        for _ in range(2):
            os.kill(m.wait_workers(1)[0]["pid"], signal.SIGKILL)
            time.sleep(0.3)
        wait_until("it has failed", lambda: m.pool()["state"] == "failed")
        wait_until("it is not kept", lambda: store.where() == [])
        m.ctl("reset")
        m.wait_workers(1)
        wait_until("it is again", lambda: store.where() == [port])
        m.stop()
        wait_until("nothing is", lambda: store.where() == [])


@timeout(60)
def test_a_manager_that_does_not_read(env):
    """Its queue may be short, and full of what others say: nothing that counts is lost there."""
    ports = [env.port() for _ in range(3)]
    store = Store(env)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            for _ in range(5000):
                s.sendto(b"OTHER=1", str(store.path))
    m = store.start(*(a for p in ports for a in ("--port", p)), "--workers", 2)
    m.ctl("upgrade", seconds=20)
    with store:
        wait_until("all are kept", lambda: sorted(store.where()) == sorted(ports))
        wait_until("it is ready", lambda: "READY" in store.said)
        m.ctl("stop", "web")
        wait_until("none is", lambda: not store.kept)
        m.stop()
        wait_until("it was told", lambda: "STOPPING" in store.said)
