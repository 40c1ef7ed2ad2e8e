# SPDX-License-Identifier: MIT
"""The verbs that change what runs, on a file of several pools; and who may use them."""

import grp
import json
import os
import signal
import subprocess
import sys
import time

from harness import Failed, patience, timeout, wait_until
from harness import http, proc
from test_file import File, pids, says, state

NODE = """
const http = require('http');
let heard = [];
process.on('message', m => heard.push(m));
http.createServer((q, s) => s.end(JSON.stringify(heard))).listen(process.env.PORT);
"""


def refuse(env, code, text, *args, **kwargs):
    answer = env.client(*args, **kwargs)
    if answer.returncode != code or text not in answer.stdout + answer.stderr:
        raise Failed(f"mpsup {' '.join(map(str, args))}: {answer.returncode}, not {code} with {text!r}: "
                     f"{answer.stdout}{answer.stderr}")


def slots(m, name, wanted):
    workers = next(p["workers"] for p in m.status()["pools"] if p["name"] == name)
    return [w["pid"] for w in workers if w["state"] == wanted]


def start(env, **keys):
    f = File(env)
    a, b = env.port(), env.port()
    f.server("web", a, "one", workers=2, **keys)
    f.server("api", b, "two")
    f.pool("gone", port=env.port(), command=["no-such-thing"])
    m = env.start("-c", f.write())
    wait_until("both serve", lambda: state(m, "web") == state(m, "api") == "ready")
    return f, m, a, b


def test_scale_up_and_down(env):
    for balance in ("shared", "reuseport"):
        f, m, port, _ = start(env, balance=balance)
        before = pids(m)
        if m.ctl("scale", "web", 5) != "workers: 2 → 5\n":
            raise Failed("what it printed")
        wait_until("five serve", lambda: len(slots(m, "web", "ready")) == 5)
        if slots(m, "web", "ready")[:2] != before["web"] or pids(m)["api"] != before["api"]:
            raise Failed("those that ran were touched")
        with http.Load(port, 4) as load:
            load.wait_more(50)
            m.ctl("scale", "web", "-4")
            wait_until("one is left", lambda: len(pids(m)["web"]) == 1)
            m.ctl("scale", "web", "+2")
            wait_until("three serve", lambda: len(slots(m, "web", "ready")) == 3)
            load.wait_more(50)
        if load.count(http.REFUSED) or load.count(http.HUNG):
            raise Failed(f"{balance}: {load.count(http.REFUSED)} refused, {load.count(http.HUNG)} hung")
        if pids(m)["web"][0] != before["web"][0]:
            raise Failed("the first was touched")
        # A death does not bring the old number back; the file's own other value does.
        proc.kill(pids(m)["web"][2])
        wait_until("replaced", lambda: len(slots(m, "web", "ready")) == 3 and
                   any(e["event"] == "worker.respawn" for e in m.events()))
        if "= 2 pools" not in m.ctl("apply", "--dry-run", "--json") and \
                "keep" not in m.ctl("apply", "--dry-run", "--json"):
            raise Failed("scale is a difference to the file")
        f.pools["web"]["workers"] = 4
        f.write()
        answer = env.client("apply")
        if answer.returncode != 1 or "~ web: changes as it runs: workers" not in answer.stdout:
            raise Failed(answer.stdout + answer.stderr)
        wait_until("four serve", lambda: len(slots(m, "web", "ready")) == 4)
        m.stop()


def test_scale_refuses_what_cannot_be(env):
    _, m, _, _ = start(env)
    for number, text in (("0", "mpsup stop web ends all"), ("-2", "would have 0"), ("x", "is no number"),
                         ("5000", "is no number")):
        refuse(env, 2, text, "scale", "web", number)
    refuse(env, 2, "needs a pool", "scale", "web/0", 3)
    refuse(env, 3, "no pool 'wbe'", "scale", "wbe", 3)
    m.stop()


