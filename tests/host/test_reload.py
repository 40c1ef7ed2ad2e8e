# SPDX-License-Identifier: MIT
"""Reload: each new worker is ready before its old one leaves, nobody is refused, cut or left
hanging, and a version that does not get ready changes nothing."""

import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time

from harness import Failed, http, proc, programs, timeout, wait_until
from harness.holdings import holdings, wait_as_before

ROUNDS = 60 if os.environ.get("MPSUP_TEST_LONG") else 5
ANSWER = """
import http.server, os, sys, time
class H(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        if self.path == "/slow":
            time.sleep(3)
        body = (os.environ.get("WORD", "") + " " + os.environ["MPSUP_GENERATION"]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *a): pass
http.server.ThreadingHTTPServer(("", int(os.environ["PORT"])), H).serve_forever()
"""


def reload(env, *args, code=0, seconds=60):
    done = env.client("reload", "--json", *args, seconds=seconds)
    if done.returncode != code:
        raise Failed(f"reload: exit {done.returncode}: {done.stdout} {done.stderr}")
    verdict = json.loads(done.stdout)
    for key in ("result", "generation", "replaced", "cut", "reason", "stderr"):
        if key not in verdict:
            raise Failed(f"no {key} in {verdict}")
    return verdict


def python(env, *args, workers=2, **more):
    """A program that knows nothing of mpsup; its version is the text of server.py."""
    app, port = env.app(server_py=ANSWER), env.port()
    m = env.start("--port", port, "--workers", workers, *args, "--", env.need_program("python3"),
                  "server.py", cwd=app, **more)
    return m, port, app / "server.py"


def pids(m):
    return [w["pid"] for w in m.workers(state="ready")]


def says(port, text):
    answer = http.get(port)
    if answer.outcome != http.OK or text not in answer.text:
        raise Failed(f"{answer}, not {text!r}")


# ---- nobody notices ----

def under_load(env, program, *args):
    port = env.port()
    app, command = program(env, port) if program else (None, None)
    m = env.start("--port", port, "--workers", 3, *args, *(("--", *command) if command else ()),
                  **({"cwd": app} if app else {}), seconds=40)
    m.wait_workers(3, seconds=30)
    before = holdings(m)
    with http.Load(port, 4, seconds=20) as load:
        load.wait_more(20)
        for n in range(ROUNDS):
            old = set(pids(m))
            verdict = reload(env)
            if verdict["result"] != "ok" or verdict["generation"] != n + 2 or \
                    verdict["replaced"] != 3 or old & set(pids(m)):
                raise Failed(f"{verdict}: {old} became {pids(m)}")
            if not load.wait_more(20):
                raise Failed("nobody answers")
    bad = [r for r in load.results if r.outcome != http.OK or r.status != 200]
    if bad:
        raise Failed(f"{len(bad)} of {len(load.results)} requests failed: {bad[:3]}")
    if reload(env, "--wait", "drained")["cut"]:
        raise Failed("connections were cut that nobody had")
    if program is not programs.go and program is not programs.nginx:
        wait_as_before(m, before)
    m.stop()


@timeout(60)
def test_builtin_under_load(env):
    under_load(env, None)


@timeout(60)
def test_builtin_roundrobin_under_load(env):
    under_load(env, None, "--balance", "roundrobin")


@timeout(60)
def test_node_under_load(env):
    under_load(env, programs.node)


@timeout(60)
def test_node_reuseport_under_load(env):
    under_load(env, programs.node, "--balance", "reuseport")


@timeout(60)
def test_http_server_under_load(env):
    under_load(env, programs.http_server)


@timeout(60)
def test_go_under_load(env):
    under_load(env, programs.go)


@timeout(60)
def test_nginx_under_load(env):
    under_load(env, programs.nginx)


@timeout(60)
def test_activated_gunicorn_under_load(env):
    under_load(env, programs.gunicorn_activated, "--protocol", "systemd")


@timeout(60)
def test_sticky_group_under_load(env):
    under_load(env, programs.http_server, "--balance", "sticky")


@timeout(90)
def test_keep_alive_clients_that_repeat(env):
    m, port, _ = python(env, "--drain-idle", "200ms", "--drain-timeout", "3s")
    with http.Keeping(port, 4, pause=0.01) as kept:
        for _ in range(3):
            reload(env)
            time.sleep(0.5)
        reload(env, "--wait", "drained", seconds=80)
    if kept.problems or kept.answers < 100:
        raise Failed(f"{kept.problems[:3]}, {kept.answers} answers")
    m.stop()


