# SPDX-License-Identifier: MIT
"""Limits hold, and what met one is told; the master finds its place in the tree."""

import contextlib
import itertools
import json
import os
import pathlib
import re
import signal
import subprocess
import time

from harness import Failed, http, proc, timeout, wait_until

CGROUP = "/sys/fs/cgroup"
MIB = 1 << 20


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read().strip()


def keyed(path, key):
    for line in read(path).splitlines():
        if line.startswith(f"{key} "):
            return int(line.split()[1])
    raise Failed(f"{path} has no {key}")


def leaf_file(worker, name):
    return f"{CGROUP}{proc.leaf(worker['pid'])}/{name}"


def start_hungry(env, how, *args, workers=2, **more):
    env.fixture("native.py")
    app = env.fixture("hungry.py")
    port = env.port()
    m = env.start("--port", port, "-w", workers, "--protocol", "native", *args, "--",
                  env.need_program("python3"), "hungry.py", cwd=app.parent,
                  env={"HUNGRY": how}, **more)
    return m, port, m.wait_workers(workers)


def make_hungry(worker):
    os.kill(worker["pid"], signal.SIGUSR1)


def check_serves(port):
    answer = http.get(port)
    if answer.outcome != http.OK:
        raise Failed(f"no answer: {answer}")


def same_sibling(m, before):
    now = {w["slot"]: w for w in m.workers()}[before["slot"]]
    if now["pid"] != before["pid"] or now["state"] != "ready":
        raise Failed(f"the sibling was touched: {before} became {now}")


# ---- limits ----

def test_who_eats_more_memory_than_its_own_is_replaced_alone(env):
    m, port, (first, second) = start_hungry(env, "memory", "--memory", "64M")
    if first["memory_max_bytes"] != 64 * MIB or read(leaf_file(first, "memory.max")) != str(64 * MIB):
        raise Failed(f"memory.max is not 64M: {first}")
    if read(leaf_file(first, "memory.oom.group")) != "1":
        raise Failed("memory.oom.group is not on")
    make_hungry(first)
    death = m.wait_event("worker.exit", slot=0)
    if death["reason"] != "oom" or death["signal"] != 9:
        raise Failed(f"its certificate: {death}")
    if not 60 * MIB <= death["memory_peak_bytes"] <= 64 * MIB:
        raise Failed(f"its peak: {death['memory_peak_bytes']}")
    m.wait_line(r"web/0 \(pid \d+\) died after .*: oom \(memory\.max 64M, peak 6[0-9.]+M\)")
    after = m.wait_workers(2)[0]
    if after["pid"] == first["pid"]:
        raise Failed("it was not replaced")
    check_serves(port)
    same_sibling(m, second)
    usage = m.pool()["usage"]
    if usage["oom_kills"] != 1 or usage["memory_peak_bytes"] < 60 * MIB:
        raise Failed(f"usage: {usage}")
    m.stop()


def test_peak_is_in_every_certificate_and_usage_only_grows(env):
    m, _, (first, _) = start_hungry(env, "memory")
    before = m.pool()["usage"]
    os.kill(first["pid"], signal.SIGKILL)
    death = m.wait_event("worker.exit", slot=0)
    if death["reason"] != "signal" or not MIB < death["memory_peak_bytes"] < 200 * MIB:
        raise Failed(f"its certificate: {death}")
    after = m.pool()["usage"]
    for key in ("cpu_usec", "memory_peak_bytes", "deaths", "births"):
        if after[key] < before[key]:
            raise Failed(f"usage fell: {before} {after}")
    if before["cpu_usec"] < 1000:
        raise Failed(f"the living are not counted: {before}")
    m.stop()


def test_memory_high_is_told_while_it_lives(env):
    m, _, (first, _) = start_hungry(env, "memory", "--memory-high", "32M")
    make_hungry(first)
    event = m.wait_event("worker.limit", slot=0, seconds=20)
    if not event["text"].startswith("memory.high 32M was met "):
        raise Failed(f"it says {event['text']}")
    os.kill(first["pid"], signal.SIGKILL)       # it sleeps in the kernel, a long time
    m.wait_workers(2)
    m.stop()


