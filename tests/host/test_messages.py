# SPDX-License-Identifier: MIT
"""Messages between workers, by Node and by libmpsup: to whom, how fast, and who is hostile."""

import json
import os
import shutil
import socket
import threading
import time

from harness import Failed, timeout, wait_until
from harness import http, pace

KIB = 1024


class Talk:
    """A pool of workers that say what they are told: fixtures/talk.js, helpers/talker.c."""

    def __init__(self, env, kind, *more, workers=3):
        self.port = env.port()
        self.kind = kind
        args = ["--port", self.port, "--workers", workers, "--restart-limit", "1000/60s", *more]
        if kind == "native":
            talker = env.build / "helpers" / "talker"
            if not talker.exists():
                raise Failed("build/helpers/talker is missing: make tests")
            app = env.app()
            shutil.copyfile(talker, app / "talker")
            (app / "talker").chmod(0o755)
            args += ["--protocol", "native", "--", "./talker"]
        else:
            app = env.fixture("talk.js").parent
            if kind == "node-ipc":
                args += ["--env", "IPC=1"]
            args += ["--protocol", kind, "--", env.need_program("node"), "talk.js"]
        self.m = env.start(*args, cwd=app)

    def ask(self, slot, what, body="", seconds=15.0, may_die=False):
        """Asks until the worker of that slot is the one that answers, or dies of it."""
        head = (f"POST /{slot}/{what} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                f"Content-Length: {len(body.encode())}\r\n\r\n{body}").encode()
        end = time.monotonic() + pace.patience(seconds)
        while time.monotonic() < end:
            answer = self._request(head)
            if may_die and not answer:
                return ""
            if answer and b" 409 " not in answer.split(b"\r\n", 1)[0]:
                text = answer.partition(b"\r\n\r\n")[2].decode()
                if b" 200 " not in answer.split(b"\r\n", 1)[0]:
                    raise Failed(f"/{slot}/{what}: {answer[:200]!r}")
                return text
        raise Failed(f"slot {slot} does not answer to {what}")

    def _request(self, head):
        parts = []
        try:
            with socket.create_connection(("127.0.0.1", self.port), 3) as s:
                s.sendall(head)
                while part := s.recv(65536):
                    parts.append(part)
        except OSError:
            return b""          # taken by one that is blocked or dying: ask again
        return b"".join(parts)

    def send(self, slot, **message):
        return self.ask(slot, "send", json.dumps(message))

    def got(self, slot):
        """What has come from siblings."""
        lines = [json.loads(line) for line in self.ask(slot, "got").splitlines()]
        return [m for m in lines if m.get("action") != "pool-ready"]

    def wait_got(self, slot, expected):
        """In any order: what was sent from several comes as it comes."""
        def key(m):
            return json.dumps(m, sort_keys=True)
        try:
            wait_until("it comes", lambda: len(self.got(slot)) >= len(expected), 10, 0.05)
        except Failed:
            pass
        seen = self.got(slot)
        if sorted(seen, key=key) != sorted(expected, key=key):
            raise Failed(f"slot {slot} got {seen}, not {expected}")

    def inner_pid(self, slot):
        return [w["ns_pid"] for w in self.m.workers() if w["slot"] == slot][0]

    def counts(self, slot):
        return [w["messages"] for w in self.m.workers() if w["slot"] == slot][0]


def check_addresses(env, kind):
    t = Talk(env, kind)
    t.send(0, to="app", action="a", data={"n": [1, 0.5, "grüß\u0000"]})
    t.send(1, to="web/2", action="b", data=None)
    t.send(1, to=t.inner_pid(0), action="c")
    t.send(1, to=str(t.inner_pid(2)), action="d")
    t.send(2, to="web/2", action="e", data="to itself")
    a = {"action": "a", "data": {"n": [1, 0.5, "grüß\u0000"]}, "from": "web/0"}
    t.wait_got(0, [a, {"action": "c", "from": "web/1"}])
    t.wait_got(1, [a])
    t.wait_got(2, [a, {"action": "b", "data": None, "from": "web/1"},
                   {"action": "d", "from": "web/1"},
                   {"action": "e", "data": "to itself", "from": "web/2"}])
    for n in range(20):
        t.send(0, to="random", action="r", data=n)
    wait_until("each has come once", lambda: sum(
        m["action"] == "r" for s in (1, 2) for m in t.got(s)) == 20, 10, 0.1)
    if any(m["action"] == "r" for m in t.got(0)):
        raise Failed("random came back to the sender")
    check_events(t)
    if any(e["reason"] != "stop" for e in t.m.events("worker.exit")):
        raise Failed(f"somebody died: {t.m.events('worker.exit')}")
    t.m.stop()


def check_events(t):
    before = len(t.m.events("worker.message"))
    t.send(0, to="master", action="to the master")
    t.send(0, action="to nobody")
    for to in ("agent", "agent/state", "web/3", "api/0", "4000000", "nobody", None):
        t.send(0, to=to, action="lost")
    seen = wait_until("nine events", lambda: (
        lambda found: found if len(found) == 9 else None)(
            t.m.events("worker.message")[before:]), 10, 0.1)
    if any("result" in e for e in seen[:2]) or "to the master" not in seen[0]["text"]:
        raise Failed(f"what was for the master: {seen[:2]}")
    for e in seen[2:]:
        if not e["result"] or e["slot"] != 0:
            raise Failed(f"not delivered, and not said why: {e}")
    if [e["target"] for e in seen[2:5]] != ["agent", "agent/state", "web/3"]:
        raise Failed(f"targets {[e['target'] for e in seen[2:]]}")
    t.m.wait_line("is not delivered")
    if t.m.output().count("is not delivered") != 1:
        raise Failed("not named once")
    if t.counts(0)["undelivered"] != 7:
        raise Failed(f"counted {t.counts(0)}")


@timeout(90)
def test_addresses_node_cluster(env):
    check_addresses(env, "node-cluster")


@timeout(90)
def test_addresses_node_ipc(env):
    check_addresses(env, "node-ipc")


@timeout(90)
def test_addresses_native(env):
    check_addresses(env, "native")


def ready_messages(t, slot):
    return [line for line in t.ask(slot, "got").splitlines() if "pool-ready" in line]


def check_pool_ready(env, kind):
    t = Talk(env, kind)
    for slot in range(3):
        wait_until("pool-ready", lambda s=slot: ready_messages(t, s), 10, 0.05)
    os.kill(t.m.workers(state="ready")[1]["pid"], 9)
    t.m.wait_event("worker.exit", slot=1)
    t.m.wait_workers(3)
    for slot in range(3):           # one that came later too
        said = wait_until("pool-ready", lambda s=slot: ready_messages(t, s), 10, 0.05)
        if [json.loads(line) for line in said] != [{"action": "pool-ready"}]:
            raise Failed(f"slot {slot} heard {said}")
    t.m.stop()


def test_pool_ready_node_cluster(env):
    check_pool_ready(env, "node-cluster")


def test_pool_ready_node_ipc(env):
    check_pool_ready(env, "node-ipc")


def test_pool_ready_native(env):
    check_pool_ready(env, "native")


def test_builtin_worker_is_not_disturbed(env):
    port = env.port()
    m = env.start("--port", port, "--workers", 2)
    if http.get(port).status != 200 or m.events("worker.exit"):
        raise Failed("it does not like pool-ready")
    wait_until("both were told", lambda: m.pool()["state"] == "ready")
    if http.get(port).status != 200:
        raise Failed("no answer")
    m.stop()


def test_what_is_forged_and_what_is_odd(env):
    t = Talk(env, "node-cluster", workers=2)
    t.send(0, **{"to": "app", "from": "web/1", "mpsup": {"slot": 7},
                 "action": "x", "data": {"cmd": "NODE_CLUSTER", "act": "disconnect"}})
    t.send(0, to="app", cmd="NODE_CLUSTER", action="y")     # Node's own: no message at all
    t.ask(0, "surrogate")
    half = {"action": "half", "data": ["\ufffd", "a\u0000b", 1e19], "from": "web/0"}
    x = {"action": "x", "data": {"cmd": "NODE_CLUSTER", "act": "disconnect"}, "from": "web/0"}
    for slot in (0, 1):
        t.wait_got(slot, [x, half])
    if t.m.events("worker.exit") or t.m.events("worker.suicide"):
        raise Failed("a word of the protocol came through")
    t.m.stop()


def test_spares_and_leaving_workers(env):
    t = Talk(env, "node-ipc", "--spares", 1, workers=2)
    t.m.wait_workers(1, state="parked", role="spare")
    t.send(0, to="app", action="before")
    t.wait_got(1, [{"action": "before", "from": "web/0"}])
    pid = [w["pid"] for w in t.m.workers() if w["slot"] == 1][0]
    os.kill(pid, 9)
    t.m.wait_event("worker.promoted", slot=1)
    t.m.wait_workers(2)
    t.send(0, to="app", action="after")
    t.wait_got(1, [{"action": "after", "from": "web/0"}])   # parked it heard nothing
    t.m.stop()


def test_a_worker_that_finishes_still_hears(env):
    t = Talk(env, "node-ipc", workers=2)
    old = [w["pid"] for w in t.m.workers() if w["slot"] == 0][0]
    open_ones = []

    def one_is_its_own():          # a request whose end is not sent: it has to stay for that
        open_ones.append(s := socket.create_connection(("127.0.0.1", t.port), 10))
        s.sendall(b"POST /0/send HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n")
        time.sleep(0.05)
        return [w for w in t.m.workers() if w["pid"] == old and w["connections"]]

    wait_until("it has an open request", one_is_its_own, 10, 0.05)
    t.ask(0, "suicide")
    t.m.wait_event("worker.suicide", pid=old)
    wait_until("the next one is ready", lambda: [
        w for w in t.m.workers(state="ready") if w["slot"] == 0 and w["pid"] != old], 10, 0.05)
    t.send(1, to="app", action="to three")
    wait_until("it was told", lambda: [w for w in t.m.workers(state="draining") if w["pid"] == old
                                       and w["messages"]["received"] == 1], 10, 0.05)
    os.kill(old, 9)
    for s in open_ones:
        s.close()
    t.m.stop()


def test_messages_in_a_stop(env):
    t = Talk(env, "native")
    t.m.stop()
    for slot in range(3):
        for sender in range(3):
            if not any(f"web/{slot}" in line and f'"from":"web/{sender}"' in line
                       for line in t.m.output().splitlines() if '"bye"' in line):
                raise Failed(f"web/{slot} did not hear the last word of web/{sender}")


def test_receivers_that_die(env):
    t = Talk(env, "native", "--backoff", "2s..2s", workers=2)
    for _ in range(2):              # the second time it has to wait
        os.kill([w["pid"] for w in t.m.workers() if w["slot"] == 1][0], 9)
        t.m.wait_event("worker.exit", slot=1)
        wait_until("there is another or none", lambda: [
            w for w in t.m.workers() if w["slot"] == 1
            and w["state"] in ("ready", "backoff")], 10, 0.02)
    wait_until("it waits", lambda: [w for w in t.m.workers(state="backoff") if w["slot"] == 1])
    t.send(0, to="web/1", action="too early")
    lost = t.m.wait_event("worker.message", target="web/1")
    if lost["result"] != "no worker is ready there":
        raise Failed(f"{lost}")
    t.m.wait_workers(2)
    t.send(0, to="web/1", action="in time")
    t.wait_got(1, [{"action": "in time", "from": "web/0"}])
    t.m.stop()


def test_a_closed_channel(env):
    t = Talk(env, "node-ipc", workers=2)
    t.ask(1, "quit")
    t.send(0, to="web/1", action="x")
    if t.m.wait_event("worker.message", target="web/1")["result"] != "it has closed its channel":
        raise Failed(f"{t.m.events('worker.message')}")
    t.send(0, to="app", action="y")
    t.wait_got(0, [{"action": "y", "from": "web/0"}])
    t.m.stop()


@timeout(90)
def test_a_burst_loses_nothing(env):
    """More than a hundred a second wait, whole and in order."""
    t = Talk(env, "node-cluster")
    t.ask(0, "flood/350", json.dumps({"to": "app", "action": "n"}))
    for slot in range(3):
        wait_until(f"slot {slot} has all", lambda s=slot: len(t.got(s)) == 350, 30, 0.2)
        if [m["data"] for m in t.got(slot)] != list(range(350)):
            raise Failed("not in order")
    if len(t.m.events("worker.limit")) != 1:
        raise Failed("the sender is told of more than once")
    t.m.wait_line("100 messages")
    t.m.stop()


@timeout(90)
def test_long_messages_are_whole(env):
    """They do not fit into a socket all at once: none is torn, and the socket still travels."""
    t = Talk(env, "node-cluster")
    for _ in range(15):
        t.ask(0, f"long/{60 * KIB}")
    for slot in range(3):
        wait_until(f"slot {slot} has all", lambda s=slot: t.counts(s)["received"] == 15, 30, 0.1)
    seen = t.got(2)
    if len(seen) != 15 or any(set(m["data"]) != {"x"} or len(m["data"]) != len(seen[0]["data"])
                              for m in seen):
        raise Failed(f"{len(seen)} came, torn or not all")
    t.m.stop()


def check_bounds(t, good, bad):
    """The longest message arrives; one byte more ends who sent it, and reaches nobody."""
    good()
    for slot in (0, 1):
        wait_until("it arrives", lambda s=slot: t.counts(s)["received"] == 1, 10, 0.05)
    old = [w["pid"] for w in t.m.workers() if w["slot"] == 0][0]
    bad()
    end = t.m.wait_event("worker.exit", pid=old)
    if end["reason"] != "protocol" or t.counts(1)["received"] != 1:
        raise Failed(f"{end}, {t.counts(1)}")
    if len(t.m.events("worker.exit")) != 1:
        raise Failed("somebody else died")
    t.m.stop()


def test_bound_node(env):
    t = Talk(env, "node-cluster", workers=2)
    check_bounds(t, lambda: t.ask(0, f"long/{64 * KIB}"),
                 lambda: t.ask(0, f"long/{64 * KIB + 1}", may_die=True))


def test_bound_native(env):
    t = Talk(env, "native", workers=2)

    def raw(size):
        head = 'MESSAGE={"to":"app","data":"'
        said = t.ask(0, "raw", head + "x" * (size - len(head) - 2) + '"}', may_die=True)
        if said not in (str(size), ""):
            raise Failed(f"its send() gave {said}")

    check_bounds(t, lambda: raw(64 * KIB), lambda: raw(64 * KIB + 1))


def memory(t):
    """Pss of the master in KiB."""
    with open(f"/proc/{t.m.pid}/smaps_rollup", encoding="ascii") as f:
        return sum(int(line.split()[1]) for line in f if line.startswith("Pss:"))


@timeout(120)
def test_a_deaf_receiver(env):
    """It is named once; the others get theirs; what waited for it comes whole when it reads."""
    t = Talk(env, "native", "--watchdog", "1s", workers=3)
    before = memory(t)
    good = [w["pid"] for w in t.m.workers() if w["slot"] != 1]
    big = json.dumps({"to": "app", "action": "big", "data": "y" * 60000})
    t.ask(1, "deaf")
    t.ask(0, "flood/60", big)
    t.m.wait_line(r"web/1 .*does not read its messages", 30)
    # The watchdog of a deaf one runs: it still says that it lives.
    wait_until("the sender got rid of all", lambda: t.ask(0, "left") == "0", 30, 0.2)
    wait_until("slot 2 has all", lambda: t.counts(2)["received"] == 60, 30, 0.1)
    if t.counts(2)["dropped"] or not t.counts(1)["dropped"]:
        raise Failed(f"{t.counts(1)}, {t.counts(2)}")
    if memory(t) - before > 4 * KIB:
        raise Failed(f"the master has grown from {before} to {memory(t)} KiB")
    if [w["pid"] for w in t.m.workers() if w["slot"] != 1] != good:
        raise Failed("an innocent one was ended")
    received, dropped = t.counts(1)["received"], t.counts(1)["dropped"]
    if received + dropped != 60:
        raise Failed(f"{received} and {dropped} are not 60")
    t.ask(1, "hear")
    t.m.wait_line(r"web/1 .*reads its messages again; \d+ were dropped")
    wait_until("what waited has come", lambda: len(t.got(1)) == received, 10, 0.1)
    if any(len(m["data"]) != 60000 for m in t.got(1)):
        raise Failed("torn")
    t.send(0, to="web/1", action="hello again")
    wait_until("it hears", lambda: t.got(1)[-1]["action"] == "hello again", 10, 0.1)
    if len([e for e in t.m.events("worker.limit") if e["slot"] == 1]) != 1:
        raise Failed("named more than once")
    t.m.stop()


@timeout(90)
def test_a_blocked_node_worker(env):
    """Its event loop stands still for a while: lines wait, none is torn or lost."""
    t = Talk(env, "node-cluster", workers=2)
    t.ask(1, "block/100")
    done = []
    blocker = threading.Thread(target=lambda: done.append(t.ask(1, "block/1500", seconds=30)))
    blocker.start()
    time.sleep(0.3)
    for n in range(12):
        t.ask(0, f"long/{50 * KIB + n}", seconds=40)
    blocker.join()
    wait_until("all have come", lambda: len(t.got(1)) == 12, 20, 0.1)
    sizes = [len(m["data"]) for m in t.got(1)]
    if sizes != list(range(sizes[0], sizes[0] + 12)) or t.counts(1)["dropped"]:
        raise Failed(f"{sizes}, {t.counts(1)}")
    t.m.stop()


@timeout(120)
def test_all_flood_and_nobody_reads(env):
    """The master stays small, and answers."""
    t = Talk(env, "native", "--drain-timeout", "1s", workers=4)
    before = memory(t)
    big = json.dumps({"to": "app", "data": "z" * 60000})
    for slot in range(4):
        t.ask(slot, "flood/100000", big)
        t.ask(slot, "deaf")
    most, slowest = before, 0.0
    end = time.monotonic() + 6
    while time.monotonic() < end:
        started = time.monotonic()
        t.m.status()
        slowest = max(slowest, time.monotonic() - started)
        most = max(most, memory(t))
    if most - before > 6 * KIB:
        raise Failed(f"the master has grown from {before} to {most} KiB")
    if slowest > 3:
        raise Failed(f"status took {slowest:.1f} s")
    # One after another: each sender is held for two seconds before its words are dropped.
    wait_until("each has dropped some", lambda: all(t.counts(s)["dropped"] for s in range(4)), 20)
    if len(t.m.workers(state="ready")) != 4:
        raise Failed(f"{t.m.workers()}")
    t.m.stop()


@timeout(120)
def test_a_flood_of_small_ones_delays_nobody(env):
    """A worker's own READY, status and messages come through while a sibling floods."""
    t = Talk(env, "native", workers=3)
    t.ask(0, "flood/100000", json.dumps({"to": "master", "action": "noise"}))
    t.ask(1, "flood/100000", json.dumps({"to": "nobody", "action": "noise"}))
    for n in range(5):
        t.send(2, to="web/2", action="echo", data=n)
        wait_until("the echo", lambda k=n: len(t.got(2)) == k + 1, 5, 0.01)
    os.kill([w["pid"] for w in t.m.workers() if w["slot"] == 2][0], 9)
    t.m.wait_event("worker.exit", slot=2)
    t.m.wait_workers(3, seconds=5)
    t.m.stop()


def test_rubbish_in_messages(env):
    """Rubbish as a message harms nobody: events, and text that is safe to look at."""
    t = Talk(env, "native", workers=2)
    rubbish = ['{"to":', '{"to":"app\x01"}', "[" * 3000, '{"to":"\x1b[2J"}', '"app"', "to=app",
               '{"to":"app","data":' + "[" * 63 + "]" * 63 + "}",
               '{"to":"app","data":' + "[" * 1000 + "]" * 1000 + "}",
               '{"to":"app","to":"web/1","action":"twice"}',
               '{"to":"web/00000000000000000000001"}', '{"to":18446744073709551617}',
               '{"to":{"to":"app"}}', '{"to":-0}', '{"to":"app/0"}', "{}", "null"]
    for text in rubbish:
        if t.ask(0, "send", text) != "0":
            raise Failed(f"not sent: {text[:40]}")
    # 63 levels and the message make 64; the last of two equal keys counts; a number is a number.
    wait_until("what may come has come", lambda: len(t.got(1)) == 3, 10, 0.05)
    if [m.get("action") for m in t.got(1)] != [None, "twice", None]:
        raise Failed(f"{t.got(1)}")
    if "\x1b[2J" in t.m.output() or "\x1b" in t.m.ctl("events"):
        raise Failed("a control character came through")
    if t.m.events("worker.exit"):
        raise Failed(f"{t.m.events('worker.exit')}")
    t.m.stop()
