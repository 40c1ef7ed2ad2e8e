# SPDX-License-Identifier: MIT
"""--balance roundrobin and sticky where the master accepts: native and node-cluster."""

import resource
import signal
import socket
import time

from harness import Failed, patience, timeout, wait_until
from harness import http, proc
from test_balance import by, check_sticky, start

NET = """
require('net').createServer((s) => {
  s.on('error', () => {});
  s.once('data', () => s.end(`HTTP/1.1 200 OK\\r\\nConnection: close\\r\\n\\r\\n` +
                             `slot ${process.env.MPSUP_WORKER}`));
}).listen(Number(process.argv[2]));
"""

TWO = """
const http = require('http'), me = process.env.MPSUP_WORKER;
const page = (name) => (q, r) => {
  if (q.url === '/close') admin.close();
  r.setHeader('Connection', 'close');
  r.end(`slot ${me} ${name}`);
};
http.createServer(page('main')).listen(Number(process.argv[2]));
http.createServer(page('path')).listen(process.argv[4]);
const admin = http.createServer(page('admin')).listen(Number(process.argv[3]), '127.0.0.1');
"""

FULL = """
const s = require('http').createServer((q, r) => {
  setTimeout(() => r.end(`slot ${process.env.MPSUP_WORKER}`), 1000);
});
if (process.env.MPSUP_WORKER === '1') s.maxConnections = 1;
s.listen(Number(process.argv[2]));
"""

GREEDY = """
const fs = require('fs'), me = process.env.MPSUP_WORKER;
require('http').createServer((q, r) => r.end(`slot ${me}`)).listen(Number(process.argv[2]), () => {
  if (me !== '1') return;
  console.log('slot 1 has them all');
  setImmediate(() => { try { for (;;) fs.openSync('/dev/null'); } catch (e) { } });
});
"""

FAST = ("--restart-limit", "1000/60s", "--backoff", "0ms..0ms")


def start_js(env, text, port, *more, arguments=(), workers=4):
    node = env.need_program("node")
    return env.start("--workers", workers, "--port", port, "--balance", "roundrobin", *more, "--",
                     node, "app.js", port, *arguments, cwd=env.app(app_js=text))


def start_dealt(env, how, port, *more, workers=2, balance="roundrobin"):
    python = env.need_program("python3")
    app = env.fixture("dealt.py")
    return env.start("--port", port, "--workers", workers, "--protocol", "native", "--balance",
                     balance, "--env", f"HOSTILE={how}", *more, "--", python, "dealt.py",
                     cwd=app.parent)


def dispatched(m, what):
    return [w["dispatched"][what] for w in m.workers(state="ready")]


def check_spread(m, port):
    counts = {}
    for _ in range(200):
        slot = by("127.0.0.1", port)
        counts[slot] = counts.get(slot, 0) + 1
    if len(counts) != 4 or max(counts.values()) - min(counts.values()) > 2:
        raise Failed(f"200 connections went {counts}")
    wait_until("each is answered for", lambda: sum(dispatched(m, "taken")) == 200)
    if m.pool()["dispatch"] != {"waiting": 0, "redispatched": 0, "closed": 0}:
        raise Failed(f"{m.pool()['dispatch']}")
    m.stop()


def test_spread_over_node_programs(env):
    port = env.port()
    check_spread(start(env, port, "roundrobin", workers=4, program="node"), port)


def test_spread_over_plain_net_servers(env):
    port = env.port()
    check_spread(start_js(env, NET, port), port)


def test_spread_over_builtin_workers(env):
    port = env.port()
    check_spread(start(env, port, "roundrobin", workers=4, program=""), port)


def test_many_at_once(env):
    port = env.port()
    m = start(env, port, "roundrobin", workers=4, program="node")
    answers = http.many(port, 2000, 30)
    bad = [a for a in answers if a.outcome != http.OK]
    if bad:
        raise Failed(f"{len(bad)} of 2000 failed, the first: {bad[0]}")
    wait_until("all are taken", lambda: sum(dispatched(m, "taken")) == 2000)
    if min(dispatched(m, "taken")) < 300:
        raise Failed(f"they went {dispatched(m, 'taken')}")
    m.stop()


