# SPDX-License-Identifier: MIT
"""Reload with unix sockets: a new generation has a new socket, the path leads there when it takes
over, and the old one finishes what its own has."""

import os
import signal
import socket
import stat
import threading
import time

from harness import Failed, http, proc, timeout, wait_until
from harness.holdings import holdings, wait_as_before
from test_reload import pids, reload, says

ROUNDS = 60 if os.environ.get("MPSUP_TEST_LONG") else 5
SERVER = """
import http.server, os, socket, socketserver, threading, time
class H(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        if self.path == "/slow":
            time.sleep(3)
        body = b"x" * (16 << 20) if self.path == "/large" else (
            "generation " + os.environ["MPSUP_GENERATION"] + " at " + NAME).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *a): pass
class Unix(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
if "LISTEN_FDS" in os.environ:
    s = Unix("", H, bind_and_activate=False)
    s.socket = socket.socket(fileno=3)
else:
    s = Unix(os.environ["AT"], H)
NAME = s.socket.getsockname()
if "PORT" in os.environ:
    tcp = http.server.ThreadingHTTPServer(("", int(os.environ["PORT"])), H)
    threading.Thread(target=tcp.serve_forever, daemon=True).start()
s.serve_forever()
"""


def serve(env, *args, workers=3, **more):
    app = env.app(server_py=SERVER)
    sockets = app / "sockets"
    sockets.mkdir(exist_ok=True)
    sockets.chmod(0o755)
    path = sockets / "web.sock"
    m = env.start("--listen", f"unix:{path},mode=0666", "--workers", workers, "--env", f"AT={path}",
                  *args, "--", env.need_program("python3"), "server.py", cwd=app, **more)
    return m, path, app / "server.py"


def alone(path):
    """Nothing else is in its folder."""
    wait_until(f"only {path.name} is there", lambda: os.listdir(path.parent) == [path.name], 20)


def no_failures(*loads):
    for load in loads:
        bad = [r for r in load.results if r.outcome != http.OK or r.status != 200]
        if bad:
            raise Failed(f"{len(bad)} of {len(load.results)} requests failed: {bad[:3]}")


def under_load(env, *args, port=None):
    m, path, _ = serve(env, *(("--port", port) if port else ()), *args)
    m.wait_workers(3, seconds=30)
    before = holdings(m)
    with http.Load(str(path), 4, seconds=20) as load, \
            http.Load(port or str(path), 4, seconds=20) as other:
        load.wait_more(20)
        for n in range(ROUNDS):
            old = set(pids(m))
            verdict = reload(env)
            if verdict["result"] != "ok" or verdict["replaced"] != 3 or old & set(pids(m)):
                raise Failed(f"{verdict}: {old} became {pids(m)}")
            says(str(path), f"generation {n + 2} at {path}")
            if not load.wait_more(20) or not other.wait_more(20):
                raise Failed("nobody answers")
    no_failures(load, other)
    verdict = reload(env, "--wait", "drained")
    if verdict["cut"] or m.pool()["usage"]["connections_cut"]:
        raise Failed(f"connections were cut: {verdict}")
    alone(path)
    wait_as_before(m, before)
    m.stop()
    if os.listdir(path.parent):
        raise Failed(f"{os.listdir(path.parent)} was left")


@timeout(90)
def test_a_server_under_load(env):
    under_load(env)


@timeout(90)
def test_bind_under_load(env):
    under_load(env, "--protocol", "bind")


@timeout(90)
def test_activated_under_load(env):
    under_load(env, "--protocol", "systemd")


@timeout(90)
def test_both_kinds_under_load(env):
    under_load(env, port=env.port())


# ---- what is under way ----

def old_one(m):
    """The only worker that drains still."""
    return wait_until("one drains", lambda: m.workers(state="draining")
                      if len(m.workers(state="draining")) == 1 else None, 15)[0]


@timeout(60)
def test_a_slow_download_finishes(env):
    m, path, _ = serve(env, "--drain-idle", "100ms")
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(20)
        s.connect(str(path))
        s.sendall(b"GET /large HTTP/1.0\r\n\r\n")
        got = len(s.recv(4096))
        reload(env)
        left = old_one(m)
        time.sleep(1.5)
        if not proc.exists(left["pid"]):
            raise Failed("it left with a download under way")
        while piece := s.recv(1 << 20):
            got += len(piece)
    if got < 16 << 20:
        raise Failed(f"{got} bytes came")
    wait_until("it leaves then", lambda: not proc.exists(left["pid"]), 15)
    if m.pool()["usage"]["connections_cut"]:
        raise Failed("one was counted as cut")
    alone(path)
    m.stop()


