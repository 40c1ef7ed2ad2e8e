# SPDX-License-Identifier: MIT
"""Stops, starts, restarts and deaths in an order that a seed decides, under load, with real
servers and every way to balance. Nobody waits for ever, and nobody is refused while a slot
is meant to serve; afterwards the master is as it was before."""

import os
import random
import re
import threading
import time

from harness import Failed, timeout
from harness import http, proc, programs
from harness.holdings import holdings, wait_as_before
from harness.spread import all_serve

WORKERS = 3
LONG = bool(os.environ.get("MPSUP_TEST_LONG"))
SECONDS = 60 if LONG else 2
SEED = int(os.environ.get("MPSUP_TEST_SEED", "1"))
CLIENTS = 4

# What no order of events may bring about in a program that is well.
NEVER = re.compile(r"was not ready within|did not ask for its socket|broke the|the kernel holds it|"
                   r"cannot (start|be steered|accept|open|listen)|stays:|no memory|EADDRINUSE|"
                   r"(stop|ready)_timeout|while others of the pool|failed:")


class Chaos:
    """Holds which slots a person has stopped; of the orders at least one is left."""

    def __init__(self, m, seed):
        self.m = m
        self.dice = random.Random(seed)
        self.stopped = set()
        self.done = []
        self.threads = []
        self.problems = []

    def order(self, *words):
        self.done.append(" ".join(words))
        try:
            self.m.ctl(*words, seconds=40)
        except Failed as e:
            # Another order crossed this one: then one of the two is told so.
            if not self.threads or not re.search("meanwhile|was stopped|is stopping", str(e)):
                self.problems.append(str(e))

    def kill(self, role):
        alive = [w for w in self.m.workers(role=role) if w["pid"]]
        if alive:
            w = self.dice.choice(alive)
            self.done.append(f"kill {role} {w['slot']}")
            try:
                proc.kill(w["pid"])
            except ProcessLookupError:
                pass

    def step(self):
        d = self.dice.random()
        slot = self.dice.randrange(WORKERS)
        if d < 0.25:
            self.kill("worker")
        elif d < 0.32:
            self.kill("spare")
        elif d < 0.55:
            if slot in self.stopped:
                self.stopped.remove(slot)
                self.order("start", f"web/{slot}")
            elif len(self.stopped) < WORKERS - 1:
                self.stopped.add(slot)
                self.order("stop", f"web/{slot}")
        elif d < 0.75:
            self.stopped.discard(slot)
            self.order("restart", f"web/{slot}")
        elif d < 0.85:
            self.stopped.clear()
            self.order(self.dice.choice(["restart", "start"]), "web")
        elif d < 0.92:
            self.order("reset", "web")
        else:
            time.sleep(self.dice.random() * 0.5)
        if self.dice.random() < 0.5:
            time.sleep(self.dice.random() * 0.2)

    def run(self, seconds, step):
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self.problems:
            step()
        for t in self.threads:
            t.join(60)
        self.threads = []

    def in_background(self, *words):
        t = threading.Thread(target=self.order, args=words, daemon=True)
        self.threads.append(t)
        t.start()

    def pools_too(self):
        """Orders that cross each other, and the whole pool: clients may be refused."""
        target = self.dice.choice(["web", "web/0", "web/1", "web/2"])
        self.in_background(self.dice.choice(["stop", "start", "restart"]), target)
        if self.dice.random() < 0.3:
            self.kill("worker")
        time.sleep(self.dice.random() * 0.15)
        if len(self.threads) > 5:
            self.threads.pop(0).join(60)


def settled(m, port, spares):
    m.ctl("start", "web", seconds=40)
    m.wait_workers(WORKERS, seconds=40)
    if spares:
        m.wait_workers(spares, state="parked", role="spare", seconds=40)
    all_serve(m, port)


class Loads:
    """Each client from an address of its own, or sticky would have them all in one slot."""

    def __init__(self, port):
        self._loads = [http.Load(("127.0.0.1", port, f"127.0.2.{i + 1}"), 1, seconds=15)
                       for i in range(CLIENTS)]

    def __enter__(self):
        for load in self._loads:
            load.__enter__()
        return self

    def __exit__(self, *_):
        for load in self._loads:
            load.__exit__()

    def count(self, outcome):
        return sum(load.count(outcome) for load in self._loads)

    def first(self, outcome):
        return next((r for load in self._loads for r in load.results if r.outcome == outcome),
                    None)


def tell(load, chaos, also=()):
    counts = {o: load.count(o) for o in (http.OK, http.REFUSED, http.CUT, http.HUNG)}
    if chaos.problems:
        raise Failed(f"{chaos.problems[0]}; {len(chaos.done)} steps, the last {chaos.done[-8:]}")
    for bad in (http.HUNG, http.REFUSED):
        if counts[bad] and bad not in also:
            raise Failed(f"{counts}, the first {load.first(bad)}, after {len(chaos.done)} steps, "
                         f"the last {chaos.done[-8:]}")
    if counts[http.OK] < 2 * len(chaos.done):
        raise Failed(f"hardly anybody is answered: {counts} in {len(chaos.done)} steps")
    return counts


def check(env, program, balance, spares=2):
    port = env.port()
    app, command = program(env, port)
    m = env.start("--port", port, "--workers", WORKERS, "--spares", spares, "--balance", balance,
                  "--restart-limit", "100000/60s", "--backoff", "0ms..0ms", "--", *command,
                  cwd=app, seconds=40)
    settled(m, port, spares)
    before = holdings(m)
    chaos = Chaos(m, SEED)
    with Loads(port) as load:
        chaos.run(SECONDS, chaos.step)
    first = tell(load, chaos)
    chaos.done = []
    with Loads(port) as load:
        chaos.run(SECONDS / 2, chaos.pools_too)
        chaos.order("start", "web")
        time.sleep(0.2)
    second = tell(load, chaos, also=(http.REFUSED,))
    settled(m, port, spares)
    wait_as_before(m, before)
    odd = [line for line in m.output().splitlines() if NEVER.search(line)]
    if program is programs.gunicorn:
        # Its worker forgets a TERM that comes just after the fork, and its arbiter waits.
        odd = [line for line in odd if "stop_timeout" not in line]
    if odd:
        raise Failed(f"{len(odd)} lines that should not be there, the first: {odd[0]}")
    m.stop()
    if LONG:
        print(f"{program.__name__} {balance}: {first}, then {second}")


SHORT = (("http_server", "reuseport"), ("http_server", "shared"), ("node", "shared"),
         ("node", "roundrobin"), ("go", "reuseport"), ("gunicorn", "reuseport"),
         ("nginx", "sticky"))
EVERY = tuple((name, balance) for name in ("http_server", "node", "go", "gunicorn", "nginx")
              for balance in ("shared", "reuseport", "sticky")) + (("node", "roundrobin"),)


def made(name, balance):
    @timeout(600)
    def test(env):
        check(env, getattr(programs, name), balance)

    test.__module__ = __name__
    return test


globals().update({f"test_{name}_{balance}": made(name, balance)
                  for name, balance in (EVERY if LONG else SHORT)})