def test_sticky_node_programs(env):
    check_sticky(env, "node")


def test_sticky_builtin_workers(env):
    check_sticky(env, "")


def check_kills(env, program, *more):
    """Workers die in the middle of everything: no client is refused, none waits for ever."""
    port = env.port()
    m = start(env, port, "roundrobin", *FAST, *more, program=program)
    with http.Load(port, 6, seconds=8) as load:
        end = time.monotonic() + 10
        n = 0
        while time.monotonic() < end:
            w = m.workers(state="ready")
            if w:
                proc.kill(w[n % len(w)]["pid"])
            n += 1
            time.sleep(0.5)
    for bad in (http.REFUSED, http.HUNG):
        if load.count(bad):
            raise Failed(f"{load.count(bad)} {bad} of {len(load.results)}")
    if load.count(http.OK) < 100 or load.count(http.CUT) > 12 * n:
        raise Failed(f"{load.count(http.OK)} answers, {load.count(http.CUT)} cut, {n} kills")
    wait_until("nothing waits", lambda: m.pool()["dispatch"]["waiting"] == 0)
    m.stop()


@timeout(90)
def test_kills_of_node_programs(env):
    check_kills(env, "node", "--spares", 1)


@timeout(90)
def test_kills_of_builtin_workers(env):
    check_kills(env, "")


def test_restarts_lose_nothing(env):
    port = env.port()
    m = start(env, port, "roundrobin", program="node")
    with http.Load(port, 4, seconds=15) as load:
        for slot in range(3):
            if not load.wait_more(50):
                raise Failed("no answers")
            m.ctl("restart", f"web/{slot}", seconds=30)
            m.wait_workers(3)
    if load.count(http.OK) != len(load.results):
        raise Failed(f"{[r for r in load.results if r.outcome != http.OK][:3]}")
    m.stop()


def test_nobody_there_for_a_second(env):
    """Clients wait in the kernel's queue, and are served by the next worker."""
    port = env.port()
    m = start(env, port, "roundrobin", "--restart-limit", "1000/60s", "--backoff", "1s..1s",
              workers=1, program="node")
    for n in (1, 2):            # the first respawn is at once
        proc.kill(m.wait_workers(1)[0]["pid"])
        wait_until(f"respawn {n}", lambda count=n: len(m.events("worker.respawn")) == count)
    if not m.workers(state="backoff"):
        raise Failed("there is a worker")
    answers = [http.background(port, "/", 15) for _ in range(20)]
    bad = [a for a in (get() for get in answers) if a.outcome != http.OK]
    if bad:
        raise Failed(f"{len(bad)} of 20 clients were not served, the first: {bad[0]}")
    m.stop()


def test_blocked_worker_keeps_one(env):
    port = env.port()
    m = start(env, port, "roundrobin", program="node")
    stopped = m.workers()[1]["pid"]
    proc.kill(stopped, signal.SIGSTOP)
    answers = [http.background(port, "/", 20) for _ in range(30)]
    wait_until("all but one are answered", lambda: m.pool()["dispatch"]["waiting"] == 1, 15)
    m.wait_line("has not taken a connection for 1000 ms")
    for _ in range(10):
        if http.get(port).outcome != http.OK:
            raise Failed("a connection was given to a worker that does not answer")
    proc.kill(stopped, signal.SIGCONT)
    bad = [a for a in (get() for get in answers) if a.outcome != http.OK]
    if bad:
        raise Failed(f"{len(bad)} of 30 were not served: {bad[0]}")
    wait_until("it gets connections again", lambda: (
        by("127.0.0.1", port) == "1"))
    m.stop()


