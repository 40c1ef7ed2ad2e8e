# SPDX-License-Identifier: MIT
"""Placement: pins of every thread, shares, and what a changed cpuset does to them."""

import functools
import os
import pathlib
import re
import subprocess
import time

from harness import Failed, Skip, proc, wait_until

NODE_THREADS = "require('http').createServer((q, r) => r.end('x')).listen(process.env.PORT)\n"


def usable():
    """CPUs that this test, and so a master that it starts, may run on."""
    return sorted(os.sched_getaffinity(0))


def need_cpus(count):
    if len(usable()) < count:
        raise Skip(f"needs {count} CPUs")
    return usable()


def parse_list(text):
    found = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return found


def thread_masks(pid):
    """The set of CPUs of each thread."""
    masks = {}
    for tid in os.listdir(f"/proc/{pid}/task"):
        try:
            masks[int(tid)] = parse_list(proc.status(f"{pid}/task/{tid}")["Cpus_allowed_list"])
        except (FileNotFoundError, ProcessLookupError):
            continue
    return masks


def wrong_pins(workers):
    """Sentences; status must say what the kernel says of every thread."""
    return [f"slot {w['slot']}: thread {tid} may run on {mask}, status says {w['cpus']}"
            for w in workers for tid, mask in thread_masks(w["pid"]).items()
            if mask != parse_list(w["cpus"])]


def expect_pins(m, wanted):
    """The slots' CPUs become these, for every thread."""
    def good():
        workers = m.workers()
        return [parse_list(w["cpus"]) for w in workers] == wanted and not wrong_pins(workers)

    try:
        wait_until(f"pins are {wanted}", good)
    except Failed as error:
        raise Failed(f"{error}: {[w['cpus'] for w in m.workers()]}, "
                     f"{wrong_pins(m.workers())}") from None


def test_every_thread_is_where_status_says(env):
    first, second = need_cpus(2)[:2]
    node = env.need_program("node")
    app = env.app(app_js=NODE_THREADS) / "app.js"
    m = env.start("--port", env.port(), "--cpus", f"{first},{second}", "--", node, app)
    workers = m.wait_workers(2)
    if not any(len(thread_masks(w["pid"])) > 1 for w in workers):
        raise Failed("a Node program has one thread")
    expect_pins(m, [{first}, {second}])
    m.wait_line(rf"2 workers on 2 CPUs \(CPUs {first}[,-]{second} as listed\)")
    m.stop()


def test_fewer_workers_share_and_more_go_round(env):
    first, second = need_cpus(2)[:2]
    m = env.start("--port", env.port(), "--cpus", f"{first},{second}", "--workers", 1)
    expect_pins(m, [{first, second}])
    m.stop()
    m = env.start("--port", env.port(), "--cpus", f"{first},{second}", "--workers", 3)
    expect_pins(m, [{first}, {second}, {first}])
    m.stop()


def test_a_spare_takes_the_pin_of_its_slot(env):
    first, second = need_cpus(2)[:2]
    m = env.start("--port", env.port(), "--cpus", f"{first},{second}", "--spares", 1)
    m.wait_workers(1, state="parked", role="spare")
    os.kill(m.workers()[1]["pid"], 9)
    m.wait_event("worker.promoted")
    m.wait_workers(2)
    expect_pins(m, [{first}, {second}])
    m.stop()


def test_physical_and_the_rest_say_what_decided(env):
    for value, words in (("physical", "one hardware thread of each core"),
                         ("numa:0", "NUMA node 0"), ("llc:0", "last-level cache 0")):
        m = env.start("--port", env.port(), "--cpus", value, ready=False)
        if m.alive():
            m.wait_ready()
            m.wait_line(re.escape(words))
            wrong = wrong_pins(m.workers())
            if wrong:
                raise Failed("\n".join(wrong))
            m.stop()
        else:  # this host does not tell, and says so
            m.wait_exit(69)
            m.wait_line(f"--cpus {value.split(':')[0]}.*(does not tell|tells of no)")


def test_what_is_not_there_is_named(env):
    for value, words in (("numa:1023", "no such node|tells of no NUMA"),
                         ("llc:1023", "only one last-level cache|no such last-level|not tell"),
                         ("1023", "CPU 1023 is not there for us; usable are: ")):
        done = env.client("run", "--port", env.port(), "--cpus", value)
        told = "not tell" in done.stderr or "tells of no" in done.stderr
        if done.returncode != (69 if told else 2) or not re.search(words, done.stderr):
            raise Failed(f"--cpus {value}: {done.returncode}, {done.stderr}")


