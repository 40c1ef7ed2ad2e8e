# SPDX-License-Identifier: MIT
"""Real servers as they are, under the default protocol: all workers serve, and deaths under
load refuse nobody and leave nobody hanging."""

import os
import signal
import time

from harness import Failed, timeout, wait_until
from harness import http, proc, programs
from harness.holdings import holdings, wait_as_before
from harness.spread import all_serve
from test_end import all_are_leaving, refused

SECONDS = 60 if os.environ.get("MPSUP_TEST_LONG") else 3


def start(env, program, *more):
    port = env.port()
    app, command = program(env, port)
    m = env.start("--port", port, "--workers", 3, "--restart-limit", "100000/60s", "--backoff",
                  "0ms..0ms", *more, "--", *command, cwd=app, seconds=40)
    return m, port


def kill_under_load(m, port):
    before = holdings(m)
    kills = 0
    with http.Load(port, 6, seconds=10) as load:
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            ready = m.workers(state="ready")
            if ready:
                try:
                    proc.kill(ready[kills % len(ready)]["pid"])
                    kills += 1
                except ProcessLookupError:
                    pass
            time.sleep(0.5)
    counts = {what: load.count(what) for what in (http.OK, http.REFUSED, http.HUNG, http.CUT)}
    if counts[http.REFUSED] or counts[http.HUNG] or counts[http.OK] < 50 * kills:
        raise Failed(f"{kills} kills: {counts}")
    # A request that was being answered is lost with its worker, one for each client at most.
    if counts[http.CUT] > 6 * kills:
        raise Failed(f"{kills} kills cut {counts[http.CUT]} connections")
    m.wait_workers(3, seconds=30)
    return before


def check(env, program, *more):
    m, port = start(env, program, *more)
    all_serve(m, port)
    if more:
        m.wait_workers(1, state="parked", role="spare", seconds=30)
    before = kill_under_load(m, port)
    if more:
        m.wait_workers(1, state="parked", role="spare", seconds=30)
    all_serve(m, port)
    wait_as_before(m, before)
    m.stop()


@timeout(200)
def test_http_server(env):
    check(env, programs.http_server)


@timeout(200)
def test_http_server_with_a_spare(env):
    check(env, programs.http_server, "--spares", 1)


@timeout(200)
def test_node(env):
    check(env, programs.node)


@timeout(200)
def test_node_with_a_spare(env):
    check(env, programs.node, "--spares", 1)


@timeout(200)
def test_go(env):
    check(env, programs.go)


@timeout(200)
def test_go_with_a_spare(env):
    check(env, programs.go, "--spares", 1)


@timeout(200)
def test_gunicorn(env):
    check(env, programs.gunicorn)


@timeout(200)
def test_gunicorn_with_a_spare(env):
    check(env, programs.gunicorn, "--spares", 1)


@timeout(200)
def test_gunicorn_that_finds_its_socket(env):
    check(env, programs.gunicorn_activated)


@timeout(200)
def test_nginx(env):
    check(env, programs.nginx)


@timeout(200)
def test_nginx_with_a_spare(env):
    check(env, programs.nginx, "--spares", 1)


@timeout(60)
def test_slow_answers_are_given_in_a_stop(env):
    for program, args in ((programs.go, ()), (programs.gunicorn, ()),
                          (programs.gunicorn_activated, ("--protocol", "systemd")),
                          (programs.node, ("--balance", "reuseport"))):
        app, command = program(env, port := env.port())
        m = env.start("--port", port, "--workers", 2, *args, "--", *command, cwd=app, seconds=40)
        m.wait_workers(2, seconds=30)
        answers = [http.background(port, "/slow") for _ in range(2)]
        wait_until("they are there", lambda m=m: sum(
            w["connections"] for w in m.workers()) + m.pool()["accept_queue"] == 2)
        m.send(signal.SIGTERM)
        wait_until("it stops", lambda m=m: all_are_leaving(m))
        refused(port, ["127.0.0.1"])
        for answer in answers:
            got = answer()
            if got.outcome != http.OK or got.text != "here":
                raise Failed(f"{command}: {got}")
        m.wait_exit(0)
