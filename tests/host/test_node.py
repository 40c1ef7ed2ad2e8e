# SPDX-License-Identifier: MIT
"""Node programs by node-ipc: the tutorial's worker, and programs that do not live."""

import json
import os
import pathlib
import re
import shutil
import tempfile
import time

from harness import Failed, timeout, wait_until
from harness import http, nodes

IPC = ("--protocol", "node-ipc")


def start_tutorial(env, port, *more):
    node = env.need_program("node")
    worker = env.fixture("worker.js")
    return env.start("--workers", 2, "--port", port, *IPC, "--restart-limit", "1000/60s", *more,
                     "--", node, "worker.js", cwd=worker.parent)


def check_tutorial(m, answers):
    bad = [a for a in answers if a.outcome != http.OK or a.status != 200
           or not a.text.startswith("I am worker, pid:")]
    if bad:
        raise Failed(f"{len(bad)} of {len(answers)} requests failed, the first: {bad[0]}")
    events = m.events()
    said = [e["pid"] for e in events if e["event"] == "worker.suicide"]
    if len(said) != len(set(said)):
        raise Failed("a worker's suicide was counted twice")
    # Each worker that was replaced was replaced once.
    births = sum(e["event"] == "worker.spawn" for e in events)
    if births > 2 + len(said):
        raise Failed(f"{births} births for 2 slots and {len(said)} suicides")


@timeout(120)
def test_tutorial_worker_one_after_another(env):
    port = env.port()
    m = start_tutorial(env, port)
    check_tutorial(m, [http.get(port, seconds=20) for _ in range(100)])
    m.stop()


@timeout(120)
def test_tutorial_worker_ten_at_a_time(env):
    port = env.port()
    m = start_tutorial(env, port)
    check_tutorial(m, http.many(port, 100, 10, seconds=30))
    m.stop()


@timeout(120)
def test_tutorial_worker_with_a_spare(env):
    port = env.port()
    m = start_tutorial(env, port, "--spares", 1)
    m.wait_workers(1, state="parked", role="spare")
    answers = [http.get(port, seconds=20) for _ in range(20)]
    if any(a.status != 200 for a in answers):
        raise Failed(f"{[a for a in answers if a.status != 200][0]}")
    if not m.events("worker.promoted"):
        raise Failed("no spare was promoted")
    m.stop()


def test_syntax_error_is_given_up_within_seconds(env):
    node = env.need_program("node")
    app = env.fixture("syntax.js")
    started = time.monotonic()
    m = env.start("--port", env.port(), "--workers", 2, *IPC, "--", node, "syntax.js",
                  cwd=app.parent, ready=False)
    m.wait_exit(70, 15)
    seconds = time.monotonic() - started
    if seconds > 5:
        raise Failed(f"it took {seconds:.1f} s")
    traces = m.output().count("SyntaxError")
    if traces != 1:
        raise Failed(f"{traces} stack traces instead of one")


def test_program_that_dies_after_a_while(env):
    node = env.need_program("node")
    app = env.fixture("dies.js")
    m = env.start("--port", env.port(), "--workers", 1, *IPC, "--restart-limit", "2/60s",
                  "--backoff", "10ms..50ms", "--", node, "dies.js", cwd=app.parent, ready=False)
    m.wait_exit(70, 30)
    last = m.output()[m.output().rfind("web/0"):]
    tail = "\n".join(m.output().splitlines()[-40:])
    if "the database went away" not in tail or "first of the last words" not in tail:
        raise Failed(f"the last lines of stderr are not shown at the end:\n{last}")


def test_worker_sees_a_clean_environment_and_a_tmp_of_its_own(env):
    node = env.need_program("node")
    app = env.fixture("serve.js")
    port = env.port()
    m = env.start("--port", port, "--workers", 1, *IPC, "--env", "COLOUR=green", "--", node,
                  "serve.js", cwd=app.parent,
                  env={"MY_VAR": "kept", "LISTEN_FDS": "3", "NOTIFY_SOCKET": "/x",
                       "SSH_AUTH_SOCK": "/y", "NODE_UNIQUE_ID": "9"})
    seen = json.loads(http.get(port).text)
    variables = seen["env"]
    for name in ("LISTEN_FDS", "NOTIFY_SOCKET", "SSH_AUTH_SOCK", "NODE_UNIQUE_ID"):
        if name in variables:
            raise Failed(f"{name} reached the worker")
    for name, value in (("MY_VAR", "kept"), ("COLOUR", "green"), ("PORT", str(port)),
                        ("MPSUP_WORKER", "0"), ("MPSUP_WORKERS", "1"), ("MPSUP_POOL", "web"),
                        ("MPSUP_GENERATION", "1"), ("NODE_APP_INSTANCE", "0")):
        if variables.get(name) != value:
            raise Failed(f"{name} is {variables.get(name)!r}, not {value!r}")
    if seen["tmp"] != "yes" or seen["cwd"] != str(app.parent) or seen["uid"] == 0:
        raise Failed(f"tmp {seen['tmp']}, cwd {seen['cwd']}, uid {seen['uid']}")
    m.stop()