@timeout(60)
def test_what_was_begun_is_answered(env):
    m, path, _ = serve(env, "--drain-idle", "1s", workers=1)
    answer = http.background(str(path), "/slow")
    wait_until("it is accepted", lambda: m.workers()[0]["connections"] == 1)
    reload(env)
    if old_one(m)["connections"] != 1:
        raise Failed("the connection of the old one is not seen")
    got = answer()
    if got.outcome != http.OK or not got.text.startswith("generation 1"):
        raise Failed(str(got))
    says(str(path), "generation 2")
    alone(path)
    m.stop()


@timeout(60)
def test_who_waits_for_an_old_one_is_served_by_it(env):
    m, path, script = serve(env, workers=1)
    old = pids(m)
    os.kill(old[0], signal.SIGSTOP)
    answers = [http.background(str(path), "/", 20) for _ in range(8)]
    wait_until("they wait", lambda: m.pool()["accept_queue"] >= 7)
    reload(env)
    says(str(path), "generation 2")
    if m.pool()["accept_queue"] < 7 or pids(m) == old:
        raise Failed(f"{m.pool()['accept_queue']} wait")
    os.kill(old[0], signal.SIGCONT)
    bad = [a for a in (answer() for answer in answers)
           if a.outcome != http.OK or not a.text.startswith("generation 1")]
    if bad:
        raise Failed(str(bad))
    alone(path)
    m.stop()


@timeout(60)
def test_who_rests_is_not_waited_for_long(env):
    m, path, _ = serve(env, "--drain-idle", "300ms", workers=1)
    with http.KeepAlive(str(path)) as kept:
        kept.get()
        began = time.monotonic()
        verdict = reload(env, "--wait", "drained")
    if verdict["cut"] or not 1.8 < time.monotonic() - began < 10:
        raise Failed(f"{verdict} after {time.monotonic() - began:.1f} s")
    m.stop()


@timeout(60)
def test_one_worker_alone_is_replaced_on_the_same_socket(env):
    m, path, _ = serve(env, workers=2)
    inode = path.stat().st_ino
    if env.client("reload", "web/1").returncode:
        raise Failed("reload web/1")
    says(str(path), "generation 1")
    if path.stat().st_ino != inode:
        raise Failed("a new socket for one worker")
    alone(path)
    m.stop()


@timeout(60)
def test_mode_and_owner(env):
    m, path, _ = serve(env, workers=1)
    was = path.stat()
    reload(env)
    now = path.stat()
    if now.st_ino == was.st_ino or stat.S_IMODE(now.st_mode) != 0o666 or now.st_uid != was.st_uid:
        raise Failed(f"{was} became {now}")
    m.stop()


# ---- and back ----

@timeout(60)
def test_what_does_not_start_changes_nothing(env):
    m, path, script = serve(env)
    inode = path.stat().st_ino
    script.write_text("raise SystemExit('the new one is broken')\n")
    with http.Load(str(path), 4, seconds=20) as load:
        load.wait_more(10)
        reload(env, code=1)
        # One that has its socket already.
        script.write_text(SERVER.replace("NAME = ", "time.sleep(.5); raise SystemExit('no')\nNAME = "))
        reload(env, code=1)
        load.wait_more(10)
        alone(path)
        script.write_text(SERVER)
        reload(env)
        load.wait_more(10)
        if path.stat().st_ino == inode:
            raise Failed("no new socket")
    no_failures(load)
    alone(path)
    m.stop()


@timeout(60)
def test_a_ready_twin_among_others_that_fail(env):
    m, path, script = serve(env)
    inode, old = path.stat().st_ino, pids(m)
    script.write_text("import os\nif os.environ['MPSUP_WORKER'] == '2': raise SystemExit('not I')\n" + SERVER)
    with http.Load(str(path), 4, seconds=20) as load:
        load.wait_more(10)
        reload(env, code=1)
        load.wait_more(10)
    no_failures(load)
    if path.stat().st_ino != inode or pids(m) != old:
        raise Failed(f"{old} became {pids(m)}")
    alone(path)
    m.stop()


