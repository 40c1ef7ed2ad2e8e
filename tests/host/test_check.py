# SPDX-License-Identifier: MIT
"""What `mpsup check` says of this host must be what a start finds; and of a file, what is wrong."""

import glob
import json
import subprocess

from harness import Failed, timeout, wait_until
from test_file import File, state

WORDS = ("pid mount ipc uts cgroup net user uid groups caps nnp seccomp view landlock pin fds rlimits "
         "env").split()
NOBODY = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")


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
    env.own_copy()
    code, all_ = facts(env, NOBODY)
    words = all_["words"]
    if code != 0 or words["uid"] or words["caps"] or words["pid"] or not words["seccomp"]:
        raise Failed(f"nobody: {code} {words}")
    code, all_ = facts(env, ("setpriv", "--bounding-set", "-sys_admin"))
    found = {c["name"]: c for c in all_["checks"]}
    if code != 1 or found["pid namespace"]["level"] != "problem" or "CAP_SYS_ADMIN" not in found["rights"]["found"]:
        raise Failed(f"without CAP_SYS_ADMIN: {code} {all_}")
    m = env.start("--port", env.port(), under=("setpriv", "--bounding-set", "-sys_admin"), ready=False)
    m.wait_exit(69)


def test_why_a_controller_is_missing(env):
    """Bound to v1, as the kernel says, and not a guess that is the same for all."""
    bound = {}
    with open("/proc/cgroups", encoding="ascii") as f:
        for line in f.read().splitlines()[1:]:
            name, hierarchy = line.split()[:2]
            bound["io" if name == "blkio" else name] = hierarchy != "0"
    checks = {c["name"]: c for c in facts(env)[1]["checks"]}
    for name in ("memory", "cpu", "pids", "io"):
        c = checks[f"{name} controller"]
        if bound.get(name) and (c["ok"] or "bound to cgroup v1" not in c["found"] or "cgroup_no_v1=" not in c["help"]):
            raise Failed(f"{name} is bound to v1: {c}")


# Each was taken away, and a start made without it: 69 or 70, or ready.
NEEDED = ("setuid", "setgid", "setpcap", "chown", "dac_override", "sys_chroot")
NOT_NEEDED = ("kill", "sys_ptrace", "net_bind_service")


@timeout(90)
def test_capabilities_that_are_missing(env):
    for cap in NEEDED + NOT_NEEDED:
        code, all_ = facts(env, ("setpriv", "--bounding-set", f"-{cap}"))
        rights = next(c for c in all_["checks"] if c["name"] == "rights")
        if code != (cap in NEEDED) or f"CAP_{cap.upper()}" not in rights["found"] or not rights["lost"]:
            raise Failed(f"without {cap}: {code} {rights}")
    for cap in ("sys_chroot", "kill"):
        m = env.start("--port", env.port(), "--workers", 1, ready=cap not in NEEDED,
                      under=("setpriv", "--bounding-set", f"-{cap}"))
        if cap in NEEDED:
            m.wait_exit(69)
        else:
            m.stop()


def test_the_parts_of_the_cage_for_an_ordinary_user(env):
    env.own_copy()
    all_ = facts(env, NOBODY)[1]
    had = {w for w, has in all_["words"].items() if has}
    if not {"uid", "pid", "view"} <= set(all_["only_root"]) or had & set(all_["only_root"]):
        raise Failed(all_["words"])
    if facts(env)[1]["only_root"]:
        raise Failed("root has what only root has")


def test_inside_a_user_namespace(env):
    """Root there is not root: what a start finds, check says before."""
    under = ("unshare", "--user", "--map-root-user")
    code, all_ = facts(env, under)
    checks = {c["name"]: c for c in all_["checks"]}
    if code != 1 or all_["words"]["uid"] or all_["words"]["groups"] or all_["words"]["view"]:
        raise Failed(f"{code} {all_['words']}")
    if "uid_map 0 0 1" not in checks["mapped uids"]["found"] or checks["a worker"]["level"] != "problem":
        raise Failed(all_)
    env.start("--port", env.port(), under=under, ready=False).wait_exit(69)


def test_no_new_privs_is_no_problem(env):
    under = ("setpriv", "--no-new-privs")
    code, all_ = facts(env, under)
    found = [c for c in all_["checks"] if c["name"] == "no_new_privs"]
    if code != 0 or not found or found[0]["level"] != "note":
        raise Failed(f"{code} {found}")
    env.start("--port", env.port(), "--workers", 1, under=under).stop()


