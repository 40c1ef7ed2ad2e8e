#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Prints figures of mpsup beside nginx's and bwrap's from the same run. Asserts nothing.

A recovery is the time from SIGKILL of the only worker to the answer to a
request that was sent right after it: the request waits in the queue of the
listening socket until the replacement accepts it.
"""

import os
import pathlib
import signal
import statistics
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "host"))

from harness import Env, Failed, Skip, http, proc, wait_until  # noqa: E402

ROUNDS = 100


def show(what, values, unit="ms"):
    values = sorted(values)
    print(f"{what:52} median {statistics.median(values):8.2f} {unit}"
          f"   min {values[0]:8.2f}   max {values[-1]:8.2f}   n {len(values)}", flush=True)


def one_recovery(port, pid):
    """Milliseconds from the kill of pid to the answer of a fresh request."""
    started = time.perf_counter()
    os.kill(pid, signal.SIGKILL)
    while True:
        # The one connection that the dying worker may still have accepted is no recovery.
        if http.get(port, seconds=5).outcome == http.OK:
            return (time.perf_counter() - started) * 1000


def recover(env, *more):
    """A running master, and a function that makes one recovery of it."""
    port = env.port()
    m = env.start("--port", port, "--workers", 1, "--quiet", "--restart-limit", "100000/1s",
                  "--backoff", "0ms..0ms", *more, ready=False)
    spares = 1 if "--spares" in more else 0

    def once():
        pid = m.wait_workers(1)[0]["pid"]
        if spares:
            m.wait_workers(1, state="parked", role="spare")
        time.sleep(0.02)
        return one_recovery(port, pid)

    return once, m.stop


NGINX_CONF = """\
daemon off; master_process on; worker_processes 1; pid {dir}/nginx.pid; error_log {dir}/error.log;
events {{ worker_connections 256; }}
http {{ access_log off; client_body_temp_path {dir}/b; proxy_temp_path {dir}/p;
fastcgi_temp_path {dir}/f; uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;
server {{ listen 127.0.0.1:{port}; location / {{ return 200 "hi"; }} }} }}
"""


def recover_nginx(env):
    nginx, port = env.need_program("nginx"), env.port()
    conf = env.dir / "nginx.conf"
    conf.write_text(NGINX_CONF.format(dir=env.dir, port=port))
    master = subprocess.Popen([nginx, "-p", str(env.dir), "-c", str(conf)],
                              stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def once():
        wait_until("nginx", lambda: http.get(port).outcome == http.OK)
        worker = wait_until("its worker", lambda: proc.descendants(master.pid))[0]
        time.sleep(0.02)
        return one_recovery(port, worker)

    def stop():
        master.terminate()
        master.wait(10)

    return once, stop


def recoveries(env):
    """All three in turn, so that a slow moment of the machine meets each of them."""
    other = Env("recoveries with a spare")
    worlds = {"nginx": recover_nginx(env), "mpsup": recover(env),
              "mpsup, a spare": recover(other, "--spares", 1)}
    values = {name: [] for name in worlds}
    for _ in range(ROUNDS):
        for name, (once, _) in worlds.items():
            values[name].append(once())
    for name, (_, stop) in worlds.items():
        show(f"SIGKILL to the next answer, {name}", values[name])
        stop()
    other.remove()
    ratios = [a / b for a, b in zip(values["mpsup"], values["nginx"])]
    show("ratio mpsup / nginx, round by round", ratios, "  ")


def smaps(pid, key):
    """KiB of a line of smaps_rollup."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        return sum(int(line.split()[1]) for line in f if line.startswith(key + ":"))


def memory_and_idle(env):
    m = env.start("--port", env.port(), "--workers", 2)
    worker = m.wait_workers(2)[0]
    time.sleep(1)
    before = proc.status(m.pid)["voluntary_ctxt_switches"]
    time.sleep(5)
    wakes = int(proc.status(m.pid)["voluntary_ctxt_switches"]) - int(before)
    show("master, PSS", [smaps(m.pid, "Pss") / 1024], "MiB")
    show("init, private dirty", [smaps(worker["init_pid"], "Private_Dirty")], "KiB")
    show("master, wake-ups in 5 s without anything to do", [wakes], "  ")
    m.stop()


def births(env):
    """A static `true` from the decision to its wait status, in a whole cage each."""
    bwrap, true = env.need_program("bwrap"), env.build / "true"
    mine, theirs = [], []
    for _ in range(5):
        out = subprocess.run([env.build / "birth", "20", str(env.port()), true], check=True,
                             env=env.environ(), capture_output=True, text=True).stdout
        mine += [float(line) for line in out.split()]
        for _ in range(20):
            started = time.perf_counter()
            subprocess.run([bwrap, "--unshare-all", "--ro-bind", "/", "/", "--proc", "/proc", "--dev",
                            "/dev", true], check=True)
            theirs.append((time.perf_counter() - started) * 1000)
    show("caged birth of a static true, mpsup", mine)
    show("the same, bwrap --unshare-all", theirs)
    show("ratio of the medians", [statistics.median(mine) / statistics.median(theirs)], "  ")


FIGURES = [("recoveries", recoveries), ("births", births), ("memory and idling", memory_and_idle)]


def main():
    if os.geteuid() != 0:
        print("bench: needs root", file=sys.stderr)
        return 1
    bad = 0
    for name, function in FIGURES:
        env = Env(name)
        try:
            function(env)
        except (Skip, Failed) as why:
            print(f"{name:52} {why}", flush=True)
            bad += isinstance(why, Failed)
        finally:
            env.close()
            env.remove()
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
