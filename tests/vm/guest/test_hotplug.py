# SPDX-License-Identifier: MIT
"""Placement where it needs a machine of its own: CPUs that go and come, controllers given on,
systemd's AllowedCPUs=."""

import os
import pathlib
import subprocess

from harness import Failed, Skip, proc, wait_until

CPU1 = pathlib.Path("/sys/devices/system/cpu/cpu1/online")


def masks(m):
    """What the kernel says of every thread, by slot."""
    found = []
    for w in m.workers():
        lists = {proc.status(f"{w['pid']}/task/{tid}")["Cpus_allowed_list"]
                 for tid in os.listdir(f"/proc/{w['pid']}/task")}
        found.append(",".join(sorted(lists)))
    return found


def test_a_cpu_goes_and_comes_back(env):
    if not CPU1.exists():
        raise Skip("CPU 1 cannot be taken away")
    m = env.start("--port", env.port(), "--workers", 2)
    wait_until("one CPU each", lambda: masks(m) == ["0", "1"])
    try:
        CPU1.write_text("0")
        m.wait_line("its CPUs are 0 now, they were 0-1")
        wait_until("both on CPU 0", lambda: masks(m) == ["0", "0"])
    finally:
        CPU1.write_text("1")
    m.wait_line("its CPUs are 0-1 now, they were 0")
    wait_until("one CPU each again", lambda: masks(m) == ["0", "1"])
    if [w["cpus"] for w in m.workers()] != ["0", "1"]:
        raise Failed(f"status says {m.workers()}")
    m.stop()


def test_a_controller_that_is_given_on_leaves_the_pins(env):
    """systemd#23748: before Linux 6.2 this alone forgets every pin below."""
    top = pathlib.Path(proc.cgroup2_mount()) / "tests-of-mpsup-given"
    inner = top / "inner"
    inner.mkdir(parents=True)
    os.setxattr(inner, "trusted.delegate", b"1")  # else the master asks systemd for a scope
    try:
        m = env.start("--port", env.port(), "--workers", 2, under=(
            "/bin/sh", "-c", f'echo $$ >{inner}/cgroup.procs && exec "$@"', "sh"))
        wait_until("one CPU each", lambda: masks(m) == ["0", "1"])
        (top / "cgroup.subtree_control").write_text("+cpuset")
        wait_until("one CPU each, still", lambda: masks(m) == ["0", "1"])
        (inner / "cpuset.cpus").write_text("0")  # a file that was not there at the start
        m.wait_line("its CPUs are 0 now")
        wait_until("both on CPU 0", lambda: masks(m) == ["0", "0"])
        (inner / "cpuset.cpus").write_text("0-1")
        wait_until("one CPU each again", lambda: masks(m) == ["0", "1"])
        m.stop()
    finally:
        for m in env.masters:
            m.kill()
        wait_until("the cgroup is empty", lambda: remove(top))


def remove(top):
    try:
        for folder, _, _ in os.walk(top, topdown=False):
            os.rmdir(folder)
    except OSError:
        return False
    return True


def test_allowed_cpus_of_a_unit(env):
    """systemd gives the controller on, down to the unit, and writes its cpuset."""
    unit = f"mpsup-test-place-{os.getpid()}.scope"
    m = env.start("--port", env.port(), "--workers", 2, under=(
        "systemd-run", "--quiet", "--scope", f"--unit={unit}", "--property=Delegate=yes"))
    wait_until("one CPU each", lambda: masks(m) == ["0", "1"])
    for cpus, wanted in (("1", ["1", "1"]), ("0-1", ["0", "1"]), ("0", ["0", "0"])):
        subprocess.run(["systemctl", "set-property", "--runtime", unit, f"AllowedCPUs={cpus}"],
                       check=True)
        wait_until(f"AllowedCPUs={cpus}", lambda w=wanted: masks(m) == w)
    m.stop()