@timeout(60)
def test_back_after_it_has_taken_over(env):
    m, path, script = serve(env, workers=2)
    slow = http.background(str(path), "/slow")
    wait_until("it is accepted", lambda: sum(w["connections"] for w in m.workers()) == 1)
    script.write_text("import os, threading\nif os.environ['MPSUP_WORKER'] == '1':\n"
                      "    threading.Timer(.5, lambda: os._exit(7)).start()\n" + SERVER)
    with http.Load(str(path), 2, seconds=20) as load:
        load.wait_more(10)
        verdict = reload(env, code=1)
        if "exit 7" not in verdict["reason"]:
            raise Failed(str(verdict))
        load.wait_more(10)
    says(str(path), "generation 1")
    # Who was with the one that ended went with it.
    if load.count(http.REFUSED) or load.count(http.HUNG) or load.count(http.CUT) > 2:
        raise Failed(str([r for r in load.results if r.outcome != http.OK]))
    if slow().outcome != http.OK:
        raise Failed("what the old one had begun was cut")
    alone(path)
    m.stop()


@timeout(60)
def test_an_old_one_that_is_born_again_has_the_old_socket(env):
    m, path, script = serve(env, workers=2)
    old = pids(m)
    script.write_text("import time\ntime.sleep(3)\n" + SERVER)
    verdict = threading.Thread(target=reload, args=(env,), daemon=True)
    verdict.start()
    wait_until("a twin boots", lambda: m.workers(state="starting"))
    proc.kill(old[1])
    wait_until("it is born again", lambda: len(pids(m)) == 2 and old[1] not in pids(m))
    for pid in (old[0], ):
        os.kill(pid, signal.SIGSTOP)
    try:
        for _ in range(4):
            answer = http.get(str(path))
            if answer.text != f"generation 1 at {path}":
                raise Failed(str(answer))
    finally:
        os.kill(old[0], signal.SIGCONT)
    verdict.join(30)
    says(str(path), "generation 2")
    alone(path)
    m.stop()


# ---- other things that happen ----

@timeout(60)
def test_a_killed_master_leaves_what_the_next_one_clears(env):
    m, path, script = serve(env, workers=1)
    slow = http.background(str(path), "/slow")
    wait_until("it is accepted", lambda: m.workers()[0]["connections"] == 1)
    reload(env)
    if len(os.listdir(path.parent)) != 2:
        raise Failed(f"{os.listdir(path.parent)}: this shows nothing")
    m.kill()
    slow()
    m, path, _ = serve(env, workers=1)
    says(str(path), "generation 1")
    alone(path)
    m.stop()


@timeout(60)
def test_what_others_have_put_in_its_place_is_left_alone(env):
    m, path, _ = serve(env, workers=1)
    for n in range(8):
        (path.parent / f".{path.name}.mpsup-{n}").symlink_to("/etc")
    with http.Load(str(path), 2, seconds=20) as load:
        load.wait_more(10)
        reload(env)
        load.wait_more(10)
    if load.count(http.REFUSED) or load.count(http.HUNG):
        raise Failed(str([r for r in load.results if r.outcome != http.OK]))
    m.wait_line("no socket of its own for the new generation")
    if len(os.listdir(path.parent)) != 9:
        raise Failed(str(os.listdir(path.parent)))
    m.stop()


@timeout(60)
def test_a_stop_in_the_middle(env):
    m, path, script = serve(env)
    script.write_text("import time\ntime.sleep(5)\n" + SERVER)
    threading.Thread(target=lambda: env.client("reload"), daemon=True).start()
    wait_until("a twin boots", lambda: m.workers(state="starting"))
    m.stop()
    if os.listdir(path.parent):
        raise Failed(f"{os.listdir(path.parent)} was left")


@timeout(60)
def test_upgrades_while_the_old_one_drains(env):
    m, path, _ = serve(env, "--drain-idle", "1s")
    slow = http.background(str(path), "/slow")
    wait_until("it is accepted", lambda: sum(w["connections"] for w in m.workers()) == 1)
    with http.Load(str(path), 2, seconds=20) as load:
        load.wait_more(10)
        reload(env)
        old = old_one(m)
        for _ in range(2):
            if env.client("upgrade", seconds=60).returncode:
                raise Failed("upgrade")
            load.wait_more(10)
        if not proc.exists(old["pid"]):
            raise Failed("it was gone: this shows nothing")
        says(str(path), "generation 2")
        got = slow()
        if got.outcome != http.OK or not got.text.startswith("generation 1"):
            raise Failed(str(got))
        alone(path)
        reload(env)
        says(str(path), "generation 3")
        load.wait_more(10)
    no_failures(load)
    alone(path)
    m.stop()