def test_set_changes_what_runs_and_stays(env):
    f, m, _, _ = start(env)
    before = pids(m)
    if m.ctl("set", "web", "restart.limit=1/600s", "stop_timeout=3s") != \
            "restart.limit: 10/60s → 1/600s\nrestart.stop_timeout: 10s → 3s\n":
        raise Failed("what it printed")
    if pids(m) != before:
        raise Failed("workers were touched")
    refuse(env, 2, "port cannot change", "set", "web", "port=1")
    refuse(env, 2, "did you mean 'workers'?", "set", "web", "wrokers=1")
    refuse(env, 2, "right is: N/DURATION", "set", "web", "restart.limit=x")
    refuse(env, 2, "not KEY=VALUE", "set", "web", "memory")
    for _ in range(2):
        victim = pids(m)["web"][0]
        proc.kill(victim)
        wait_until("it is gone", lambda: victim not in pids(m)["web"])
        wait_until("replaced, or given up", lambda: len(slots(m, "web", "ready")) == 2 or
                   slots(m, "web", "failed"))
    if m.status("web/0")["pools"][0]["workers"][0]["state"] != "failed":
        raise Failed("the new limit does not count")
    if "limit: 1/600s" not in m.ctl("config", "web"):
        raise Failed(m.ctl("config", "web"))
    m.stop()


def test_signal_send_wait(env):
    f = File(env)
    (f.app / "app.js").write_text(NODE)
    a, b = env.port(), env.port()
    f.pool("nod", port=a, cwd=str(f.app), command=[env.need_program("node"), "app.js"], workers=1)
    f.server("api", b)
    f.pool("gone", port=env.port(), command=["no-such-thing"])
    m = env.start("-c", f.write())
    m.ctl("wait", "nod", "ready", "--timeout", "20s", seconds=25)
    m.ctl("wait", "api", "ready", "--timeout", "20s", seconds=25)
    m.ctl("send", "nod", '{"action": "flush", "data": [1], "from": "me"}')
    m.ctl("send", "nod", "hello")

    def heard():
        said = [x for x in json.loads(http.get(a, "/").text) if x.get("from")]
        return said if len(said) == 2 else None

    said = wait_until("both are heard", heard)
    if said != [{"action": "flush", "data": [1], "from": "master"},
                {"action": "message", "data": "hello", "from": "master"}]:
        raise Failed(said)
    refuse(env, 3, "takes messages", "send", "api", "x")
    victim = pids(m)["api"][0]
    if m.ctl("signal", "api", "TERM") != "signalled 1 worker\n":
        raise Failed("what it printed")
    m.wait_event("worker.exit", pid=victim, reason="signal")
    refuse(env, 2, "is no signal", "signal", "api", "NOPE")
    refuse(env, 3, "no worker of the target", "signal", "gone", "TERM")
    refuse(env, 1, "no-such-thing", "wait", "gone", "ready")
    refuse(env, 124, "not stopped", "wait", "nod", "stopped", "--timeout", "200ms")
    refuse(env, 2, "for what?", "wait", "nod", "never")
    m.ctl("stop", "nod")
    m.ctl("wait", "nod", "stopped")
    refuse(env, 1, "was stopped", "wait", "nod", "ready")
    m.ctl("start", "nod")
    all_events = m.events()
    seq = all_events[-3]["seq"]
    later = [json.loads(x)["seq"] for x in m.ctl("events", "--json", "--since", seq).splitlines()]
    if later[:2] != [seq + 1, seq + 2]:
        raise Failed(f"since {seq}: {later}")
    if m.ctl("events", "--json", "--since", "2001-01-01T00:00:00Z").count("\n") < len(all_events):
        raise Failed("--since a time loses events")
    if m.ctl("events", "--json", "--since", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 99))):
        raise Failed("--since the future shows events")
    m.stop()


