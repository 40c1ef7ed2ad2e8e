# SPDX-License-Identifier: MIT
"""What is made from the tables is what they give: man pages, completion, schema."""

import json
import os
import pty
import re
import select
import subprocess
import time

try:    # the emulated machine, which runs none of these tests, has neither
    import jsonschema
    import yaml
except ImportError:
    jsonschema = yaml = None

from harness import Failed, timeout
from harness.env import TOP
from harness.pace import patience
from test_file import File


SCHEMA = json.loads((TOP / "docs/mpsup.schema.json").read_text(encoding="utf-8"))


def run(*args, **more):
    return subprocess.run([str(a) for a in args], capture_output=True, text=True, timeout=60, check=False, **more)


def test_made_files_are_what_the_tables_give(env):
    answer = run("python3", TOP / "scripts/make-docs.py", "--check", env.mpsup)
    if answer.returncode != 0:
        raise Failed(answer.stderr)


def test_man_pages_are_clean_and_whole(env):
    tables = json.loads(run(env.mpsup, "help", "--json").stdout)
    for page in ("mpsup.8", "mpsup.yaml.5"):
        answer = run("man", "--warnings", "-l", TOP / "docs/man" / page,
                     env={**os.environ, "MANWIDTH": "100", "LC_ALL": "C.UTF-8"})
        if answer.returncode != 0 or answer.stderr:
            raise Failed(f"{page}: {answer.stderr}")
        for key in tables["keys"]:
            if page.endswith("8") and key["option"] and f"--{key['option']}" not in answer.stdout:
                raise Failed(f"{page} has no --{key['option']}")
            if page.endswith("5") and key["key"] and key["shape"] != "argv" and \
                    f"\n       {key['folder']}{key['key']}: " not in answer.stdout:
                raise Failed(f"{page} has no {key['folder']}{key['key']}")
        for verb in tables["verbs"] if page.endswith("8") else ():
            if f"\n   mpsup {verb['name']} [options]" not in answer.stdout and verb["name"] != "run":
                raise Failed(f"{page} has no {verb['name']}")


SHELLS = {"bash": ["bash", "--norc", "--noprofile", "-i"], "zsh": ["zsh", "-f", "-i"]}
SETUP = {"bash": f"PS1=; bind 'set bell-style none'; source {TOP}/deploy/completion/mpsup.bash",
         "zsh": f"PS1=; fpath=({TOP}/deploy/completion $fpath); autoload -Uz compinit; compinit -u -D; "
                "unsetopt beep; zstyle ':completion:*' menu no"}


class Shell:
    """A shell on a terminal, and what its TAB makes of a line."""

    def __init__(self, env, name):
        self.master, slave = pty.openpty()
        environ = env.environ(TERM="vt100", LC_ALL="C.UTF-8", HOME=str(env.dir), HISTFILE="/dev/null")
        self.process = subprocess.Popen(SHELLS[name], stdin=slave, stdout=slave, stderr=slave, env=environ,
                                        cwd=env.dir, start_new_session=True)
        os.close(slave)
        self.text = b""
        # %s in two parts, so that the echo of this line is not taken for the answer.
        self.type(f"mpsup() {{ {env.mpsup} \"$@\"; }}; say() {{ printf 'SA''ID<%s>' \"$*\"; }}\r")
        self.type(f"{SETUP[name]}; say\r")
        self.said()

    def type(self, text):
        os.write(self.master, text.encode())

    def said(self):
        end = time.monotonic() + patience(60)
        while not (found := re.search(rb"SAID<(.*?)>", self.text, re.S)):
            if not select.select([self.master], [], [], max(0, end - time.monotonic()))[0]:
                raise Failed(f"nothing came: {self.text!r}")
            self.text += os.read(self.master, 65536)
        self.text = self.text[found.end():]
        return found[1].decode()

    def tab(self, line):
        # Ctrl-A: what the line has become is said, not run.
        self.type(line + "\t\x01say \r")
        return self.said()

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.master)


