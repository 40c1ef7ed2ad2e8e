#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Prints figures of mpsup beside nginx's and bwrap's from the same run. Asserts nothing.

    run.py [NAME…]    recoveries, births, memory, throughput, node, spread, pools, reloads,
                      upgrades; all of them without a name

Python only arranges: what is timed is timed by programs in C (stopwatch.c, birth.c),
since an interpreter's start or client would hide half of the differences.
docs/benchmarks.md says how each figure is measured.
"""

import os
import pathlib
import statistics
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "host"))

import pools as many  # noqa: E402
import reloads as again  # noqa: E402
import serving  # noqa: E402
from harness import Env, Failed, Skip, http, proc, wait_until  # noqa: E402

ROUNDS = 100          # of recoveries, each
BATCHES, BATCH = 10, 20   # of births, each
IDLE_S = 10
SETTLE_S = 0.02       # between a worker's readiness and its end: nothing is still under way


def show(what, values, unit="ms", goal=""):
    values = sorted(values)
    line = f"{what:52} median {statistics.median(values):8.2f} {unit:3}"
    if len(values) > 1:
        line += f"  min {values[0]:7.2f}  max {values[-1]:7.2f}  n {len(values)}"
    print(line + (f"   (goal: {goal})" if goal else ""), flush=True)


def ratio(what, mine, theirs, goal=""):
    """Of the medians; min and max are those of ten parts of the run, each by its medians."""
    size = max(1, len(mine) // 10)
    parts = [statistics.median(mine[i:i + size]) / statistics.median(theirs[i:i + size])
             for i in range(0, len(mine), size)]
    whole = statistics.median(mine) / statistics.median(theirs)
    print(f"{what:52} {whole:15.2f}      min {min(parts):7.2f}  max {max(parts):7.2f}"
          + (f"   (goal: {goal})" if goal else ""), flush=True)


def value(what, number, unit, goal=""):
    print(f"{what:52} {number:15.2f} {unit}" + (f"   (goal: {goal})" if goal else ""), flush=True)


def stopwatch(env):
    """The path of stopwatch.c's program, compiled into the test's own folder."""
    path = env.dir / "stopwatch"
    if not path.exists():
        source = pathlib.Path(__file__).resolve().parent / "stopwatch.c"
        subprocess.run([os.environ.get("CC", "cc"), "-std=gnu11", "-O2", source, "-o", path],
                       check=True)
    return path


class Recovery:
    """One server with one worker, and a client that kills the worker and asks at once."""

    def __init__(self, env, watch, name, port):
        self.name = name
        self.values = []
        self._failed = env.dir / f"stopwatch-{port}.err"
        with self._failed.open("wb") as err:
            self._client = subprocess.Popen([watch, "recover", str(port)], text=True, bufsize=1,
                                            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                            stderr=err)

    def victim(self):
        """The worker's pid, when all that should be ready is ready."""
        raise NotImplementedError

    def once(self):
        pid = self.victim()
        time.sleep(SETTLE_S)
        self._client.stdin.write(f"{pid}\n")
        line = self._client.stdout.readline()
        if not line:
            raise Failed(f"{self.name}: {self._failed.read_text().strip()}")
        self.values.append(float(line))

    def stop(self):
        self._client.stdin.close()
        self._client.wait(10)
        self._client.stdout.close()


class OfMpsup(Recovery):
    def __init__(self, env, watch, name, *more):
        port = env.port()
        if "--" in more:  # the program is told its port
            more = (*more, port)
        self._master = env.start("--port", port, "--workers", 1, "--quiet", "--restart-limit",
                                 "1000000/1s", "--backoff", "0ms..0ms", *more, ready=False)
        self._spare = "--spares" in more
        super().__init__(env, watch, name, port)

    def victim(self):
        pid = self._master.wait_workers(1)[0]["pid"]
        if self._spare:
            self._master.wait_workers(1, state="parked", role="spare")
        return pid

    def stop(self):
        super().stop()
        self._master.stop()


NGINX_CONF = """\
daemon off; master_process on; worker_processes 1; pid {dir}/nginx.pid; error_log {dir}/error.log;
events {{ worker_connections 256; }}
http {{ access_log off; client_body_temp_path {dir}/b; proxy_temp_path {dir}/p;
fastcgi_temp_path {dir}/f; uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;
server {{ listen 127.0.0.1:{port}; location / {{ return 200 "host-pid:$pid\\n"; }} }} }}
"""


