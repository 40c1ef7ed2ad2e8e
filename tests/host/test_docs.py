# SPDX-License-Identifier: MIT
"""What is made from the tables is what they give: man pages, completion, schema."""

import json
import os
import pty
import re
import select
import subprocess
import time

from harness import Failed, timeout
from harness.env import TOP
from harness.pace import patience
from test_file import File


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
    schema = json.loads((TOP / "docs/mpsup.schema.json").read_text())
    top = schema["properties"]
    pool = top["pools"]["items"]["properties"]
    for key in tables["keys"]:
        if not key["key"] or key["shape"] == "argv":
            continue
        where = pool if key["pool"] else top
        for folder in filter(None, key["folder"].split(".")):
            where = where[folder]["properties"]
        if key["key"] not in where or not where[key["key"]]["description"]:
            raise Failed(f"no {key['folder']}{key['key']}")
    if "protocol" not in pool or "node-cluster" not in pool["protocol"]["enum"]:
        raise Failed("the words of protocol")