def test_blocked_worker_that_dies_gives_back(env):
    port = env.port()
    m = start(env, port, "roundrobin", program="node")
    stopped = m.workers()[1]["pid"]
    proc.kill(stopped, signal.SIGSTOP)
    answers = [http.background(port, "/", 20) for _ in range(9)]
    wait_until("one is left", lambda: m.pool()["dispatch"]["waiting"] == 1, 15)
    proc.kill(stopped)
    bad = [a for a in (get() for get in answers) if a.outcome != http.OK]
    if bad:
        raise Failed(f"{len(bad)} of 9 were not served: {bad[0]}")
    if m.pool()["dispatch"]["redispatched"] != 1:
        raise Failed(f"{m.pool()['dispatch']}")
    m.stop()


def test_several_ports_and_a_path(env):
    port, admin = env.port(), env.port()
    path = env.dir / "app.sock"
    m = start_js(env, TWO, port, "--listen", f"127.0.0.1:{admin}", "--listen",
                 f"unix:{path},mode=0666", arguments=(admin, path), workers=2)
    for where, name in ((port, "main"), (admin, "admin"), (path, "path")):
        seen = {http.get(where).text for _ in range(8)}
        if seen != {f"slot 0 {name}", f"slot 1 {name}"}:
            raise Failed(f"{where} is answered by {seen}")
    closed = http.get(port, "/close").text.split()[1]
    other = "1" if closed == "0" else "0"
    seen = {http.get(admin).text for _ in range(8)}
    if seen != {f"slot {other} admin"}:
        raise Failed(f"after slot {closed} closed that server: {seen}")
    if len({http.get(port).text for _ in range(8)}) != 2:
        raise Failed("the other port suffered")
    m.stop()


def test_full_worker_refuses(env):
    """server.maxConnections: Node says accepted: false, and another gets it."""
    port = env.port()
    m = start_js(env, FULL, port, workers=2)
    answers = [http.background(port, "/", 20) for _ in range(20)]
    slots = [get().text for get in answers]
    if slots.count("slot 0") + slots.count("slot 1") != 20 or slots.count("slot 1") > 5:
        raise Failed(f"{slots}")
    if sum(dispatched(m, "refused")) == 0 or m.pool()["dispatch"]["redispatched"] == 0:
        raise Failed("nothing was refused")
    m.stop()


def test_node_worker_without_descriptors(env):
    """It says NODE_HANDLE_NACK, lives on, and its sibling serves."""
    port = env.port()
    m = start_js(env, GREEDY, port, "--nofile", 200, workers=2)
    m.wait_line("slot 1 has them all")
    bad = [a for a in (http.get(port) for _ in range(20)) if a.text != "slot 0"]
    if bad:
        raise Failed(f"{len(bad)} of 20: {bad[0]}")
    if dispatched(m, "refused")[1] == 0 or len(m.workers(state="ready")) != 2:
        raise Failed(f"refused: {dispatched(m, 'refused')}")
    m.stop()


def test_full_builtin_workers(env):
    """Two that take 64 each: one more is closed, and there is room again later."""
    port = env.port()
    m = start(env, port, "roundrobin", "--nofile", 96, workers=2, program="")
    held = [http.KeepAlive(port) for _ in range(128)]
    for h in held:
        h.get()
    if http.get(port).outcome != http.CUT:
        raise Failed("there was room for one more")
    for h in held[:8]:
        h.close()
    wait_until("there is room", lambda: http.get(port).outcome == http.OK)
    for h in held[8:]:
        h.get()
        h.close()
    m.stop()


