# SPDX-License-Identifier: MIT
"""`mpsup check` where there is everything: unified cgroups under systemd."""

import json
import os
import subprocess

from harness import Failed, timeout


@timeout(60)
def test_it_finds_what_is_there(env):
    answer = env.client("check", "--json", seconds=40)
    all_ = json.loads(answer.stdout)
    if answer.returncode != 0 or all_["problems"] != 0:
        raise Failed(f"{answer.returncode} {all_}")
    checks = {c["name"]: c for c in all_["checks"]}
    if "unified mode" not in checks["cgroup v2"]["found"]:
        raise Failed(checks["cgroup v2"])
    for name in ("memory controller", "cpu controller", "pids controller", "io controller", "pressure (PSI)",
                 "seccomp filter", "bind interception", "pid namespace", "mount namespace", "cgroup.kill",
                 "memory.peak", "view", "a worker"):
        if not checks[name]["ok"]:
            raise Failed(checks[name])
    if "runs this host" not in checks["systemd"]["found"] or "252" not in checks["systemd"]["found"]:
        raise Failed(checks["systemd"])
    has_landlock = "landlock" in open("/sys/kernel/security/lsm", encoding="ascii").read() \
        if os.path.exists("/sys/kernel/security/lsm") else None
    if has_landlock is not None and checks["Landlock"]["ok"] != has_landlock:
        raise Failed(checks["Landlock"])
    left = [d for d in os.listdir("/sys/fs/cgroup") if "check" in d]
    if left:
        raise Failed(f"left behind: {left}")


@timeout(90)
def test_in_a_unit_and_beside_others(env):
    """A delegated unit has all; what shares its cgroup is named; a unit's own filter too."""
    def unit(*properties):
        done = subprocess.run(["systemd-run", "--quiet", "--pipe", "--wait", "--collect",
                               *(f"--property={p}" for p in properties), env.mpsup, "check", "--json"],
                              text=True, capture_output=True, timeout=60, check=False)
        return done.returncode, {c["name"]: c for c in json.loads(done.stdout)["checks"]}
    code, checks = unit("Delegate=yes")
    if code != 0 or not checks["memory controller"]["ok"] or "delegated" not in checks["cgroup v2"]["found"]:
        raise Failed(f"{code} {checks}")
    code, checks = unit("Delegate=yes", "RestrictNamespaces=pid")
    if code != 1 or "RestrictNamespaces=" not in checks["clone3, pidfd"]["help"]:
        raise Failed(f"{code} {checks}")
    script = f"sleep 30 & {env.mpsup} check --json; kill $!"
    done = subprocess.run(["systemd-run", "--quiet", "--pipe", "--wait", "--collect", "--property=Delegate=yes",
                           "sh", "-c", script], text=True, capture_output=True, timeout=60, check=False)
    checks = {c["name"]: c for c in json.loads(done.stdout)["checks"]}
    memory = checks["memory controller"]
    if memory["ok"] or "other processes" not in memory["found"] or "alone" not in memory["help"]:
        raise Failed(memory)
