# SPDX-License-Identifier: MIT
"""Who has grown too large is replaced before it fails: by a twin where there is room, else
after it has left."""

from harness import Failed, http, timeout, wait_until
from test_limits import check_serves, leaf_file, make_hungry, read, start_hungry
from test_total import start, workers


@timeout(90)
def test_a_large_worker_gets_a_twin(env):
    m, port, (first, second) = start_hungry(env, "some", "--recycle-memory", "40M", "--memory", "128M")
    if read(leaf_file(first, "memory.high")) != str(40 << 20):
        raise Failed("memory.high")
    make_hungry(first)
    event = m.wait_event("worker.exit", seconds=40)
    if event["reason"] != "recycle_memory" or event["slot"] != 0:
        raise Failed(f"its certificate: {event}")
    now = {w["slot"]: w["pid"] for w in m.wait_workers(2)}
    if now[0] == first["pid"] or now[1] != second["pid"]:
        raise Failed(f"{first} {second} became {now}")
    names = [e["event"] for e in m.events() if e.get("slot") == 0]
    if names.index("worker.drain") < len(names) - 1 - names[::-1].index("worker.ready"):
        raise Failed(f"it left before its twin was ready: {names}")
    check_serves(port)
    m.stop()


@timeout(90)
def test_without_room_it_leaves_first(env):
    m, ports, _ = start(env, "some", total={"memory": "85M"}, restart={"recycle_memory": "40M"})
    mine = workers(m, "mine")
    make_hungry(mine[0])
    m.wait_line(r"mine/0 .*recycle_memory; the pool's total has no room for two")
    wait_until("it is replaced", lambda: [w["state"] for w in workers(m, "mine")] == ["ready"] * 2 and
               workers(m, "mine")[0]["pid"] != mine[0]["pid"], 40)
    if http.get(ports["mine"]).outcome != http.OK or workers(m, "mine")[1]["pid"] != mine[1]["pid"]:
        raise Failed("the pool does not serve as before")
    pool = next(p for p in m.status()["pools"] if p["name"] == "mine")
    if pool["usage"]["oom_kills"]:
        raise Failed(f"the kernel ended one: {pool['usage']}")
    m.stop()