def test_fork_bomb_meets_pids_and_its_sibling_answers(env):
    m, port, (first, second) = start_hungry(env, "forks", "--pids", 32)
    make_hungry(first)
    event = m.wait_event("worker.limit", slot=0)
    if not event["text"].startswith("pids.max 32 was met "):
        raise Failed(f"it says {event['text']}")
    wait_until("its fork is refused",
               lambda: m.workers()[0]["status_text"] == "fork: EAGAIN")
    for worker in m.workers():
        if worker["pids"] > 32:
            raise Failed(f"more than its limit: {worker}")
    for _ in range(10):
        check_serves(port)
    same_sibling(m, second)
    leaf = f"{CGROUP}{proc.leaf(first['pid'])}"
    os.kill(first["pid"], signal.SIGKILL)
    death = m.wait_event("worker.exit", slot=0)
    if not re.fullmatch(r"pids\.max 32 was met \d+ times: --pids", death["hint"] or ""):
        raise Failed(f"its certificate: {death}")
    wait_until("nothing forked survives", lambda: not os.path.exists(leaf))
    m.stop()


@timeout(30)
def test_cpu_quota_holds(env):
    m, _, (worker,) = start_hungry(env, "cpu", "--cpu-quota", "0.2", workers=1)
    if read(leaf_file(worker, "cpu.max")) != "20000 100000":
        raise Failed(f"cpu.max is {read(leaf_file(worker, 'cpu.max'))}")
    make_hungry(worker)
    stat = leaf_file(worker, "cpu.stat")
    wait_until("it is throttled", lambda: keyed(stat, "nr_throttled") > 2)
    began, used = time.monotonic(), keyed(stat, "usage_usec")
    time.sleep(10)
    share = (keyed(stat, "usage_usec") - used) / (time.monotonic() - began) / 1e6
    if not 0.05 < share < 0.23:
        raise Failed(f"it used {share:.3f} of a CPU")
    if not m.pool()["usage"]["throttled_usec"]:
        raise Failed(f"usage: {m.pool()['usage']}")
    if m.pool()["limits"]["cpu_quota"] != 0.2:
        raise Failed(f"limits: {m.pool()['limits']}")
    os.kill(worker["pid"], signal.SIGKILL)
    if not m.wait_event("worker.exit")["throttled_usec"]:
        raise Failed("its certificate knows of no throttling")
    m.wait_workers(1)
    m.stop()


def test_tmp_flood_ends_at_tmp(env):
    m, port, (first, second) = start_hungry(env, "tmp", "--tmp", "8M", "--memory", "128M")
    make_hungry(first)
    wait_until("its /tmp is full", lambda: m.workers()[0]["status_text"] ==
               f"tmp: ENOSPC after {8 * MIB}")
    check_serves(port)
    same_sibling(m, second)
    m.stop()


def test_every_limit_is_in_the_leaf(env):
    m = env.start("--port", env.port(), "-w", 1, "--memory", "256M", "--memory-high", "200M",
                  "--swap", "0", "--cpu-weight", 50, "--pids", 99, "--io",
                  "/dev/vda rbps=1M wiops=20", "--raw", "memory.low=16M", "--raw", "cpu.idle=0")
    worker = m.wait_workers(1)[0]
    number = f"{os.major(os.stat('/dev/vda').st_rdev)}:{os.minor(os.stat('/dev/vda').st_rdev)}"
    want = {"memory.max": str(256 * MIB), "memory.high": str(200 * MIB), "memory.swap.max": "0",
            "cpu.weight": "50", "pids.max": "99", "memory.low": str(16 * MIB), "cpu.idle": "0",
            "io.max": f"{number} rbps={MIB} wbps=max riops=max wiops=20", "cpu.max": "max 100000"}
    found = {name: read(leaf_file(worker, name)) for name in want}
    if found != want:
        raise Failed(f"{found}\nis not {want}")
    if "/256M" not in m.ctl("status") or "/99" not in m.ctl("status"):
        raise Failed(m.ctl("status"))
    m.stop()


def test_defaults_alone(env):
    m = env.start("--port", env.port(), "-w", 1)
    worker = m.wait_workers(1)[0]
    if read(leaf_file(worker, "pids.max")) != "1024" or read(leaf_file(worker, "memory.max")) != "max":
        raise Failed("other defaults")
    # libuv takes another weight for a limit.
    if read(leaf_file(worker, "cpu.weight")) != "100" or read(leaf_file(worker, "cpu.max"))[:4] != "max ":
        raise Failed("CPU limits that nobody asked for")
    usage = m.pool()["usage"]
    if None in usage.values():
        raise Failed(f"all controllers are there, and something is not counted: {usage}")
    if "warning" in m.output():
        raise Failed(m.output())
    if m.pool()["limits"]["pids"] != 1024 or worker["memory_max_bytes"] is not None:
        raise Failed(f"{m.pool()['limits']}")
    m.stop()


