# SPDX-License-Identifier: MIT
"""Figures of reload: how many requests fail while everything is replaced again and again,
beside nginx's own reload in the same run. Part of run.py. MPSUP_BENCH_RELOADS=1000 for the
whole count."""

import os
import subprocess
import threading
import time

from harness import http, programs

ROUNDS = int(os.environ.get("MPSUP_BENCH_RELOADS", "50"))
CLIENTS = 4


class Keeping(threading.Thread):
    """Keeps its connection, and repeats a request on a new one only when a connection that
    was used before is closed without an answer: RFC 9112, 9.3.1."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port, self.over = port, False
        self.answers = self.repeats = self.failed = 0

    def run(self):
        while not self.over:
            used = False
            try:
                with http.KeepAlive(self.port) as c:
                    while not self.over:
                        if c.get().status != 200:
                            raise ValueError
                        self.answers += 1
                        used = True
            except (OSError, ValueError, IndexError):
                self.repeats += used
                self.failed += not used


def _measure(bench, what, port, reload, rounds):
    keeping = [Keeping(port) for _ in range(2)]
    took = []
    with http.Load(port, CLIENTS, seconds=20) as load:
        for k in keeping:
            k.start()
        load.wait_more(20)
        for _ in range(rounds):
            begun = time.monotonic()
            reload()
            took.append(1000 * (time.monotonic() - begun))
        load.wait_more(20)
    for k in keeping:
        k.over = True
    for k in keeping:
        k.join(30)
    bad = sum(r.outcome != http.OK or r.status != 200 for r in load.results)
    bench.show(f"{what}: one reload", took)
    bench.value(f"    requests, one a connection ({rounds} reloads)", len(load.results), "   ")
    bench.value("    of them failed", bad, "   ", "0")
    bench.value("    requests on kept connections", sum(k.answers for k in keeping), "   ")
    bench.value("    repeated on a new one, as every client must", sum(k.repeats for k in keeping), "   ")
    bench.value("    of them failed", sum(k.failed for k in keeping), "   ", "0")


def _ours(env, bench, what, program, rounds):
    port = env.port()
    app, command = program(env, port) if program else (None, ())
    # Kept connections that never rest hold an old worker as long as this.
    m = env.start("--port", port, "-w", 2, "--drain-timeout", "2s", "--drain-idle", "200ms",
                  *(("--", *command) if command else ()), **({"cwd": app} if app else {}), seconds=40)
    m.wait_workers(2)
    _measure(bench, f"mpsup, {what}", port, lambda: m.ctl("reload", seconds=60), rounds)
    m.stop()


def reloads(env, bench):
    port = env.port()
    nginx = bench.start_nginx(env, port)
    bench.wait_until("nginx", lambda: http.get(port).outcome == http.OK)

    def reload():
        subprocess.run(["nginx", "-p", str(env.dir), "-c", str(env.dir / "nginx.conf"), "-s", "reload"],
                       check=True, capture_output=True)
        time.sleep(0.05)       # it says nothing when it is done

    _measure(bench, "nginx", port, reload, ROUNDS)
    nginx.terminate()
    nginx.wait(10)
    _ours(env, bench, "built-in worker", None, ROUNDS)
    _ours(env, bench, "Node", programs.node, ROUNDS)
    _ours(env, bench, "Go", programs.go, ROUNDS)
    _ours(env, bench, "python3 -m http.server", programs.http_server, ROUNDS)
