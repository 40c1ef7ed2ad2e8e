# SPDX-License-Identifier: MIT
"""`mpsup check` where there is everything: unified cgroups under systemd."""

import json
import os

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