def test_a_limit_that_the_kernel_refuses_ends_the_start(env):
    for args, code, says in (
            (("--raw", "memory.nonsense=1"), 69, "--raw: memory.nonsense does not take '1'"),
            (("--raw", "cpu.max.burst=much"), 2, "--raw: cpu.max.burst does not take 'much'"),
            (("--raw", "perf_event.x=1"), 69, "--raw: no perf_event controller"),
            (("--io", "/proc rbps=1M"), 2, "--io /proc: it lies on no disk"),
            (("--io", "99:9 rbps=1M"), 2, "--io 99:9: there is no disk 99:9")):
        done = env.client("run", "--port", env.port(), "-w", 1, *args, seconds=20)
        if done.returncode != code or says not in done.stderr:
            raise Failed(f"{args}: {done.returncode}: {done.stderr}")
        if "ready" in done.stderr + done.stdout:
            raise Failed(f"{args}: a worker was started")


def oom_score(pid):
    return int(read(f"/proc/{pid}/oom_score_adj"))


def test_a_protected_master_does_not_protect_its_workers(env):
    protect = ("sh", "-c", "echo -500 >/proc/self/oom_score_adj && exec \"$@\"", "sh")
    m = env.start("--port", env.port(), "-w", 1, under=protect)
    worker = m.wait_workers(1)[0]
    if oom_score(m.pid) != -500 or oom_score(worker["pid"]) != 0:
        raise Failed(f"master {oom_score(m.pid)}, worker {oom_score(worker['pid'])}")
    m.stop()
    m = env.start("--port", env.port(), "-w", 1, "--oom-score-adj", 300, under=protect)
    if oom_score(m.wait_workers(1)[0]["pid"]) != 300:
        raise Failed("not what was asked for")
    m.stop()


# ---- the place in the tree ----

NUMBERS = itertools.count(1)     # a journal of its own for each unit


@contextlib.contextmanager
def service(env, *command, properties=()):
    """A transient service; yields its unit. Stopped and gone afterwards."""
    unit = f"mpsup-test-{next(NUMBERS)}.service"
    subprocess.run(["systemd-run", "--quiet", f"--unit={unit}", "--property=KillMode=mixed",
                    f"--setenv=MPSUP_ROOT={env.root}", *[f"--property={p}" for p in properties],
                    "--", *map(str, command)], check=True)
    try:
        yield unit
    finally:
        subprocess.run(["systemctl", "stop", unit], capture_output=True, check=False)
        subprocess.run(["systemctl", "reset-failed", unit], capture_output=True, check=False)


def show(unit, what):
    return subprocess.run(["systemctl", "show", "--value", f"--property={what}", unit],
                          capture_output=True, text=True, check=True).stdout.strip()


def journal(unit):
    return subprocess.run(["journalctl", "--no-pager", "-o", "cat", "-u", unit],
                          capture_output=True, text=True, check=True).stdout


def status_of(env, count=1):
    """The instance's status as soon as that many workers are ready."""
    def ready():
        done = env.client("status", "--json")
        if done.returncode != 0:
            return None
        status = json.loads(done.stdout)
        workers = [w for w in status["pools"][0]["workers"] if w["state"] == "ready"]
        return status if len(workers) == count else None

    return wait_until("the workers are ready", ready)


def first_worker(status):
    return status["pools"][0]["workers"][0]


def test_delegated_service_moves_aside_and_limits(env):
    with service(env, env.mpsup, "--port", env.port(), "-w", 1, "--memory", "64M",
                 properties=("Delegate=yes",)) as unit:
        status = status_of(env)
        top = f"/system.slice/{unit}"
        if proc.leaf(status["master"]["pid"]) != f"{top}/supervisor":
            raise Failed(f"the master is in {proc.leaf(status['master']['pid'])}")
        worker = first_worker(status)
        if not proc.leaf(worker["pid"]).startswith(f"{top}/mpsup-"):
            raise Failed(f"the worker is in {proc.leaf(worker['pid'])}")
        if read(leaf_file(worker, "memory.max")) != str(64 * MIB):
            raise Failed("memory.max is not 64M")
        subprocess.run(["systemctl", "stop", unit], check=True)
        if show(unit, "Result") != "success" or os.path.exists(f"{CGROUP}{top}"):
            raise Failed(journal(unit))


