# SPDX-License-Identifier: MIT
"""Sockets that mpsup's own starter holds (a .socket unit): they are used as they are, and
outlive a master, with those who wait in their queues."""

import os
import signal
import socket
import time

from harness import Failed, http, programs, timeout, wait_until

STARTER = ("sh", "-c", "export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=web; exec \"$@\"", "sh")


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


def start(env, held, port, *command, **more):
    # The harness closes what it does not know: the starter gets the socket from us by pidfd.
    pull = ("python3", "-c", f"""
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
pidfd = libc.syscall(434, {os.getpid()}, 0)
fd = libc.syscall(438, pidfd, {held.socket.fileno()}, 0)
os.close(pidfd)
if fd != 3:
    os.dup2(fd, 3); os.close(fd)
os.set_inheritable(3, True)
os.execvp(sys.argv[1], sys.argv[1:])
""")
    return env.start("--port", port, "--workers", 2, *command, under=(*pull, *STARTER), **more)


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