@timeout(60)
def test_a_slow_download_finishes(env):
    app, command = programs.http_server(env, port := env.port())
    size = 16 << 20
    (app / "large").write_bytes(b"x" * size)
    (app / "large").chmod(0o644)
    m = env.start("--port", port, "--workers", 2, "--drain-idle", "300ms", "--", *command, cwd=app)
    with socket.create_connection(("127.0.0.1", port), 20) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        s.sendall(b"GET /large HTTP/1.0\r\n\r\n")
        got = len(s.recv(4096))
        old = set(pids(m))
        if reload(env)["replaced"] != 2:
            raise Failed("not all were replaced")
        left = wait_until("those without a connection have left", lambda: [
            w for w in m.workers(state="draining") if w["pid"] in old] if len(
                m.workers(state="draining")) == 1 else None, 15)
        time.sleep(1)
        if not proc.exists(left[0]["pid"]):
            raise Failed("it left with a download under way")
        while piece := s.recv(1 << 20):
            got += len(piece)
    if got < size:
        raise Failed(f"{got} of {size} bytes came")
    wait_until("it leaves then", lambda: not proc.exists(left[0]["pid"]), 15)
    if m.pool()["usage"]["connections_cut"]:
        raise Failed("one was counted as cut")
    m.stop()


@timeout(60)
def test_what_was_begun_is_answered(env):
    m, port, _ = python(env, "--drain-idle", "200ms", workers=1)
    answer = http.background(port, "/slow")
    wait_until("it is accepted", lambda: m.workers()[0]["connections"] == 1)
    reload(env, "--wait", "drained")
    got = answer()
    if got.outcome != http.OK or got.text != " 1":
        raise Failed(str(got))
    says(port, " 2")
    m.stop()


@timeout(60)
def test_what_an_activated_program_has_begun_is_answered(env):
    """Its protocol has no word: that its queue is empty is not enough."""
    app, port = env.app(server_py=ANSWER.replace(
        'http.server.ThreadingHTTPServer(("", int(os.environ["PORT"])), H)', """
import socket
s = http.server.ThreadingHTTPServer(("", 0), H, bind_and_activate=False)
s.socket = socket.socket(fileno=3)
s""")), env.port()
    for protocol in "systemd", "auto":
        m = env.start("--port", port, "--workers", 1, "--protocol", protocol, "--drain-idle",
                      "200ms", "--", env.need_program("python3"), "server.py", cwd=app)
        answer = http.background(port, "/slow")
        wait_until("it is accepted", lambda m=m: m.workers()[0]["connections"] == 1)
        reload(env, "--wait", "drained")
        got = answer()
        if got.outcome != http.OK or got.text != " 1":
            raise Failed(f"{protocol}: {got}")
        m.stop()


