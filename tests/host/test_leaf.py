# SPDX-License-Identifier: MIT
"""Limits on whatever host this is; what they do is tested in tests/vm/guest."""

import os
import pathlib
import signal

from harness import Failed, proc


def has_controllers(env):
    """Where mpsup would put its leaves: a hybrid host has none there, nor an ordinary user."""
    mount = proc.cgroup2_mount()
    if mount is None:
        return False
    found = pathlib.Path(mount, "cgroup.controllers").read_text(encoding="ascii").split()
    env.need_root()
    return "memory" in found


def test_an_asked_limit_is_had_or_the_start_is_refused(env):
    controllers = has_controllers(env)
    for args, controller in ((("--memory", "64M"), "memory"), (("--pids", 64), "pids"),
                             (("--cpu-quota", "50%"), "cpu"), (("--raw", "cpuset.mems=0"), "cpuset")):
        if controllers:
            m = env.start("--port", env.port(), "-w", 1, *args)
            m.stop()
            continue
        done = env.client("run", "--port", env.port(), "-w", 1, *args)
        lines = done.stderr.splitlines()
        if done.returncode != 69 or len(lines) != 1:
            raise Failed(f"{args}: {done.returncode}: {done.stderr}")
        if f"{args[0]}: no {controller} controller for the workers here: " not in lines[0]:
            raise Failed(lines[0])
        if "hybrid" in lines[0] and "would help" not in lines[0]:
            raise Failed(f"no word of what would help: {lines[0]}")


def test_defaults_start_anywhere_with_one_warning_at_most(env):
    controllers = has_controllers(env)
    m = env.start("--port", env.port(), "-w", 1, "--memory", "max", "--pids", "max")
    warnings = [t for t in m.output("err").splitlines() if t.startswith("warning: ")]
    if len(warnings) != (0 if controllers else 1):
        raise Failed("\n".join(warnings))
    if not controllers and "resource limits cannot be set" not in warnings[0]:
        raise Failed(warnings[0])
    limits = m.pool()["limits"]
    if limits["memory"] is not None or limits["pids"] is not None:
        raise Failed(f"unlimited is null: {limits}")
    m.stop()


def test_the_dead_are_counted_with_the_living(env):
    """The leaf's own count where there is one, also without a controller."""
    m = env.start("--port", env.port(), "-w", 1)
    worker = m.wait_workers(1)[0]
    before = m.pool()["usage"]["cpu_usec"]
    if before <= 0:
        raise Failed("a living worker has used no CPU time")
    os.kill(worker["pid"], signal.SIGKILL)
    m.wait_event("worker.exit")
    m.wait_workers(1)
    if m.pool()["usage"]["cpu_usec"] < before:
        raise Failed("usage fell with a death")
    m.stop()
