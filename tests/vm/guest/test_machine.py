# SPDX-License-Identifier: MIT
"""Is this machine what the other tests need, and does mpsup serve on it at all?"""

import os
import subprocess

from harness import Failed, http, proc, wait_until


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read().strip()


def test_it_has_what_a_development_host_may_not_have(_):
    controllers = set(read("/sys/fs/cgroup/cgroup.controllers").split())
    if not {"cpu", "cpuset", "io", "memory", "pids"} <= controllers:
        raise Failed(f"controllers: {controllers}")
    if read("/proc/1/comm") != "systemd":
        raise Failed("process 1 is not systemd")
    read("/proc/pressure/memory")
    if "landlock" not in read("/sys/kernel/security/lsm").split(","):
        raise Failed("no Landlock")


def test_one_worker_per_cpu_serves_from_its_own_leaf(env):
    port = env.port()
    m = env.start("--port", port)
    workers = m.wait_workers(os.cpu_count())
    leaves = {proc.leaf(w["pid"]) for w in workers}
    if len(leaves) != len(workers) or not all("/mpsup-" in leaf for leaf in leaves):
        raise Failed(f"leaves: {leaves}")
    if http.get(port).outcome != http.OK:
        raise Failed("no answer")
    m.stop()


def test_accept_queue_and_connections_are_seen(env):
    """inet_diag is a module in Debian's kernel."""
    port = env.port()
    m = env.start("--port", port, "--workers", 1)
    m.wait_workers(1)
    if m.pool()["accept_queue"] != 0:
        raise Failed(f"accept_queue: {m.pool()['accept_queue']}")
    m.stop()


def systemctl(*args, check=True):
    done = subprocess.run(["systemctl", *args], capture_output=True, text=True, check=False)
    if check and done.returncode != 0:
        raise Failed(f"systemctl {' '.join(args)}: {done.stderr.strip()}")
    return done.stdout.strip()


def test_as_a_service_it_serves_and_stops_clean(env):
    unit, port = "mpsup-test-service", env.port()
    subprocess.run(["systemd-run", "--quiet", f"--unit={unit}", "--property=Delegate=yes",
                    "--property=KillMode=mixed", env.mpsup, "--port", str(port)], check=True)
    try:
        wait_until("it serves", lambda: http.get(port).outcome == http.OK, 20)
    finally:
        systemctl("stop", unit)
    wait_until("it is gone", lambda: http.get(port).outcome == http.REFUSED)
    # A unit of systemd-run that ended well is collected; one that failed stays.
    if systemctl("show", "--property=Result", "--value", unit, check=False) != "success":
        raise Failed(systemctl("status", unit, check=False))
    if os.path.exists(f"/sys/fs/cgroup/system.slice/{unit}.service"):
        raise Failed("its cgroup was left")