# Typed, and what TAB makes of it.
TABS = [
    ("mpsup statu", "mpsup status"), ("mpsup stat --j", "mpsup stat --j"), ("mpsup status --j", "mpsup status --json"),
    ("mpsup --protocol nod", "mpsup --protocol node-"), ("mpsup --protocol=sys", "mpsup --protocol=systemd"),
    ("mpsup run --net ho", "mpsup run --net host"), ("mpsup --no-sandbox view,secc", "mpsup --no-sandbox view,seccomp"),
    ("mpsup -c sho", "mpsup -c shop.yaml"), ("mpsup --config=sho", "mpsup --config=shop.yaml"),
    ("mpsup check -c sho", "mpsup check -c shop.yaml"), ("mpsup --stop-signal QUI", "mpsup --stop-signal QUIT"),
    ("mpsup stop w", "mpsup stop web"), ("mpsup stop web/", "mpsup stop web/0"),
    ("mpsup restart sho", "mpsup restart shop:"), ("mpsup restart shop:a", "mpsup restart shop:api"),
    ("mpsup restart shop:web/", "mpsup restart shop:web/0"), ("mpsup stop shop:web sh", "mpsup stop shop:web sh"),
    ("mpsup events sh", "mpsup events shop:"), ("mpsup scale ap", "mpsup scale api"),
    ("mpsup set web limits.memory_", "mpsup set web limits.memory_high="),
    ("mpsup set web limits.pids=9 spa", "mpsup set web limits.pids=9 spares="),
    ("mpsup signal web/0 USR", "mpsup signal web/0 USR"), ("mpsup signal web/0 WIN", "mpsup signal web/0 WINCH"),
    ("mpsup wait --timeout 5s web st", "mpsup wait --timeout 5s web stopped"),
    ("mpsup wait --timeout re", "mpsup wait --timeout re"), ("mpsup logs -n 5 ap", "mpsup logs -n 5 api"),
    ("mpsup help appl", "mpsup help apply"), ("mpsup import pm", "mpsup import pm2"),
    ("mpsup import pm2 sho", "mpsup import pm2 shop.yaml"), ("mpsup -p 80 -- ech", "mpsup -p 80 -- echo"),
    ("mpsup -- cat sho", "mpsup -- cat shop.yaml"), ("mpsup --set restart.bac", "mpsup --set restart.backoff="),
    ("mpsup --control-group roo", "mpsup --control-group root"),
]


def check_tabs(env, shell_name):
    """Two pools; TAB in a real shell, on a terminal."""
    f = File(env)
    f.pool("web", port=env.port(), workers=1).pool("api", port=env.port(), workers=1)
    m = env.start("-c", f.write())
    shell = Shell(env, shell_name)
    wrong = []
    try:
        for typed, wanted in TABS:
            got = shell.tab(typed).rstrip()
            if got != wanted:
                wrong.append(f"{typed!r}: {got!r}, not {wanted!r}")
    finally:
        shell.close()
    m.stop()
    if wrong:
        raise Failed("\n".join(wrong))


@timeout(180)
def test_bash_completes(env):
    env.need_program("bash")
    check_tabs(env, "bash")


@timeout(180)
def test_zsh_completes(env):
    env.need_program("zsh")
    check_tabs(env, "zsh")


def test_schema_knows_every_key(env):
    tables = json.loads(run(env.mpsup, "help", "--json").stdout)
    top = SCHEMA["properties"]
    pool = SCHEMA["$defs"]["pool"]["properties"]
    for key in tables["keys"]:
        if not key["key"] or key["shape"] == "argv":
            continue
        where = pool if key["pool"] else top
        for folder in filter(None, key["folder"].split(".")):
            where = where[folder]["properties"]
        if key["key"] not in where or not where[key["key"]]["description"]:
            raise Failed(f"no {key['folder']}{key['key']}")