def test_memory_of_the_service_is_not_the_workers_own(env):
    env.fixture("native.py")
    app = env.fixture("hungry.py")
    with service(env, env.mpsup, "--port", env.port(), "-w", 1, "--protocol", "native", "--",
                 env.need_program("python3"), "hungry.py",
                 properties=("Delegate=yes", "MemoryMax=96M", f"WorkingDirectory={app.parent}",
                             "Environment=HUNGRY=memory")) as unit:
        before = first_worker(status_of(env))
        make_hungry(before)
        wait_until("it is replaced", lambda: first_worker(status_of(env))["pid"] != before["pid"])
        death = first_worker(status_of(env))["last_exit"]
        if death["reason"] != "oom_host" or not death["detail"].startswith("not by its own limit"):
            raise Failed(f"{death}\n{journal(unit)}")


def test_a_service_that_shares_its_cgroup_is_left_alone(env):
    port = env.port()
    with service(env, "/bin/sh", "-c", f"{env.mpsup} --port {port} -w 1; true",
                 properties=("Delegate=yes", "KillMode=control-group")) as unit:
        status = status_of(env)
        if proc.leaf(status["master"]["pid"]) != f"/system.slice/{unit}":
            raise Failed(f"the master is in {proc.leaf(status['master']['pid'])}")
        said = journal(unit)
        if said.count("warning") != 1 or "other processes (pid" not in said:
            raise Failed(said)
    with service(env, "/bin/sh", "-c", f"{env.mpsup} --port {port} -w 1 --pids 9; echo got $?",
                 properties=("Delegate=yes",)) as unit:
        wait_until("it refuses", lambda: "got 69" in journal(unit))
        if "--pids: no pids controller for the workers here: other processes" not in journal(unit):
            raise Failed(journal(unit))


def start_in_session(world, *args, **more):
    """As a login shell's child: in a scope that nobody delegated."""
    return world.start("--port", world.port(), "-w", 1, *args, under=(
        "systemd-run", "--scope", "--quiet", "--collect"), **more)


def test_from_a_session_it_gets_a_scope_of_its_own(env):
    m = start_in_session(env, "--memory", "64M", "--name", "shop")
    worker = m.wait_workers(1)[0]
    top = "/system.slice/mpsup-shop.scope"
    if proc.leaf(m.pid) != f"{top}/supervisor":
        raise Failed(f"the master is in {proc.leaf(m.pid)}")
    if read(leaf_file(worker, "memory.max")) != str(64 * MIB):
        raise Failed("memory.max is not 64M")
    if "warning" in m.output() or show("mpsup-shop.scope", "Delegate") != "yes":
        raise Failed(m.output())
    m.stop()
    wait_until("the scope is gone", lambda: not os.path.exists(f"{CGROUP}{top}"))


def test_two_of_one_name_get_two_scopes(env):
    m = start_in_session(env, "--name", "twice")
    more = {"MPSUP_ROOT": str(env.dir / "other")}
    (env.dir / "other").mkdir()
    other = start_in_session(env, "--name", "twice", env=more)
    if "supervisor" not in proc.leaf(other.pid) or proc.leaf(other.pid) == proc.leaf(m.pid):
        raise Failed(f"{proc.leaf(m.pid)} and {proc.leaf(other.pid)}")
    other.stop()
    m.stop()


def test_a_systemd_that_does_not_answer_costs_the_limits_alone(env):
    hide = ("unshare", "--mount", "sh", "-c",
            "mount -t tmpfs none /run/systemd && mkdir /run/systemd/system && "
            "mount -t tmpfs none /run/dbus && exec \"$@\"", "sh")
    under = ("systemd-run", "--scope", "--quiet", "--collect", *hide)
    m = env.start("--port", env.port(), "-w", 1, under=under)
    if m.output().count("warning") != 1 or "systemd cannot be asked for a scope" not in m.output():
        raise Failed(m.output())
    if "/mpsup-" not in proc.leaf(m.wait_workers(1)[0]["pid"]):
        raise Failed("no leaf")
    m.stop()
    m = env.start("--port", env.port(), "--memory", "64M", under=under, ready=False)
    m.wait_exit(69)
    if "--memory: no memory controller for the workers here: systemd cannot" not in m.output():
        raise Failed(m.output())


