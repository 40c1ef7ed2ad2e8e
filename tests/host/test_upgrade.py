# SPDX-License-Identifier: MIT
"""Upgrade: another program in the master's place. Same process, same workers, same sockets;
nobody who talks to a worker, waits for one or follows the events notices."""

import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import threading
import time

from harness import Failed, http, proc, programs, timeout, wait_until
from harness.holdings import holdings, wait_as_before

ROUNDS = 100 if os.environ.get("MPSUP_TEST_LONG") else 6


def upgrade(env, *args, code=0, seconds=70):
    done = env.client("upgrade", "--json", *args, seconds=seconds)
    if done.returncode != code:
        raise Failed(f"upgrade: exit {done.returncode}: {done.stdout} {done.stderr}")
    return json.loads(done.stdout) if code == 0 else done.stderr


def pids(m):
    return [w["pid"] for w in m.workers(state="ready")]


def events(env):
    done = env.client("events", "--since", "10m", "--json")
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def check_numbers(env):
    numbers = [e["seq"] for e in events(env)]
    if numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        raise Failed(f"the events have the numbers {numbers}")
    return numbers[-1]


def one_answers_for_another(env, m, port):
    """What the new program can do with workers that it has never started."""
    old = pids(m)
    os.kill(old[0], signal.SIGKILL)
    wait_until("the dead one is replaced", lambda: len(pids(m)) == len(old) and
               old[0] not in pids(m), 20)
    if not set(old[1:]) <= set(pids(m)):
        raise Failed("the others did not stay")
    answer = http.get(port)
    if answer.outcome != http.OK:
        raise Failed(f"{answer}")
    died = [e for e in events(env) if e["event"] == "worker.exit"][-1]
    if died["pid"] != old[0] or died["reason"] != "signal" or died["signal"] != 9:
        raise Failed(f"its certificate: {died}")


# ---- nobody notices ----

def under_load(env, program, *args, workers=3):
    port = env.port()
    app, command = program(env, port) if program else (None, None)
    m = env.start("--port", port, "--workers", workers, *args,
                  *(("--", *command) if command else ()), **({"cwd": app} if app else {}),
                  seconds=40)
    m.wait_workers(workers, seconds=30)
    if "--spares" in args:
        m.wait_workers(1, state="parked", role="spare")
    time.sleep(0.2)
    before, old = holdings(m), pids(m)
    with http.Load(port, 4, seconds=20) as load:
        load.wait_more(20)
        for _ in range(ROUNDS):
            upgrade(env)
            if pids(m) != old:
                raise Failed(f"{old} became {pids(m)}")
            if not load.wait_more(20):
                raise Failed("nobody answers")
    bad = [r for r in load.results if r.outcome != http.OK or r.status != 200]
    if bad:
        raise Failed(f"{len(bad)} of {len(load.results)} requests failed: {bad[:3]}")
    check_numbers(env)
    if program not in (programs.go, programs.nginx):
        wait_as_before(m, before)
    one_answers_for_another(env, m, port)
    if env.client("reload", seconds=60).returncode != 0:
        raise Failed("a reload after it does not work")
    if set(pids(m)) & set(old):
        raise Failed("a reload after it replaces nobody")
    upgrade(env)
    m.stop()


@timeout(60)
def test_builtin(env):
    under_load(env, None)


@timeout(60)
def test_builtin_with_a_spare(env):
    under_load(env, None, "--spares", "1")


@timeout(60)
def test_builtin_roundrobin(env):
    under_load(env, None, "--balance", "roundrobin")


@timeout(60)
def test_node(env):
    under_load(env, programs.node)


@timeout(60)
def test_node_roundrobin_with_a_spare(env):
    under_load(env, programs.node, "--balance", "roundrobin", "--spares", "1")


@timeout(60)
def test_node_sticky(env):
    under_load(env, programs.node, "--balance", "sticky")


@timeout(60)
def test_node_reuseport(env):
    under_load(env, programs.node, "--balance", "reuseport")


@timeout(60)
def test_http_server(env):
    under_load(env, programs.http_server)


@timeout(60)
def test_http_server_with_a_spare(env):
    under_load(env, programs.http_server, "--protocol", "bind", "--spares", "1")


@timeout(60)
def test_go(env):
    under_load(env, programs.go)


@timeout(60)
def test_nginx(env):
    under_load(env, programs.nginx)


@timeout(60)
def test_gunicorn_by_activation(env):
    under_load(env, programs.gunicorn_activated)


# ---- what goes along ----

