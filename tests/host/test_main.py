# SPDX-License-Identifier: MIT
"""The main job: caged workers on one socket, replaced when they die."""

import json
import re
import signal

from harness import Failed, timeout, wait_until
from harness import http, proc

BODY = re.compile(r"I am worker, pid:(\d+), ppid:(\d+)\s+slot:(\d+) host-pid:(\S+) "
                  r"generation:(\d+) cpu:(\d+)")
ZERO_CAPS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
NAMESPACES = ("pid", "mnt", "ipc", "uts", "cgroup")


def check_cage(worker):
    """Everything that /proc shows of one worker's cage; a list of what is wrong."""
    pid = worker["pid"]
    s, wrong = proc.status(pid), []

    def expect(what, good):
        if not good:
            wrong.append(f"{what}")

    for cap in ZERO_CAPS:
        expect(f"{cap} is {s[cap]}", int(s[cap], 16) == 0)
    expect(f"NoNewPrivs is {s['NoNewPrivs']}", s["NoNewPrivs"] == "1")
    expect(f"Seccomp is {s['Seccomp']}", s["Seccomp"] == "2")
    expect(f"Uid is {s['Uid']}", "0" not in s["Uid"].split())
    expect(f"Gid is {s['Gid']}", "0" not in s["Gid"].split())
    expect(f"Groups is {s.get('Groups')}", not s.get("Groups"))
    expect(f"NSpid is {s['NSpid']}", len(s["NSpid"].split()) == 2)
    expect(f"NSpid ends in {worker['ns_pid']}", s["NSpid"].split()[-1] == str(worker["ns_pid"]))
    expect(f"Cpus_allowed_list is {s['Cpus_allowed_list']}", "," not in s["Cpus_allowed_list"]
           and "-" not in s["Cpus_allowed_list"])
    host, own = proc.namespaces("self"), proc.namespaces(pid)
    for name in NAMESPACES:
        expect(f"{name} namespace is the host's", own[name] != host[name])
    expect(f"leaf {proc.leaf(pid)}", "mpsup" in (proc.leaf(pid) or ""))
    return wrong


def check_mounts(pid):
    """Every mount is private; only a worker's own places are writable."""
    wrong = []
    for m in proc.mounts(pid):
        if any(f.startswith(("shared:", "master:")) for f in m["fields"]):
            wrong.append(f"{m['point']} is not private: {m['fields']}")
        own = m["point"].startswith(("/tmp", "/var/tmp", "/dev", "/run", "/proc"))
        if "rw" in m["options"] and not own:
            wrong.append(f"{m['point']} is writable")
    points = [m["point"] for m in proc.mounts(pid)]
    for point in ("/proc", "/tmp", "/run", "/dev/shm"):
        if point not in points:
            wrong.append(f"no mount of its own on {point}")
    return wrong


def test_cage_is_seen_from_outside(env):
    m = env.start("--port", env.port(), "--workers", 2)
    workers = m.wait_workers(2)
    wrong = [f"slot {w['slot']}: {text}" for w in workers
             for text in check_cage(w) + check_mounts(w["pid"])]
    for worker in workers:
        variables = proc.environ(worker["pid"])
        for name in variables:
            if name.startswith(("SUDO_", "NODE_CHANNEL", "LISTEN_")):
                wrong.append(f"environment holds {name}")
        if variables.get("MPSUP_WORKER") != str(worker["slot"]):
            wrong.append(f"MPSUP_WORKER is {variables.get('MPSUP_WORKER')}")
        wrong += [f"descriptor {n} is {what}" for n, what in proc.descriptors(worker["pid"]).items()
                  if what.startswith("/") and what != "/dev/null"]
    if wrong:
        raise Failed("\n".join(wrong))
    if len({w["ns_pid"] for w in workers}) != 2:
        raise Failed(f"two workers have the same inner pid: {workers}")
    m.stop()


def test_init_is_small_and_has_nothing(env):
    m = env.start("--port", env.port(), "--workers", 1)
    worker = m.wait_workers(1)[0]
    init = worker["init_pid"]
    if proc.parent(worker["pid"]) != init or proc.parent(init) != m.pid:
        raise Failed("the line is not master, init, worker")
    if not proc.command(init)[0].startswith("mpsup: init web/0"):
        raise Failed(f"init calls itself {proc.command(init)}")
    if len(proc.descriptors(init)) > 4:
        raise Failed(f"init holds {proc.descriptors(init)}")
    m.stop()


def test_two_hundred_requests_reach_every_worker(env):
    port = env.port()
    m = env.start("--port", port, "--workers", 2)
    m.wait_workers(2)
    slots = {}
    for answer in http.many(port, 200, 20):
        found = BODY.match(answer.text)
        if answer.outcome != http.OK or answer.status != 200 or not found:
            raise Failed(f"a request failed: {answer}")
        slots[found.group(3)] = slots.get(found.group(3), 0) + 1
    # On so short a run one worker may be quicker each time: ask on until all have answered.
    def everybody():
        found = BODY.match(http.get(port).text)
        slots[found.group(3)] = slots.get(found.group(3), 0) + 1
        http.many(port, 20, 20)
        return len(slots) == 2
    wait_until("an answer from each worker", everybody, 10)
    m.stop()


