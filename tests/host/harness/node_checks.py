# SPDX-License-Identifier: MIT
"""What must hold for a Node program as it is, whatever Node's version.

Each check_NAME(env, which) is a test once for each version: three of them among the host
tests, all of them in tests/node.
"""

import json
import os
import re
import time

from . import http, proc
from .env import Failed, wait_until
from .nodes import Node


def ask(port, path="/", seconds=20.0):
    answer = http.get(port, path, seconds)
    if answer.status != 200:
        raise Failed(f"GET {path}: {answer}")
    return answer.text


def all_serve(port, count):
    """Requests until as many workers have answered; none may fail."""
    seen = set()
    for _ in range(40):
        for answer in http.many(port, 30, 12, "/burn", seconds=20):
            if answer.status != 200:
                raise Failed(f"GET /burn: {answer}")
            seen.add(answer.text)
        if len(seen) == count:
            return
    raise Failed(f"only {sorted(seen)} of {count} workers answer")


def three_workers(env, which, program, framework=None):
    node, port = Node(env, which), env.port()
    more = ("--env", f"FRAMEWORK={node.framework(framework)}") if framework else ()
    m = node.start(program, "--workers", 3, "--port", port, *more)
    if m.pool()["protocol"] != "node-cluster":
        raise Failed(f"auto picked {m.pool()['protocol']}")
    m.wait_workers(3)
    all_serve(port, 3)
    m.stop()
    if m.output().count("warning: web/"):
        raise Failed(f"a warning where all is well:\n{m.output()}")


def check_http(env, which):
    three_workers(env, which, "http.js")


def check_express(env, which):
    three_workers(env, which, "express.js", "express")


def check_koa(env, which):
    three_workers(env, which, "koa.js", "koa")


def check_fastify(env, which):
    three_workers(env, which, "fastify.js", "fastify")


def check_cluster_primary(env, which):
    """A program that would fork by itself is a worker from the start."""
    node, port = Node(env, which), env.port()
    m = node.start("primary.js", "--workers", 2, "--port", port)
    m.wait_workers(2)
    pids = {w["ns_pid"] for w in m.workers()}
    if int(ask(port)) not in pids:
        raise Failed("another process than a worker answers")
    m.stop()


def check_many_addresses(env, which):
    node, port, admin = Node(env, which), env.port(), env.port()
    path = env.dir / "app.sock"
    m = node.start("many.js", "--workers", 2, "--port", port, "--listen", f"127.0.0.1:{admin}",
                   "--listen", f"unix:{path},mode=0666", "--env", f"ADMIN={admin}", "--env",
                   f"SOCK={path}")
    seen = json.loads(ask(port))
    wanted = {"twice": "EADDRINUSE", "admin": "ok", "again": "ok", "path": "ok",
              "elsewhere": "EADDRINUSE", "free": ["ok", "ok"], "freeDiffer": True,
              "freeAnswers": ["one", "two"], "udp": "ENOTSUP",
              "cluster": [True, False, True, False, True, False]}
    wrong = {name: (seen.get(name), value) for name, value in wanted.items()
             if seen.get(name) != value}
    if wrong:
        raise Failed(f"what it saw, and what it should have seen: {wrong}")
    wait_until("the admin port answers", lambda: http.get(admin).text.startswith("admin "))
    m.wait_line(re.escape(f"app listens on 1, mpsup was given {port}, 127.0.0.1:{admin}"))
    m.stop()


def check_threads_and_forks(env, which):
    node, port = Node(env, which), env.port()
    m = node.start("threads.js", "--workers", 2, "--port", port)
    m.wait_workers(2)
    if int(ask(port)) not in {w["ns_pid"] for w in m.workers()}:
        raise Failed("another process than a worker answers")
    m.stop()
    m = node.start("forks.js", "--workers", 2, "--port", port)
    m.wait_workers(2)
    if json.loads(ask(port)) != [42, False]:
        raise Failed("its helper answered something else")
    m.stop()


def check_spares(env, which):
    node, port = Node(env, which), env.port()
    m = node.start("http.js", "--workers", 1, "--spares", 1, "--port", port)
    m.wait_workers(1, state="parked", role="spare")
    for _ in range(2):
        old = m.workers(state="ready")[0]["pid"]
        os.kill(old, 9)
        wait_until("another worker serves", lambda: [
            w for w in m.workers(state="ready") if w["pid"] != old])
        ask(port)
        m.wait_workers(1, state="parked", role="spare")
    if len(m.events("worker.promoted")) != 2:
        raise Failed("not every death was answered by a spare")
    m.stop()