def test_started_by_taskset_it_stays_there(env):
    cpu = need_cpus(2)[1]
    taskset = env.need_program("taskset")
    m = env.start("--port", env.port(), under=(taskset, "-c", str(cpu)))
    m.wait_line(r"1 worker on 1 CPU \(the CPU affinity that it was started with\)")
    expect_pins(m, [{cpu}])
    m.stop()


class Cpuset:
    """A cgroup with a cpuset, of v1 or v2, below that of this test; see put()."""

    def __init__(self, cpus):
        self.path = None
        above, v1 = self._above()
        self.path = above / f"tests-of-mpsup-cpuset.{os.getpid()}"
        self.path.mkdir()
        try:
            if v1:
                self.put("cpuset.mems", (above / "cpuset.mems").read_text().strip())
            self.put("cpuset.cpus", cpus)
        except OSError as error:
            self.close()
            raise Skip(f"no cpuset of its own: {error}") from None

    @staticmethod
    def _above():
        for m in proc.mounts("self"):
            if m["type"] == "cgroup" and "cpuset" in m["super_options"]:
                return pathlib.Path(m["point"]), True
        mount = proc.cgroup2_mount()
        if mount is None:
            raise Skip("no cpuset controller")
        top = pathlib.Path(mount)
        if "cpuset" not in (top / "cgroup.controllers").read_text().split():
            raise Skip("no cpuset controller")
        (top / "cgroup.subtree_control").write_text("+cpuset")
        return top, False

    def put(self, name, value):
        (self.path / name).write_text(f"{value}\n")

    def under(self):
        """For env.start(): the master is born in here."""
        return ("/bin/sh", "-c", f'echo $$ >{self.path}/cgroup.procs && exec "$@"', "sh")

    def close(self):
        end = time.monotonic() + 5
        while True:
            try:
                self.path.rmdir()
                return
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)


def with_cpuset(test):
    @functools.wraps(test)
    def run(env):
        cpus = need_cpus(2)[:2]
        group = Cpuset(f"{cpus[0]},{cpus[1]}")
        try:
            test(env, group, *cpus)
        finally:
            for m in env.masters:
                m.kill()
            group.close()

    return run


@with_cpuset
def test_a_changed_cpuset_moves_the_workers(env, group, first, second):
    m = env.start("--port", env.port(), "--spares", 1, under=group.under())
    expect_pins(m, [{first}, {second}])
    pids = [w["pid"] for w in m.workers()]
    group.put("cpuset.cpus", first)
    m.wait_line(f"its CPUs are {first} now")
    expect_pins(m, [{first}, {first}])
    group.put("cpuset.cpus", f"{first},{second}")
    expect_pins(m, [{first}, {second}])
    if [w["pid"] for w in m.workers()] != pids:
        raise Failed("workers were replaced")
    # Those that come later get what is there now.
    group.put("cpuset.cpus", second)
    m.wait_line(f"its CPUs are {second} now")
    os.kill(pids[0], 9)
    m.wait_event("worker.promoted")
    m.wait_workers(2)
    expect_pins(m, [{second}, {second}])
    m.stop()


@with_cpuset
def test_a_reset_mask_is_set_again(env, group, first, second):
    """Before Linux 6.2 any write to a cpuset forgets the pins below; here taskset does."""
    node = env.need_program("node")
    taskset = env.need_program("taskset")
    app = env.app(app_js=NODE_THREADS) / "app.js"
    m = env.start("--port", env.port(), "--", node, app, under=group.under())
    m.wait_workers(2)
    both = f"{first},{second}"
    for w in m.workers():
        subprocess.run([taskset, "-a", "-c", "-p", both, str(w["pid"])], check=True,
                       stdout=subprocess.DEVNULL)
    if not wrong_pins(m.workers()):
        raise Failed("taskset did not move them")
    group.put("cpuset.cpus", both)
    m.wait_line(r"\d+ threads pinned again")
    expect_pins(m, [{first}, {second}])
    m.stop()


@with_cpuset
def test_the_listed_may_go_and_come_back(env, group, first, second):
    m = env.start("--port", env.port(), "--cpus", second, under=group.under())
    group.put("cpuset.cpus", first)
    m.wait_line(f"none may be used; usable are: {first}; its workers run there until")
    expect_pins(m, [{first}])
    group.put("cpuset.cpus", f"{first},{second}")
    expect_pins(m, [{second}])
    m.stop()


@with_cpuset
def test_the_cpuset_decided(env, group, first, second):
    group.put("cpuset.cpus", second)
    m = env.start("--port", env.port(), under=group.under())
    m.wait_line(r"1 worker on 1 CPU \(what the cpuset of its cgroup leaves\)")
    expect_pins(m, [{second}])
    group.put("cpuset.cpus", first)
    expect_pins(m, [{first}])
    group.put("cpuset.cpus", f"{first},{second}")
    expect_pins(m, [{first, second}])
    m.stop()
