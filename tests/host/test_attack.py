# SPDX-License-Identifier: MIT
"""A hostile worker: what it cannot reach, and what it does to its siblings.

Slot 0 is a good worker; slot 1 is fixtures/probe.py, which refuses to try anything
outside of a cage and does here what each test asks for.
"""

import json
import os
import signal
import socket
import time

from harness import Failed, timeout, wait_until
from harness import http, proc


def start(env, *more):
    env.need_root()
    python = env.need_program("python3")
    app = env.fixture("probe.py")
    port = env.port()
    m = env.start("--port", port, "--workers", 2, "--protocol", "native", "--restart-limit",
                  "1000/60s", "--backoff", "0ms..10ms", "--on-failed", "hold", "--drain-timeout",
                  "300ms", "--stop-timeout", "300ms", *more, "--", python, "probe.py",
                  cwd=app.parent)
    return m, port


class Desk:
    """The line on which slot 1 takes its orders."""

    def __init__(self, m, seconds=30):
        def sit_down():
            for w in m.workers(state="ready"):
                if w["slot"] == 1 and (w["status_text"] or "").isdigit():
                    try:
                        return w, socket.create_connection(
                            ("127.0.0.1", int(w["status_text"])), seconds)
                    except ConnectionRefusedError:  # dead, and not yet seen to be
                        return None
            return None

        self.worker, self._socket = wait_until("the probe is at its desk", sit_down)
        self.pid = self.worker["pid"]
        self._stream = self._socket.makefile("rw")

    def __call__(self, *words):
        self._stream.write(" ".join(map(str, words)) + "\n")
        self._stream.flush()
        return json.loads(self._stream.readline())

    def order(self, *words):
        """For what it does not survive: no answer is waited for."""
        try:
            self._stream.write(" ".join(map(str, words)) + "\n")
            self._stream.flush()
        except OSError:
            pass

    def close(self):
        for what in (self._stream, self._socket):
            try:
                what.close()
            except OSError:
                pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def wrong(what, found):
    if found:
        raise Failed(f"{what}: {found}")


def refused(what, answers, but=()):
    """Every answer is an errno's name."""
    wrong(what, {k: v for k, v in answers.items() if k not in but and
                 not (isinstance(v, str) and v.startswith("E"))})


# ---- what it cannot reach ----

@timeout(90)
def test_writes_only_its_private_folders(env):
    m, _ = start(env)
    with Desk(m, 60) as probe:
        found = set(probe("write_everywhere"))
        wrong("it can make files in", sorted(found - {"/tmp", "/var/tmp", "/run", "/dev/shm"}))
        # Pressure triggers are for everybody (Documentation/accounting/psi.rst).
        wrong("it can open for writing", [p for p in probe("write_proc")
                                          if not p.startswith("/proc/pressure/")])
        wrong("it can open for writing", probe("write_files", "/sys", "/etc", "/usr", "/opt"))
    m.stop()


def test_system_calls_and_namespaces_are_refused(env):
    m, _ = start(env)
    with Desk(m) as probe:
        refused("allowed calls", probe("syscalls"))
        refused("namespaces", probe("namespaces"))
        refused("sockets", probe("sockets"))
        answers = probe("foreign_abi")
        if answers.pop("int80") != signal.SIGSYS:
            raise Failed("int 0x80 did not end the process")
        refused("x32", answers)
    m.stop()


def test_init_is_out_of_reach(env):
    m, _ = start(env)
    with Desk(m) as probe:
        # Opening these two says nothing: the write itself is what is checked.
        refused("PID 1", probe("pid1"), ("read wchan", "write timerslack_ns", "write attr/current"))
        if len(probe("processes")) != 2:
            raise Failed("it sees other processes than init and itself")
        init = probe.worker["init_pid"]
        probe("signals")
        if not proc.exists(init) or not proc.exists(probe.pid) or not m.alive():
            raise Failed("its signals ended init, itself or the master")
    m.stop()


def test_sockets_of_the_host_are_not_in_its_view(env):
    m, _ = start(env)
    path = f"/run/{env.dir.name}.sock"
    with socket.socket(socket.AF_UNIX) as s, Desk(m) as probe:
        s.bind(path)
        try:
            s.listen(1)
            os.chmod(path, 0o777)
            own = [str(p) for p in env.root.glob("run/mpsup/*.sock")]
            refused("connected", probe("unix_sockets", path, *own))
        finally:
            os.unlink(path)
    m.stop()


def test_descriptors_are_the_meant_ones(env):
    m, _ = start(env)
    with Desk(m) as probe:
        found = probe("descriptors")
        folders = [d["what"] for d in found.values() if d["what"].startswith("/")]
        wrong("files among its descriptors", [w for w in folders if w != "/dev/null"])
    m.stop()


def test_leaf_limits_devices_and_identity(env):
    m, _ = start(env)
    with Desk(m) as probe:
        found = probe("cgroup")
        if proc.leaf(probe.pid) in found.pop("own") or "mpsup" in str(found.pop("list")):
            raise Failed("it sees where its cgroup is")
        refused("cgroup", found)
        found = probe("limits")
        wrong("groups", found.pop("groups"))
        found.pop("keepcaps")       # allowed, and there is nothing to keep
        wrong("limits", {k: v for k, v in found.items() if v == "worked" or v == 0})
        found = probe("devices")
        wrong("devices", set(found.pop("opened")) - {
            "/dev/" + n for n in ("full", "null", "ptmx", "pts/ptmx", "random", "urandom", "zero",
                                  "tty", "stdin", "stdout", "stderr")})
        refused("devices", found)
    m.stop()


# ---- against its siblings ----

