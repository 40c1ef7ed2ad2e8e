# SPDX-License-Identifier: MIT
"""What comes in at a NOTIFY_SOCKET: from a worker that means it well, from one that does not,
and from somebody else; its watchdog; and all that with less of a cage."""

import re
import shutil
import socket
import subprocess
import time

from harness import Failed, timeout, wait_until
from harness import http, proc
from harness.holdings import holdings, wait_as_before

SYSTEMD = ("--protocol", "systemd")


def start(env, port, how, *more, workers=3, **kw):
    python = env.need_program("python3")
    app = env.fixture("activated.py")
    where = ("--port", port) if port else ()
    return env.start("--workers", workers, *where, *SYSTEMD, *more, "--", python,
                     "activated.py", how, cwd=app.parent, **kw)


def do(port, what, seconds=30.0):
    a = http.get(port, "/do/" + what, seconds)
    if a.outcome != http.OK:
        raise Failed(f"/do/{what}: {a}")
    return a.text


def check_answers(port, what):
    for a in http.many(port, 30, 5):
        if a.outcome != http.OK or a.status != 200:
            raise Failed(f"{what}: {a}")


# ---- the notify socket ----

def one_worker(env, *more, **kw):
    port = env.port()
    m = start(env, port, "says", *more, workers=1, **kw)
    return m, port, m.workers()[0]


def status_is(m, text):
    wait_until(f"the status is {text!r}", lambda: m.workers()[0]["status_text"] == text)


def check_still_well(m, port, worker):
    status_of = m.workers()[0]
    if status_of["pid"] != worker["pid"] or status_of["state"] != "ready":
        raise Failed(f"it was ended: {status_of}")
    check_answers(port, "after all that")
    m.stop()


def test_megabytes(env):
    m, port, w = one_worker(env)
    answer = do(port, "big")
    if not answer.startswith("sent sent sent sent ") or not answer.endswith(" closed"):
        raise Failed(answer)
    status_is(m, "after the big ones")
    check_still_well(m, port, w)


def test_descriptors(env):
    m, port, w = one_worker(env)
    before = proc.descriptors(m.pid)
    answer = do(port, "descriptors")
    if answer != "closed none left":
        raise Failed(answer)
    status_is(m, "after the descriptors")
    wait_until("the master holds none of them", lambda:
               len(proc.descriptors(m.pid)) <= len(before))
    check_still_well(m, port, w)


def test_sockets_that_linger(env):
    m, port, w = one_worker(env)
    started = time.monotonic()
    if do(port, "linger") != "closed":
        raise Failed("the master waits for a socket of the worker")
    m.status()
    if time.monotonic() - started > 25:  # twelve of them would take 36 s
        raise Failed("the master waited for sockets of the worker")
    check_still_well(m, port, w)


def test_rubbish(env):
    m, port, w = one_worker(env)
    if do(port, "rubbish") != "closed":
        raise Failed("not listened to any more")
    status_is(m, r"\xff\xfe\x1b[31m")
    check_still_well(m, port, w)


@timeout(60)
def test_flood(env):
    m, port, w = one_worker(env)
    do(port, "flood")
    def cpu():
        with open(f"/proc/{m.pid}/stat", encoding="ascii") as f:
            return sum(map(int, f.read().rpartition(")")[2].split()[11:13])) / 100
    before = cpu()
    time.sleep(5)
    if cpu() - before > 2.5:
        raise Failed(f"the master used {cpu() - before:.2f} s of 5 for one loud worker")
    m.status()
    check_still_well(m, port, w)


def test_a_child_may_speak_and_end(env):
    m, port, w = one_worker(env)
    if do(port, "child") != "closed":
        raise Failed("not answered")
    status_is(m, "said by a child")
    check_still_well(m, port, w)


def test_systemd_notify(env):
    env.need_program("systemd-notify")
    m, port, w = one_worker(env)
    if do(port, "systemd_notify") != "closed":
        raise Failed("not answered")
    status_is(m, "said by systemd-notify")
    check_still_well(m, port, w)


def notify_as_root(address, text):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.sendto(text, address)


