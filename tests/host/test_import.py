# SPDX-License-Identifier: MIT
"""mpsup import pm2: what is made starts and serves; a file that is a program is evaluated in a
cage, as who called, and can do nothing else."""

import os
import re
import socket
import subprocess
import time

from harness import Failed, patience, timeout, wait_until
from harness import http

NOBODY = 65534

SERVER = """
require('http').createServer((q, r) => r.end(`${process.env.NODE_ENV} ${process.env.WHO}`))
    .listen(process.env.PORT);
process.on('SIGINT', () => process.exit(0));
"""
QUEUE = """
console.log('waiting for work');
setInterval(() => {}, 1000);
process.on('SIGINT', () => { console.log('leaving gently'); process.exit(0); });
"""
ECOSYSTEM = """
const os = require('os');
const {port} = require('./settings.json');
console.log('evaluated on', os.platform());
module.exports = {
  apps: [{
    name: 'Web Shop',
    script: './server.js',
    instances: 2,
    exec_mode: 'cluster',
    wait_ready: true,
    listen_timeout: 10000,
    kill_timeout: 5000,
    watch: false,
    merge_logs: true,
    env: { NODE_ENV: 'development', PORT: port, WHO: 'shop' },
    env_production: { NODE_ENV: 'production' },
  }, {
    script: 'queue.js',
    max_restarts: 5,
    exp_backoff_restart_delay: 100,
  }, {
    name: 'fork',
    script: 'fork.js',
    exec_mode: 'fork',
    env: { WHERE: port + 1, },
  }],
  deploy: { production: { user: 'node', host: ['example.com'], ref: 'origin/main' } },
};
"""
FORK = "require('http').createServer((q, r) => r.end('forked')).listen(process.env.WHERE - 0);"


def files(env, **more):
    folder = env.app(**more)
    for path in folder.iterdir():
        path.chmod(0o644)
    return folder


def run(env, folder, *args, under=(), seconds=40.0, **more):
    return subprocess.run([*under, env.mpsup, "import", "pm2", *map(str, args)], cwd=folder,
                          env=env.environ(**more), stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, errors="replace", timeout=patience(seconds), check=False)


def made(env, folder, *args, **more):
    done = run(env, folder, *args, **more)
    if done.returncode != 0:
        raise Failed(f"import {args}: exit {done.returncode}, {done.stderr!r}")
    return done


def refused(env, folder, name, word, code=2, **more):
    done = run(env, folder, name, **more)
    if done.returncode != code or word not in done.stderr or done.stdout:
        raise Failed(f"{name}: exit {done.returncode}, {done.stderr!r}, no {word!r}")
    said = [line for line in done.stderr.splitlines() if "without namespaces" not in line]
    if len(said) != 1 or not said[0].startswith("mpsup: "):
        raise Failed(f"{name}: not one sentence: {done.stderr!r}")


def two_ports(env):
    while True:
        port = env.port()
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port + 1)) != 0:
                return port


def test_what_is_made_serves(env):
    env.need_program("node")
    port = two_ports(env)
    folder = files(env, server_js=SERVER, queue_js=QUEUE, fork_js=FORK,
                   settings_json=f'{{"port": {port}}}')
    (folder / "ecosystem.config.js").write_text(ECOSYSTEM)
    out = env.dir / "shop.yaml"
    done = made(env, folder, "ecosystem.config.js", "--env", "production", "-o", str(out))
    for word in ("ecosystem.config.js printed: evaluated on linux", "'Web Shop' at PM2's"):
        if word not in done.stderr:
            raise Failed(f"no {word!r} in {done.stderr!r}")
    if out.stat().st_mode & 0o777 != 0o600:
        raise Failed(f"mode {out.stat().st_mode:o}")
    m = env.start("-c", str(out))
    if {p["name"]: (len(p["workers"]), p["protocol"]) for p in m.status()["pools"]} != {
            "web-shop": (2, "node-cluster"), "queue": (1, "bind"), "fork": (1, "bind")}:
        raise Failed(f"pools: {m.status()['pools']}")
    for where, text in ((port, "production shop"), (port + 1, "forked")):
        answer = http.get(where, "/")
        if answer.text != text:
            raise Failed(f"port {where}: {answer}")
    m.stop()
    if "leaving gently" not in m.log():
        raise Failed("the queue's worker did not hear PM2's signal")


def test_a_dump_and_yaml(env):
    folder = files(env, dump_pm2='[{"name": "a", "pm_exec_path": "/opt/a.js", "pm_cwd": "/opt"},'
                                 ' {"name": "a", "pm_exec_path": "/opt/a.js", "pm_cwd": "/opt"}]',
                   process_yaml="apps:\n  - {script: b.py, args: one two}\n",
                   loose_json="// of ours\n{apps: [{script: 'c.js',}]}",
                   bad_json='{"apps": [',
                   bad_yaml="apps: [")
    for name, word in (("dump.pm2", "workers: 2"),
                       ("process.yaml", "command: [python3, b.py, one, two]"),
                       ("loose.json", "command: [node, c.js]")):
        if word not in made(env, folder, name).stdout:
            raise Failed(f"{name}: no {word!r} in {made(env, folder, name).stdout}")
    refused(env, folder, "bad.json", "bad.json:1:")
    refused(env, folder, "bad.yaml", "bad.yaml:")
    refused(env, folder, "none.json", "none.json: No such file")
    refused(env, folder, "/etc", "does not say what it is")


