# SPDX-License-Identifier: MIT
"""Figures of serving: throughput beside the same program alone, a killed Node worker,
who gets how many of 200 connections. Part of run.py."""

import os
import pathlib
import re
import socket
import subprocess
import sys

from harness import Env, Failed, http, wait_until

FAKE_MASTER = pathlib.Path(__file__).resolve().parent.parent / "host" / "fake_master.py"
ROUNDS, SECONDS = 24, 1     # many short ones: a slow second of the machine is one of many
NODE = """
require('http').createServer((q, r) => r.end('host-pid:' + process.pid + '\\n'))
  .listen({port: Number(process.argv[2]), host: '::', backlog: 4096});
"""


def wrk(env, port):
    """Requests a second over 16 keep-alive connections, from the last CPU."""
    cpu = max(os.sched_getaffinity(0))
    done = subprocess.run([env.need_program("taskset"), "-c", str(cpu), env.need_program("wrk"),
                           "-t1", "-c16", f"-d{SECONDS}s", f"http://127.0.0.1:{port}/"],
                          capture_output=True, text=True, check=True)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    if not rate or "Non-2xx" in done.stdout:
        raise Failed(done.stdout)
    return float(rate[1])


class Pair:
    """The same program under mpsup and alone, both on the first CPU, in turn."""

    def __init__(self, env, name, master, alone, ports):
        self.name, self._env, self.ports = name, env, ports  # under mpsup, alone
        self._master, self._alone = master, alone
        self.values = ([], [])

    def once(self, number):
        # Who is first changes, so that a machine that grows slower is slower for both.
        for k in ((0, 1) if number % 2 else (1, 0)):
            self.values[k].append(wrk(self._env, self.ports[k]))

    def stop(self):
        self._alone.terminate()
        self._alone.wait(10)
        self._master.stop()


def of_node(env):
    node = env.need_program("node")
    app = env.app(server_js=NODE)
    mine, port = env.port(), env.port()
    master = env.start("--port", mine, "--workers", 1, "--cpus", min(os.sched_getaffinity(0)),
                       "--quiet", "--", node, "server.js", mine, cwd=app, ready=False)
    alone = subprocess.Popen(["taskset", "-c", str(min(os.sched_getaffinity(0))), node,
                              app / "server.js", str(port)], stdin=subprocess.DEVNULL)
    return Pair(env, "Node", master, alone, (mine, port))


def of_builtin(env):
    mine = env.port()
    master = env.start("--port", mine, "--workers", 1, "--cpus", min(os.sched_getaffinity(0)),
                       "--quiet", ready=False)
    # A program of 40 lines plays its master: the same worker and socket, and no cage.
    alone = subprocess.Popen(["taskset", "-c", str(min(os.sched_getaffinity(0))), sys.executable,
                              FAKE_MASTER, "--dual", env.build / "mpsup-worker"], stdout=subprocess.PIPE,
                             text=True)
    port = int(re.search(r":(\d+)", alone.stdout.readline())[1])
    return Pair(env, "built-in worker", master, alone, (mine, port))


def throughput(env, report):
    other = Env("throughput of the built-in worker")
    pairs = []
    try:
        pairs += [of_node(env), of_builtin(other)]
        for pair in pairs:
            for port in pair.ports:
                wait_until(pair.name, lambda p=port: http.get(p).outcome == http.OK, 15)
                wrk(env, port)
        for number in range(ROUNDS):
            for pair in pairs:
                pair.once(number)
    finally:
        for pair in pairs:
            pair.stop()
        other.close()
        other.remove()
    for pair in pairs:
        mine, alone = pair.values
        report.show(f"{pair.name} alone, keep-alive", alone, "/s")
        report.show("the same under mpsup", mine, "/s")
        report.ratio("ratio mpsup / alone", mine, alone, "at least 0.98")


def node_recoveries(env, report, make):
    """A killed Node worker, with and without a spare."""
    node = env.need_program("node")
    app = env.app(server_js=NODE)
    for what, rounds, more, goal in (("a killed Node worker, a spare", 40, ("--spares", 1),
                                      "at most 10 ms"),
                                     ("a killed Node worker, cold", 15, (), "")):
        server = make(what, *more, "--", node, app / "server.js")
        try:
            for _ in range(rounds):
                server.once()
        finally:
            server.stop()
        report.show(what, server.values, goal=goal)


def held(port, count, sources):
    """`count` connections held open at once, each as from another address if asked for."""
    sockets = []
    for n in range(count):
        s = socket.socket()
        s.settimeout(10)
        if sources:
            s.bind((f"127.0.{1 + n // 200}.{1 + n % 200}", 0))
        s.connect(("127.0.0.1", port))
        # Answered, so that it was accepted; and kept.
        s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        s.recv(4096)
        sockets.append(s)
    return sockets


def spread(env, report):
    """200 connections over 4 workers of Node and of a program by bind, in every mode."""
    node = env.need_program("node")
    app = env.app(server_js=NODE)
    for mode in ("shared", "reuseport", "roundrobin", "sticky"):
        port = env.port()
        m = env.start("--port", port, "--workers", 4, "--balance", mode, "--quiet", "--", node,
                      "server.js", port, cwd=app, ready=False)
        m.wait_workers(4)
        sockets = held(port, 200, mode == "sticky")
        counts = sorted(w["connections"] for w in m.workers())
        report.value(f"200 connections over 4 Node workers, {mode}", counts[-1] - counts[0],
                     f"max-min  {'/'.join(map(str, counts))}",
                     "at most 2" if mode == "roundrobin" else "")
        for s in sockets:
            s.close()
        m.stop()
