# SPDX-License-Identifier: MIT
"""Another program in the master's place where it is a service with all controllers."""

import json
import os
import signal
import subprocess
import time

from harness import Failed, http, timeout, wait_until
from test_limits import (MIB, first_worker, journal, leaf_file, make_hungry, read, shipped, show,
                         start_hungry, status_of)
from test_total import start, workers


@timeout(120)
def test_the_shipped_unit(env):
    """The unit keeps its main process, its store and its watchdog; what follows is limited as
    before."""
    port = env.port()
    with shipped(env, f"--port {port} -w 2 --memory 64M") as unit:
        before = status_of(env, 2)
        wait_until("it is kept", lambda: show(unit, "NFileDescriptorStore") == "1")
        for _ in range(3):
            done = env.client("upgrade", "--json", seconds=60)
            if done.returncode != 0 or not json.loads(done.stdout)["ok"]:
                raise Failed(f"{done}\n{journal(unit)}")
        subprocess.run(["systemctl", "kill", "-s", "USR2", "--kill-whom=main", unit], check=True)
        wait_until("the fourth", lambda: journal(unit).count("upgraded: ") == 4, 20)
        after = status_of(env, 2)
        if show(unit, "MainPID") != str(before["master"]["pid"]) or \
                show(unit, "ActiveState") != "active" or show(unit, "NRestarts") != "0":
            raise Failed(journal(unit))
        if [w["pid"] for w in after["pools"][0]["workers"]] != \
                [w["pid"] for w in before["pools"][0]["workers"]]:
            raise Failed(f"{before} became {after}")
        if show(unit, "NFileDescriptorStore") != "1":
            raise Failed(f"{show(unit, 'NFileDescriptorStore')} sockets are kept")
        worker = first_worker(after)
        subprocess.run(["kill", "-9", str(worker["pid"])], check=True)
        new = wait_until("another one", lambda: next(
            (w for w in status_of(env, 2)["pools"][0]["workers"]
             if w["slot"] == worker["slot"] and w["pid"] not in (None, worker["pid"])), None), 20)
        if read(leaf_file(new, "memory.max")) != str(64 * MIB):
            raise Failed("memory.max is not 64M")
        subprocess.run(["systemctl", "reload", unit], check=True)
        subprocess.run(["systemctl", "stop", unit], check=True)
        if show(unit, "Result") != "success":
            raise Failed(journal(unit))


@timeout(120)
def test_limits_of_worker_and_pool_are_met_afterwards(env):
    m, _, _ = start(env, "memory", total={"memory": "96M"})
    m.ctl("upgrade", seconds=60)
    mine = workers(m, "mine")
    make_hungry(mine[0])
    death = m.wait_event("worker.exit", seconds=40, pool="mine")
    if death["reason"] != "oom_pool" or death["slot"] != 0:
        raise Failed(f"its certificate: {death}")
    wait_until("it is replaced", lambda: all(w["state"] == "ready" for w in workers(m, "mine")), 30)
    m.ctl("set", "mine", "memory=48M")
    m.ctl("upgrade", seconds=60)
    pool = next(p for p in m.status()["pools"] if p["name"] == "mine")
    if pool["limits"]["memory"] != 48 * MIB or pool["total"]["memory"] != 96 * MIB or \
            pool["usage"]["oom_kills"] != 1:
        raise Failed(f"{pool}")
    make_hungry(workers(m, "mine")[1])
    death = m.wait_event("worker.exit", seconds=40, pool="mine", slot=1)
    if death["reason"] != "oom":
        raise Failed(f"its certificate: {death}")
    m.stop()


@timeout(90)
def test_who_is_born_afterwards_is_recycled_too(env):
    m, port, (first, second) = start_hungry(env, "some", "--recycle-memory", "40M", "--memory",
                                            "128M")
    m.ctl("upgrade", seconds=60)
    os.kill(first["pid"], signal.SIGKILL)
    new = wait_until("another one", lambda: next(
        (w for w in m.workers(state="ready") if w["pid"] not in (first["pid"], second["pid"])),
        None), 30)
    if read(leaf_file(new, "memory.high")) != str(40 * MIB):
        raise Failed(f"memory.high is {read(leaf_file(new, 'memory.high'))}")
    make_hungry(new)
    wait_until("it is recycled", lambda: [
        e for e in m.events() if e["event"] == "worker.exit" and e["pid"] == new["pid"] and
        e["reason"] == "recycle_memory"], 40)
    m.wait_workers(2)
    if http.get(port).outcome != http.OK:
        raise Failed("nobody answers")
    m.stop()