@timeout(60)
def test_followers_and_waiters_stay(env):
    """Who follows events or lines, or waits for a stop, is the same client afterwards."""
    port = env.port()
    m = env.start("--port", port, "--workers", 2, "--demo")
    follow = subprocess.Popen([env.mpsup, "events", "--follow", "--json"], env=env.environ(),
                              stdout=subprocess.PIPE, text=True)
    waits = subprocess.Popen([env.mpsup, "wait", "web", "stopped"], env=env.environ())
    lines = []
    reader = threading.Thread(target=lambda: lines.extend(follow.stdout), daemon=True)
    reader.start()
    time.sleep(0.3)
    for _ in range(3):
        upgrade(env)
    if follow.poll() is not None or waits.poll() is not None:
        raise Failed("they have ended")
    env.client("stop", "web")
    if waits.wait(10) != 0:
        raise Failed("who waited for the stop was not told")
    m.stop()
    follow.wait(10)
    reader.join(5)
    seen = [json.loads(line) for line in lines]
    numbers = [e["seq"] for e in seen]
    if numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        raise Failed(f"seen: {numbers}")
    for name, count in (("master.upgrade", 3), ("pool.stop", 1), ("worker.exit", 2)):
        if len([e for e in seen if e["event"] == name]) != count:
            raise Failed(f"{name} was not told {count} times: {[e['event'] for e in seen]}")


@timeout(60)
def test_a_worker_that_drains_finishes(env):
    """A suicide with an open connection, and one that is being replaced by a reload."""
    app = env.app(app_js="""
        const s = require('http').createServer((q, r) => {
            if (q.url == '/slow') setTimeout(() => r.end('late'), 4000);
            else r.end('here');
        }).listen(Number(process.argv[2]));""")
    port = env.port()
    m = env.start("--port", port, "--workers", 1, "--", env.need_program("node"), "app.js", port,
                  cwd=app)
    slow = http.background(port, "/slow")
    time.sleep(0.5)
    if env.client("reload", seconds=30).returncode != 0:
        raise Failed("reload")
    upgrade(env)
    draining = m.workers(state="draining")
    answer = http.get(port)
    if answer.outcome != http.OK:
        raise Failed(f"{answer}")
    upgrade(env)
    late = slow()
    if late.outcome != http.OK or late.text != "late":
        raise Failed(f"{late} of {draining}")
    wait_until("the old one is gone", lambda: len(
        [e for e in events(env) if e["event"] == "worker.exit"]) == 1, 15)
    died = [e for e in events(env) if e["event"] == "worker.exit"][0]
    if died["reason"] != "reload":
        raise Failed(f"{died}")
    m.stop()


@timeout(60)
def test_restart_history_and_backoff(env):
    """What was counted before counts after: a slot that fails fails no later."""
    port = env.port()
    m = env.start("--port", port, "--workers", 2, "--demo", "--restart-limit", "4/60s",
                  "--backoff", "2s..3s")
    for n in range(1, 4):
        victim = m.wait_workers(2, seconds=20)[0]
        os.kill(victim["pid"], signal.SIGKILL)
        wait_until("its death is seen", lambda: len(
            [e for e in events(env) if e["event"] == "worker.respawn"]) == n, 10)
        upgrade(env)
    upgrade(env)
    counts = [e["count"] for e in events(env) if e["event"] == "worker.respawn"]
    if counts != [1, 2, 3]:
        raise Failed(f"counted {counts}")
    slot = m.pool()["workers"][0]
    if slot["restarts"] != 3 or m.pool()["usage"]["deaths"] != 3:
        raise Failed(f"{slot} {m.pool()['usage']}")
    m.wait_workers(2, seconds=20)
    for n in (4, 5):
        os.kill(m.wait_workers(2, seconds=20)[0]["pid"], signal.SIGKILL)
        wait_until("seen", lambda: len(
            [e for e in events(env) if e["event"] == "worker.exit"]) == n, 10)
    wait_until("it is given up", lambda: m.pool()["workers"][0]["state"] == "failed", 10)
    upgrade(env)
    if m.pool()["workers"][0]["state"] != "failed" or m.pool()["state"] != "degraded":
        raise Failed(f"{m.pool()}")
    if env.client("reset").returncode != 0:
        raise Failed("reset")
    m.wait_workers(2, seconds=20)
    m.stop()