def test_nothing_is_written_over(env):
    folder = files(env, e_json='{"script": "a.js"}')
    (folder / "mine.yaml").write_text("mine")
    (folder / "link.yaml").symlink_to("elsewhere.yaml")
    for name in ("mine.yaml", "link.yaml"):
        done = run(env, folder, "e.json", "-o", name)
        if done.returncode != 2 or "is there already" not in done.stderr:
            raise Failed(f"{name}: {done.returncode} {done.stderr!r}")
    if (folder / "mine.yaml").read_text() != "mine" or (folder / "elsewhere.yaml").exists():
        raise Failed("it was written over")


# What the cage is, told from inside by the file that is evaluated.
INSIDE = """
const fs = require('fs');
const status = fs.readFileSync('/proc/self/status', 'utf8');
const field = name => new RegExp('^' + name + ':\\\\s*(.*)$', 'm').exec(status)[1];
const list = path => { try { return fs.readdirSync(path).join(); } catch (e) { return e.code; } };
module.exports = {apps: [{script: 'a.js', env: {
    UID: process.getuid(), GIDS: process.getgroups().join(), CAPS: field('CapPrm') + field('CapBnd'),
    NNP: field('NoNewPrivs'), SECCOMP: field('Seccomp'), ROOT: list('/root'), MORE: list('..'),
    NET: fs.readlinkSync('/proc/self/ns/net'), PIDS: list('/proc').split(',').filter(Number).length,
    SUDO: process.env.SUDO_UID, MARK: process.env.MARK,
}}]};
"""


def inside(env, folder, **more):
    done = made(env, folder, "in.config.js", **more)
    lines = [line.strip().split(": ", 1) for line in done.stdout.splitlines()
             if line.startswith("      ")]
    return {key: value.strip('"') for key, value in lines if key.isupper()}, done


def test_the_cage(env):
    env.need_root()
    env.need_program("node")
    folder = files(env)
    (folder / "in.config.js").write_text(INSIDE)
    mine = os.readlink("/proc/self/ns/net")
    for sudo, uid in (({}, "0"), ({"SUDO_UID": str(NOBODY), "SUDO_GID": str(NOBODY)}, "65534")):
        seen, done = inside(env, folder, MARK="here", **sudo)
        wanted = {"UID": uid, "CAPS": "0" * 32, "NNP": "1", "SECCOMP": "2", "MORE": "app",
                  "MARK": "here", "PIDS": "2"}
        wrong = {k: seen.get(k) for k, v in wanted.items() if seen.get(k) != v}
        if wrong or seen["NET"] == mine or "SUDO" in seen or "0" in seen["GIDS"].split(",")[1:]:
            raise Failed(f"{sudo}: {wrong or seen}")
        if ("user: nobody" in done.stdout) != bool(sudo):
            raise Failed(f"the pool's user: {done.stdout}")
    if inside(env, folder)[0]["ROOT"] not in ("", "EACCES"):
        raise Failed("root's home is shown")


# What a hostile file does, and what its author reads. {port} is one that listens.
HOSTILE = {
    "throws": ("throw new Error('no \\x1b[31mway')", "throws.config.js:1: Error: no \\x1b[31mway"),
    "syntax": ("module.exports = {\napps: [}\n", "syntax.config.js:2: SyntaxError"),
    "exits": ("process.exit(7)", "exit status 7"),
    "says": ("console.error('oh dear'); process.exit(1)", '"oh dear"'),
    "writes": ("require('fs').writeFileSync(__dirname + '/evil', 'x')", "write nothing"),
    "appends": ("require('fs').appendFileSync(__filename, 'x')", "write nothing"),
    "truncates": ("require('fs').openSync(__filename, 512)", "write nothing"),
    "removes": ("require('fs').unlinkSync(__filename)", "write nothing"),
    "tmp": ("require('fs').mkdirSync('/tmp/evil')", "write nothing"),
    "runs": ("require('child_process').execSync('id')", "no programs"),
    "kills": ("process.kill(process.ppid, 9)", "no signals"),
    "connects": ("module.exports = new Promise((a, b) => require('net').connect({port},"
                 " '127.0.0.1').on('connect', a).on('error', b))", "no network"),
    "listens": ("module.exports = new Promise((a, b) => require('net').createServer()"
                ".on('error', b).listen(0, a))", "no network"),
    "unix": ("module.exports = new Promise((a, b) => require('net').connect('/run/dbus/x')"
             ".on('error', b))", "no network"),
    "looks": ("require('../secret.json')", "its own folder"),
    "function": ("module.exports = () => 1", "exports a function"),
    "circle": ("const a = {}; a.a = a; module.exports = a", "circular"),
    "nothing": ("module.exports = undefined", "exports nothing"),
    "noapps": ("", "there is no app in it"),
    "forges": ("require('fs').writeSync(3, '{\"value\": '); process.exit(0)", "not JSON"),
    "closes": ("require('fs').closeSync(3)", "before it had exported anything"),
    "long": ("module.exports = {apps: [{script: 'x'.repeat(5 << 20)}]}", "longer than 4 MiB"),
    "heap": ("const a = []; for (;;) a.push(new Array(1e6).fill(a.length))", "memory"),
    "buffers": ("const a = []; for (;;) a.push(Buffer.alloc(1e8, 1))", "llocat"),
    "later": ("setTimeout(() => { throw new Error('later') }); module.exports ="
              " new Promise(() => 0)", "later.config.js:1: Error: later"),
}


