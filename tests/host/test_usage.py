# SPDX-License-Identifier: MIT
"""What outlives an instance: usage of its pools and the numbers of its events (state.json)."""

import json
import os
import signal
import socket
import time

from harness import Failed, wait_until
from harness import proc
from test_file import File, pids

COUNTERS = ("cpu_usec", "memory_peak_bytes", "births", "deaths", "oom_kills", "denied",
            "connections_cut")
BLOCK = 65536     # event numbers that a crash may skip


class Kept:
    def __init__(self, env, name="shop"):
        self.folder = env.root / "var/lib/mpsup" / name
        self.path = self.folder / "state.json"

    def read(self):
        return json.loads(self.path.read_text())

    def wait_saved(self, wanted):
        """Until the file says so: with fsync that follows a second after a change."""
        return wait_until("it is saved", lambda: self.path.exists() and wanted(self.read()), 90)


def usage(m, pool="web"):
    return m.pool(pool)["usage"]


def grown(before, now):
    for key in COUNTERS:
        if (now[key] or 0) < (before[key] or 0):
            raise Failed(f"{key} went back: {before} → {now}")
    if now["since"] != before["since"]:
        raise Failed(f"since: {before['since']} → {now['since']}")
    return now


def kill_one(m, pool="web"):
    deaths = usage(m, pool)["deaths"]
    os.kill(pids(m)[pool][0], signal.SIGKILL)
    wait_until("it is counted", lambda: usage(m, pool)["deaths"] == deaths + 1)


def seqs(env, *args):
    answer = env.client("events", "--json", *args)
    if answer.returncode != 0:
        raise Failed(f"events {args}: {answer.stderr}")
    return [json.loads(line)["seq"] for line in answer.stdout.splitlines()], answer.stderr


def start(env):
    f = File(env)
    f.pool("web", port=env.port(), workers=2)
    f.pool("api", port=env.port(), workers=1)
    m = env.start("-c", f.write())
    m.wait_event("master.ready")
    return f, m


def test_usage_and_numbers_go_on_after_a_stop(env):
    f, m = start(env)
    kept = Kept(env)
    kill_one(m)
    before = usage(m)
    last = seqs(env)[0][-1]
    m.stop()
    saved = kept.read()["pools"]["web"]
    if saved["births"] != 3 or saved["deaths"] != 3 or saved["cpu_usec"] < before["cpu_usec"]:
        raise Failed(f"saved: {saved}, before: {before}")
    end = kept.read()["seq"]
    if not last < end < last + 30:
        raise Failed(f"the last number is {end}; {last} was seen")
    m = env.start("-c", f.write())
    m.wait_event("master.ready")
    now = grown(before, usage(m))
    if now["births"] != 5 or now["deaths"] != 3 or now["cpu_usec"] < saved["cpu_usec"]:
        raise Failed(f"{now} after {saved}")
    numbers, told = seqs(env, "--since", end)
    if numbers != list(range(end + 1, end + 1 + len(numbers))) or told:
        raise Failed(f"after {end}: {numbers}, {told}")
    # A reader that has not seen the stop is told that those are gone.
    if f"events before {end + 1} are gone" not in seqs(env, "--since", last)[1]:
        raise Failed("the gap was not told")
    m.stop()
    # The mode and the owner are the master's alone.
    if kept.path.stat().st_mode & 0o777 != 0o600 or kept.folder.stat().st_mode & 0o777 != 0o700:
        raise Failed("modes")
    if sorted(p.name for p in kept.folder.iterdir()) != ["state.json"]:
        raise Failed(f"left: {list(kept.folder.iterdir())}")


def test_a_killed_master_repeats_no_number(env):
    f, m = start(env)
    kept = Kept(env)
    for _ in range(2):
        before = usage(m)
        kept.wait_saved(lambda k, b=before: k["pools"]["web"]["births"] >= b["births"] and
                        k["pools"]["web"]["cpu_usec"] >= b["cpu_usec"])
        last = seqs(env)[0][-1]
        m.send(signal.SIGKILL)
        m.wait_exit(-signal.SIGKILL)
        m = env.start("-c", f.write())
        m.wait_event("master.ready")
        numbers, told = seqs(env, "--since", last)
        if not last < numbers[0] <= last + 2 * BLOCK:
            raise Failed(f"{last} was seen, and now {numbers[0]} is the first")
        if f"events before {numbers[0]} are gone" not in told:
            raise Failed(f"told: {told}")
        grown(before, usage(m))
    # Killed at once, before the disk was waited for: no number is repeated either.
    last = seqs(env)[0][-1]
    m.send(signal.SIGKILL)
    m.wait_exit(-signal.SIGKILL)
    m = env.start("-c", f.write())
    m.wait_event("master.ready")
    if seqs(env)[0][0] <= last:
        raise Failed("a number was repeated")
    m.stop()


def test_an_idle_master_does_nothing_for_it(env):
    _, m = start(env)
    kept = Kept(env)
    births = usage(m)["births"]
    kept.wait_saved(lambda k: k["pools"]["web"]["births"] == births)

    def wakeups():
        s = proc.status(m.pid)
        return int(s["voluntary_ctxt_switches"])

    def is_quiet():
        before = wakeups()
        time.sleep(2)
        return wakeups() == before

    wait_until("the master sleeps", is_quiet, 30)
    stamp = kept.path.stat().st_mtime_ns
    if not is_quiet() or kept.path.stat().st_mtime_ns != stamp:
        raise Failed("an idle master was awake")
    m.stop()