def check_served(m, port, what, pid):
    """At once again, and still when the suspect is dead."""
    end = time.monotonic() + 1.5
    while http.get(port, seconds=1).outcome != http.OK:
        if time.monotonic() > end:
            break
        time.sleep(0.02)
    answers = [http.get(port, seconds=1).outcome for _ in range(4)]
    if set(answers) != {http.OK}:
        raise Failed(f"{what}: siblings are not served: {answers}")
    if proc.exists(pid):
        proc.kill(pid)
        wait_until("it is dead", lambda: not proc.exists(pid))
    answers = [http.get(port, seconds=1).outcome for _ in range(4)]
    if set(answers) != {http.OK}:
        raise Failed(f"{what}: not served after its end: {answers}")
    if not m.alive():
        raise Failed("the master ended")


def run_on_listener(env, *steps):
    m, port = start(env)
    for words in steps:
        with Desk(m) as probe:
            probe(*words)
            check_served(m, port, words, probe.pid)
    m.stop()


def test_shut_listener_is_revived(env):
    run_on_listener(env, ("shut", 1), ("disconnect",))


@timeout(90)
def test_listener_shut_for_ever_and_ever(env):
    run_on_listener(env, ("shut", 5000))


def test_listener_made_into_a_connection(env):
    run_on_listener(env, ("shut_and_connect",))


def test_listener_that_only_hears_near_packets(env):
    """IP_MINTTL, IPV6_MINHOPCOUNT: packets of everybody else are dropped, silently."""
    run_on_listener(env, ("option", 0, 21, 255), ("option", 41, 73, 255))


def test_listener_bound_to_a_device(env):
    """SO_BINDTODEVICE and SO_BINDTOIFINDEX need no capability the first time."""
    other = [n for n in os.listdir("/sys/class/net") if n != "lo" and os.path.isdir(
        f"/sys/class/net/{n}")]
    if not other:
        return
    with open(f"/sys/class/net/{other[0]}/ifindex", encoding="ascii") as f:
        index = int(f.read())
    run_on_listener(env, ("option", 1, 25, "0x" + other[0].encode().hex() + "00"),
                    ("option", 1, 62, index))


def test_listener_options_that_cannot_harm(env):
    """Backlog, blocking, and socket filters."""
    run_on_listener(env, ("backlog", 0), ("blocking",), ("option", 1, 44, 1),
                    ("option", 1, 26, "0x01" + "00" * 15),
                    ("option", 1, 13, "0x01" + "00" * 7))


# ---- against the master ----

@timeout(90)
def test_surplus_descriptors_are_closed(env):
    m, port = start(env)
    for count in (1, 32, 33, 36, 37, 40, 42, 43, 100, 253):
        with Desk(m) as probe:
            probe.order("descriptors_gift", count)
            wait_until("it is ended", lambda p=probe.pid: not proc.exists(p))
    with Desk(m):
        before = {"/dev/zero", "/"}
        wrong("the master keeps", [w for w in proc.descriptors(m.pid).values() if w in before])
    if http.get(port).outcome != http.OK:
        raise Failed("slot 0 does not answer")
    m.stop()


def test_what_forked_is_gone_with_it(env):
    m, _ = start(env)
    with Desk(m) as probe:
        probe("escape")
        probe("escape")
        probe("loud_escape")
        if probe("bomb", 200) < 100:
            raise Failed("it could not fork")
        leaf = proc.leaf(probe.pid)
        proc.kill(probe.pid)
    folder = proc.cgroup2_mount() + leaf
    wait_until("its leaf is gone", lambda: not os.path.exists(folder), 3)
    with Desk(m) as again:
        if again.worker["status_text"] == "from the grave":
            raise Failed("a dead worker's child speaks for the new one")
    m.stop()


@timeout(90)
def test_output_flood_with_control_characters(env):
    m, port = start(env)
    with Desk(m) as probe:
        probe("flood_output", 20, 1)
        probe("flood_output", 20, 2)
    if http.get(port).outcome != http.OK or "\x1b" in m.ctl("logs", "-n", 20):
        raise Failed("slot 0 does not answer, or logs shows control characters")
    if int(proc.status(m.pid)["VmRSS"].split()[0]) > 64 * 1024:
        raise Failed("the master kept the flood in memory")
    m.stop()


def test_words_are_made_safe(env):
    m, _ = start(env)
    with Desk(m) as probe:
        probe("say", "STATUS=\x1b[31m\u202eevil\x9b\r\x07".encode().hex())
        probe("say", b'MESSAGE={"a":"\x1b[2J"}'.hex())
        probe("say", b"EXTEND_TIMEOUT_USEC=99999999999999999999999999\nMAINPID=1\nFDSTORE=1".hex())
        m.wait_event("worker.message")
        for text in (m.ctl("status"), m.ctl("events"), m.ctl("events", "--json"), m.output()):
            bad = {c for c in text if (ord(c) < 32 and c != "\n") or c in "\x7f\x9b\u202e"}
            wrong("control characters", bad)
        if not proc.exists(probe.pid):
            raise Failed("it was ended for words that are allowed")
    m.stop()


@timeout(90)
def test_private_folders_are_bounded(env):
    m, _ = start(env, "--tmp", "16M")
    with Desk(m, 60) as probe:
        for folder in ("/tmp", "/run", "/dev/shm", "/var/tmp"):
            size, why = probe("fill", folder)
            if why != "ENOSPC" or size > 16 << 20:
                raise Failed(f"{folder}: {size} bytes, {why}")
    m.stop()


def test_stopped_worker_is_ended(env):
    m, _ = start(env)
    with Desk(m) as probe:
        probe.order("stop_itself")
        wait_until("it is stopped", lambda: proc.status(probe.pid)["State"][0] == "T")
    started = time.monotonic()
    m.stop()
    if time.monotonic() - started > 5:
        raise Failed("a stopped worker delayed the end")