def test_output_is_prefixed_and_made_safe(env):
    node = env.need_program("node")
    app = env.fixture("serve.js")
    port = env.port()
    m = env.start("--port", port, "--workers", 1, *IPC, "--", node, "serve.js", cwd=app.parent,
                  pty=True)
    http.get(port, "/shout")
    m.wait_line(r"web/0.*plain line")
    m.wait_line(r"web/0.*red \\x1b\[31m line \\xe2\\x80\\xae end")
    wait_until("logs shows it", lambda: "plain line" in m.ctl("logs", "web/0"))
    m.stop()


def test_program_in_a_folder_below_tmp(env):
    """/tmp is the worker's own, and its working directory is still there."""
    node = env.need_program("node")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="mpsup-app."))
    try:
        folder.chmod(0o755)
        shutil.copy(env.fixture("serve.js"), folder)
        port = env.port()
        m = env.start("--port", port, "--workers", 1, *IPC, "--", node, "serve.js", cwd=folder)
        if json.loads(http.get(port).text)["cwd"] != str(folder):
            raise Failed("the working directory is another")
        m.stop()
    finally:
        shutil.rmtree(folder)


def start_cluster(env, port, *more, ready=True):
    node = env.need_program("node")
    app = env.fixture("cluster.js")
    return env.start("--port", port, *more, "--", node, "cluster.js", cwd=app.parent, ready=ready)


def test_unmodified_program_shares_the_socket(env):
    port = env.port()
    m = start_cluster(env, port, "--workers", 2)
    if m.pool()["protocol"] != "node-cluster":
        raise Failed(f"auto picked {m.pool()['protocol']}")
    seen = {a.text for a in http.many(port, 100, 10)}
    if len(seen) != 2:
        raise Failed(f"answers came from {seen}")
    answer = http.background(port, "/?ms=800")
    time.sleep(0.3)
    m.stop()
    if answer().status != 200:
        raise Failed("an open request was not finished in a stop")


def test_unmodified_program_with_a_spare(env):
    port = env.port()
    m = start_cluster(env, port, "--workers", 1, "--spares", 1)
    m.wait_workers(1, state="parked", role="spare")
    os.kill(m.workers(state="ready")[0]["pid"], 9)
    m.wait_workers(1, state="ready", role="worker")
    if http.get(port).status != 200:
        raise Failed("the promoted spare does not answer")
    if not m.events("worker.promoted"):
        raise Failed("no spare was promoted")
    m.stop()


def test_program_that_listens_elsewhere_is_told(env):
    port, other = env.port(), env.port()
    m = start_cluster(env, port, "--workers", 1, "--env", f"OTHER_PORT={other}", ready=False)
    m.wait_exit(70, 15)
    if f"{other}" not in m.output() or "mpsup was given" not in m.output():
        raise Failed(f"no line names the other port:\n{m.output()}")


def test_program_that_waits_for_its_server_is_told(env):
    """The tutorial's worker without --protocol node-ipc: it is up, and silent for ever."""
    node = env.need_program("node")
    app = env.fixture("serve.js")
    m = env.start("--port", env.port(), "--workers", 1, "--", node, "serve.js", cwd=app.parent,
                  ready=False)
    m.wait_line(r"web/0: it is up and has not listened in 5 s; .*--protocol node-ipc", 15)
    m.stop()
    m = env.start("--port", env.port(), "--workers", 1, "--ready-timeout", "3s",
                  "--boot-limit", 1, "--", node, "serve.js", cwd=app.parent, ready=False)
    m.wait_line(r"web/0: hint: it never listened; .*--protocol node-ipc", 15)
    m.wait_exit(70)


def test_ipc_worker_that_blocks_is_replaced(env):
    node, port = env.need_program("node"), env.port()
    app = env.fixture("node/ipc.js")
    m = env.start("--port", port, "--workers", 2, *IPC, "--watchdog", "500ms", "--", node,
                  "ipc.js", cwd=app.parent)
    m.wait_workers(2)
    before = {w["pid"] for w in m.workers()}
    time.sleep(1.5)
    if {w["pid"] for w in m.workers()} != before:
        raise Failed("a worker that was idle was replaced")
    http.background(port, "/block")
    end = m.wait_event("worker.exit", 15)
    if end["reason"] != "watchdog" or end["pid"] not in before:
        raise Failed(f"the first end was {end}")
    m.wait_workers(2)
    m.stop()