def check_drain(env, which):
    """What has begun is finished in a stop, and the program sees Node's own events."""
    node, port = Node(env, which), env.port()
    m = node.start("life.js", "--workers", 1, "--port", port)
    answer = http.background(port, "/?ms=800")
    wait_until("the request has arrived", lambda: m.workers()[0]["connections"] == 1, 10)
    m.stop()
    if answer().status != 200:
        raise Failed(f"an open request was not finished: {answer()}")
    for line in ("worker disconnect", "process disconnect true"):
        if line not in m.output():
            raise Failed(f"the program did not see '{line}':\n{m.output()}")
    if (m.output().find("(exit 0)")) < 0:
        raise Failed(f"it did not end by itself:\n{m.output()}")


def check_kept_connections(env, which):
    """A reload ends them by Node's last answer: nobody's request is lost, and who says
    nothing is not waited for. The program's environment is its own meanwhile."""
    node, port = Node(env, which), env.port()
    m = node.start("kept.js", "--workers", 2, "--port", port, "--env",
                   "NODE_OPTIONS=--max-http-header-size=9999")
    m.wait_workers(2)
    said = json.loads(ask(port))
    if said != {"own": "--max-http-header-size=9999", "thread": True, "child": "--max-http-header-size=9999",
                "limit": 9999}:
        raise Failed(f"its options: {said}")
    with http.KeepAlive(port) as silent, http.Keeping(port, 4) as kept:
        silent.get("/short")
        for generation in range(2, 5):
            m.ctl("reload", "--wait", "drained", seconds=30)
            wait_until("everybody is served again", lambda n=kept.answers: kept.answers > n + 8)
            if {w["generation"] for w in m.workers()} != {generation}:
                raise Failed(f"{m.workers()}")
    if kept.problems or kept.repeats or kept.polite < 3:
        raise Failed(f"{kept.problems[:3]}, {kept.repeats} of {kept.answers} repeated, "
                     f"{kept.polite} were told")
    m.stop()


def check_ipc_leaves(env, which):
    """Node closes nothing for a program that got its server as a message; we do."""
    node, port = Node(env, which), env.port()
    m = node.start("ipc_kept.js", "--workers", 2, "--port", port, "--protocol", "node-ipc")
    m.wait_workers(2)
    if ask(port) != "none":
        raise Failed("its options are not its own")
    with http.KeepAlive(port) as silent, http.Keeping(port, 3) as kept, http.Load(port, 3) as load:
        silent.get()
        for generation in range(2, 5):
            slow = http.background(port, "/slow")
            load.wait_more(5)
            m.ctl("reload", "--wait", "drained", seconds=30)
            if slow().text != "none" or {w["generation"] for w in m.workers()} != {generation}:
                raise Failed(f"{slow()} {m.workers()}")
    bad = [r for r in load.results if r.outcome != http.OK]
    if kept.problems or kept.repeats or kept.polite < 3 or bad:
        raise Failed(f"{bad[:3]}, {kept.problems[:3]}, {kept.repeats} of {kept.answers} repeated, "
                     f"{kept.polite} were told")
    slow = http.background(port, "/slow")
    wait_until("it has arrived", lambda: sum(w["connections"] for w in m.workers()), 10)
    m.stop()
    if slow().text != "none" or "its channel is closed" not in m.output():
        raise Failed(f"{slow()}:\n{m.output()}")


def check_watchdog(env, which):
    node, port = Node(env, which), env.port()
    m = node.start("life.js", "--workers", 2, "--port", port, "--watchdog", "600ms")
    m.wait_workers(2)
    before = {w["pid"] for w in m.workers()}
    time.sleep(2)       # idle loops answer
    if {w["pid"] for w in m.workers()} != before:
        raise Failed("a worker that was idle was replaced")
    ask(port, "/block")
    end = m.wait_event("worker.exit", 15, reason="watchdog")
    if end["pid"] not in before:
        raise Failed("another one than the blocked worker was ended")
    m.wait_line(r"event loop blocked for 600 ms \(--watchdog\)")
    m.wait_workers(2)
    if len(m.events("worker.exit")) != 1:
        raise Failed("more than the blocked worker ended")
    m.stop()