def hostile(env, folder, port, without=(), **more):
    for name, (text, word) in HOSTILE.items():
        if name in without:
            continue
        path = folder / f"{name}.config.js"
        text = text.replace("{port}", str(port))
        path.write_text(text)
        path.chmod(0o666)
        refused(env, folder, path.name, word, **more)
        if path.read_text() != text:
            raise Failed(f"{name}: it has changed its file")
        path.unlink()
    if os.path.exists("/tmp/evil") or (folder / "evil").exists():
        raise Failed("something was written")


def listening():
    s = socket.create_server(("127.0.0.1", 0))
    s.setblocking(False)
    return s


def nobody_came(s):
    try:
        s.accept()
    except BlockingIOError:
        return
    raise Failed("it was connected to")


@timeout(240)
def test_hostile_files(env):
    env.need_program("node")
    folder = files(env)
    (env.dir / "secret.json").write_text('{"secret": 1}')
    with listening() as s:
        hostile(env, folder, s.getsockname()[1])
        nobody_came(s)


@timeout(240)
def test_hostile_files_of_an_ordinary_user(env):
    """Without namespaces the filter still holds."""
    env.need_root()
    env.need_program("node")
    folder = files(env)
    env.own_copy()
    folder.chmod(0o777)
    under = ("/usr/bin/setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups")
    with listening() as s:
        hostile(env, folder, s.getsockname()[1], under=under, without=("looks",))
        nobody_came(s)
    (folder / "ok.config.js").write_text("exports.apps = [{script: 'a.js'}]")
    done = made(env, folder, "ok.config.js", under=under)
    if "user: nobody" not in done.stdout or "without namespaces" not in done.stderr:
        raise Failed(f"{done.stdout} {done.stderr}")


@timeout(120)
def test_one_that_never_ends(env):
    env.need_program("node")
    folder = files(env, loop_js="for (;;) ;",
                   flood_js="for (;;) console.log('x'.repeat(1000))",
                   waits_js="setInterval(() => 0, 1000); module.exports = new Promise(() => 0)")
    for name in ("loop.js", "flood.js", "waits.js"):
        began = time.monotonic()
        if name == "flood.js":
            # Node keeps what it prints until somebody reads it: time or memory, whichever is first.
            done = run(env, folder, name)
            if done.returncode != 2 or not re.search("after 10 s|most likely for memory", done.stderr):
                raise Failed(f"{name}: exit {done.returncode}, {done.stderr!r}")
            continue
        refused(env, folder, name, "after 10 s")
        if time.monotonic() - began < 9:
            raise Failed(f"{name}: it had no 10 s")


def test_its_caller_is_killed(env):
    """Nothing outlives it."""
    env.need_program("node")
    folder = files(env, loop_js="for (;;) ;")
    mark = str(folder / "loop.js")
    with subprocess.Popen([env.mpsup, "import", "pm2", "loop.js"], cwd=folder,
                          env=env.environ()) as caller:
        wait_until("it is evaluated", lambda: evaluators(mark))
        caller.kill()
    wait_until("the evaluation has ended", lambda: not evaluators(mark))


def evaluators(mark):
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                words = f.read().split(b"\0")
        except OSError:
            continue
        if mark.encode() in words:
            found.append(pid)
    return found


def test_without_node(env):
    folder = files(env, e_js="exports.apps = []")
    (folder / "bin").mkdir()
    refused(env, folder, "e.js", "apt-get install nodejs", PATH=str(folder / "bin"))


def test_a_host_that_gives_no_cage(env):
    env.need_root()
    env.need_program("node")
    deny = env.build / "helpers" / "deny"
    folder = files(env, e_js="exports.apps = []")
    refused(env, folder, "e.js", "filter", code=69, under=(str(deny), "seccomp=EINVAL", "--"))
    if "--no-sandbox" in run(env, folder, "e.js",
                             under=(str(deny), "seccomp=EINVAL", "--")).stderr:
        raise Failed("it names an option that import does not have")