def test_groups_of_one_pool(env):
    f = File(env)
    a, b = env.port(), env.port()
    f.server("web", a, control={"group": "games", "view_group": "man"})
    f.server("api", b)
    m = env.start("-c", f.write())
    wait_until("both serve", lambda: state(m, "web") == state(m, "api") == "ready")
    for folder in (env.root, env.root / "run", env.root / "run/mpsup"):
        folder.chmod(0o755)

    def by(group, *args):
        from subprocess import run
        return run(["setpriv", "--reuid", "65534", "--regid", group, "--clear-groups", env.mpsup, *args],
                   env=env.environ(), capture_output=True, text=True, timeout=20, check=False)

    for group, args, code in (
            ("games", ("restart", "web"), 0), ("games", ("scale", "web", "2"), 0),
            ("games", ("restart", "api"), 4), ("games", ("restart",), 4), ("games", ("stop",), 4),
            ("games", ("set", "web", "spares=1"), 4), ("games", ("signal", "web", "TERM"), 4),
            ("games", ("apply",), 4), ("games", ("reopen", "web"), 2), ("games", ("reopen",), 4),
            ("games", ("status", "ap"), 3), ("man", ("status", "web"), 0), ("man", ("restart", "web"), 4),
            ("man", ("status", "api"), 4), ("man", ("logs", "api"), 4), ("nogroup", ("status",), 4)):
        answer = by(group, *args)
        if answer.returncode != code:
            raise Failed(f"{group} {args}: {answer.returncode}, not {code}: {answer.stdout}{answer.stderr}")
    seen = [p["name"] for p in json.loads(by("man", "status", "--json").stdout)["pools"]]
    if seen != ["web"]:
        raise Failed(f"one of web's viewers sees {seen}")
    for line in by("man", "events", "--json").stdout.splitlines():
        if json.loads(line)["pool"] != "web":
            raise Failed(f"one of web's viewers sees {line}")
    if "api" in by("games", "status", "ap").stderr.replace("'ap'", ""):
        raise Failed("who has no rights on a pool is told its name")
    if "api" in by("man", "config").stdout:
        raise Failed("config shows another pool")
    if by("man", "events", "--json").stdout == "":
        raise Failed("one of web's viewers sees no events")
    says(b, "api")
    if by("nogroup", "status", "api").returncode != 4:
        raise Failed("a stranger sees api")
    m.ctl("set", "api", "control.view_group=nogroup")
    if by("nogroup", "status", "api").returncode != 0:
        raise Failed("whom set has given the right to look may not")
    names = {json.loads(line)["pool"] for line in m.ctl("events", "web", "--json").splitlines()}
    if names != {"web"} or env.client("events", "web/0").returncode != 2:
        raise Failed(f"events of web are those of {names}")
    m.stop()


def test_set_opens_the_socket_to_a_group(env):
    m = env.start("-p", env.port(), "-w", 1, "--name", "shut")
    sock = env.root / "run/mpsup/shut.sock"
    if sock.stat().st_mode & 0o777 != 0o600:
        raise Failed("open to all")
    m.ctl("set", "web", "control.group=games")
    if sock.stat().st_mode & 0o777 != 0o666:
        raise Failed("the group cannot connect")
    m.stop()


def test_a_viewer_takes_no_descriptors_from_the_others(env):
    f = File(env)
    f.server("web", env.port())
    f.top["control"] = {"view_group": "games"}
    m = env.start("-c", f.write())
    for folder in (env.root, env.root / "run", env.root / "run/mpsup"):
        folder.chmod(0o755)
    script = """
import os, socket, sys, time
os.setgroups([]); os.setresgid(*[int(sys.argv[2])] * 3); os.setresuid(65534, 65534, 65534)
held = []
for _ in range(200):
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1])
    held.append(s)
held[-1].settimeout(20)
print(held[-1].recv(1000).decode(), flush=True)
sys.stdin.read()
"""
    with subprocess.Popen([sys.executable, "-c", script, str(env.root / "run/mpsup/shop.sock"),
                           str(grp.getgrnam("games").gr_gid)], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True) as viewer:
        said = viewer.stdout.readline()
        held = sum(where.startswith("socket:") for where in proc.descriptors(m.pid).values())
        m.ctl("status")
        viewer.stdin.close()
    if "has 64 connections already" not in said or held > 120:
        raise Failed(f"{said} {held}")
    m.stop()


@timeout(90)
def test_a_master_that_hangs_holds_no_client(env):
    """Nor is one that only waits for its workers taken for such a one."""
    asked = {}
    hung = env.start("-p", env.port(), "-w", 1, "--name", "hung")
    other = env.start("-p", env.port(), "-w", 1, "--name", "other")

    def begin(*words):
        return subprocess.Popen([env.mpsup, *words], env=env.environ(), stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    patient = begin("wait", "other:web/0", "stopped")
    os.kill(hung.pid, signal.SIGSTOP)
    try:
        asked = {words: begin(*words.split()) for words in (
            "status hung:", "start hung:", "restart hung:web", "reload hung:", "apply hung:",
            "apply --dry-run hung:", "wait hung: ready", "events -f hung:", "logs -f hung:")}
        for words, client in asked.items():
            _, said = client.communicate(timeout=patience(40))
            if client.returncode != 124 or said != "mpsup: instance hung does not answer\n":
                raise Failed(f"{words}: {client.returncode} {said}")
        if patient.poll() is not None:
            raise Failed(f"who waits by design was ended: {patient.returncode}")
    finally:
        os.kill(hung.pid, signal.SIGCONT)
        for client in asked.values():
            client.kill()
    other.ctl("stop", "other:web/0")
    if patient.communicate(timeout=patience(20)) and patient.returncode != 0:
        raise Failed(f"wait: {patient.returncode}")
    for m in (hung, other):
        m.stop()