def in_container(options):
    """The own cgroup is the root of what is seen, as docker does it."""
    return ("unshare", "--mount", "--cgroup", "sh", "-c",
            f"umount /sys/fs/cgroup && mount -t cgroup2 -o {options} none /sys/fs/cgroup && "
            "exec \"$@\"", "sh")


def test_in_a_container_its_root_is_divided(env):
    with service(env, *in_container("rw"), env.mpsup, "--port", env.port(), "-w", 1, "--memory",
                 "64M", properties=("Delegate=yes",)) as unit:
        status = status_of(env)
        worker = first_worker(status)
        if proc.leaf(status["master"]["pid"]) != f"/system.slice/{unit}/supervisor":
            raise Failed(f"the master is in {proc.leaf(status['master']['pid'])}")
        if read(leaf_file(worker, "memory.max")) != str(64 * MIB):
            raise Failed("memory.max is not 64M")


def test_a_read_only_tree_is_refused_in_a_sentence(env):
    with service(env, *in_container("ro"), "sh", "-c",
                 f"{env.mpsup} --port {env.port()} -w 1; echo got $?",
                 properties=("Delegate=yes",)) as unit:
        wait_until("it refuses", lambda: "got 69" in journal(unit))
        said = journal(unit)
        if "Read-only file system" not in said or "--no-sandbox cgroup" not in said:
            raise Failed(said)


@contextlib.contextmanager
def delegated_box(*below):
    """A cgroup of ours, marked as systemd marks what it gives away."""
    box = pathlib.Path(CGROUP, f"box-{next(NUMBERS)}")
    folders = [box, *[box / name for name in below]]
    for folder in folders:
        folder.mkdir()
    os.setxattr(box, "trusted.delegate", b"1")
    try:
        yield box
    finally:
        for folder in reversed(folders):
            wait_until(f"{folder} is empty", lambda f=folder: keyed(f / "cgroup.events",
                                                                    "populated") == 0)
            folder.rmdir()      # refused where anything was left


def start_in(world, folder):
    m = world.start("--port", world.port(), "-w", 1, "--memory", "64M", under=(
        "sh", "-c", f"echo 0 >{folder}/cgroup.procs && exec \"$@\"", "sh"))
    m.wait_workers(1)
    return m


def test_what_outlives_the_master_is_as_before(env):
    with delegated_box() as box:
        m = start_in(env, box)
        if proc.leaf(m.pid) != f"/{box.name}/supervisor":
            raise Failed(f"the master is in {proc.leaf(m.pid)}")
        m.stop()
        if read(box / "cgroup.subtree_control"):
            raise Failed("controllers were not taken back")


def test_who_was_moved_aside_already_uses_the_cgroup_above(env):
    """DelegateSubgroup= of systemd 254"""
    with delegated_box("ours") as box:
        m = start_in(env, box / "ours")
        leaf = proc.leaf(m.wait_workers(1)[0]["pid"])
        if proc.leaf(m.pid) != f"/{box.name}/ours" or not leaf.startswith(f"/{box.name}/mpsup-"):
            raise Failed(f"the master is in {proc.leaf(m.pid)}, the worker in {leaf}")
        m.stop()


def test_an_ordinary_user_limits_in_a_cgroup_of_its_own(env):
    os.chown(env.root, 65534, 65534)
    with service(env, env.mpsup, "--port", env.port(), "-w", 1, "--memory", "64M",
                 properties=("Delegate=yes", "User=nobody")) as unit:
        top = pathlib.Path(CGROUP, "system.slice", unit)
        leaf = wait_until("its leaf", lambda: next(top.glob("mpsup-*/web.1"), None))
        wait_until("it is ready", lambda: "ready: " in journal(unit))
        if read(leaf / "memory.max") != str(64 * MIB):
            raise Failed("memory.max is not 64M")
        if proc.leaf(show(unit, "MainPID")) != f"/system.slice/{unit}/supervisor":
            raise Failed(f"the master is in {proc.leaf(show(unit, 'MainPID'))}")