def check_strangers(m, port, w, address, uid=None):
    send = notify_as_root
    if uid is not None:  # with the right uid, but not one of its processes
        code = ("import socket,sys; s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM);"
                "s.sendto(sys.argv[2].encode(), sys.argv[1].replace('@', '\\0', 1))")
        def send(to, text):
            to = to.replace("\0", "@", 1) if to[0] == "\0" else to
            subprocess.run(["/usr/bin/python3", "-c", code, to, text.decode()], check=True,
                           user=uid, group=uid, extra_groups=[])
    for text in (b"STATUS=by a stranger", b"WATCHDOG=trigger", b"STOPPING=1"):
        send(address, text)
    # What it says itself comes after that, and is heard.
    if do(port, "child") != "closed":
        raise Failed("not answered")
    status_is(m, "said by a child")
    found = re.findall("which is not its own, wrote to its NOTIFY_SOCKET; ignored", m.log())
    if len(found) != 1:
        raise Failed(f"named {len(found)} times")
    if m.workers()[0]["pid"] != w["pid"]:
        raise Failed("a stranger ended it")


def test_root_of_the_host_is_a_stranger(env):
    env.need_root()
    m, port, w = one_worker(env)
    where = do(port, "where")
    if not where.startswith("/run/"):
        raise Failed(f"NOTIFY_SOCKET={where}")
    check_strangers(m, port, w, f"/proc/{w['pid']}/root{where}")
    check_still_well(m, port, w)
    m.wait_line("web/0: [3-9] messages in its name were not its own")


def test_an_abstract_name_is_open_to_strangers_and_they_are_not_heard(env):
    env.need_root()
    m, port, w = one_worker(env, "--no-sandbox", "view", "--user", 54321)
    where = do(port, "where")
    if not where.startswith("@"):
        raise Failed(f"NOTIFY_SOCKET={where}")
    check_strangers(m, port, w, "\0" + where[1:], uid=54321)
    check_still_well(m, port, w)


