#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Plays the master for one worker on the native protocol, without any cage.

As a program: fake_master.py [--spare] [--dual] [--bench N] PROGRAM [ARG...]
starts the worker on a free port of loopback, prints the address and what the
worker says until Ctrl-C. --bench N: N births, and the median time from exec to
READY in ms.
"""

import argparse
import array
import os
import select
import signal
import socket
import statistics
import subprocess
import sys
import time


def words(text):
    return "".join(f"{key}={value}\n" for key, value in text.items() if value is not None).encode()


class FakeMaster:
    """A worker, its channel and one listener, on loopback."""

    def __init__(self, argv, spare=False, dual=False):
        if dual:
            self.listener = socket.create_server(("::", 0), family=socket.AF_INET6, backlog=4096,
                                                 dualstack_ipv6=True)
        else:
            self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.listener.setblocking(False)        # as the real master's
        self.port = self.listener.getsockname()[1]
        self.channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        env = {"PATH": os.environ["PATH"], "MPSUP_FD": str(theirs.fileno())}
        if spare:
            env["MPSUP_SPARE"] = "1"
        self.started = time.monotonic()
        self.process = subprocess.Popen(argv, env=env, pass_fds=[theirs.fileno()],
                                        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        theirs.close()
        self.pid = self.process.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stderr.close()
        self.channel.close()
        self.listener.close()

    def send(self, data, fds=()):
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self.channel.sendmsg([data], rights)

    def hello(self, fds=None, **more):
        """HELLO with the listener; `more` adds to or replaces its words, None drops one."""
        fds = [self.listener.fileno()] if fds is None else fds
        text = {"HELLO": 1, "POOL": "web", "SLOT": 1, "GENERATION": 3, "WORKERS": 2,
                "HOST_PID": self.pid, "LISTEN_FDS": len(fds), "LISTEN_FDNAMES": "http"}
        self.send(words({**text, **more}), fds)

    def drain(self, seconds=30):
        self.send(words({"DRAIN": 1, "TIMEOUT_USEC": int(seconds * 1e6)}))

    def hear(self, seconds=5):
        """The next datagram as text, None after the time, "" at the end."""
        if not select.select([self.channel], [], [], seconds)[0]:
            return None
        try:
            return self.channel.recv(70000).decode()
        except ConnectionResetError:
            return ""

    def hear_until(self, text, seconds=5):
        """What was said up to and with `text`; AssertionError when it does not come."""
        said, end = [], time.monotonic() + seconds
        while not said or said[-1] != text:
            said.append(self.hear(max(0, end - time.monotonic())))
            if not said[-1]:
                raise AssertionError(f"no {text} in {seconds} s, but {said}")
        return said

    def exit_status(self, seconds=5):
        return self.process.wait(seconds)


def birth_ms(argv):
    with FakeMaster(argv) as master:
        master.hello()
        master.hear_until("READY=1")
        return (time.monotonic() - master.started) * 1000


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--spare", action="store_true")
    parser.add_argument("--dual", action="store_true", help="listen as --port does")
    parser.add_argument("--bench", metavar="N", type=int)
    parser.add_argument("argv", nargs=argparse.REMAINDER, metavar="PROGRAM [ARG...]")
    args = parser.parse_args()
    if not args.argv:
        parser.error("which program?")
    if args.bench:
        times = [birth_ms(args.argv) for _ in range(args.bench)]
        print(f"start to READY: median {statistics.median(times):.2f} ms, "
              f"least {min(times):.2f} ms")
        return 0
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    with FakeMaster(args.argv, args.spare, args.dual) as master:
        if args.spare:
            master.hear_until("PARKED=1")
        master.hello()
        print(f"http://127.0.0.1:{master.port}/", flush=True)
        while (said := master.hear(3600)) != "":
            print(said, flush=True)
        return master.exit_status()


if __name__ == "__main__":
    sys.exit(main())