def test_out_of_descriptors(env):
    port = env.port()
    m = start(env, port, "roundrobin", program="")
    before = resource.prlimit(m.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(m.pid, resource.RLIMIT_NOFILE, (3, before[1]))
    waiting = [http.background(port, "/", 20) for _ in range(5)]
    m.wait_line("cannot accept connections: Too many open files")
    ticks = cpu_ticks(m.pid)
    time.sleep(1.5)
    ticks = cpu_ticks(m.pid) - ticks
    resource.prlimit(m.pid, resource.RLIMIT_NOFILE, before)
    bad = [a for a in (get() for get in waiting) if a.outcome != http.OK]
    if bad:
        raise Failed(f"{len(bad)} were not served afterwards: {bad[0]}")
    if ticks > 75:              # of 150: a loop would take them all
        raise Failed(f"the master was busy for {ticks} ticks")
    if m.output().count("cannot accept connections") != 1:
        raise Failed("it says so again and again")
    m.stop()


def cpu_ticks(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
        fields = f.read().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def test_idle_master_sleeps(env):
    port = env.port()
    m = start(env, port, "roundrobin", program="node")
    http.many(port, 20, 4)
    held = socket.create_connection(("127.0.0.1", port), patience(10))

    def wakes():
        return int(proc.status(m.pid)["voluntary_ctxt_switches"])

    def sleeps():
        first = wakes()
        time.sleep(1.2)
        return wakes() == first

    wait_until("a second without a wake-up", sleeps, 15)
    held.close()
    m.stop()


# Hostile: slot 1 lies, slot 0 is good.

def check_hostile(env, how, count=40, seconds=10):
    port = env.port()
    m = start_dealt(env, how, port)
    good = m.workers()[0]["pid"]
    answers = [http.get(port, seconds=seconds) for _ in range(count)]
    if m.workers()[0]["pid"] != good or m.workers()[0]["state"] != "ready":
        raise Failed("the good worker was harmed")
    return m, answers, port


def check_all_served(answers):
    bad = [a for a in answers if a.outcome != http.OK]
    if bad:
        raise Failed(f"{len(bad)} of {len(answers)} failed, the first: {bad[0]}")


def test_hostile_answers_for_others(env):
    m, answers, _ = check_hostile(env, "unknown")
    check_all_served(answers)
    m.wait_line("web/1 .* answers for connections that it was not given")
    if dispatched(m, "unasked")[1] < 40 or dispatched(m, "unasked")[0]:
        raise Failed(f"unasked: {dispatched(m, 'unasked')}")
    m.stop()


def test_hostile_answers_twice(env):
    m, answers, _ = check_hostile(env, "twice")
    check_all_served(answers)
    if dispatched(m, "taken") != [20, 20]:
        raise Failed(f"taken: {dispatched(m, 'taken')}")
    m.stop()


def test_hostile_refuses_for_ever(env):
    m, answers, port = check_hostile(env, "refuse")
    check_all_served(answers)
    if {a.text for a in answers} != {"slot 0"}:
        raise Failed("somebody else answers")
    m.ctl("stop", "web/0")
    answer = http.get(port)
    # The master may be done with it before connect(2) has returned.
    if answer.outcome != http.CUT and "reset by peer" not in answer.error:
        raise Failed(f"with nobody who takes it: {answer}")
    m.wait_line("a connection that 1 worker did not take is closed")
    m.stop()


def test_hostile_reads_and_refuses(env):
    """What it has read from is not whole: it ends, nobody waits for the rest."""
    m, answers, _ = check_hostile(env, "read-refuse")
    if sum(a.outcome == http.HUNG for a in answers):
        raise Failed("a client waited for an answer to half a request")
    if sum(a.outcome == http.OK for a in answers) < 20:
        raise Failed("the good worker's clients suffered")
    m.stop()


def test_hostile_never_answers(env):
    """It serves what it has and says nothing: it gets no more."""
    m, answers, _ = check_hostile(env, "never")
    check_all_served(answers)
    if [a.text for a in answers].count("slot 1") != 1 and dispatched(m, "taken")[1]:
        raise Failed("it got more than one")
    m.wait_line("web/1 .* has not taken a connection")
    m.stop()


def test_hostile_flood_of_answers(env):
    port = env.port()
    m = start_dealt(env, "flood", port)
    end = time.monotonic() + 3
    while time.monotonic() < end:
        if http.get(port).outcome != http.OK:
            raise Failed("a client was not served under a flood")
        m.status()
    m.stop()


def test_hostile_lingers(env):
    """It leaves the last close to the master, with an hour to wait for."""
    port = env.port()
    m = start_dealt(env, "linger", port)
    held = []
    for _ in range(6):
        s = socket.create_connection(("127.0.0.1", port), patience(10))
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        held.append(s)
    wait_until("all were taken", lambda: m.pool()["dispatch"]["waiting"] == 0, 15)
    m.ctl("status", seconds=5)
    for s in held:
        s.close()
    m.stop()
