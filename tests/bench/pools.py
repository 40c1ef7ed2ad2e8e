# SPDX-License-Identifier: MIT
"""Many pools in one master: what their start, their status and their memory cost."""

import json
import os
import subprocess
import time

from harness import proc, wait_until

COUNTS = (50, 100, 200)
FIVE = 5              # workers of each of the last


def _write(env, pools, workers):
    """Built-in workers, each pool on an address of its own."""
    text = {"version": 1, "name": "many", "pools": [
        {"name": f"p{i}", "listen": [f"unix:{env.dir}/p{i}.sock"], "workers": workers}
        for i in range(pools)]}
    path = env.dir / f"{pools}x{workers}.yaml"
    path.write_text(json.dumps(text))
    path.chmod(0o644)
    return path


def _cpu_ms(pid):
    """Of it and of the children that it has collected."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return sum(int(n) for n in fields[11:15]) * 1000 / os.sysconf("SC_CLK_TCK")


def _start(env, bench, pools, workers):
    begin = time.monotonic()
    m = env.start("-c", _write(env, pools, workers), "--quiet", ready=False, seconds=120)
    m.wait_event("master.ready", 120)
    ready = time.monotonic() - begin
    wait_until("all are ready", lambda: sum(
        w["state"] == "ready" for p in m.status()["pools"] for w in p["workers"])
        == pools * workers, 120)
    bench.value(f"{pools} pools of {workers}, until one of each is ready", ready * 1000, "ms ")
    bench.value("    for each pool", ready * 1000 / pools, "ms ", "the same for all")
    bench.value("    the master's CPU time for each worker", _cpu_ms(m.pid) / pools / workers,
                "ms ", "the same for all")
    return m


def _status(env, bench, m):
    walls, cpu = [], []
    for _ in range(20):
        before, begin = _cpu_ms(m.pid), time.monotonic()
        subprocess.run([env.mpsup, "status", "--json", "many:"], env=env.environ(), check=True,
                       stdout=subprocess.DEVNULL)
        walls.append((time.monotonic() - begin) * 1000)
        cpu.append(_cpu_ms(m.pid) - before)
    bench.show("mpsup status --json of 1000 workers, with its start", walls)
    bench.value("    the master's CPU time for it", sum(cpu) / len(cpu), "ms ", "less than 50")


def pools(env, bench):
    """In one master: 50, 100, 200 pools of one worker, then 200 of five."""
    for count in COUNTS:
        m = _start(env, bench, count, 1)
        m.stop(seconds=120)
    m = _start(env, bench, COUNTS[-1], FIVE)
    _status(env, bench, m)
    bench.value("    descriptors for each worker",
                len(proc.descriptors(m.pid)) / COUNTS[-1] / FIVE, "   ")
    bench.value("    the master's PSS", bench.smaps(m.pid, "Pss") / 1024, "MiB", "at most 6")
    time.sleep(2)  # state.json is written a second after the last change
    before = bench.switches(m.pid)
    time.sleep(bench.IDLE_S)
    bench.value(f"    wake-ups in {bench.IDLE_S} s with nothing to do",
                bench.switches(m.pid) - before, "   ", "0")
    m.stop(seconds=120)