def test_npm_with_nodes_protocol_is_told(env):
    """npm takes the channel: what it starts is served by its bind(2), and the log says why."""
    npm, port = env.need_program("npm"), env.port()
    app = env.fixture("cluster.js").parent
    (app / "package.json").write_text(json.dumps({"scripts": {"start": "node cluster.js"}}))
    m = env.start("--port", port, "--workers", 1, "--protocol", "node-cluster", "--", npm,
                  "start", cwd=app, ready=False)
    m.wait_line("npm takes Node's channel for itself, .*: leave --protocol to auto")
    m.stop()


def test_framework_that_listens_on_localhost_alone(env):
    """Fastify's default. Never wider than the program asks for: the log has the option."""
    node, port = nodes.Node(env, "system"), env.port()
    framework = ("--env", f"FRAMEWORK={node.framework('fastify')}", "--env", "HOST=default")
    m = node.start("fastify.js", "--workers", 1, "--port", port, "--boot-limit", 1, *framework,
                   ready=False)
    found = m.wait_line(r"app listens on (\S+), but --port \d+ listens on all addresses; "
                        r"use --listen (\S+)", 20)
    m.wait_exit(70)
    if found.group(2) not in (f"127.0.0.1:{port}", f"[::1]:{port}"):
        raise Failed(f"the log advises --listen {found.group(2)}")
    other = env.port()
    m = node.start("fastify.js", "--workers", 2, "--listen", found.group(2), "--listen",
                   f"127.0.0.1:{other}", "--env", f"PORT={port}", *framework)
    m.wait_workers(2)
    where = ("127.0.0.1" if found.group(2)[0] == "1" else "::1", port)
    if http.get(where).status != 200:
        raise Failed(f"no answer on {where}: {http.get(where)}")
    advice = f"has not listened on 127.0.0.1:{other}: clients wait there"
    m.wait_line(re.escape(advice))
    if m.output().count(advice) != 1:
        raise Failed(f"not one line about the address that nobody takes:\n{m.output()}")
    m.stop()


@timeout(120)
def test_kills_under_load_refuse_nobody(env):
    """A worker dies every half second. Cut is at most what it had accepted."""
    port, kills, parallel = env.port(), 12, 8
    m = start_cluster(env, port, "--workers", 3, "--restart-limit", "1000/60s", "--backoff",
                      "10ms..50ms")
    m.wait_workers(3)
    with http.Load(port, parallel, seconds=20) as load:
        for n in range(kills):
            os.kill(m.wait_workers(3)[n % 3]["pid"], 9)
            time.sleep(0.5)
            if not load.wait_more(1):
                raise Failed("nobody answers any more")
    bad = [r for r in load.results if r.outcome in (http.REFUSED, http.HUNG)]
    if bad:
        raise Failed(f"{len(bad)} refused or hung of {len(load.results)}: {bad[0]}")
    if load.count(http.CUT) > kills * parallel:
        raise Failed(f"{load.count(http.CUT)} cut by {kills} kills")
    if len(load.results) < 200:
        raise Failed(f"only {len(load.results)} requests: that was no load")
    m.stop()


SHOW_HOME = """
const http = require('http'), fs = require('fs'), dir = __dirname;
const ls = (p) => { try { return fs.readdirSync(p); } catch (e) { return e.code; } };
http.createServer((q, r) => r.end(JSON.stringify({home: ls(dir), keys: ls(dir + '/.ssh')})))
  .listen(%d);
"""


def test_program_in_a_home_opens_neither_the_home_nor_its_keys(env):
    node, port = env.need_program("node"), env.port()
    home = pathlib.Path(tempfile.mkdtemp(prefix="mpsup-test.", dir="/home"))
    try:
        home.chmod(0o755)
        (home / ".ssh").mkdir()
        (home / ".ssh" / "id_rsa").write_text("secret")
        (home / "note.txt").write_text("private")
        (home / "app.js").write_text(SHOW_HOME % port)
        for arguments, cwd, home_shows in (([str(home / "app.js")], "/", ["app.js"]),
                                           (["app.js"], home, [".ssh", "app.js", "note.txt"])):
            m = env.start("--workers", 1, "--port", port, "--", node, *arguments, cwd=cwd)
            m.wait_workers(1)
            found = json.loads(http.get(port, seconds=20).text)
            if found != {"home": home_shows, "keys": "ENOENT" if cwd == "/" else []}:
                raise Failed(f"from {cwd} it sees {found}")
            m.stop()
    finally:
        shutil.rmtree(home)


def test_under_permissions_of_its_own(env):
    """What Node would not let us load is left out: the program starts all the same."""
    app, port = env.app(app_js="require('http').createServer((q, s) => s.end('x')).listen(process.env.PORT);"), env.port()
    m = env.start("--port", port, "-w", 1, "--", env.need_program("node"), "--experimental-permission",
                  f"--allow-fs-read={app}/*", "app.js", cwd=app)
    if http.get(port).text != "x":
        raise Failed("no answer")
    m.ctl("reload")
    m.stop()
