# SPDX-License-Identifier: MIT
"""Figures of reload and upgrade: how many requests fail while everything, or the master, is
replaced again and again, beside nginx's own reload in the same run. Part of run.py.
MPSUP_BENCH_RELOADS=1000 for the whole count."""

import json
import os
import pathlib
import re
import subprocess
import time

from harness import Failed, http, programs

TOP = pathlib.Path(__file__).resolve().parents[2]

ROUNDS = int(os.environ.get("MPSUP_BENCH_RELOADS", "50"))
UPGRADES = 100
CLIENTS = 4


def _measure(bench, what, port, reload, rounds, verb="reload"):
    took = []
    with http.Load(port, CLIENTS, seconds=20, only_bad=True) as load, http.Keeping(port, 2) as kept:
        load.wait_more(20)
        for _ in range(rounds):
            begun = time.monotonic()
            reload()
            took.append(1000 * (time.monotonic() - begun))
        load.wait_more(20)
    bad = [r for r in load.results if r.outcome != http.OK or r.status != 200]
    bench.show(f"{what}: one {verb}", took)
    bench.value(f"    requests, one a connection ({rounds} {verb}s)", load.asked, "   ")
    bench.value("    of them failed", len(bad), "   ", "0")
    for answer in bad[:3]:
        print(f"        {answer}", flush=True)
    bench.value("    requests on kept connections", kept.answers, "   ")
    bench.value("    repeated on a new one, as every client must", kept.repeats, "   ")
    bench.value("    of them failed", len(kept.problems), "   ", "0")


def _wrk(bench, port, reload, rounds=20):
    """Connections that never rest: what wrk calls read errors, of one reload. A server that
    closes a connection between two requests cannot know that one is on its way."""
    wrk = subprocess.Popen(["wrk", "-t1", "-c16", "-d600s", f"http://127.0.0.1:{port}/"],
                           stdout=subprocess.PIPE, text=True)
    time.sleep(0.5)
    for _ in range(rounds):
        reload()
        time.sleep(0.2)
    wrk.send_signal(2)
    said = wrk.communicate(timeout=30)[0]
    if not re.search(r"[1-9]\d* requests in", said):
        raise Failed(said)
    found = re.search(r"connect (\d+), read (\d+), write (\d+), timeout (\d+)", said)
    errors = [int(n) for n in found.groups()] if found else [0] * 4
    bench.value("    wrk, 16 connections: read errors of one reload", errors[1] / rounds, "   ")
    bench.value("    refused, not written, timed out", errors[0] + errors[2] + errors[3], "   ", "0")


def _ours(env, bench, what, program, rounds):
    port = env.port()
    app, command = program(env, port) if program else (None, ())
    # Kept connections that never rest hold an old worker as long as this.
    m = env.start("--port", port, "-w", 2, "--drain-timeout", "2s", *(("--", *command) if command else ()), **({"cwd": app} if app else {}), seconds=40)
    m.wait_workers(2)
    _measure(bench, f"mpsup, {what}", port, lambda: m.ctl("reload", seconds=60), rounds)
    if what in ("built-in worker", "Node"):
        _wrk(bench, port, lambda: m.ctl("reload", seconds=60))
    m.stop()


def _pm2(env, bench, rounds):
    """Its cluster mode, of the same program; it must not outlive us."""
    found = subprocess.run([TOP / "scripts" / "node-modules.sh", "pm2"], stdout=subprocess.PIPE,
                           text=True, check=False)
    if found.returncode != 0:
        print("PM2 could not be had", flush=True)
        return
    port = env.port()
    app, command = programs.node(env, port)
    environ = env.environ(PM2_HOME=str(env.dir / "pm2"))

    def pm2(*args):
        subprocess.run([command[0], f"{found.stdout.strip()}/node_modules/pm2/bin/pm2", *args],
                       cwd=app, env=environ, check=True, capture_output=True, timeout=120)

    try:
        pm2("start", "app.js", "-i", "2", "--name", "here", "--", str(port))
        bench.wait_until("PM2", lambda: http.get(port).outcome == http.OK)
        _measure(bench, "PM2, Node", port, lambda: pm2("reload", "here"), rounds)
        _wrk(bench, port, lambda: pm2("reload", "here"), 5)
    finally:
        pm2("kill")


def reloads(env, bench):
    port = env.port()
    nginx = bench.start_nginx(env, port)
    bench.wait_until("nginx", lambda: http.get(port).outcome == http.OK)

    def reload():
        subprocess.run(["nginx", "-p", str(env.dir), "-c", str(env.dir / "nginx.conf"), "-s", "reload"],
                       check=True, capture_output=True)
        time.sleep(0.05)       # it says nothing when it is done

    _measure(bench, "nginx", port, reload, ROUNDS)
    _wrk(bench, port, reload)
    nginx.terminate()
    nginx.wait(10)
    _ours(env, bench, "built-in worker", None, ROUNDS)
    _ours(env, bench, "Node", programs.node, ROUNDS)
    _pm2(env, bench, min(ROUNDS, 20))
    _ours(env, bench, "Go", programs.go, ROUNDS)
    _ours(env, bench, "python3 -m http.server", programs.http_server, ROUNDS)


# ---- upgrade ----

def _missing_events(env):
    """Of those that were numbered since the start."""
    said = env.client("events", "--since", "1h", "--json", seconds=60).stdout
    numbers = [json.loads(line)["seq"] for line in said.splitlines() if line.startswith("{")]
    return numbers[-1] - numbers[0] + 1 - len(set(numbers))


def _upgrades_of(env, bench, what, program, *args):
    port = env.port()
    app, command = program(env, port) if program else (None, ())
    m = env.start("--port", port, "-w", 3, *args, *(("--", *command) if command else ()),
                  **({"cwd": app} if app else {}), seconds=40)
    m.wait_workers(3, seconds=30)
    pids = {w["pid"] for w in m.workers()}
    _measure(bench, f"mpsup, {what}", port, lambda: m.ctl("upgrade", seconds=60), UPGRADES, "upgrade")
    bench.value("    workers that are others", len(pids - {w["pid"] for w in m.workers()}), "   ", "0")
    bench.value("    events without a number that follows", _missing_events(env), "   ", "0")
    m.stop()


def upgrades(env, bench):
    for what, program, args in (
            ("built-in worker", None, ()), ("built-in, roundrobin", None, ("--balance", "roundrobin")),
            ("Node", programs.node, ()), ("Go", programs.go, ()), ("nginx", programs.nginx, ()),
            ("python3 -m http.server", programs.http_server, ("--spares", "1"))):
        _upgrades_of(env, bench, what, program, *args)