@timeout(60)
def test_messages_and_words(env):
    """A program that speaks: half a line before, the rest after; its lines in the log too."""
    app = env.app(app_js="""
        const fs = require('fs');
        process.on('message', m => { if (m.data == 'go') {
            process.send({ action: 'message', data: 'heard' }); } });
        fs.writeSync(1, 'before and ');
        process.on('SIGUSR2', () => fs.writeSync(1, 'after\\n'));
        require('http').createServer((q, r) => r.end('here')).listen(Number(process.argv[2]));""")
    port = env.port()
    m = env.start("--port", port, "--workers", 2, "--", env.need_program("node"), "app.js", port,
                  cwd=app)
    upgrade(env)
    env.client("send", "web/0", "go")
    env.client("signal", "web/0", "USR2")
    wait_until("the line is whole", lambda: "before and after" in m.log(), 10)
    logs = env.client("logs", "web/0").stdout
    upgrade(env)
    if env.client("logs", "web/0").stdout != logs or "before and after" not in logs:
        raise Failed(f"the kept lines: {logs!r}")
    m.stop()


@timeout(60)
def test_a_file_of_pools(env):
    """Four pools, of which one is broken and one is stopped, with values set by hand."""
    ports = [env.port() for _ in range(4)]
    app = env.app(shop_yaml=f"""
version: 1
name: shop
pools:
  - {{name: a, listen: "127.0.0.1:{ports[0]}", workers: 2, env_file: a.env}}
  - {{name: b, listen: "127.0.0.1:{ports[1]}", workers: 1, restart: {{max_age: 1h}}}}
  - {{name: broken, listen: "127.0.0.1:{ports[2]}", command: [/usr/bin/not-there]}}
  - {{name: d, listen: "127.0.0.1:{ports[3]}", workers: 1}}
""", a_env="WORD=first\n")
    m = env.start("-c", app / "shop.yaml", cwd=app)
    env.client("stop", "d")
    env.client("scale", "a", "3")
    env.client("set", "a", "ready_timeout=7s")
    m.ctl("wait", "a", "ready")
    before = json.loads(m.ctl("status", "--json"))
    config = m.ctl("config")
    (app / "a.env").unlink()  # an upgrade reads nothing again
    upgrade(env)
    after = json.loads(m.ctl("status", "--json"))
    if m.ctl("config") != config:
        raise Failed(f"{config} became {m.ctl('config')}")
    for was, is_ in zip(before["pools"], after["pools"]):
        for key in ("name", "state", "reason", "listen", "protocol", "generation", "limits"):
            if was[key] != is_[key]:
                raise Failed(f"{was['name']}: {key} was {was[key]}, and is {is_[key]}")
        if [w["pid"] for w in was["workers"]] != [w["pid"] for w in is_["workers"]]:
            raise Failed(f"{was['name']}: {was['workers']} became {is_['workers']}")
    os.kill(after["pools"][0]["workers"][0]["pid"], signal.SIGKILL)
    m.ctl("start", "d")
    m.ctl("wait", "d", "ready")
    m.ctl("wait", "a", "ready")
    for i in (0, 1, 3):
        if http.get(("127.0.0.1", ports[i])).outcome != http.OK:
            raise Failed(f"port {ports[i]}")
    if "b" not in m.ctl("apply", "--dry-run") and "as they are" not in m.ctl("apply", "--dry-run"):
        raise Failed(m.ctl("apply", "--dry-run"))
    m.stop()


def test_a_pool_that_has_become_another_and_was_not_born(env):
    """What the one before said at its end is forgotten whole."""
    ports = [env.port() for _ in range(4)]
    app = env.app(busy_py="import http.server, sys, time\n"
                  "while time.process_time() < 1.5: pass\n"
                  "http.server.HTTPServer(('', int(sys.argv[1])), http.server.BaseHTTPRequestHandler)"
                  ".serve_forever()\n")
    file = app / "shop.yaml"

    def write(rest, more=""):
        file.write_text(f"""
version: 1
name: shop
parallel: 1
pools:
  - {{name: a, listen: "127.0.0.1:{ports[0]}", workers: 1}}
  - {{name: b, workers: 1, restart: {{backoff: 1ms..1ms}}, {rest}}}
{more}
""")

    write(f'listen: "127.0.0.1:{ports[1]}", command: [sh, -c, "echo boom >&2; exit 3"]')
    m = env.start("-c", file, cwd=app)
    wait_until("b has failed", lambda: m.status()["pools"][1]["state"] == "failed")
    write(f'listen: "127.0.0.1:{ports[2]}"',
          f'  - {{name: busy, port: {ports[3]}, workers: 1, command: [python3, busy.py, "{ports[3]}"]}}')
    m.ctl("apply", "--no-wait")
    m.ctl("stop", "b")
    upgrade(env)
    if m.status()["pools"][1]["usage"]["births"] != 5:
        raise Failed("b was born: this shows nothing")
    m.ctl("start", "b")
    for i in (0, 2):
        if http.get(("127.0.0.1", ports[i])).outcome != http.OK:
            raise Failed(f"port {ports[i]}")
    m.stop()


