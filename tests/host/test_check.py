# SPDX-License-Identifier: MIT
"""What `mpsup check` says of this host must be what a start finds; and of a file, what is wrong."""

import json
import subprocess

from harness import Failed, wait_until
from test_file import File, state

WORDS = ("pid mount ipc uts cgroup net user uid groups caps nnp seccomp view landlock pin fds rlimits "
         "env").split()


def check(env, *args, under=(), text=None):
    return subprocess.run([*under, env.mpsup, "check", *map(str, args)], env=env.environ(), text=True,
                          capture_output=True, timeout=60, check=False, input=text)


def facts(env, under=()):
    answer = check(env, "--json", under=under)
    try:
        return answer.returncode, json.loads(answer.stdout)
    except ValueError:
        raise Failed(f"{answer.returncode} {answer.stdout} {answer.stderr}") from None


def test_this_host_as_root(env):
    code, all_ = facts(env)
    if code != 0 or all_["problems"] != 0 or sorted(all_["words"]) != sorted(WORDS):
        raise Failed(all_)
    checks = {c["name"]: c for c in all_["checks"]}
    m = env.start("--port", env.port(), "--workers", 1)
    has = m.workers()[0]["cgroup"]
    cpu = open(f"/sys/fs/cgroup/unified{has}/cgroup.controllers", encoding="ascii").read() \
        if "hybrid" in checks["cgroup v2"]["found"] else \
        open(f"/sys/fs/cgroup{has}/cgroup.controllers", encoding="ascii").read()
    m.stop()
    for name in ("memory", "cpu", "pids", "io"):
        c = checks[f"{name} controller"]
        if c["ok"] != (name in cpu.split()) or (not c["ok"] and not (c["lost"] and c["help"])):
            raise Failed(f"{c} and the worker has {cpu!r}")
    for word in ("pid", "mount", "cgroup", "seccomp", "uid", "caps"):
        if not all_["words"][word]:
            raise Failed(f"{word}: {all_['words']}, and a worker has it")
    plain = check(env).stdout
    for c in all_["checks"]:
        if c["name"] not in plain:
            raise Failed(f"{c['name']} is not in the table")


def test_less_is_said_to_be_less(env):
    nobody = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")
    code, all_ = facts(env, nobody)
    words = all_["words"]
    if code != 0 or words["uid"] or words["caps"] or words["pid"] or not words["seccomp"]:
        raise Failed(f"nobody: {code} {words}")
    code, all_ = facts(env, ("setpriv", "--bounding-set", "-sys_admin"))
    found = {c["name"]: c for c in all_["checks"]}
    if code != 1 or found["pid namespace"]["level"] != "problem" or "CAP_SYS_ADMIN" not in found["rights"]["found"]:
        raise Failed(f"without CAP_SYS_ADMIN: {code} {all_}")
    m = env.start("--port", env.port(), under=("setpriv", "--bounding-set", "-sys_admin"), ready=False)
    m.wait_exit(69)


def test_a_file(env):
    f = File(env)
    port = env.port()
    f.server("web", port, "one")
    answer = check(env, "-c", f.write())
    if answer.returncode != 0 or answer.stdout != f"{f.path}: 1 pool, right\n":
        raise Failed(f"{answer.returncode} {answer.stdout} {answer.stderr}")
    m = env.start("-c", f.path)
    wait_until("it serves", lambda: state(m, "web") == "ready")
    if check(env, "-c", f.path).returncode != 0:
        raise Failed("its own running instance is in its way")
    uid = m.workers()[0]["pid"]
    answer = check(env, "-c", "-", text=m.ctl("config"))
    if answer.returncode != 0 or "standard input: 1 pool, right" not in answer.stdout:
        raise Failed(f"{answer.returncode} {answer.stdout} {answer.stderr}")
    if m.workers()[0]["pid"] != uid:
        raise Failed("a check has touched what runs")
    other = File(env, "other")
    other.server("mine", port).pool("gone", port=env.port(), command=["no-such-thing"])
    other.pool("who", port=env.port(), user="no-such-user")
    answer = check(env, "-c", other.write())
    for text in ("mine", "is in use", "no-such-thing", "no-such-user", "other.yaml:"):
        if text not in answer.stderr:
            raise Failed(f"no {text!r}: {answer.stderr}")
    if answer.returncode != 1:
        raise Failed(f"{answer.returncode}")
    m.stop()
    other.pools["mine"]["prot"] = 1
    other.pools["who"]["spares"] = "x"
    answer = check(env, "-c", other.write())
    if answer.returncode != 2 or "2 errors in " not in answer.stderr or "did you mean 'port'?" not in answer.stderr:
        raise Failed(f"{answer.returncode} {answer.stderr}")
    answer = check(env, "-c", env.dir / "none.yaml")
    if answer.returncode != 2 or "No such file" not in answer.stderr:
        raise Failed(f"{answer.returncode} {answer.stderr}")
    f.pools["web"]["limits"] = {"memory": "64M"}
    answer = check(env, "-c", f.write())
    memory = next(c for c in facts(env)[1]["checks"] if c["name"] == "memory controller")
    wanted = 0 if memory["ok"] else 1
    if answer.returncode != wanted or (wanted and "limits.memory: no memory controller" not in answer.stderr):
        raise Failed(f"{answer.returncode} {answer.stderr}")