def test_a_sibling_is_a_stranger(env):
    """By an abstract name it could be reached; it has the same uid, and is told apart."""
    env.need_root()
    port = env.port()
    m = start(env, port, "says", "--no-sandbox", "view", workers=2)
    first = m.workers()[0]
    place = proc.environ(first["pid"])["NOTIFY_SOCKET"]
    uid = proc.status(first["pid"])["Uid"].split()[0]
    done = subprocess.run(["/usr/bin/nsenter", "--target", str(m.workers()[1]["pid"]), "--pid",
                           "--mount", "/usr/bin/python3", "-c",
                           "import os,socket,sys; os.setuid(int(sys.argv[1]));"
                           "s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM);"
                           "s.sendto(b'STATUS=by a sibling', '\\0' + sys.argv[2][1:])",
                           uid, place], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(done.stderr)
    m.wait_line("web/0: process .* which is not its own")
    if m.workers()[0]["status_text"] != "serving":
        raise Failed("the sibling was heard")
    m.stop()


# ---- the watchdog ----

def test_a_hanging_one_is_ended(env):
    m, port, w = one_worker(env, "--watchdog", "800ms")
    time.sleep(1.5)
    if m.workers()[0]["pid"] != w["pid"]:
        raise Failed("it was ended, and it said that it lives")
    do(port, "quiet")
    m.wait_event("worker.exit", pid=w["pid"], reason="watchdog")
    wait_until("it is replaced", lambda: [
        v for v in m.workers(state="ready") if v["pid"] != w["pid"]])
    m.stop()


def test_it_may_ask_for_it(env):
    m, port, w = one_worker(env)
    http.get(port, "/do/trigger")  # it may be ended before it has answered
    m.wait_event("worker.exit", pid=w["pid"], reason="watchdog")
    m.stop()


def test_it_may_shorten_its_time(env):
    for more in ((), ("--watchdog", "1h")):
        m, port, w = one_worker(env, *more)
        do(port, "shorter")
        m.wait_event("worker.exit", pid=w["pid"], reason="watchdog")
        m.stop()


# ---- with less of a cage ----

def check_less(env, *more, where=None, under=()):
    port = env.port()
    m = start(env, port, "says", *more, workers=2, under=under)
    for _ in range(4):
        if do(port, "child") != "closed":
            raise Failed("a barrier is not answered")
    if where and not do(port, "where").startswith(where):
        raise Failed(f"NOTIFY_SOCKET is {do(port, 'where')}")
    wait_until("both are heard", lambda: {w["status_text"] for w in m.workers()} <= {
        "serving", "said by a child"} and any(
            w["status_text"] == "said by a child" for w in m.workers()))
    proc.kill(m.workers()[1]["pid"])
    m.wait_event("worker.respawn")
    m.wait_workers(2)
    check_answers(port, f"with {more}")
    m.stop()


def test_no_pid_namespace(env):
    env.need_root()
    check_less(env, "--no-sandbox", "pid", "--watchdog", "10s", "--compat", "einhorn",
               where="/run/")


def test_no_mount_namespace(env):
    env.need_root()
    check_less(env, "--no-sandbox", "mount", where="@")


def test_no_view(env):
    env.need_root()
    check_less(env, "--no-sandbox", "view", where="@")


def test_a_run_of_a_persons_own(env):
    env.need_root()
    check_less(env, "--ro", "/run", where="@")


def test_no_cgroup(env):
    env.need_root()
    check_less(env, "--no-sandbox", "cgroup")
    check_less(env, "--no-sandbox", "cgroup,pid,view", where="@")


def test_no_uid_of_its_own(env):
    env.need_root()
    check_less(env, "--no-sandbox", "uid,caps")


def test_no_filter(env):
    env.need_root()
    port = env.port()
    for how in ("accept", "epoll", "select"):  # the last is ready because it lives
        m = start(env, port, how, "--no-sandbox", "seccomp", workers=1)
        check_answers(port, how)
        m.stop()


def test_no_network(env):
    """Abstract names are of a network namespace: it is made in the worker's own."""
    env.need_root()
    path = env.dir / "web.sock"
    for more in ((), ("--no-sandbox", "view")):
        m = start(env, None, "says", "--listen", f"unix:{path},mode=0666", "--net", "none",
                  *more, workers=2)
        status_is(m, "serving")
        if http.get(str(path), "/do/child").text != "closed":
            raise Failed("a barrier is not answered")
        m.stop()


def test_an_ordinary_user(env):
    env.need_root()
    nobody = 65534
    shutil.chown(env.root, nobody, nobody)
    env.dir.chmod(0o755)
    port = env.port()
    env.own_copy()
    under = ("/usr/bin/setpriv", "--reuid", str(nobody), "--regid", str(nobody), "--clear-groups")
    m = start(env, port, "says", workers=2, under=under)
    for _ in range(4):
        if do(port, "child") != "closed":
            raise Failed("a barrier is not answered")
    wait_until("it is heard", lambda: any(
        w["status_text"] == "said by a child" for w in m.workers()))
    check_answers(port, "as an ordinary user")
    m.stop()
    for how in ("poll", "epoll"):  # whether it waits can be seen
        m = start(env, port, how, "--protocol", "auto", workers=2, under=under)
        check_answers(port, how)
        m.stop()


def check_deaths_leave_nothing(env, how, *more):
    port = env.port()
    m = start(env, port, how, "--restart-limit", "1000/60s", "--backoff", "0ms..0ms", *more,
              workers=2)
    before = holdings(m)
    for _ in range(12):
        victim = m.workers()[0]["pid"]
        proc.kill(victim)
        wait_until("it is replaced", lambda pid=victim: len([
            w for w in m.workers(state="ready") if w["pid"] != pid]) == 2)
    wait_as_before(m, before)
    m.stop()


def test_a_long_run_of_deaths(env):
    """Nothing of their sockets stays in the master."""
    check_deaths_leave_nothing(env, "says")


def test_a_long_run_of_deaths_with_einhorns_socket(env):
    check_deaths_leave_nothing(env, "acks", "--compat", "einhorn", "--ready", "notify")