def test_unix_socket(env):
    where = env.dir / "x.sock"
    m = env.start("--listen", f"unix:{where}", "--workers", 2)
    for _ in range(3):
        upgrade(env)
        if http.get(str(where)).outcome != http.OK:
            raise Failed("nobody answers")
    m.stop()
    if where.exists():
        raise Failed("the socket's file was left")


def test_usr2_and_pidfile(env):
    pidfile = env.dir / "pid"
    m = env.start("--port", env.port(), "--workers", 1, "--pidfile", pidfile)
    m.send(signal.SIGUSR2)
    wait_until("it is upgraded", lambda: "upgraded: " in m.log(), 10)
    m.send(signal.SIGUSR2)
    wait_until("twice", lambda: m.log().count("upgraded: ") == 2, 10)
    if pidfile.read_text() != f"{m.pid}\n":
        raise Failed(pidfile.read_text())
    m.stop()
    if pidfile.exists():
        raise Failed("the pid file was left")


def test_closed_standard_descriptors(env):
    """None of its own takes their numbers: neither its log nor an upgrade meets it there."""
    for which, redirects in (((0, 1, 2), "<&- >&- 2>&-"), ((2,), "2>&-")):
        port = env.port()
        m = env.start("--port", port, "--workers", 1, ready=False,
                      under=("sh", "-c", f'exec "$@" {redirects}', "sh"))
        wait_until("it serves", lambda p=port: http.get(p).outcome == http.OK)
        for _ in range(2):
            taken = [os.readlink(f"/proc/{m.pid}/fd/{n}") for n in which]
            if any(t != "/dev/null" for t in taken):
                raise Failed(f"{which} are {taken}")
            upgrade(env)
        m.stop()


@timeout(60)
def test_usage_of_a_pool_that_is_gone(env):
    """It is written once a minute: until then nobody has it but the master."""
    pools = f"""
version: 1
name: shop
pools:
  - {{name: a, listen: "127.0.0.1:{env.port()}", workers: 1}}
"""
    app = env.app(shop_yaml=f"""{pools}
  - {{name: b, listen: "127.0.0.1:{env.port()}", workers: 1}}
""")
    m = env.start("-c", app / "shop.yaml", cwd=app)
    state = env.dir / "root/var/lib/mpsup/shop/state.json"
    wait_until("it is written", state.exists)
    os.kill(m.pool("b")["workers"][0]["pid"], signal.SIGKILL)
    m.ctl("wait", "b", "ready")
    (app / "shop.yaml").write_text(pools)
    m.ctl("apply")
    wait_until("it is gone", lambda: [p["name"] for p in m.status()["pools"]] == ["a"], 20)
    upgrade(env)
    m.stop()
    kept = json.loads(state.read_text())["pools"]
    if kept["b"]["deaths"] != 2 or "gone" not in kept["b"] or kept["a"]["births"] != 1:
        raise Failed(f"{kept}")


