# SPDX-License-Identifier: MIT
"""What is made from the tables is what they give: man pages, completion, schema."""

import json
import os
import subprocess

from harness import Failed
from harness.env import TOP
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


def complete(env, *words):
    """What bash would offer for the last word."""
    script = f"""
source {TOP}/deploy/completion/mpsup.bash
compopt() {{ :; }}
mpsup() {{ {env.mpsup} "$@"; }}
COMP_WORDS=({' '.join(repr(w) for w in words)}); COMP_CWORD={len(words) - 1}
_mpsup; printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    answer = run("bash", "-c", script, env=env.environ())
    if answer.stderr:
        raise Failed(answer.stderr)
    return answer.stdout.split()


def test_bash_completes(env):
    f = File(env)
    f.pool("web", port=env.port(), workers=1)
    m = env.start("-c", f.write())
    for words, wanted in ((("mpsup", "sta"), {"status", "start"}), (("mpsup", "--proto"), {"--protocol"}),
                          (("mpsup", "--protocol", "node"), {"node-cluster", "node-ipc"}),
                          (("mpsup", "status", "--j"), {"--json"}), (("mpsup", "stop", "w"), {"web"}),
                          (("mpsup", "wait", "web", "st"), {"stopped"}), (("mpsup", "help", "appl"), {"apply"}),
                          (("mpsup", "restart", "sho"), {"shop:"})):
        got = set(complete(env, *words))
        if got != wanted:
            raise Failed(f"{words}: {got}, not {wanted}")
    m.stop()


def test_zsh_reads_its_completion(env):
    del env
    answer = run("zsh", "-n", TOP / "deploy/completion/_mpsup")
    if answer.returncode != 0 or answer.stderr:
        raise Failed(answer.stderr)


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