def replaced(m, port, path, count, reason):
    """The program does that to itself: one death with the reason, another worker."""
    before = m.workers(state="ready")[0]["pid"]
    ask(port, path)
    end = m.wait_event("worker.exit", 15, pid=before)
    if end["reason"] != reason:
        raise Failed(f"{path} ended as {end['reason']}, not {reason}")
    m.wait_workers(1)
    if len(m.events("worker.exit")) != count:
        raise Failed(f"{path}: {len(m.events('worker.exit'))} deaths")
    ask(port)


def check_leaving(env, which):
    """disconnect, kill, suicide and an error, each of its own accord."""
    node, port = Node(env, which), env.port()
    m = node.start("life.js", "--workers", 1, "--port", port, "--backoff", "10ms..20ms")
    acts = (("/disconnect", "exit"), ("/kill", "exit"), ("/leave", "exit"),
            ("/suicide", "suicide"), ("/throw", "exit"))
    for count, (path, reason) in enumerate(acts, 1):
        replaced(m, port, path, count, reason)
    m.stop()


def check_messages(env, which):
    node, port = Node(env, which), env.port()
    m = node.start("life.js", "--workers", 2, "--port", port)
    m.wait_workers(2)
    ask(port, "/tell")

    def heard():
        got = json.loads(ask(port))["heard"]
        return [x for x in got if x.get("action") == "hello"] or None

    got = wait_until("the other one hears it", heard, 15)
    if got[0]["data"] != [1, "two"] or not got[0]["from"].startswith("web/"):
        raise Failed(f"it heard {got}")
    m.stop()


def check_socketio(env, which):
    node, port = Node(env, which), env.port()
    node.modules()
    m = node.start("socketio.js", "--workers", 2, "--port", port)
    m.wait_workers(2)
    pids = {str(w["ns_pid"]) for w in m.workers()}
    for _ in range(3):
        done = node.run("socketio-client.js", f"http://127.0.0.1:{port}")
        if done.returncode != 0 or done.stdout.split()[1] not in pids:
            raise Failed(f"exit {done.returncode}: {done.stdout}{done.stderr}")
    m.stop()


def check_dispatch_under_watch(env, which):
    """Connections that the master deals, and questions in between, on one channel."""
    node, port = Node(env, which), env.port()
    m = node.start("http.js", "--workers", 2, "--port", port, "--balance", "roundrobin",
                   "--watchdog", "100ms")
    m.wait_workers(2)
    before = {w["pid"] for w in m.workers()}
    all_serve(port, 2)
    with http.Load(port, 6, seconds=20) as load:
        time.sleep(1.5)
    bad = [r for r in load.results if r.status != 200]
    if bad or not load.results:
        raise Failed(f"{len(bad)} of {len(load.results)} failed: {bad[:1]}")
    if {w["pid"] for w in m.workers(state="ready")} != before:
        raise Failed(f"a worker was replaced:\n{m.output()}")
    m.stop()


def check_nothing_is_held(env, which):
    """Listening, closing and being asked again and again keeps nothing in the master."""
    node, port = Node(env, which), env.port()
    m = node.start("http.js", "--workers", 1, "--port", port, "--watchdog", "100ms",
                   "--restart-limit", "100/60s", "--backoff", "10ms..20ms")
    fds = len(proc.descriptors(m.pid))
    for _ in range(3):
        pid = m.workers(state="ready")[0]["pid"]
        os.kill(pid, 9)
        wait_until("another worker serves", lambda: [
            w for w in m.workers(state="ready") if w["pid"] != pid])
    wait_until("the master holds as many descriptors as before",
               lambda: len(proc.descriptors(m.pid)) <= fds, 10)
    m.stop()


CHECKS = [value for name, value in list(globals().items()) if name.startswith("check_")]


def tests_for(module, versions):
    """test_CHECK_VERSION(env) of every check, as functions of that module."""
    made = {}
    for check in CHECKS:
        for label, which in versions:
            name = f"test_{check.__name__[len('check_'):]}_{label}"

            def test(env, check=check, which=which):
                check(env, which)

            test.__name__ = test.__qualname__ = name
            test.__module__ = module
            test.timeout_s = 120
            made[name] = test
    return made
