# SPDX-License-Identifier: MIT
"""A worker that speaks Node's protocol badly, too much, or like a liar harms only itself.

Slot 0 is good all the time; slot 1 does what HOSTILE says.
"""

import re

from harness import Failed, timeout, wait_until
from harness import http, proc
from test_hostile import check_harm


def start(env, how, port, *more):
    python = env.need_program("python3")
    app = env.fixture("node_peer.py")
    return env.start("--port", port, "--workers", 2, "--protocol", "node-cluster", "--env",
                     f"HOSTILE={how}", "--restart-limit", "2/60s", "--boot-limit", 3, "--backoff",
                     "10ms..20ms", "--on-failed", "hold", *more, "--", python, "node_peer.py",
                     cwd=app.parent, ready=False)


def run_case(env, how, *more, reason="protocol", says=None):
    port = env.port()
    m = start(env, how, port, *more)
    check_harm(m, port, reason)
    if says:
        m.wait_line(re.escape(says))
    # stdin is given away: /dev/null, which the master and its workers have as theirs.
    gifts = [what for what in proc.descriptors(m.pid).values() if what == "/dev/null"]
    if len(gifts) > 3:
        raise Failed(f"the master keeps {len(gifts)} descriptors of /dev/null")
    m.stop()


def test_broken_json(env):
    run_case(env, "json", says="a line that is not JSON")


def test_half_a_line(env):
    run_case(env, "half", "--ready-timeout", "500ms", reason="ready_timeout")


def test_megabyte_line(env):
    run_case(env, "megabyte", says="a line longer than 64 KiB")


def test_deep_nesting(env):
    run_case(env, "deep", says="a line that is not JSON")


def test_handle_that_nobody_asked_for(env):
    run_case(env, "handle", says="descriptors that nobody asked for")


def test_word_of_a_handle_without_one(env):
    run_case(env, "handle-without", says="a handle that nobody asked for")


def test_socket_that_does_not_arrive(env):
    run_case(env, "nack", says="its sockets do not reach it")


def test_flood_of_queries(env):
    run_case(env, "queries")


def test_numbers_that_are_none(env):
    run_case(env, "nan", says="a line that is not JSON")


def test_negative_number(env):
    run_case(env, "seq-negative", says="a queryServer without its number")


def test_number_of_400_digits(env):
    run_case(env, "seq-huge", says="broke the node-cluster protocol")


def test_strange_addresses_are_answered(env):
    port = env.port()
    m = start(env, "numbers", port)
    end = m.wait_event("worker.exit", 15, slot=1)
    if end["code"] != 33:
        raise Failed(f"not every question was answered with an error:\n{m.output()}")
    m.stop()


@timeout(90)
def test_answers_ahead_of_the_question_are_none(env):
    run_case(env, "ahead", "--watchdog", "400ms", reason="watchdog",
             says="event loop blocked for 400 ms")


@timeout(90)
def test_closed_channel_is_silence(env):
    run_case(env, "closed", "--watchdog", "400ms", reason="watchdog",
             says="it has closed its channel")


def test_good_peer_is_not_bitten(env):
    port = env.port()
    m = start(env, "good", port, "--watchdog", "200ms")
    m.wait_workers(2)
    first = {w["pid"] for w in m.workers()}
    wait_until("it has lived for a while", lambda: min(
        w["uptime_ms"] for w in m.workers()) > 2000, 15, 0.2)
    if {w["pid"] for w in m.workers()} != first or http.get(port).status != 200:
        raise Failed("a worker that answers every question was replaced")
    m.stop()