def test_every_address_family(env):
    port, path = env.port(), env.dir / "web.sock"
    m = env.start("--port", port, "--listen", f"127.0.0.1:{env.port()}", "--listen",
                  f"unix:{path},mode=0666", "--workers", 1)
    for where in (port, ("::1", port), str(path)):
        answer = http.get(where)
        if answer.status != 200:
            raise Failed(f"{where}: {answer}")
    if len(m.pool()["listen"]) != 3:
        raise Failed(f"status shows {m.pool()['listen']}")
    m.stop()
    if path.exists():
        raise Failed("the unix socket was left")


def test_stale_unix_socket_is_replaced(env):
    path = env.dir / "web.sock"
    m = env.start("--listen", f"unix:{path}", "--workers", 1)
    m.send(signal.SIGKILL)
    m.wait_exit(-9)
    again = env.start("--listen", f"unix:{path}", "--workers", 1)
    if http.get(path).status != 200:
        raise Failed("no answer on the replaced socket")
    again.stop()


def test_kill_under_load_loses_only_what_was_accepted(env):
    port, clients, kills = env.port(), 8, 3
    m = env.start("--port", port, "--workers", 2, "--restart-limit", "100/60s")
    with http.Load(port, clients) as load:
        if not load.wait_more(50):
            raise Failed("no answers before the first kill")
        for _ in range(kills):
            victim = m.wait_workers(2)[0]["pid"]
            proc.kill(victim)
            wait_until("its replacement", lambda v=victim: v not in [
                w["pid"] for w in m.workers(state="ready")])
            m.wait_workers(2)
            if not load.wait_more(50):
                raise Failed("no answers after a kill")
    if load.count(http.REFUSED) or load.count(http.HUNG):
        raise Failed(f"refused {load.count(http.REFUSED)}, hung {load.count(http.HUNG)}")
    if load.count(http.CUT) > clients * kills:
        raise Failed(f"{load.count(http.CUT)} requests were cut, at most {clients * kills} were "
                     "accepted")
    ends = m.events("worker.exit")
    if len(ends) != kills or any(e["reason"] != "signal" for e in ends):
        raise Failed(f"certificates: {ends}")
    if any(e["signal"] not in (9, "KILL", "SIGKILL") for e in ends):
        raise Failed(f"certificates name the signal {[e['signal'] for e in ends]}")
    m.wait_line(r"web/\d+ \(pid \d+\) died after .*KILL")
    m.stop()


def test_spare_takes_the_place(env):
    port = env.port()
    m = env.start("--port", port, "--workers", 1, "--spares", 1)
    spare = m.wait_workers(1, state="parked", role="spare")[0]
    if "MPSUP_WORKER" in proc.environ(spare["pid"]):
        raise Failed("a spare must not know a slot before the hand-over")
    proc.kill(m.wait_workers(1)[0]["pid"])
    m.wait_event("worker.promoted")
    if m.wait_event("worker.respawn")["from"] != "spare":
        raise Failed("worker.respawn does not say that it came from a spare")
    wait_until("the spare in the slot",
               lambda: [w["pid"] for w in m.workers(state="ready")] == [spare["pid"]])
    answer = http.get(port)
    found = BODY.match(answer.text)
    if not found or found.group(3) != "0":
        raise Failed(f"the promoted spare answers {answer}")
    fresh = m.wait_workers(1, state="parked", role="spare")[0]
    if fresh["pid"] == spare["pid"]:
        raise Failed("there is no new spare")
    m.stop()


def test_demo_crash_and_exit_are_certified(env):
    port = env.port()
    m = env.start("--port", port, "--workers", 1, "--demo")
    http.get(port, "/exit?code=7")
    end = m.wait_event("worker.exit")
    if end["reason"] != "exit" or end["code"] != 7:
        raise Failed(f"/exit?code=7: {end}")
    m.wait_workers(1)
    http.get(port, "/crash")
    wait_until("a second certificate", lambda: len(m.events("worker.exit")) == 2)
    if m.events("worker.exit")[1]["reason"] != "signal":
        raise Failed(f"/crash: {m.events('worker.exit')[1]}")
    m.wait_workers(1)
    last = m.workers()[0]["last_exit"]
    if last["reason"] != "signal":
        raise Failed(f"status shows last_exit {last}")
    m.stop()


def test_demo_pages_are_not_served_unasked(env):
    port = env.port()
    m = env.start("--port", port, "--workers", 1)
    for path in ("/crash", "/exit?code=1"):
        if http.get(port, path).status != 404:
            raise Failed(f"{path} is served without --demo")
    if http.get(port, "/healthz").status != 200:
        raise Failed("/healthz")
    if m.events("worker.exit"):
        raise Failed("a worker died")
    m.stop()