def test_a_broken_file_is_left_aside(env):
    f = File(env)
    f.pool("web", port=env.port(), workers=1)
    kept = Kept(env)
    kept.folder.mkdir(parents=True)
    kept.folder.chmod(0o700)
    for text, mode, says in (("{\"schema\": 1, \"pools\": {\"web\": {\"births\": -1}}}", 0o600,
                              "pools: web: births is not a number"),
                             ("not JSON", 0o600, "line 1"),
                             ("{\"schema\": 1, \"seq\": 5}", 0o622, "others can write to it")):
        kept.path.write_text(text)
        kept.path.chmod(mode)
        m = env.start("-c", f.write())
        m.wait_event("master.ready")
        if says not in m.output() or "state.json.broken" not in m.output():
            raise Failed(f"{says!r} is not in {m.output()}")
        if usage(m)["births"] != 1 or seqs(env)[0][0] != 1:
            raise Failed(f"{text} was believed")
        m.stop()
        if (kept.folder / "state.json.broken").read_text() != text:
            raise Failed("it was not kept")
        if kept.read()["pools"]["web"]["births"] != 1:
            raise Failed(f"the new one: {kept.read()}")


def test_a_folder_of_others_is_left_alone(env):
    f = File(env)
    f.pool("web", port=env.port(), workers=1)
    kept = Kept(env)
    kept.folder.mkdir(parents=True)
    kept.folder.chmod(0o777)
    m = env.start("-c", f.write())
    m.wait_event("master.ready")
    if "usage is not kept over a restart" not in m.output():
        raise Failed(m.output())
    kill_one(m)
    m.stop()
    if list(kept.folder.iterdir()):
        raise Failed("it was written to")


def test_a_full_disk_is_said_once(env):
    f = File(env)
    f.pool("web", port=env.port(), workers=1)
    (env.root / "var").mkdir()
    (env.root / "var/lib").write_text("a file where a folder must be")
    m = env.start("-c", f.write())
    m.wait_event("master.ready")
    kill_one(m)
    time.sleep(1.5)
    m.stop()
    if m.output().count("usage is not kept over a restart") != 1:
        raise Failed(m.output())


def test_unknown_keys_stay_and_a_pool_comes_back(env):
    f, m = start(env)
    kept = Kept(env)
    kill_one(m, "api")
    before = usage(m, "api")
    api = f.pools.pop("api")
    f.write()
    m.ctl("apply")
    wait_until("it is gone", lambda: m.events("pool.gone"))
    m.stop()
    text = kept.read()
    if "gone" not in text["pools"]["api"] or "gone" in text["pools"]["web"]:
        raise Failed(f"gone: {text}")
    text["of_tomorrow"] = {"a": [1, 2]}
    text["pools"]["web"]["joules"] = 12
    text["pools"]["long_ago"] = {"births": 1, "gone": "2020-01-01T00:00:00Z"}
    kept.path.write_text(json.dumps(text))
    m = env.start("-c", f.write())
    m.wait_event("master.ready")
    f.pools["api"] = api
    f.write()
    m.ctl("apply")
    now = grown(before, usage(m, "api"))
    if now["births"] != before["births"] + 1:
        raise Failed(f"{before} → {now}")
    m.stop()
    after = kept.read()
    if after["of_tomorrow"] != {"a": [1, 2]} or after["pools"]["web"]["joules"] != 12:
        raise Failed(f"keys are lost: {after}")
    if "long_ago" in after["pools"] or "gone" in after["pools"]["api"]:
        raise Failed(f"{after['pools'].keys()}, {after['pools']['api']}")


def ask(env, request):
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(str(env.root / "run/mpsup/shop.sock"))
        s.sendall(json.dumps(request).encode() + b"\n")
        while s.recv(65536):
            pass


def test_who_comes_back_misses_none_or_is_told(env):
    _, m = start(env)
    last = seqs(env)[0][-1]
    for _ in range(100):
        ask(env, {"verb": "reset"})
    numbers, told = seqs(env, "--since", last)
    if numbers != list(range(last + 1, last + 101)) or told:
        raise Failed(f"since {last}: {numbers} {told}")
    for _ in range(1200):
        ask(env, {"verb": "reset"})
    numbers, told = seqs(env, "--since", last)
    if numbers != list(range(last + 277, last + 1301)):
        raise Failed(f"{len(numbers)} are kept, from {numbers[0]} to {numbers[-1]}")
    if f"events before {last + 277} are gone" not in told:
        raise Failed(f"told: {told}")
    if seqs(env, "--since", numbers[-1]) != ([], ""):
        raise Failed("nothing has happened since")
    # One of another life of this name, whose file is lost.
    everything, told = seqs(env, "--since", 10 ** 9)
    if everything != numbers or "begun to count anew" not in told:
        raise Failed(f"{len(everything)}: {told}")
    if seqs(env, "--since", "10m")[1] == "" or seqs(env, "--since", "0ms") != ([], ""):
        raise Failed("by time")
    m.stop()