@timeout(60)
def test_what_is_asked_right_after_an_answer_is_answered(env):
    m, port, _ = python(env, "--drain-idle", "1s", workers=1)
    kept = [http.KeepAlive(port, 20) for _ in range(8)]
    for c in kept:       # both in one tick of the kernel's clock, for some of them
        c.get()
        c._socket.sendall(b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n")
    reload(env)
    for c in kept:
        if b"200" not in c._stream.readline():
            raise Failed("it was cut")
        c.close()
    m.stop()


@timeout(60)
def test_who_rests_is_not_waited_for_long(env):
    m, port, _ = python(env, "--drain-idle", "1s", workers=1)
    with http.KeepAlive(port) as once, http.KeepAlive(port) as often:
        once.get()
        for _ in range(20):
            often.get()
        began = time.monotonic()
        verdict = reload(env, "--wait", "drained")
    if verdict["cut"] or time.monotonic() - began > 5:
        raise Failed(f"{verdict} after {time.monotonic() - began:.1f} s")
    m.stop()


@timeout(60)
def test_who_never_ends_is_cut_and_counted(env):
    m, port, _ = python(env, "--drain-timeout", "1s", "--drain-idle", "100ms", workers=1)
    with socket.create_connection(("127.0.0.1", port), 10) as s:
        s.sendall(b"GET / HT")       # half a request: it has something to say still
        wait_until("it is accepted", lambda: m.workers()[0]["connections"] == 1)
        verdict = reload(env, "--wait", "drained")
    if verdict["cut"] != 1 or m.pool()["usage"]["connections_cut"] != 1:
        raise Failed(f"{verdict} {m.pool()['usage']}")
    m.stop()


POLITE = ANSWER.replace("http.server.ThreadingHTTPServer(", """import signal, threading
class S(http.server.ThreadingHTTPServer):
    daemon_threads = False
s = S(""").replace(".serve_forever()", """
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=s.shutdown).start())
s.serve_forever()
s.server_close()""")


@timeout(60)
def test_who_drains_at_a_signal_has_the_time_to(env):
    app, port = env.app(server_py=POLITE), env.port()
    m = env.start("--port", port, "--workers", 1, "--drain", "signal", "--stop-timeout", "500ms", "--",
                  env.need_program("python3"), "server.py", cwd=app)
    answer = http.background(port, "/slow")
    wait_until("it is accepted", lambda: m.workers()[0]["connections"] == 1)
    reload(env, "--wait", "drained")
    got = answer()
    if got.outcome != http.OK or m.pool()["usage"]["connections_cut"]:
        raise Failed(str(got))
    with socket.create_connection(("127.0.0.1", port), 10) as s:
        s.sendall(b"GET / HT")
        wait_until("it is accepted", lambda: m.workers()[0]["connections"] == 1)
        m.ctl("set", "web", "drain_timeout=1s")
        verdict = reload(env, "--wait", "drained")
    if verdict["cut"] != 1 or m.pool()["usage"]["connections_cut"] != 1:
        raise Failed(f"{verdict} {m.pool()['usage']}")
    m.stop()


@timeout(60)
def test_shared_socket_drains_by_signal(env):
    m, port, _ = python(env, "--balance", "shared")
    with http.Load(port, 2) as load:
        load.wait_more(5)
        if reload(env)["replaced"] != 2:
            raise Failed("not all were replaced")
        load.wait_more(5)
    if load.count(http.REFUSED) or load.count(http.HUNG):
        raise Failed(f"{load.count(http.REFUSED)} refused, {load.count(http.HUNG)} hung")
    m.stop()


# ---- and back ----

def rolled_back(env, m, port, before, word):
    verdict = reload(env, code=1)
    if verdict["result"] != "rolled_back" or not verdict["reason"] or verdict["replaced"]:
        raise Failed(str(verdict))
    if word not in (verdict["stderr"] or "") + verdict["reason"]:
        raise Failed(f"no {word!r} in {verdict}")
    if pids(m) != before or m.pool()["state"] != "ready":
        raise Failed(f"{before} became {pids(m)}, {m.pool()['state']}")
    says(port, " 1")
    if m.events("pool.reload")[-1]["result"] != "rolled_back":
        raise Failed(str(m.events("pool.reload")))


@timeout(60)
def test_what_crashes_at_boot_changes_nothing(env):
    m, port, script = python(env)
    before = pids(m)
    script.write_text("import sys\nsys.exit('the new one is broken')\n")
    rolled_back(env, m, port, before, "the new one is broken")
    done = env.client("reload")
    if done.returncode != 1 or "the new one is broken" not in done.stderr:
        raise Failed(f"{done.returncode} {done.stdout} {done.stderr}")
    script.write_text(ANSWER)
    if reload(env)["result"] != "ok":
        raise Failed("it does not recover")
    m.stop()


@timeout(60)
def test_what_never_listens_changes_nothing(env):
    m, port, script = python(env, "--ready-timeout", "1s")
    before = pids(m)
    script.write_text("import time\ntime.sleep(1000)\n")
    rolled_back(env, m, port, before, "ready_timeout")
    m.stop()


@timeout(60)
def test_what_crashes_in_the_second_worker_goes_back(env):
    m, port, script = python(env, "--env", "WORD=x", workers=3)
    before = pids(m)
    script.write_text("import os, sys\nif os.environ['MPSUP_WORKER'] == '1': sys.exit('not I')\n" +
                      ANSWER)
    with http.Load(port, 3) as load:
        load.wait_more(10)
        verdict = reload(env, code=1)
        load.wait_more(10)
    if verdict["result"] != "rolled_back" or "not I" not in verdict["stderr"]:
        raise Failed(str(verdict))
    bad = [r for r in load.results if r.outcome != http.OK]
    if bad:
        raise Failed(f"{len(bad)} of {len(load.results)} requests failed: {bad[:3]}")
    after = pids(m)
    if {w["generation"] for w in m.workers()} - {1, 2} or after[1:] != before[1:] or len(after) != 3:
        raise Failed(f"{before} became {after}")
    wait_until("all are the first generation's", lambda: {
        w["generation"] for w in m.workers(state="ready")} == {1})
    m.stop()


@timeout(60)
def test_its_uid_stays(env):
    m, _, script = python(env)

    def uids():
        return {os.stat(f"/proc/{pid}").st_uid for pid in pids(m)}

    before = uids()
    script.write_text("raise SystemExit('broken')\n")
    reload(env, code=1)
    _, verdict = begin(env, m, script)
    for _ in range(2):               # remembered, and remembered in its place
        env.client("reload", "--no-wait")
    m.ctl("set", "web", "max_age=1h")
    verdict(0)
    if uids() != before:
        raise Failed(f"{before} became {uids()}")
    script.write_text("raise SystemExit('broken')\n")
    reload(env, code=1)
    script.write_text(ANSWER)
    reload(env)
    if uids() != before or {e["generation"] for e in m.events("pool.reload")} == {1}:
        raise Failed(f"{before} became {uids()}")
    m.stop()


@timeout(60)
def test_what_was_set_stays(env):
    m, _, script = python(env)

    def values():
        keys = ("workers", "drain_timeout", "max_age")
        return [line.split("#")[0].split() for line in m.ctl("config").splitlines()
                if line.strip().startswith(keys)]

    m.ctl("set", "web", "drain_timeout=7s")
    m.ctl("scale", "web", "3")
    m.wait_workers(3)
    _, verdict = begin(env, m, script, "import time\ntime.sleep(1.5)\nraise SystemExit('broken')\n")
    m.ctl("set", "web", "max_age=2h")
    verdict(1)
    if values() != [["workers:", "3"], ["drain_timeout:", "7s"], ["max_age:", "2h"]]:
        raise Failed(f"after it went back: {values()}")
    script.write_text(SLOW)
    box = []
    t = threading.Thread(target=lambda: box.append(reload(env)), daemon=True)
    t.start()
    wait_until("it has begun", lambda: m.pool()["state"] == "reloading")
    env.client("reload", "--no-wait")    # made before, and follows after, what is set now
    m.ctl("scale", "web", "2")
    m.ctl("set", "web", "drain_timeout=8s")
    t.join(60)
    if values() != [["workers:", "2"], ["drain_timeout:", "8s"], ["max_age:", "2h"]] or \
            len(m.wait_workers(2)) != 2 or {w["generation"] for w in m.workers(state="ready")} != {4}:
        raise Failed(f"with the one that followed: {values()} {m.workers()}")
    m.stop()


def replaced(m, slot):
    before = pids(m)[slot]
    proc.kill(before)
    wait_until("it is replaced", lambda: len(
        now := pids(m)) == 2 and before not in now)


@timeout(60)
def test_a_generation_keeps_its_version(env):
    m, port, script = python(env)
    script.write_text(ANSWER.replace('"WORD", ""', '"WORD", "two"'))    # in place
    replaced(m, 0)
    new = script.with_name("new.py")
    new.write_text(ANSWER.replace('"WORD", ""', '"WORD", "three"'))
    new.chmod(0o644)
    new.rename(script)                                                   # over it
    replaced(m, 1)
    for _ in range(20):
        says(port, " 1")
        if "t" in http.get(port).text:
            raise Failed("versions are mixed")
    reload(env)
    for _ in range(10):
        says(port, "three 2")
    m.stop()


@timeout(60)
def test_a_generation_keeps_large_files(env):
    app, port = env.app(server_py=ANSWER + "#" * (3 << 20)), env.port()
    program = app / "program"        # larger than what is copied of programs
    shutil.copyfile(env.need_program("python3"), program)
    program.chmod(0o755)
    m = env.start("--port", port, "--workers", 2, "--", "./program", "server.py", cwd=app)
    m.wait_workers(2)
    with open(app / "server.py", "r+") as f:
        f.write("raise SystemExit('the new one')\n")                     # in place
    (app / "new").write_text("#!/bin/sh\necho the new one\nexit 1\n")
    (app / "new").chmod(0o755)
    (app / "new").rename(program)                                        # over it
    for slot in (0, 1, 0):
        replaced(m, slot)
    for _ in range(10):
        says(port, " 1")
    if "the new one" in m.output() or m.events("worker.boot_failure"):
        raise Failed("versions are mixed")
    if "the new one" not in (reload(env, code=1)["stderr"] or "") + m.output():
        raise Failed("it was to be the new one")
    m.stop()


# ---- the file ----

def write(env_, app, port, **keys):
    path = env_.dir / "one.yaml"
    path.write_text(json.dumps({"name": "one", "pools": [{
        "name": "web", "port": port, "cwd": str(app), "workers": 2,
        "command": [env_.need_program("python3"), "server.py"], **keys}]}))
    path.chmod(0o644)
    return path


@timeout(60)
def test_the_file_is_read_again(env):
    app, port = env.app(server_py=ANSWER), env.port()
    words = env.dir / "words.env"
    words.write_text("WORD=first\n")
    words.chmod(0o644)
    m = env.start("-c", write(env, app, port, env_file=str(words)))
    m.wait_workers(2)
    words.write_text("WORD=second\n")
    reload(env)
    says(port, "second 2")
    write(env, app, port, env={"WORD": "third"}, workers=3)
    if reload(env)["result"] != "ok":
        raise Failed("no")
    says(port, "third 3")
    m.wait_workers(3)
    before = pids(m)
    path = env.dir / "one.yaml"
    good = path.read_text()
    path.write_text(good.replace("port", "prot", 1))
    verdict = reload(env, code=2)
    if verdict["result"] != "refused" or pids(m) != before:
        raise Failed(str(verdict))
    path.write_text(good.replace("server.py", "server.py").replace("python3", "no-such-python"))
    verdict = reload(env, code=1)
    if verdict["result"] != "refused" or "no-such-python" not in verdict["reason"] or pids(m) != before:
        raise Failed(str(verdict))
    m.stop()


@timeout(60)
def test_an_apply_that_went_back_is_tried_again(env):
    app, port = env.app(server_py=ANSWER), env.port()
    m = env.start("-c", write(env, app, port, workers=3))
    before = [w["pid"] for w in m.wait_workers(3)]
    (app / "server.py").write_text("raise SystemExit('no database')\n")
    write(env, app, port, env={"WORD": "new"}, workers=1)
    if env.client("apply", seconds=60).returncode != 1 or pids(m) != before:
        raise Failed(f"{before} became {pids(m)}")
    (app / "server.py").write_text(ANSWER)      # the text is the same, and is not what runs
    m.ctl("apply", seconds=60)
    m.wait_workers(1)
    says(port, "new")
    if "as it is" not in m.ctl("apply"):
        raise Failed("it is as the file says now")
    m.stop()


@timeout(60)
def test_the_old_one_leaves_in_its_own_way(env):
    app, port = env.app(server_py=ANSWER), env.port()
    m = env.start("-c", write(env, app, port, restart={"stop_signal": "USR1", "drain": "signal"}))
    m.wait_workers(2)
    write(env, app, port, env={"WORD": "new"}, restart={"drain_idle": "100ms"})
    reload(env, "--wait", "drained")
    ends = [e["signal"] for e in m.events("worker.exit")]
    if ends != [signal.SIGUSR1] * 2:
        raise Failed(str(m.events("worker.exit")))
    (app / "server.py").write_text("import time, os\nif os.environ['MPSUP_WORKER'] == '1': exit(1)\n" + ANSWER)
    write(env, app, port, env={"WORD": "third"}, restart={"stop_signal": "USR2", "drain": "signal", "surge": 1})
    reload(env, "--wait", "drained", code=1)
    wait_until("those of before serve", lambda: {w["generation"] for w in m.workers()} == {2}, 20)
    ends = {e["generation"]: e["signal"] for e in m.events("worker.exit")}
    if ends[2] != signal.SIGTERM or ends[3] != signal.SIGUSR2:
        raise Failed(str(ends))
    (app / "server.py").write_text(ANSWER)
    m.ctl("set", "web", "stop_signal=USR1")      # and a restart is another generation, too
    seen = len(m.events("worker.exit"))
    m.ctl("restart", "web", seconds=30)
    m.wait_workers(2)
    ends = [e["signal"] for e in m.events("worker.exit")[seen:]]
    if ends != [signal.SIGUSR1] * 2:
        raise Failed(f"after a restart: {ends}")
    m.stop()


@timeout(60)
def test_a_port_that_is_taken_stops_nobody(env):
    app, port, other = env.app(server_py=ANSWER), env.port(), env.port()
    m = env.start("-c", write(env, app, port))
    m.wait_workers(2)
    before = pids(m)
    with socket.socket() as s:
        s.bind(("0.0.0.0", other))
        s.listen()
        write(env, app, other)
        verdict = reload(env, code=1)
        if verdict["result"] != "refused" or "in use" not in verdict["reason"] or pids(m) != before:
            raise Failed(f"{verdict}: {before} became {pids(m)}")
        says(port, " 1")
    if reload(env)["generation"] != 2 or set(pids(m)) & set(before):
        raise Failed("the port is free now")
    says(other, " 2")
    (app / "server.py").write_text("raise SystemExit('broken')\n")
    write(env, app, port, balance="sticky")  # other sockets: nobody to go back to, but a verdict
    verdict = reload(env, code=1)
    if verdict["result"] != "refused" or not verdict["reason"]:
        raise Failed(str(verdict))
    m.wait_exit(70)


# ---- in the middle of it (traps 33) ----

SLOW = "import time\ntime.sleep(1.5)\n" + ANSWER


def reload_aside(env):
    """A reload that goes on while others look; where its verdict will be."""
    box = []
    t = threading.Thread(target=lambda: box.append(env.client("reload", "--json", seconds=60)), daemon=True)
    t.start()

    def verdict(code):
        t.join(60)
        if not box or box[0].returncode != code:
            raise Failed(f"reload: {box}")
        return json.loads(box[0].stdout)

    return verdict


def begin(env, m, script, text=SLOW):
    """A reload that boots for a while; its twin's pid and where its verdict will be."""
    script.write_text(text)
    verdict = reload_aside(env)

    def twin():
        return [w["pid"] for w in m.workers() if w["generation"] > 1 and w["state"] == "starting" and w["pid"]]

    return wait_until("a twin boots", twin, 10)[0], verdict


@timeout(60)
def test_the_old_one_dies_while_its_twin_boots(env):
    m, port, script = python(env)
    old = pids(m)
    twin, verdict = begin(env, m, script)
    proc.kill(old[0])
    if verdict(0)["result"] != "ok" or twin not in pids(m):
        raise Failed(f"the twin was to be its successor: {pids(m)}")
    if m.workers()[0]["restarts"]:
        raise Failed("counted as a restart")
    says(port, " 2")
    m.stop()


@timeout(60)
def test_who_waited_for_the_dead_one_waits_for_its_twin(env):
    m, port, script = python(env)
    old = pids(m)
    for pid in old:
        os.kill(pid, signal.SIGSTOP)
    answers = [http.background(port, "/", 20) for _ in range(16)]
    wait_until("they wait", lambda: m.pool()["accept_queue"] >= 14)   # one or two were accepted
    _, verdict = begin(env, m, script)
    proc.kill(old[0])
    os.kill(old[1], signal.SIGCONT)
    bad = [a for a in (answer() for answer in answers) if a.outcome != http.OK]
    verdict(0)
    if len(bad) > 1:                 # that which it had accepted goes with it
        raise Failed(str(bad))
    m.stop()


@timeout(60)
def test_another_old_one_dies_while_nothing_is_proved(env):
    m, _, script = python(env)
    old = pids(m)
    script.write_text("raise SystemExit('broken')\n")
    script.write_text("import time\ntime.sleep(1.5)\nraise SystemExit('broken')\n")
    _, verdict = begin(env, m, script, "import time\ntime.sleep(1.5)\nraise SystemExit('broken')\n")
    proc.kill(old[1])
    wait_until("it is born again", lambda: len(pids(m)) == 2 and old[1] not in pids(m), 10)
    if {w["generation"] for w in m.workers(state="ready")} != {1}:
        raise Failed("by the old generation")
    if "broken" not in verdict(1)["stderr"]:
        raise Failed("no words")
    m.stop()


@timeout(60)
def test_the_twin_is_killed(env):
    m, port, script = python(env)
    old = pids(m)
    twin, verdict = begin(env, m, script)
    proc.kill(twin)
    said = verdict(1)
    if said["result"] != "rolled_back" or "SIGKILL" not in said["reason"] or pids(m) != old:
        raise Failed(f"{said} {old} {pids(m)}")
    says(port, " 1")
    m.stop()


@timeout(60)
def test_the_twin_of_an_earlier_reload_is_killed(env):
    app, port = env.app(server_py=SLOW), env.port()
    m = env.start("--port", port, "--workers", 2, "--", env.need_program("python3"), "server.py", cwd=app)
    m.wait_workers(2)
    boxes = [[], []]
    for box, target in zip(boxes, (["web/1"], ["--json"])):
        threading.Thread(target=lambda b=box, t=target: b.append(
            env.client("reload", *t, seconds=60)), daemon=True).start()
        twin = wait_until("a twin boots", lambda: [
            w["pid"] for w in m.workers(state="starting") if w["slot"] == 1 and w["pid"]])[0]
    wait_until("the second one has begun", lambda: m.pool()["state"] == "reloading")
    proc.kill(twin)                  # of the generation that the second one replaces
    wait_until("both have a verdict", lambda: all(boxes), 20)
    if boxes[0][0].returncode != 1 or boxes[1][0].returncode:
        raise Failed(str(boxes))
    said = json.loads(boxes[1][0].stdout)
    if said["replaced"] != 2 or {w["generation"] for w in m.workers(state="ready")} != {2}:
        raise Failed(str(said))
    m.stop()


@timeout(60)
def test_the_new_one_dies_before_the_old_one_left(env):
    m, port, script = python(env, workers=2)
    script.write_text(ANSWER.replace("import http", "import threading\nif os.environ['MPSUP_WORKER'] == '0': "
                                     "threading.Timer(.3, lambda: os._exit(7)).start()\nimport http", 1)
                      .replace("import threading", "import os, time, threading\n"
                               "if os.environ['MPSUP_WORKER'] == '1': time.sleep(2)", 1))
    verdict = reload(env, code=1)
    if "before the old one had left" not in verdict["reason"] or "exit 7" not in verdict["reason"]:
        raise Failed(str(verdict))
    wait_until("the old generation serves", lambda: {
        w["generation"] for w in m.workers(state="ready")} == {1} and len(pids(m)) == 2)
    says(port, " 1")
    m.stop()


@timeout(60)
def test_the_new_one_is_killed_before_the_old_one_left(env):
    m, port, script = python(env, "--drain-timeout", "5s", workers=2)
    text = "import os, time\nif os.environ['MPSUP_WORKER'] == '1': time.sleep(2)\n" + ANSWER
    held = [socket.create_connection(("127.0.0.1", port), 10) for _ in range(12)]
    for s in held:
        s.sendall(b"GET / HT")       # so that each of the old ones has something left to do
    wait_until("they are accepted", lambda: all(w["connections"] for w in m.workers()))
    _, verdict = begin(env, m, script, text)
    new = wait_until("one has taken over", lambda: [
        w["pid"] for w in m.workers(state="ready") if w["generation"] == 2])[0]
    proc.kill(new)                   # all of it at once: its init's word comes after the pidfd
    said = verdict(1)
    for s in held:
        s.close()
    if said["result"] != "rolled_back" or "before the old one had left" not in said["reason"]:
        raise Failed(str(said))
    wait_until("the old generation serves", lambda: {
        w["generation"] for w in m.workers(state="ready")} == {1} and len(pids(m)) == 2)
    m.stop()


@timeout(60)
def test_what_is_asked_for_meanwhile_is_remembered_once(env):
    m, _, script = python(env)
    _, verdict = begin(env, m, script)
    for _ in range(3):
        m.send(signal.SIGHUP)
        time.sleep(0.1)
    verdict(0)
    wait_until("one more came, and no other", lambda: [
        e["result"] for e in m.events("pool.reload")] == ["ok", "ok"], 20)
    time.sleep(0.5)
    if {w["generation"] for w in m.workers(state="ready")} != {3} or len(m.events("pool.reload")) != 2:
        raise Failed(f"{m.workers()}")
    m.stop()


@timeout(60)
def test_everybody_who_asks_hears_the_verdict(env):
    m, _, script = python(env)
    _, verdict = begin(env, m, script)
    asked = [subprocess.Popen([env.mpsup, "reload", "--json"], env=env.environ(), text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(24)]
    said = [json.loads(a.communicate(timeout=60)[0]) for a in asked]
    verdict(0)
    if any(a.returncode for a in asked) or \
            {(s["result"], s["generation"], s["replaced"]) for s in said} != {("ok", 3, 2)}:
        raise Failed(str(said))
    m.stop()


@timeout(60)
def test_a_stop_ends_it(env):
    m, _, script = python(env)
    twin, verdict = begin(env, m, script)
    m.ctl("stop", "web", seconds=30)
    said = verdict(1)
    if "stopped" not in said["reason"] or proc.exists(twin):
        raise Failed(str(said))
    m.ctl("start", "web", seconds=30)
    if {w["generation"] for w in m.workers(state="ready")} != {3}:
        raise Failed("with its next start it has the new version")
    m.stop()


@timeout(60)
def test_restart_and_scale_in_the_middle(env):
    m, _, script = python(env, workers=2)
    _, verdict = begin(env, m, script)
    m.ctl("scale", "web", "3")
    m.ctl("scale", "web", "1")
    verdict(0)
    m.wait_workers(1)
    m.ctl("scale", "web", "2")
    m.wait_workers(2)
    script.write_text(SLOW.replace("1.5", "1.6"))
    box = []
    t = threading.Thread(target=lambda: box.append(env.client("reload", seconds=60)), daemon=True)
    t.start()
    time.sleep(0.3)
    m.ctl("restart", "web", seconds=30)
    t.join(60)
    if box[0].returncode or {w["generation"] for w in m.wait_workers(2)} != {3}:
        raise Failed(f"{box} {m.workers()}")
    m.stop()


@timeout(60)
def test_a_suicide_in_the_middle(env):
    app, port = env.app(app_js="""
setTimeout(() => require('http').createServer((q, r) => {
  if (q.url === '/die') process.send({act: 'suicide'});
  r.end(process.env.MPSUP_GENERATION);
}).listen(Number(process.argv[2])), process.env.MPSUP_GENERATION > 1 ? 1500 : 0);"""), env.port()
    m = env.start("--port", port, "--workers", 1, "--", env.need_program("node"), "app.js", port, cwd=app)
    box = []
    t = threading.Thread(target=lambda: box.append(env.client("reload", "--json", seconds=60)), daemon=True)
    t.start()
    twin = wait_until("a twin boots", lambda: [
        w["pid"] for w in m.workers() if w["generation"] == 2 and w["pid"]])[0]
    http.get(port, "/die")
    m.wait_event("worker.suicide")
    t.join(60)
    if box[0].returncode or [w["pid"] for w in m.wait_workers(1)] != [twin]:
        raise Failed(f"{box} {m.workers()}")
    if http.get(port).text != "2":
        raise Failed("it does not serve")
    m.stop()


@timeout(60)
def test_a_failed_pool_starts_with_the_new_version(env):
    m, port, script = python(env, "--on-failed", "hold", "--boot-limit", "1")
    script.write_text("raise SystemExit('broken')\n")
    m.ctl("stop", "web")
    if env.client("reload").returncode not in (0, 1):
        raise Failed("reload of a stopped pool")
    env.client("start", "web")
    wait_until("it has failed", lambda: m.pool()["state"] == "failed")
    script.write_text(ANSWER)
    if reload(env)["result"] != "ok":
        raise Failed("no")
    m.wait_workers(2)
    if http.get(port).outcome != http.OK:
        raise Failed("it does not serve")
    m.stop()


@timeout(60)
def test_a_pool_that_hangs_in_its_start_starts_with_the_new_version(env):
    app, port = env.app(server_py="import time\ntime.sleep(1000)\n"), env.port()
    m = env.start("--port", port, "--workers", 2, "--", env.need_program("python3"), "server.py",
                  cwd=app, ready=False)
    wait_until("the first one boots", lambda: m.workers() and m.workers()[0]["pid"])
    (app / "server.py").write_text(ANSWER)
    said = reload(env, seconds=20)
    if said["result"] != "ok" or {w["generation"] for w in m.wait_workers(2)} != {2}:
        raise Failed(str(said))
    says(port, " 2")
    m.stop()


# ---- signals, one worker, age ----

@timeout(60)
def test_signals(env):
    m = env.start("--port", env.port(), "--workers", 2)
    before = pids(m)
    m.send(signal.SIGHUP)
    wait_until("HUP reloads", lambda: len(pids(m)) == 2 and not set(pids(m)) & set(before))
    m.send(signal.SIGTTIN)
    m.wait_workers(3)
    m.send(signal.SIGTTOU)
    m.wait_workers(2)
    m.send(signal.SIGWINCH)
    wait_until("WINCH stops", lambda: m.pool()["state"] == "stopped")
    if not m.alive():
        raise Failed("the master is gone")
    m.ctl("start")
    m.wait_workers(2)
    m.stop()


@timeout(60)
def test_one_worker(env):
    m, port, script = python(env)
    before = pids(m)
    m.ctl("reload", "web/1")
    after = pids(m)
    if after[0] != before[0] or after[1] == before[1] or m.pool()["generation"] != 1:
        raise Failed(f"{before} became {after}")
    script.unlink()
    done = env.client("reload", "web/7")
    if done.returncode != 3:
        raise Failed(f"{done.returncode} {done.stderr}")
    says(port, " 1")
    m.stop()


def _order(m, generation):
    """What became of the workers of a reload, as letters: one is Ready, one Drains."""
    return "".join({"worker.ready": "R", "worker.drain": "D"}[e["event"]] for e in m.events()
                   if (e["event"] == "worker.ready" and e["generation"] == generation)
                   or (e["event"] == "worker.drain" and e["generation"] == generation - 1))


@timeout(90)
def test_so_many_at_once_as_surge_says(env):
    m, port, _ = python(env, "--surge", "all", workers=4)
    with http.Load(port, 2) as load:
        load.wait_more(5)
        for generation, surge, order in ((2, "all", "RRRRDDDD"), (3, "1", "RDRDRDRD"),
                                         (4, "2", "RRDDRRDD"), (5, "7", "RRRRDDDD")):
            m.ctl("set", "web", f"restart.surge={surge}")
            if reload(env, "--wait", "drained")["replaced"] != 4 or _order(m, generation) != order:
                raise Failed(f"surge {surge}: {_order(m, generation)}, not {order}")
    bad = [r for r in load.results if r.outcome != http.OK]
    if bad:
        raise Failed(f"{len(bad)} failed: {bad[:3]}")
    done = env.client("set", "web", "restart.surge=0")
    if done.returncode != 2 or "1 to 4096, or all" not in done.stderr:
        raise Failed(f"{done.returncode} {done.stderr}")
    m.stop()


@timeout(60)
def test_the_last_one_dies_at_once(env):
    """Ready is not all: the verdict waits for a moment, while there is somebody to go back to."""
    m, port, script = python(env, workers=1)
    script.write_text(ANSWER.replace("import http", "import threading, os\n"
                                     "threading.Timer(.6, lambda: os._exit(7)).start()\nimport http", 1))
    verdict = reload(env, code=1)
    if verdict["result"] != "rolled_back" or "before the old one had left: exit 7" not in verdict["reason"]:
        raise Failed(str(verdict))
    wait_until("the old one serves", lambda: [w["generation"] for w in m.workers(state="ready")] == [1])
    says(port, " 1")
    m.stop()


@timeout(60)
def test_a_ready_twin_that_dies_takes_the_others_back(env):
    """Those that wait for the slowest one, and serve already: their clients are not cut."""
    app = env.app(app_js="""
const slot = process.env.MPSUP_WORKER, generation = process.env.MPSUP_GENERATION;
const server = require('http').createServer((req, res) =>
    setTimeout(() => res.end(generation), req.url === '/slow' ? 1500 : 0));
if (generation === '2' && slot === '2') setTimeout(() => process.exit(9), 1000);
else server.listen(process.env.PORT);
""")
    port = env.port()
    m = env.start("--port", port, "-w", 3, "--surge", "all", "--", "node", "app.js", cwd=app)
    m.wait_workers(3)
    before = pids(m)
    finish = reload_aside(env)
    with http.Load(port, 4, path="/slow", seconds=20) as load:
        verdict = finish(1)
        load.wait_more(4)
    bad = [r for r in load.results if r.outcome != http.OK]
    if bad or verdict["result"] != "rolled_back" or verdict["replaced"] != 0 or pids(m) != before:
        raise Failed(f"{verdict}, {before} became {pids(m)}, {len(bad)} failed: {bad[:3]}")
    m.stop()


@timeout(60)
def test_old_ones_are_replaced_one_at_a_time(env):
    m, port, _ = python(env, "--max-age", "2s", workers=3)
    before = set(pids(m))
    least = 3
    with http.Load(port, 3) as load:
        end = time.monotonic() + 30
        while set(pids(m)) & before and time.monotonic() < end:
            least = min(least, len(m.workers(state="ready")))
            time.sleep(0.05)
    bad = [r for r in load.results if r.outcome != http.OK]
    if least < 3 or bad or set(pids(m)) & before:
        raise Failed(f"{least} were ready, {len(bad)} requests failed: {bad[:3]}")
    if {e["reason"] for e in m.events("worker.exit")} - {"max_age"}:
        raise Failed(str(m.events("worker.exit")))
    m.stop()


@timeout(90)
def test_nothing_is_held_after_many(env):
    m, port, _ = python(env, workers=2)
    reload(env, "--wait", "drained")
    before = holdings(m)
    for _ in range(12):
        reload(env)
    reload(env, "--wait", "drained")
    says(port, " 15")
    wait_as_before(m, before)
    m.stop()