def test_fatal_exit_code_ends_the_slot(env):
    port = env.port()
    m = env.start("--port", port, "--workers", 1, "--demo", "--fatal-exit", "42")
    http.get(port, "/exit?code=42")
    m.wait_exit(70)


@timeout(90)
def test_hold_keeps_a_failed_pool_and_reset_starts_it(env):
    port = env.port()
    m = env.start("--port", port, "--workers", 1, "--demo", "--on-failed", "hold",
                  "--restart-limit", "1/60s", "--backoff", "10ms..20ms")
    def fall():
        http.get(port, "/exit?code=1", seconds=1.0)
        return m.pool()["state"] == "failed"
    wait_until("the pool has failed", fall, 20, 0.1)
    m.ctl("reset", "web")
    m.wait_workers(1)
    if m.pool()["state"] != "ready":
        raise Failed(f"after reset the pool is {m.pool()['state']}")
    m.stop()


def test_status_and_events_have_their_shape(env):
    m = env.start("--port", env.port(), "--workers", 1, "--name", "shop")
    s = m.status()
    if s["schema"] != 1 or s["name"] != "shop" or s["master"]["pid"] != m.pid:
        raise Failed(f"status begins {json.dumps(s)[:200]}")
    pool = s["pools"][0]
    for key in ("name", "state", "reason", "listen", "protocol", "policy", "generation",
                "accept_queue", "usage", "limits", "workers"):
        if key not in pool:
            raise Failed(f"a pool has no {key}")
    for key in ("slot", "role", "generation", "state", "pid", "init_pid", "ns_pid", "cpus",
                "cgroup", "uptime_ms", "restarts", "memory_bytes", "pids", "cpu_usec",
                "connections", "status_text", "last_exit"):
        if key not in pool["workers"][0]:
            raise Failed(f"a worker has no {key}")
    if pool["protocol"] != "native" or pool["accept_queue"] != 0:
        raise Failed(f"protocol {pool['protocol']}, accept_queue {pool['accept_queue']}")
    events = m.events()
    if [e["seq"] for e in events] != sorted({e["seq"] for e in events}):
        raise Failed("seq does not grow")
    names = [e["event"] for e in events]
    for name in ("master.start", "worker.spawn", "worker.ready", "pool.ready", "master.ready"):
        if name not in names:
            raise Failed(f"no event {name} in {names}")
    if not re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$", events[0]["time"]):
        raise Failed(f"time is {events[0]['time']}")
    if "web" not in m.ctl("status"):
        raise Failed("the table does not show the pool")
    m.stop()


def test_open_connections_are_counted(env):
    port = env.port()
    m = env.start("--port", port, "--workers", 1)
    answer = http.background(port, "/slow?ms=3000")
    wait_until("one open connection", lambda: m.workers()[0]["connections"] == 1, 2.9)
    if answer().status != 200:
        raise Failed("the slow request was not answered")
    wait_until("no open connection", lambda: m.workers()[0]["connections"] == 0)
    m.stop()


def test_log_json_is_one_object_a_line(env):
    m = env.start("--port", env.port(), "--workers", 1, "--log-format", "json", ready=False)
    m.wait_line("ready: ")
    m.stop()
    for line in m.output().splitlines():
        entry = json.loads(line)
        if not {"time", "level", "msg"} <= entry.keys():
            raise Failed(f"a line lacks time, level or msg: {line}")


def test_two_instances_and_a_target(env):
    one = env.start("--port", env.port(), "--workers", 1, "--name", "one")
    two = env.start("--port", env.port(), "--workers", 1, "--name", "two")
    unclear = env.client("status", "--json")
    if unclear.returncode != 2 or "one" not in unclear.stderr or "two" not in unclear.stderr:
        raise Failed(f"without a target: {unclear.returncode} {unclear.stderr}")
    if json.loads(one.ctl("status", "--json", "two:"))["name"] != "two":
        raise Failed("two: is not the second instance")
    one.ctl("stop", "one:")
    one.wait_exit(0)
    two.stop()


def test_uid_is_the_sudo_callers(env):
    m = env.start("--port", env.port(), "--workers", 1,
                  env={"SUDO_UID": "65534", "SUDO_GID": "65534", "SUDO_USER": "nobody"})
    pid = m.wait_workers(1)[0]["pid"]
    if proc.status(pid)["Uid"].split() != ["65534"] * 4:
        raise Failed(f"uid {proc.status(pid)['Uid']}")
    if any(name.startswith("SUDO_") for name in proc.environ(pid)):
        raise Failed("SUDO_* reached the worker")
    m.stop()


def test_no_sandbox_word_leaves_out_only_that(env):
    m = env.start("--port", env.port(), "--workers", 1, "--no-sandbox", "seccomp")
    s = proc.status(m.wait_workers(1)[0]["pid"])
    if s["Seccomp"] != "0" or s["NoNewPrivs"] != "1" or int(s["CapEff"], 16) != 0:
        raise Failed(f"Seccomp {s['Seccomp']}, NoNewPrivs {s['NoNewPrivs']}, CapEff {s['CapEff']}")
    m.stop()