def test_under_a_filter_as_containers_have(env):
    deny = str(env.build / "helpers" / "deny")
    for calls, word in ((("unshare", "mount", "setns", "pivot_root"), "view"), (("setns",), "view"),
                        (("setgroups",), "groups"), (("seccomp",), "seccomp")):
        under = (deny, *(f"{call}=EPERM" for call in calls), "--")
        code, all_ = facts(env, under)
        checks = {c["name"]: c for c in all_["checks"]}
        if code != 1 or all_["words"][word] or "outer filter" not in checks:
            raise Failed(f"{calls}: {code} {all_}")
    env.start("--port", env.port(), under=(deny, "setns=EPERM", "--"), ready=False).wait_exit(69)
    # Nothing can be cloned: no try, and no crash.
    code, all_ = facts(env, (deny, "clone3=ENOSYS", "--"))
    checks = {c["name"]: c for c in all_["checks"]}
    if code != 1 or checks["clone3, pidfd"]["level"] != "problem" or all_["words"]["pid"] or all_["problems"] > 2:
        raise Failed(f"{code} {all_}")


def test_nothing_is_left_behind(env):
    """Of the trials: no cgroup folder, no mount, no process."""
    def look():
        folders = [d for d in glob.glob("/sys/fs/cgroup/**/*check*", recursive=True) + glob.glob(
            "/sys/fs/cgroup/**/trial.birth", recursive=True) if "tests-of-mpsup" not in d or "trial" in d]
        with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as f:
            return sorted(folders), len(f.readlines())
    before = look()
    for under in ((), ("setpriv", "--bounding-set", "-sys_chroot")):
        facts(env, under)
    if look() != before:
        raise Failed(f"{before} became {look()}")
    titles = subprocess.run(["ps", "-eo", "args"], text=True, capture_output=True, check=True).stdout
    if "mpsup: init trial" in titles:
        raise Failed("a process of a trial lives")


def test_a_file_that_does_without(env):
    """What all its pools leave out is nobody's problem; what one keeps is."""
    f = File(env)
    f.server("web", env.port(), "one", no_sandbox=["groups"])
    under = (str(env.build / "helpers" / "deny"), "setgroups=EPERM", "--")
    answer = check(env, "-c", f.write(), under=under)
    if answer.returncode != 0 or "1 pool, right" not in answer.stdout:
        raise Failed(f"{answer.returncode} {answer.stdout} {answer.stderr}")
    f.server("other", env.port(), "two")
    answer = check(env, "-c", f.write(), under=under)
    if answer.returncode != 1 or "no groups" not in answer.stdout:
        raise Failed(f"{answer.returncode} {answer.stdout} {answer.stderr}")


def test_one_pools_world_is_a_warning(env):
    """A start serves with the others, so check says yes, and names what is wrong. Of all that
    `mpsup config` prints, too: who deploys by it is not stopped by one customer's mistake."""
    f = File(env)
    f.server("web", env.port(), "one").pool("gone", port=env.port(), command=["no-such-thing"])
    m = env.start("-c", f.write())
    wait_until("the other serves", lambda: state(m, "web") == "ready")

    def expect(status, *args, text=None):
        answer = check(env, *args, "-c", "-" if text else f.path, text=text)
        weight = "" if status else "warning: "
        if (answer.returncode != status or
                f"mpsup: {weight}pool gone cannot start here: " not in answer.stderr or
                "'no-such-thing'" not in answer.stderr or
                ("2 pools, right; 1 of them cannot start here" in answer.stdout) != (status == 0)):
            raise Failed(f"{args}: {answer.returncode} {answer.stdout} {answer.stderr}")

    expect(0)
    expect(0, text=m.ctl("config"))
    expect(1, "--strict")
    answer = check(env, "--json", "-c", f.path)
    worlds = json.loads(answer.stdout)["file"]["worlds"]
    if answer.returncode != 0 or [w["pool"] for w in worlds] != ["gone"]:
        raise Failed(f"{answer.returncode} {answer.stdout} {answer.stderr}")
    m.stop()
    f.top["strict"] = True
    f.write()
    expect(1)


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