@timeout(60)
def test_its_log_goes_along(env):
    """The file that is open, wherever it is: a daemon has left the folder that its name begins
    at, and that folder may be gone."""
    place, port = env.dir / "logs", env.port()
    place.mkdir()
    def start(*args):
        done = subprocess.run(
            [env.mpsup, "run", "--port", str(port), "--workers", "1", "--daemonize",
             "--pidfile", place / "pid", "--log-file", "logs/own.log", *args], cwd=env.dir,
            env=env.environ(), timeout=20, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Failed(f"{done}")
        return int((place / "pid").read_text())
    pid = start()
    try:
        for n in (1, 2):
            upgrade(env)
            if (place / "own.log").read_text().count("upgraded: ") != n:
                raise Failed((place / "own.log").read_text())
        (place / "own.log").rename(place / "old.log")
        upgrade(env)
        if (place / "own.log").exists() or (place / "old.log").read_text().count("upgraded") != 3:
            raise Failed("it does not write to the file that it had")
        os.kill(pid, signal.SIGUSR1)
        wait_until("it opens its file anew", (place / "own.log").exists)
        shutil.rmtree(place)
        upgrade(env)
        if http.get(port).outcome != http.OK:
            raise Failed("nobody answers")
    finally:
        env.client("stop", seconds=20)
    wait_until("it has ended", lambda: not proc.exists(pid))


@timeout(60)
def test_while_the_pool_starts(env):
    """It waits for births; a second one that is asked for meanwhile is the same."""
    app = env.app(app_py=f"""
import os, socket, time
time.sleep(2)
s = socket.create_server(("", int(os.environ["PORT"])))
while True:
    c, _ = s.accept()
    c.recv(9999)
    c.sendall(b"HTTP/1.0 200 OK\\r\\n\\r\\nhere")
    c.close()
""")
    m = env.start("--port", env.port(), "--workers", 2, "--", env.need_program("python3"),
                  "app.py", cwd=app, seconds=30)
    m.wait_workers(2, seconds=20)
    os.kill(m.workers()[0]["pid"], signal.SIGKILL)
    time.sleep(0.3)
    asked = [threading.Thread(target=upgrade, args=(env,)) for _ in range(3)]
    for a in asked:
        a.start()
    for a in asked:
        a.join(30)
    told = [e for e in events(env) if e["event"] == "master.upgrade"]
    if len(told) != 1:
        raise Failed(f"{len(told)} upgrades")
    names = [e["event"] for e in events(env)]
    if names.index("master.upgrade") < len(names) - 1 - names[::-1].index("worker.ready"):
        raise Failed(f"{names}")
    m.stop()


# ---- a new program that is none ----

def put(program, content, mode=0o755):
    new = program.with_suffix(".new")
    new.write_bytes(content)
    new.chmod(mode)
    new.rename(program)


def compiled(env, body):
    source = env.dir / "fake.c"
    source.write_text("\n".join((
        "#include <stdio.h>", "#include <stdlib.h>", "#include <unistd.h>",
        f"int main(void) {{ {body} }}", "")))
    subprocess.run(["cc", "-o", env.dir / "fake", source], check=True)
    return (env.dir / "fake").read_bytes()


def refused(env, m, port, program, content, *words, mode=0o755, seconds=40):
    old, before = pids(m), holdings(m)
    good = program.read_bytes()
    client = shutil.copy2(program, env.dir / "client")
    put(program, content, mode)
    done = subprocess.run([client, "upgrade"], env=env.environ(), capture_output=True, text=True,
                          timeout=seconds, check=False)
    if done.returncode == 0 or not all(w in done.stderr for w in words):
        raise Failed(f"exit {done.returncode}, {done.stderr!r} without {words}")
    put(program, good)
    if pids(m) != old or http.get(port).outcome != http.OK:
        raise Failed("somebody noticed")
    wait_as_before(m, before)


@timeout(120)
def test_a_program_that_cannot_go_on(env):
    program, port = env.own_copy(), env.port()
    m = env.start("--port", port, "--workers", 2)
    good = program.read_bytes()
    for content, *words in (
            (b"no program at all\n", "cannot go on here"),
            (b"#!/bin/sh\nexit 0\n", "is a script"),
            (pathlib.Path("/bin/true").read_bytes(), "is it an mpsup"),
            (pathlib.Path("/bin/echo").read_bytes(), "is it an mpsup"),
            (compiled(env, 'puts("too new for this"); return 1;'), "too new for this"),
            (compiled(env, 'abort();'), "signal 6"),
            (compiled(env, 'for (int i = 0; i < 99999; i++) puts("x"); return 3;'), "exit 3"),
            (compiled(env, 'sleep(60);'), "within 10 s"),
            (good[:len(good) // 8], "signal")):
        refused(env, m, port, program, content, *words)
    refused(env, m, port, program, good, "Permission denied", mode=0o644)
    if os.geteuid() == 0:
        refused(env, m, port, program, good, "does not trust", mode=0o777)
    upgrade(env)
    m.stop()


@timeout(60)
def test_a_program_that_is_written_to_meanwhile(env):
    """A copy in its place, after it was tried, while somebody is waited for."""
    program, port = env.own_copy(), env.port()
    app = env.app(app_py="import os, time\ntime.sleep(0 if os.path.exists('quick') else 3)\n"
                         "import http.server\nhttp.server.test(port=int(os.environ['PORT']))\n",
                  quick="")
    m = env.start("--port", port, "--workers", 1, "--", env.need_program("python3"), "app.py",
                  cwd=app)
    (app / "quick").unlink()
    good = program.read_bytes()
    client = shutil.copy2(program, env.dir / "client")
    put(program, good)
    old = m.wait_workers(1)[0]["pid"]
    os.kill(old, signal.SIGKILL)
    wait_until("another one starts", lambda: m.workers()[0]["pid"] not in (None, old))
    asked = subprocess.Popen([client, "upgrade"], env=env.environ(), stderr=subprocess.PIPE,
                             text=True)
    wait_until("it waits", lambda: "upgrade waits" in m.log(), 10)
    program.write_bytes(good[:len(good) // 2])
    said = asked.communicate(timeout=30)[1]
    if asked.returncode != 1 or "written to after" not in said:
        raise Failed(f"{asked.returncode}: {said}")
    put(program, good)
    upgrade(env)
    if http.get(port).outcome != http.OK:
        raise Failed("nobody answers")
    m.stop()


def test_another_version_goes_on(env):
    """The program is replaced by a rename, as a package does it: the path is what counts."""
    program, port = env.own_copy(), env.port()
    m = env.start("--port", port, "--workers", 2)
    old = pids(m)
    text = program.read_bytes()
    put(program, text.replace(b"0.1.0\0", b"9.9.9\0"))
    for _ in range(2):
        upgrade(env)
    if json.loads(m.ctl("status", "--json"))["version"] != "9.9.9" or pids(m) != old:
        raise Failed(m.ctl("status"))
    if os.readlink(f"/proc/{m.pid}/exe") != str(program):
        raise Failed(os.readlink(f"/proc/{m.pid}/exe"))
    m.stop()


def test_a_link_is_followed_anew(env):
    """Versions side by side: the link that was called leads to the next one. One that somebody
    else can turn leads a root master nowhere."""
    program = env.own_copy()
    old, new, ways = program.parent.parent, env.dir / "new", env.dir / "ways"
    shutil.copytree(old, new)
    (new / "bin" / "mpsup").write_bytes(program.read_bytes().replace(b"0.1.0\0", b"9.9.9\0"))
    ways.mkdir()
    for owner, version in ((0, "9.9.9"), (65534, "0.1.0")) if os.geteuid() == 0 else (
            (os.geteuid(), "9.9.9"),):
        os.chown(ways, owner, -1)
        link = ways / "current"
        link.symlink_to(old)
        env.build = link / "bin"
        m = env.start("--port", env.port(), "--workers", 1)
        link.unlink()
        link.symlink_to(new)
        for _ in range(2):
            if upgrade(env)["to"] != version:
                raise Failed(f"{m.log()} without {version}")
        m.stop()
        link.unlink()


def test_not_while_it_stops_and_not_for_everybody(env):
    m = env.start("--port", env.port(), "--workers", 1)
    done = env.client("upgrade", "web")
    if done.returncode != 2 or "all its pools" not in done.stderr:
        raise Failed(f"{done}")
    for verb in ("resume", "upgrade-check"):
        done = env.client(verb, "7")
        if done.returncode not in (1, 2):
            raise Failed(f"{done}")
    m.stop()


def test_a_killed_upgraded_master_takes_its_workers_along(env):
    m = env.start("--port", env.port(), "--workers", 2, "--spares", "1")
    m.wait_workers(1, state="parked", role="spare")
    upgrade(env)
    all_ = pids(m) + [w["pid"] for w in m.workers(role="spare")]
    m.kill()
    wait_until("no worker outlives it", lambda: not any(proc.exists(p) for p in all_), 10)
    env.start("--port", env.port(), "--workers", 1).stop()  # it clears away what was left


def hangs(env, program):
    """One that does not read: what was dealt to it is its own, or another's, as before."""
    port = env.port()
    app, command = program(env, port) if program else (None, ())
    m = env.start("--port", port, "--workers", 2, "--balance", "roundrobin",
                  *(("--", *command) if command else ()), **({"cwd": app} if app else {}),
                  seconds=40)
    hung = m.wait_workers(2, seconds=30)[0]["pid"]
    before = holdings(m)
    os.kill(hung, signal.SIGSTOP)
    waiting = [http.background(port, "/") for _ in range(6)]
    time.sleep(0.2)
    began = time.monotonic()
    for _ in range(3):
        upgrade(env)
    if time.monotonic() - began > 20:
        raise Failed("it was waited for")
    waiting += [http.background(port, "/") for _ in range(6)]
    time.sleep(0.2)
    upgrade(env)
    os.kill(hung, signal.SIGCONT)
    bad = [r for r in (w() for w in waiting) if r.outcome != http.OK]
    if bad:
        raise Failed(f"{len(bad)} of {len(waiting)}: {bad[:2]}")
    wait_as_before(m, before)
    if "not given" in m.log():
        raise Failed("its answer was not known")
    m.stop()


@timeout(60)
def test_a_hung_node_worker(env):
    hangs(env, programs.node)


@timeout(60)
def test_a_hung_native_worker(env):
    hangs(env, None)


@timeout(60)
def test_a_worker_that_does_not_take_its_socket(env):
    """A handle waits for it to read, and goes along."""
    app, port = env.fixture("node_peer.py"), env.port()
    m = env.start("--port", port, "--workers", 2, "--protocol", "node-cluster", "--env",
                  "HOSTILE=handle-waits", "--drain-timeout", "1s", "--", env.need_program("python3"), "node_peer.py",
                  cwd=app.parent)
    old = [w["pid"] for w in m.wait_workers(2)]
    time.sleep(1.5)
    began = time.monotonic()
    before = holdings(m)
    for _ in range(3):
        upgrade(env)
    if time.monotonic() - began > 20:
        raise Failed("it was waited for")
    wait_as_before(m, before)
    # Both accept from the same socket: sooner or later the one that is to read now does.
    wait_until("it has its handle", lambda: [http.get(port, "/read", 5).text for _ in range(4)] and
               sum(holdings(m).values()) < sum(before.values()), 20)
    if pids(m) != old:
        raise Failed(f"{old} became {m.workers()}")
    m.stop()


@timeout(60)
def test_workers_that_call_all_the_time(env):
    """At their EINHORN_SOCK_PATH, half a word in every call."""
    app = env.app(app_py="""
import os, socket, threading
def call():
    while True:
        with socket.socket(socket.AF_UNIX) as s:
            try:
                s.connect(os.environ["EINHORN_SOCK_PATH"])
                s.send(b'{"comm')
                s.recv(1)
            except OSError:
                pass
for _ in range(2):
    threading.Thread(target=call, daemon=True).start()
s = socket.socket(fileno=3)
while True:
    c, _ = s.accept()
    c.recv(9999)
    c.sendall(b"HTTP/1.0 200 OK\\r\\n\\r\\nhere")
    c.close()
""")
    port = env.port()
    m = env.start("--port", port, "--workers", 6, "--protocol", "systemd", "--compat", "einhorn",
                  "--", env.need_program("python3"), "app.py", cwd=app)
    old = [w["pid"] for w in m.wait_workers(6, seconds=30)]
    time.sleep(0.5)
    began = time.monotonic()
    for _ in range(3):
        upgrade(env)
    if time.monotonic() - began > 15:
        raise Failed("they were waited for")
    if pids(m) != old or http.get(port).outcome != http.OK:
        raise Failed("somebody noticed")
    m.stop()


@timeout(60)
def test_a_reload_in_the_middle(env):
    """It is waited for; who waits for its last word gets that from the new program."""
    app = env.app(app_js="""
        const t = Date.now(); while (Date.now() - t < 700);
        require('http').createServer((q, r) => {
            if (q.url == '/slow') setTimeout(() => r.end('late'), 5000);
            else r.end('here');
        }).listen(Number(process.argv[2]));""")
    port = env.port()
    m = env.start("--port", port, "--workers", 2, "--", env.need_program("node"), "app.js", port,
                  cwd=app, seconds=40)
    m.wait_workers(2, seconds=30)
    slow = http.background(port, "/slow")
    time.sleep(0.3)
    asked = subprocess.Popen([env.mpsup, "reload", "--json", "--wait", "drained"],
                             env=env.environ(), stdout=subprocess.PIPE, text=True)
    wait_until("it has begun", lambda: m.pool()["state"] == "reloading", 10, 0.005)
    upgrade(env)
    if asked.poll() is not None:
        raise Failed("the reload is over")
    verdict = json.loads(asked.communicate(timeout=30)[0])
    if verdict["result"] != "ok" or verdict["replaced"] != 2 or verdict["cut"] != 0:
        raise Failed(f"{verdict}")
    late = slow()
    if late.outcome != http.OK or late.text != "late":
        raise Failed(f"{late}")
    names = [e["event"] for e in events(env)]
    if names.index("pool.reload") > names.index("master.upgrade"):
        raise Failed(f"{names}")
    m.stop()


@timeout(60)
def test_a_stop_of_a_pool_in_the_middle(env):
    """Who watches is another one now: nobody can connect still, and what was begun is finished."""
    app, command = programs.http_server(env, port := env.port())
    (app / "large").write_bytes(b"x" * (16 << 20))
    (app / "large").chmod(0o644)
    m = env.start("--port", port, "--workers", 2, "--", *command, cwd=app)
    m.wait_workers(2)
    with socket.create_connection(("127.0.0.1", port), 20) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        s.sendall(b"GET /large HTTP/1.0\r\n\r\n")
        got = len(s.recv(4096))
        asked = subprocess.Popen([env.mpsup, "stop", "web"], env=env.environ(), text=True,
                                 stderr=subprocess.PIPE)
        wait_until("the other one has left", lambda: not m.workers(state="ready") and
                   len(m.workers(state="draining")) == 1, 10)
        upgrade(env)
        if http.get(port).outcome != http.REFUSED:
            raise Failed("not refused")
        time.sleep(1)
        while piece := s.recv(1 << 20):
            got += len(piece)
    if got < 16 << 20:
        raise Failed(f"{got} bytes came")
    said = asked.communicate(timeout=20)[1]
    if asked.returncode or m.pool()["usage"]["connections_cut"]:
        raise Failed(f"{said}{m.pool()['usage']}")
    m.ctl("start", "web", seconds=20)
    if http.get(port).outcome != http.OK:
        raise Failed("started again, it does not serve")
    m.stop()


@timeout(60)
def test_a_stop_wins(env):
    app = env.app(app_py="import os, time\ntime.sleep(0.3 if os.path.exists('quick') else 20)\n"
                         "import http.server\nhttp.server.test(port=int(os.environ['PORT']))\n",
                  quick="")
    m = env.start("--port", env.port(), "--workers", 2, "--", env.need_program("python3"),
                  "app.py", cwd=app)
    m.wait_workers(2)
    (app / "quick").unlink()
    os.kill(m.workers()[0]["pid"], signal.SIGKILL)
    wait_until("the next one boots", lambda: m.workers()[0]["state"] == "starting")
    asked = subprocess.Popen([env.mpsup, "upgrade"], env=env.environ(), stderr=subprocess.PIPE,
                             text=True)
    wait_until("it waits", lambda: "upgrade waits" in m.log(), 10)
    m.stop()
    said = asked.communicate(timeout=10)[1]
    if asked.returncode != 1 or "stopping" not in said:
        raise Failed(f"{asked.returncode}: {said}")


@timeout(120)
def test_storm(env):
    """Workers killed, added, replaced and messaged at any moment of an upgrade."""
    port = env.port()
    app, command = programs.node(env, port)
    m = env.start("--port", port, "--workers", 3, "--spares", "1", "--restart-limit", "1000/60s",
                  "--backoff", "50ms..100ms", "--", *command, cwd=app)
    m.wait_workers(3)
    m.wait_workers(1, state="parked", role="spare")
    over = threading.Event()
    dice = random.Random(int(os.environ.get("MPSUP_TEST_SEED", "7")))

    def kill():
        while not over.wait(dice.random() / 4):
            for w in m.workers()[:1] + m.workers(role="spare")[:dice.randrange(2)]:
                try:
                    if w["pid"]:
                        os.kill(w["pid"], signal.SIGKILL)
                except ProcessLookupError:
                    pass

    def change():
        while not over.wait(dice.random()):
            verb = dice.choice((("reload",), ("scale", "web", dice.choice("234")),
                                ("restart", "web/1"), ("send", "web", "word"), ("status",)))
            env.client(*verb, seconds=60)

    threads = [threading.Thread(target=f) for f in (kill, change)]
    for t in threads:
        t.start()
    done = 0
    try:
        end = time.monotonic() + (20 if ROUNDS < 50 else 300)
        while done < (20 if ROUNDS < 50 else 1000) and time.monotonic() < end:
            done += env.client("upgrade", seconds=80).returncode == 0
            m.send(dice.choice((signal.SIGUSR2, signal.SIGUSR1, signal.SIGPIPE)))
    finally:
        over.set()
        for t in threads:
            t.join(90)
    if done < 3:
        raise Failed(f"only {done} upgrades")
    env.client("scale", "web", "3", seconds=60)
    m.ctl("reset")
    m.wait_workers(3, seconds=30)
    m.wait_workers(1, state="parked", role="spare", seconds=30)
    check_numbers(env)
    exits = [e["pid"] for e in events(env) if e["event"] == "worker.exit" and e["pid"]]
    if len(exits) != len(set(exits)):
        raise Failed("a death has two certificates")
    if http.get(port).outcome != http.OK:
        raise Failed("nobody answers")
    m.stop()