# Of a pool, in YAML: right text, wrong text. What a pattern cannot say, as SIZE, is not here.
RIGHT = """
port: [3000, "3001"]
listen: {address: "127.0.0.1:80", name: api}
listen: [unix:/run/x.sock, {address: unix:/run/y.sock, mode: "0660", user: root}]
protocol: ${NO_SUCH_VARIABLE:-auto}
balance: sticky
restart: {ready: 250ms}
restart: {ready: notify}
compat: einhorn,server-starter
compat: [einhorn, server-starter]
require: all
no_sandbox: [pin]
no_pin: true
no_pin: "off"
env: {A: 1, B: true, C: , D: "x"}
env: [A=1, B=2]
env: A=1
command: [sleep, 10]
command: sleep 10
limits: {memory: 256M, pids: 100, cpu_quota: 1.5, raw: {memory.low: 64M}, io: ["8:0 rbps=1M"]}
limits: {memory: 268435456, pids: max}
total: {memory: 1G}
restart: {limit: 10/60s, on_failed: hold, fatal_exit: [1, 2], ready_timeout: 5}
control: {group: root}
workers: -1
workers: max
cpus: [0]
"""
WRONG = """
prot: 3000
port: 70000
port: true
port: {number: 80}
listen: {adress: "127.0.0.1:80"}
protocol: nodecluster
protocol: [bind]
view: guest
compat: einhorns
no_sandbox: [pine]
no_pin: maybe
env: [A]
command: []
command: {run: sleep}
limits: {memry: 256M}
limits: {pids: 0}
limits: 256M
restart: {on_failed: wait}
control: {groups: root}
pools: []
memory: 256M
name: Web
"""


def is_right(schema, text):
    return schema.is_valid(yaml.safe_load(text))


def test_schema_and_reader_agree(env):
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    schema = jsonschema.Draft202012Validator(SCHEMA)
    wrong = []
    for lines, right in ((RIGHT, True), (WRONG, False)):
        for line in lines.strip().splitlines():
            name = "" if line.startswith("name:") else "  name: web\n"
            listen = "" if line.startswith(("port", "listen")) else "  port: 3000\n"
            text = f"version: 1\npools:\n-\n{name}{listen}  {line}\n"
            answer = run(env.mpsup, "check", "-c", "-", input=text, env=env.environ())
            read = answer.returncode != 2
            if read != right or is_right(schema, text) != right:
                wrong.append(f"{line}: the reader {read}, the schema {is_right(schema, text)}, right {right} "
                             f"{answer.stderr}")
    if wrong:
        raise Failed("\n".join(wrong))


def test_schema_knows_what_we_write(env):
    schema = jsonschema.Draft202012Validator(SCHEMA)
    f = File(env)
    f.top = {"control": {"group": "root"}, "defaults": {"restart": {"limit": "5/60s"}}, "log": {"format": "text"}}
    f.pool("web", port=env.port(), workers=1, env={"A": "b"})
    m = env.start("-c", f.write())
    shown = env.client("config").stdout
    m.stop()
    texts = {"mpsup config": shown}
    for page in (TOP / "docs").glob("*.md"):
        for block in re.findall(r"```yaml\n(.*?)```", page.read_text(), re.S):
            if "pools:" in block:
                texts[page.name] = block
    manual = (TOP / "docs/man/mpsup.yaml.5").read_text().replace("\\-", "-").replace("\\e", "\\")
    texts["mpsup.yaml.5"] = re.search(r"\.SH EXAMPLE\n\.nf\n(.*?)\.fi", manual, re.S)[1]
    if "file.md" not in texts:
        raise Failed("docs/file.md has no example")
    (env.dir / "shop.d").mkdir()
    for name, text in texts.items():
        errors = [f"{e.json_path}: {e.message}" for e in schema.iter_errors(yaml.safe_load(text))]
        if errors:
            raise Failed(f"{name}: {errors}")
        answer = run(env.mpsup, "check", "-c", "-", input=text, env=env.environ(), cwd=env.dir)
        if answer.returncode == 2:
            raise Failed(f"{name}: {answer.stderr}")
