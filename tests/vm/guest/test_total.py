# SPDX-License-Identifier: MIT
"""Limits of a whole pool: who meets them is of that pool, and the other one serves on."""

import json
import os
import re

from harness import Failed, http, timeout, wait_until
from test_limits import CGROUP, MIB, check_serves, leaf_file, make_hungry, read


def start(env, how, **total):
    env.fixture("native.py")
    app = env.fixture("hungry.py")
    ports = {"mine": env.port(), "theirs": env.port()}
    path = env.dir / "two.yaml"
    pool = {"command": [env.need_program("python3"), "hungry.py"], "cwd": str(app.parent),
            "protocol": "native", "workers": 2}
    path.write_text(json.dumps({"name": "two", "pools": [
        {"name": "mine", "port": ports["mine"], "env": {"HUNGRY": how}, **pool, **total},
        {"name": "theirs", "port": ports["theirs"], "env": {"HUNGRY": how}, **pool}]}))
    path.chmod(0o644)
    m = env.start("-c", path)
    wait_until("both are ready", lambda: [p["state"] for p in m.status()["pools"]] == ["ready"] * 2, 30)
    return m, ports, path


def workers(m, pool):
    return next(p["workers"] for p in m.status()["pools"] if p["name"] == pool)


def node(m, worker):
    """The folder between the instance's and the leaf."""
    path, leaf = os.path.split(CGROUP + worker["cgroup"])
    if not path.endswith("/mine.total") or not re.fullmatch(r"mine\.\d+", leaf):
        raise Failed(f"its cgroup is {worker['cgroup']}")
    return path


@timeout(90)
def test_the_pools_memory_is_the_end_of_one_of_it(env):
    m, ports, _ = start(env, "memory", total={"memory": "96M"})
    mine, theirs = workers(m, "mine"), [w["pid"] for w in workers(m, "theirs")]
    if read(node(m, mine[0]) + "/memory.max") != str(96 * MIB):
        raise Failed("memory.max of the pool")
    if read(leaf_file(mine[0], "memory.max")) != "max":
        raise Failed("memory.max of its worker")
    make_hungry(mine[0])
    death = m.wait_event("worker.exit", seconds=40, pool="mine")
    if death["reason"] != "oom_pool" or death["slot"] != 0:
        raise Failed(f"its certificate: {death}")
    m.wait_line(r"mine/0 \(pid \d+\) died after .*: oom_pool \(total memory\.max 96M, peak 9[0-9.]+M\)")
    wait_until("it is replaced", lambda: all(w["state"] == "ready" for w in workers(m, "mine")), 30)
    check_serves(ports["theirs"])
    if [w["pid"] for w in workers(m, "theirs")] != theirs or workers(m, "mine")[1]["pid"] != mine[1]["pid"]:
        raise Failed("others were touched")
    pool = next(p for p in m.status()["pools"] if p["name"] == "mine")
    if pool["total"]["memory"] != 96 * MIB or pool["usage"]["oom_kills"] != 1:
        raise Failed(f"status: {pool['total']} {pool['usage']}")
    # A limit of its own is met first, and told as that.
    m.ctl("set", "mine", "memory=48M")
    make_hungry(workers(m, "mine")[1])
    death = m.wait_event("worker.exit", seconds=40, pool="mine", slot=1)
    if death["reason"] != "oom":
        raise Failed(f"its certificate: {death}")
    m.stop()


@timeout(60)
def test_every_limit_is_there_and_changes_as_it_runs(env):
    m, _, path = start(env, "memory", total={
        "memory": "512M", "memory_high": "400M", "swap": "0", "cpu_quota": 0.5, "cpu_weight": 50,
        "pids": 40, "raw": {"memory.low": "8M"}})
    folder = node(m, workers(m, "mine")[0])
    for name, value in (("memory.max", 512 * MIB), ("memory.high", 400 * MIB), ("memory.swap.max", 0),
                        ("cpu.max", "50000 100000"), ("cpu.weight", 50), ("pids.max", 40),
                        ("memory.low", 8 * MIB)):
        if read(f"{folder}/{name}") != str(value):
            raise Failed(f"{name} is {read(f'{folder}/{name}')}")
    before = [w["pid"] for w in workers(m, "mine")]
    if m.ctl("set", "mine", "total.memory=256M", "total.memory_high=max") != \
            "total.memory: 512M → 256M\ntotal.memory_high: 400M → max\n":
        raise Failed("what it printed")
    if read(folder + "/memory.max") != str(256 * MIB) or read(folder + "/memory.high") != "max":
        raise Failed("it is not in the folder")
    text = json.loads(path.read_text())
    text["pools"][0]["total"]["pids"] = 50
    path.write_text(json.dumps(text))
    m.ctl("apply", seconds=30)
    if read(folder + "/pids.max") != "50" or read(folder + "/memory.max") != str(256 * MIB):
        raise Failed("apply")
    if [w["pid"] for w in workers(m, "mine")] != before:
        raise Failed("workers were touched")
    m.stop()
    if os.path.exists(folder):
        raise Failed("its folder is left")


@timeout(60)
def test_forks_of_one_pool_are_refused_and_not_the_others(env):
    m, ports, _ = start(env, "forks", total={"pids": 24})
    make_hungry(workers(m, "mine")[0])
    wait_until("its fork is refused",
               lambda: workers(m, "mine")[0]["status_text"] == "fork: EAGAIN", 30)
    for _ in range(5):
        check_serves(ports["theirs"])
    if http.get(ports["theirs"]).outcome != http.OK:
        raise Failed("the other pool")
    m.stop()


def test_a_sum_that_is_more_is_a_warning(env):
    m, _, _ = start(env, "memory", total={"memory": "96M"}, limits={"memory": "64M"})
    m.wait_line(r"pool mine: 2 workers of limits\.memory 64M are 128M, more than total\.memory 96M")
    m.stop()