def start_nginx(env, port):
    conf = env.dir / "nginx.conf"
    conf.write_text(NGINX_CONF.format(dir=env.dir, port=port))
    return subprocess.Popen([env.need_program("nginx"), "-p", str(env.dir), "-c", str(conf)],
                            stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class OfNginx(Recovery):
    def __init__(self, env, watch):
        self._port = env.port()
        self._master = start_nginx(env, self._port)
        super().__init__(env, watch, "nginx", self._port)

    def victim(self):
        wait_until("nginx", lambda: http.get(self._port).outcome == http.OK)
        return wait_until("its worker", lambda: proc.descendants(self._master.pid))[0]

    def stop(self):
        super().stop()
        self._master.terminate()
        self._master.wait(10)


def recoveries(env):
    """All three in turn, so that a slow moment of the machine meets each of them."""
    other, watch = Env("recoveries with a spare"), stopwatch(env)
    servers = []
    try:
        servers.append(OfNginx(env, watch))
        servers.append(OfMpsup(env, watch, "mpsup"))
        servers.append(OfMpsup(other, watch, "mpsup, a spare", "--spares", 1))
        for _ in range(ROUNDS):
            for server in servers:
                server.once()
    finally:
        for server in servers:
            server.stop()
        other.close()
        other.remove()
    nginx, cold, spare = servers
    show("SIGKILL to the next answer, nginx", nginx.values)
    show("the same, mpsup", cold.values)
    ratio("ratio mpsup / nginx", cold.values, nginx.values, "at most 1.5")
    show("the same, mpsup with a spare", spare.values, goal="at most 1 ms")
    ratio("ratio mpsup with a spare / nginx", spare.values, nginx.values)


BWRAP = {
    # As in the goal: the least that runs a static program.
    "bwrap --unshare-all": ["--unshare-all", "--ro-bind", "/", "/"],
    # The same namespaces as mpsup's default cage, and the mounts that both have.
    "bwrap, with /proc and /dev, host network": [
        "--unshare-all", "--share-net", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev"],
    "bwrap, with /proc and /dev, network of its own": [
        "--unshare-all", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev"],
}


def births(env):
    """A static `true` from the decision to its end seen, in a whole cage each."""
    bwrap, true, watch = env.need_program("bwrap"), env.build / "true", stopwatch(env)
    port = str(env.port())
    commands = {name: [watch, "run", str(BATCH), bwrap, *args, true]
                for name, args in BWRAP.items()}
    commands["mpsup"] = [env.build / "birth", str(BATCH), port, true]
    values = {name: [] for name in commands}
    for _ in range(BATCHES):
        for name, command in commands.items():
            done = subprocess.run(command, env=env.environ(), capture_output=True, text=True,
                                  check=False)
            if done.returncode != 0:
                raise Failed(f"{name}: {done.stderr.strip()}")
            values[name] += [float(line) for line in done.stdout.split()]
    mine = values["mpsup"]
    show("caged birth and end of a static true, mpsup", mine)
    for name in BWRAP:
        show(f"the same, {name}", values[name])
        ratio("    ratio mpsup / this", mine, values[name],
              "at most 0.5" if name == "bwrap --unshare-all" else "")


def smaps(pid, key):
    """KiB of a line of smaps_rollup."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        return sum(int(line.split()[1]) for line in f if line.startswith(key + ":"))


def switches(pid):
    status = proc.status(pid)
    return int(status["voluntary_ctxt_switches"]) + int(status["nonvoluntary_ctxt_switches"])


def memory(env):
    """What they weigh, and whether they sleep, with two workers and nothing to do."""
    m = env.start("--port", env.port(), "--workers", 2)
    worker = m.wait_workers(2)[0]
    nginx = start_nginx(env, env.port())
    try:
        other = wait_until("nginx's worker", lambda: proc.descendants(nginx.pid))[0]
        time.sleep(1)
        who = {"master": m.pid, "init": worker["init_pid"], "built-in worker": worker["pid"]}
        before = {name: switches(pid) for name, pid in who.items()}
        time.sleep(IDLE_S)
        for name, pid in who.items():
            value(f"{name}, wake-ups in {IDLE_S} s with nothing to do",
                  switches(pid) - before[name], "   ", "0")
        value("master, PSS", smaps(m.pid, "Pss") / 1024, "MiB", "at most 3")
        value("init, PSS", smaps(worker["init_pid"], "Pss"), "KiB")
        value("init, private dirty", smaps(worker["init_pid"], "Private_Dirty"), "KiB",
              "at most 64")
        value("built-in worker, PSS", smaps(worker["pid"], "Pss") / 1024, "MiB")
        value("nginx's master, PSS", smaps(nginx.pid, "Pss") / 1024, "MiB")
        value("nginx's worker, PSS", smaps(other, "Pss") / 1024, "MiB")
    finally:
        nginx.terminate()
        nginx.wait(10)
    m.stop()


def throughput(env):
    serving.throughput(env, sys.modules[__name__])


def node(env):
    watch = stopwatch(env)
    serving.node_recoveries(env, sys.modules[__name__],
                            lambda name, *more: OfMpsup(env, watch, name, *more))


def spread(env):
    serving.spread(env, sys.modules[__name__])


def reloads(env):
    again.reloads(env, sys.modules[__name__])


def upgrades(env):
    again.upgrades(env, sys.modules[__name__])


def pools(env):
    many.pools(env, sys.modules[__name__])


FIGURES = {"recoveries": recoveries, "births": births, "memory": memory,
           "throughput": throughput, "node": node, "spread": spread, "pools": pools,
           "reloads": reloads, "upgrades": upgrades}


def main(names):
    if os.geteuid() != 0:
        print("bench: needs root", file=sys.stderr)
        return 1
    if not set(names) <= set(FIGURES):
        print(f"bench: usage: run.py [{'|'.join(FIGURES)}]…", file=sys.stderr)
        return 2
    bad = 0
    for name in names or FIGURES:
        env = Env(name)
        try:
            FIGURES[name](env)
        except (Skip, Failed) as why:
            print(f"{name:52} {why}", flush=True)
            bad += isinstance(why, Failed)
        finally:
            env.close()
            env.remove()
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