@contextlib.contextmanager
def shipped(env, options):
    """deploy/mpsup.service.in as `make install` writes it, with these options; its unit."""
    unit = "mpsup-test-shipped.service"
    text = (env.build.parent / "deploy" / "mpsup.service.in").read_text(encoding="utf-8")
    defaults = env.dir / "options"
    defaults.write_text(f"MPSUP_OPTIONS={options}\nMPSUP_ROOT={env.root}\n", encoding="utf-8")
    text = text.replace("@SBINDIR@/mpsup", env.mpsup).replace("-/etc/default/mpsup", str(defaults))
    path = pathlib.Path("/run/systemd/system", unit)
    path.write_text(text, encoding="utf-8")
    try:
        verified = subprocess.run(["systemd-analyze", "verify", str(path)], capture_output=True,
                                  text=True, check=False)
        if unit in verified.stderr:
            raise Failed(verified.stderr)
        subprocess.run(["systemctl", "start", unit], check=True)    # Type=notify: it is ready
        yield unit
    finally:
        subprocess.run(["systemctl", "stop", unit], capture_output=True, check=False)
        path.unlink()
        subprocess.run(["systemctl", "daemon-reload"], check=True)


def test_the_shipped_unit(env):
    with shipped(env, f"--port {env.port()} -w 1 --memory 64M") as unit:
        status = status_of(env)
        worker = first_worker(status)
        if proc.leaf(status["master"]["pid"]) != f"/system.slice/{unit}/supervisor":
            raise Failed(f"the master is in {proc.leaf(status['master']['pid'])}")
        if read(leaf_file(worker, "memory.max")) != str(64 * MIB):
            raise Failed("memory.max is not 64M")
        scores = [oom_score(status["master"]["pid"]), oom_score(worker["pid"])]
        if scores != [-500, 0]:
            raise Failed(f"oom_score_adj of master and worker: {scores}")
        subprocess.run(["systemctl", "reload", unit], check=True)   # returns with the verdict
        after = status_of(env)
        if after["master"]["pid"] != status["master"]["pid"] or first_worker(after)["pid"] == worker["pid"]:
            raise Failed(f"{status} became {after}")
        subprocess.run(["systemctl", "stop", unit], check=True)
        if show(unit, "Result") != "success":
            raise Failed(journal(unit))


@timeout(90)
def test_who_waits_outlives_a_killed_master(env):
    """The listening socket is in the manager's store (FDSTORE) while there is no master."""
    port = env.port()
    with shipped(env, f"--port {port} -w 2") as unit:
        status = status_of(env, 2)
        wait_until("it is kept", lambda: show(unit, "NFileDescriptorStore") == "1")
        for w in status["pools"][0]["workers"]:
            os.kill(w["pid"], signal.SIGSTOP)
        waiting = [http.background(port, "/", 60) for _ in range(5)]
        time.sleep(1)
        os.kill(status["master"]["pid"], signal.SIGKILL)
        bad = [r for r in (w() for w in waiting) if r.outcome != http.OK]
        if bad:
            raise Failed(f"{len(bad)} of 5: {bad[:2]}\n{journal(unit)}")
        if status_of(env, 2)["master"]["pid"] == status["master"]["pid"]:
            raise Failed("the same master")
        env.client("stop", "web")
        wait_until("it is not kept any more", lambda: show(unit, "NFileDescriptorStore") == "0")
        subprocess.run(["systemctl", "stop", unit], check=True)


@timeout(90)
def test_a_program_with_its_own_socket_comes_back(env):
    """What is in the store is in nobody's way, also when the options are others."""
    port = env.port()
    program = f"-- /usr/bin/python3 -m http.server {port} --bind ::"
    with shipped(env, f"--port {port} -w 1 --protocol bind --balance shared {program}") as unit:
        for n, options in enumerate((f"--port {port} -w 1", f"--port {port} -w 1 --balance "
                                     "reuseport", f"--listen 127.0.0.1:{port} -w 1")):
            master = status_of(env)["master"]["pid"]
            (env.dir / "options").write_text(
                f"MPSUP_OPTIONS={options}\nMPSUP_ROOT={env.root}\n", encoding="utf-8")
            os.kill(master, signal.SIGKILL)
            wait_until("another master", lambda was=master: status_of(env)["master"]["pid"] != was,
                       30)
            if http.get(("127.0.0.1", port)).outcome != http.OK:
                raise Failed(f"{n}: it does not serve\n{journal(unit)}")
            wait_until("what is of use is kept, and no more", lambda k=n: show(
                unit, "NFileDescriptorStore") == ("0" if k == 1 else "1"), 20)
