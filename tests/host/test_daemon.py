# SPDX-License-Identifier: MIT
"""In the background: what the starter is told, what is left behind; upwards; begin again."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time

from harness import Failed, http, patience, proc, timeout, wait_until


class Daemon:
    """`mpsup -d` and the master that it left; ended by the test."""

    def __init__(self, env, *arguments, cwd=None, name="back", **more):
        self._env = env
        self.name = name
        self.pidfile = env.dir / f"{name}.pid"
        argv = [env.mpsup, "--daemonize", "--name", name, "--pidfile", str(self.pidfile),
                *map(str, arguments)]
        self.done = subprocess.run(argv, cwd=cwd or env.dir, env=env.environ(**more),
                                   stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                   timeout=patience(30), check=False)

    @property
    def pid(self):
        return int(self.pidfile.read_text())

    def expect(self, code, words=""):
        if self.done.returncode != code or words not in self.done.stderr:
            raise Failed(f"exit {self.done.returncode}, not {code}: {self.done.stderr}")
        return self

    def log(self, name="mpsup.log"):
        return (self._env.root / "var/log/mpsup" / self.name / name).read_text()

    def stop(self):
        pid = self.pid
        done = self._env.client("stop", f"{self.name}:", seconds=40)
        if done.returncode != 0:
            raise Failed(f"stop: {done.stderr}")
        wait_until("the daemon is gone", lambda: not proc.exists(pid))
        if self.pidfile.exists():
            raise Failed("the pid file was left")


def test_starter_returns_when_all_is_ready(env):
    port = env.port()
    d = Daemon(env, "--port", port, "--workers", 2).expect(0, "ready: 2 workers on")
    if http.get(port).status != 200:
        raise Failed("it returned before it served")
    if any(proc.descriptors(d.pid)[fd] != "/dev/null" for fd in (0, 1, 2)):
        raise Failed(f"descriptors: {proc.descriptors(d.pid)}")
    if os.getsid(d.pid) != d.pid or os.readlink(f"/proc/{d.pid}/cwd") != "/":
        raise Failed("it is not on its own")
    if "ready: 2 workers" not in d.log():
        raise Failed(f"its log: {d.log()}")
    listed = env.client("list").stdout
    if d.name not in listed or str(d.pid) not in listed:
        raise Failed(listed)
    d.stop()


def test_failures_are_told_as_in_the_foreground(env):
    node = env.need_program("node")
    app = env.app(app_js="const a = ;\n")
    arguments = ["--port", env.port(), "--workers", 1, "--backoff", "0ms..0ms", "--", node,
                 "app.js"]
    d = Daemon(env, *arguments, cwd=app).expect(70, "SyntaxError")
    if d.done.stderr.count("SyntaxError") != 1 or d.pidfile.exists():
        raise Failed(d.done.stderr)
    Daemon(env, "--port", 0).expect(2, "--port")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        Daemon(env, "--listen", f"127.0.0.1:{taken.getsockname()[1]}").expect(2, "in use")


def test_words_and_code_are_the_foreground_s(env):
    node = env.need_program("node")
    app = env.app(app_js="console.error('hello'); process.exit(3);\n")
    def plain(text):
        # Numbers of processes, times and the dynamic parts of names differ.
        return [re.sub(r"\d+( ms| s)?|back|front", "N", line) for line in text.splitlines()
                if "cgroup" not in line]
    for arguments in (("--workers", 1, "--boot-limit", 2, "--backoff", "0ms..0ms", "--", node,
                       "app.js"),
                      ("--workers", 1, "--", "/nonexistent/program"),
                      ("--workers", 1, "--user", "no-such-user"),
                      ("--workers", 1, "--policy", "no-such-policy")):
        arguments = ("--port", env.port(), *arguments)
        front = env.start("--name", "front", *arguments, ready=False, cwd=app)
        code = front.wait_exit(None)
        back = Daemon(env, *arguments, cwd=app)
        if code == 0 or back.done.returncode != code:
            raise Failed(f"{arguments}: exit {code} and {back.done.returncode}")
        if not front.output() or plain(front.output()) != plain(back.done.stdout + back.done.stderr):
            raise Failed(f"{front.output()}\n---\n{back.done.stderr}")


def test_held_failure_is_told_and_the_master_stays(env):
    app = env.app(app_sh="#!/bin/sh\nexit 3\n")
    d = Daemon(env, "--protocol", "native", "--port", env.port(), "--workers", 1, "--on-failed",
               "hold", "--boot-limit", 2, "--backoff", "0ms..0ms", "--", app / "app.sh")
    d.expect(70, "no worker is ready; the master stays in the background")
    if "web failed" not in env.client("list").stdout:
        raise Failed(env.client("list").stdout)
    d.stop()


def test_relative_places_are_meant_from_where_it_was_started(env):
    d = Daemon(env, "--port", env.port(), "--workers", 1, "--log-file", "own.log", "--pidfile",
               "own.pid", MPSUP_ROOT="root")
    d.pidfile = env.dir / "own.pid"
    d.expect(0)
    own = env.dir / "own.log"
    if "ready: 1 worker" not in own.read_text() or (
            env.root / "var/log/mpsup" / d.name / "mpsup.log").exists():
        raise Failed("--log-file does not take the place of mpsup.log")
    own.rename(env.dir / "old.log")
    os.kill(d.pid, signal.SIGUSR1)
    wait_until("the log is opened anew", lambda: own.exists() and "reopened" in own.read_text())
    d.stop()            # and leavings are looked for


def test_relative_paths_are_meant_from_there_at_a_reload_too(env):
    """A daemon leaves the folder where its command line was typed."""
    (env.dir / "run.sh").write_text("#!/bin/sh\n. ./vars.sh\nexec python3 -m http.server $1\n")
    (env.dir / "run.sh").chmod(0o755)
    (env.dir / "vars.sh").write_text("")
    (env.dir / "vars.env").write_text("WORD=1\n")
    (env.dir / "own.yaml").write_text((env.build.parent / "policy/generic.yaml").read_text())
    port = env.port()
    d = Daemon(env, "--port", port, "--workers", 1, "--env-file", "vars.env", "--policy", "./own.yaml",
               "--user", "61112", "--", "sh", "run.sh", port)
    d.expect(0)
    for words in (["reload"], ["scale", "web", "2"], ["set", "web", "restart.limit=3/10s"],
                  ["reload"]):
        answer = env.client(*words, seconds=30)
        if answer.returncode != 0:
            raise Failed(f"{words}: {answer.stderr}")
    d.stop()


def test_log_file_is_no_link(env):
    (env.dir / "own.log").symlink_to(env.dir / "elsewhere")
    Daemon(env, "--port", env.port(), "--log-file", "own.log").expect(2, "own.log")
    if (env.dir / "elsewhere").exists():
        raise Failed("a link was followed")


def test_ctrl_c_while_it_starts(env):
    app = env.app(app_sh="#!/bin/sh\nsleep 1000\n")
    m = env.start("-d", "--name", "back", "--protocol", "native", "--port", env.port(),
                  "--workers", 1, "--stop-timeout", "300ms", "--", app / "app.sh", pty=True,
                  ready=False)
    m.wait_line("pool web: 1 worker")
    m.type(b"\x03")
    m.wait_exit(0)
    m.wait_line("INT: stopping")


def test_closed_terminal_while_it_starts(env):
    app = env.app(app_sh="#!/bin/sh\nsleep 1000\n")
    m = env.start("-d", "--name", "back", "--protocol", "native", "--port", env.port(),
                  "--workers", 1, "--stop-timeout", "300ms", "--", app / "app.sh", pty=True,
                  ready=False)
    m.wait_line("pool web: 1 worker")
    m.close_pty()
    m.wait_exit(0)


def test_closed_terminal_after_it_has_started(env):
    port = env.port()
    m = env.start("-d", "--name", "back", "--pidfile", env.dir / "back.pid", "--port", port,
                  "--workers", 1, pty=True)
    m.wait_exit(0)
    m.close_pty()
    if http.get(port).status != 200:
        raise Failed("it does not serve")
    pid = int((env.dir / "back.pid").read_text())
    if env.client("stop").returncode != 0:
        raise Failed("stop")
    wait_until("it is gone", lambda: not proc.exists(pid))


def test_list_shows_what_lives_and_clears_what_was_killed(env):
    one = Daemon(env, "--port", env.port(), "--workers", 1, name="one").expect(0)
    two = Daemon(env, "--port", env.port(), "--workers", 1, name="two").expect(0)
    listed = {i["name"]: i for i in json.loads(env.client("list", "--json").stdout)}
    for d in (one, two):
        entry = listed[d.name]
        if entry["master"]["pid"] != d.pid or entry["pools"][0]["state"] != "ready":
            raise Failed(f"{entry}")
    pid = two.pid
    os.kill(pid, signal.SIGKILL)
    wait_until("it is dead", lambda: not proc.exists(pid))
    run = env.root / "run/mpsup"
    wait_until("its socket and folder are cleared away", lambda: "two" not in
               env.client("list").stdout and not list(run.glob("two*")))
    one.stop()
    if list(run.iterdir()):
        raise Failed(f"left: {list(run.iterdir())}")
    Daemon(env, "--port", env.port(), name="two").expect(0).stop()


def test_interrupted_starter_takes_the_daemon_along(env):
    app = env.app(app_sh="#!/bin/sh\nsleep 1000\n")
    argv = [env.mpsup, "-d", "--name", "back", "--protocol", "native", "--port", str(env.port()),
            "--workers", "1", "--stop-timeout", "500ms", "--", str(app / "app.sh")]
    with subprocess.Popen(argv, env=env.environ(), stderr=subprocess.PIPE, text=True) as starter:
        wait_until("it starts", lambda: "worker" in env.client("list").stdout.lower())
        masters = proc.descendants(starter.pid)
        starter.send_signal(signal.SIGINT)
        if starter.wait(patience(20)) != 0:
            raise Failed(f"exit {starter.returncode}: {starter.stderr.read()}")
    wait_until("all is gone", lambda: not any(map(proc.exists, masters)))


def test_daemon_killed_before_it_is_ready(env):
    app = env.app(app_sh="#!/bin/sh\nsleep 1000\n")
    argv = [env.mpsup, "-d", "--name", "back", "--protocol", "native", "--port", str(env.port()),
            "--workers", "1", "--", str(app / "app.sh")]
    with subprocess.Popen(argv, env=env.environ(), stderr=subprocess.PIPE, text=True) as starter:
        master = wait_until("the daemon", lambda: [
            p for p in proc.descendants(starter.pid) if proc.parent(p) == starter.pid])[0]
        wait_until("it listens", lambda: "back" in env.client("list").stdout)
        os.kill(master, signal.SIGKILL)
        code, words = starter.wait(patience(10)), starter.stderr.read()
        if code != 1 or "ended by signal SIGKILL before it was ready" not in words:
            raise Failed(f"exit {code}: {words}")
    # What a killed master leaves is the next start's to clear.
    Daemon(env, "--port", env.port()).expect(0).stop()


def test_pid_files(env):
    port = env.port()
    first = Daemon(env, "--port", port).expect(0)
    path = first.pidfile
    m = env.start("--name", "other", "--port", env.port(), "--pidfile", path, ready=False)
    m.wait_exit(2)
    if f"the living process {first.pid} holds it" not in m.log():
        raise Failed(m.log())
    first.stop()
    path.write_text("99999999\n")         # left behind
    Daemon(env, "--port", port).expect(0).stop()
    path.write_text("listen = 80\n")      # not ours
    Daemon(env, "--port", port).expect(2, "something else than a number")
    if path.read_text() != "listen = 80\n":
        raise Failed("it was overwritten")
    path.unlink()
    path.symlink_to(env.dir / "elsewhere")
    Daemon(env, "--port", port).expect(2, "--pidfile")
    if (env.dir / "elsewhere").exists():
        raise Failed("a link was followed")
    path.unlink()


def test_output_of_workers_and_reopened_logs(env):
    node, port = env.need_program("node"), env.port()
    app = env.app(app_js=f"""
        require('http').createServer((q, r) => {{ console.log('asked ' + q.url); r.end(); }})
            .listen({port});""")
    d = Daemon(env, "--workers", 1, "--port", port, "--", node, "app.js", cwd=app).expect(0)
    http.get(port, "/one")
    wait_until("the line", lambda: "web/0 | asked /one" in d.log("web.log"))
    folder = env.root / "var/log/mpsup" / d.name
    for name in ("web.log", "mpsup.log"):
        (folder / name).rename(folder / f"{name}.old")
    os.kill(d.pid, signal.SIGUSR1)
    wait_until("new files", lambda: (folder / "web.log").exists())
    http.get(port, "/two")
    wait_until("the line", lambda: "asked /two" in d.log("web.log"))
    d.stop()


class Manager:
    """What systemd is to a service: one datagram socket."""

    def __init__(self, env):
        self.path = str(env.dir / "notify")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.path)
        self._socket.settimeout(0.05)
        self.heard = []

    def has(self, word):
        try:
            while True:
                self.heard.append((time.monotonic(), self._socket.recv(4096).decode()))
        except TimeoutError:
            pass
        return [text for _, text in self.heard if word in text.split("\n") or word in text]

    def close(self):
        self._socket.close()
        os.unlink(self.path)


def test_the_manager_above_is_told(env):
    above = Manager(env)
    m = env.start("--port", env.port(), "--workers", 2, "--backoff", "0ms..0ms",
                  env={"NOTIFY_SOCKET": above.path, "WATCHDOG_USEC": "400000"})
    workers = m.wait_workers(2)
    wait_until("READY=1", lambda: above.has("READY=1"))
    if len(above.has("READY=1")) != 1 or not above.has("EXTEND_TIMEOUT_USEC="):
        raise Failed(f"{above.heard}")
    wait_until("three WATCHDOG=1", lambda: len(above.has("WATCHDOG=1")) >= 3)
    for worker in workers:
        if {"NOTIFY_SOCKET", "WATCHDOG_USEC"} & set(proc.environ(worker["pid"])):
            raise Failed("a worker has the master's variables")
    for _ in range(5):
        pid = m.wait_workers(2)[0]["pid"]
        proc.kill(pid)
        wait_until("it is replaced", lambda p=pid: p not in {w["pid"] for w in m.wait_workers(2)})
    m.wait_workers(2)
    m.stop()
    above.has("")
    told = [at for at, text in above.heard if text.startswith("STATUS=")]
    if any(b - a < 0.9 for a, b in zip(told, told[1:])):
        raise Failed("more than one STATUS= a second")
    if len(above.has("STOPPING=1")) != 1:
        raise Failed("no STOPPING=1")
    above.close()


def test_an_abstract_socket_and_somebody_else_s_watchdog(env):
    name = f"mpsup-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as above:
        above.bind("\0" + name)
        above.settimeout(0.6)
        d = Daemon(env, "--port", env.port(), "--workers", 1, NOTIFY_SOCKET="@" + name,
                   WATCHDOG_USEC="100000", WATCHDOG_PID="1").expect(0)
        heard = []
        try:
            while True:
                heard.append(above.recv(4096).decode())
        except TimeoutError:
            pass
        if f"READY=1\nMAINPID={d.pid}\n" not in "".join(heard) or "WATCHDOG=1" in "".join(heard):
            raise Failed(f"{heard}")

        def turns():
            s = proc.status(d.pid)
            return s["voluntary_ctxt_switches"]

        time.sleep(1)
        before = turns()
        time.sleep(1.5)
        if turns() != before:
            raise Failed("an idle master did something")
        d.stop()


# ---- begin again ----

def test_restart_replaces_every_worker_and_refuses_nobody(env):
    port = env.port()
    m = env.start("--port", port, "--workers", 2, "--spares", 1)
    before = {w["pid"] for w in m.wait_workers(2)} | {
        w["pid"] for w in m.wait_workers(1, state="parked", role="spare")}
    with http.Load(port, 4) as load:
        for target in ("web", "web/1", ""):
            done = m.ctl("restart", *([target] if target else []), seconds=40)
            if "ready" not in done:
                raise Failed(done)
        load.wait_more(50)
    bad = [a for a in load.results if a.outcome != http.OK]
    if bad:
        raise Failed(f"{len(bad)} requests failed, the first: {bad[0]}")
    after = {w["pid"] for w in m.wait_workers(2)} | {
        w["pid"] for w in m.wait_workers(1, state="parked", role="spare")}
    if before & after:
        raise Failed(f"{before & after} were not replaced")
    if {e["reason"] for e in m.events("worker.exit")} != {"restart"}:
        raise Failed(f"{m.events('worker.exit')}")
    if any(w["restarts"] for w in m.workers()):
        raise Failed("they were counted as deaths")
    m.stop()


def test_restart_of_what_cannot_live_says_so(env):
    node, port = env.need_program("node"), env.port()
    app = env.app(app_js=f"require('http').createServer((q, r) => r.end()).listen({port});")
    m = env.start("--port", port, "--workers", 1, "--boot-limit", 2, "--backoff", "0ms..0ms",
                  "--on-failed", "hold", "--", node, "app.js", cwd=app)
    m.wait_workers(1)
    good = (app / "app.js").read_text()
    (app / "app.js").write_text("throw new Error('broken');")
    done = env.client("restart", "web", seconds=40)
    if done.returncode != 1 or "web/0 has failed" not in done.stderr:
        raise Failed(f"exit {done.returncode}: {done.stderr}")
    (app / "app.js").write_text(good)
    if "1 worker ready" not in m.ctl("start", "web", seconds=40):
        raise Failed("start did not start it")
    m.stop()


def test_restart_lets_open_requests_finish(env):
    port = env.port()
    m = env.start("--port", port, "--workers", 1)
    answer = http.background(port, "/slow?ms=3000")
    wait_until("it is accepted", lambda: m.workers()[0]["connections"] == 1, 2.9)
    if "1 worker ready" not in m.ctl("restart", "web/0", seconds=40):
        raise Failed("restart")
    if answer().status != 200:
        raise Failed(f"the open request got {answer()}")
    m.stop()


def test_orders_that_meet(env):
    """Two restarts at once are one; a stop wins over a restart, and its client is told."""
    port = env.port()
    m = env.start("--port", port, "--workers", 1)
    answer = http.background(port, "/slow?ms=3000")
    wait_until("it is accepted", lambda: m.workers()[0]["connections"] == 1, 2.9)
    done = {}

    def ask(key, *words):
        done[key] = env.client(*words, seconds=40)

    threads = [threading.Thread(target=ask, args=("a", "restart", "web")),
               threading.Thread(target=ask, args=("b", "restart", "web/0"))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if answer().status != 200 or any(d.returncode for d in done.values()):
        raise Failed(f"{answer()} {done}")
    if len(m.events("worker.exit")) != 1:
        raise Failed("two restarts at once ended two workers")
    answer = http.background(port, "/slow?ms=3000")
    wait_until("it is accepted", lambda: m.workers()[0]["connections"] == 1, 2.9)
    t = threading.Thread(target=ask, args=("c", "restart", "web"))
    t.start()
    wait_until("it drains", lambda: m.workers()[0]["state"] == "draining", 2.9)
    m.ctl("stop", "web", seconds=40)
    t.join()
    answer()
    if done["c"].returncode != 1 or "pool web" not in done["c"].stderr:
        raise Failed(f"{done['c']}")
    m.stop()


# ---- stop and start ----

def test_a_stopped_pool_keeps_its_place_not_its_socket(env):
    port, path = env.port(), env.dir / "web.sock"
    m = env.start("--port", port, "--listen", f"unix:{path}", "--workers", 2, "--spares", 1)
    before = m.wait_workers(2)
    if "stopped " not in m.ctl("stop", "web", seconds=40):
        raise Failed("no word")
    if http.get(port).outcome != http.REFUSED or path.exists() or not m.alive():
        raise Failed("a stopped pool has sockets, or took the master along")
    pool = m.pool()
    if pool["state"] != "stopped" or {w["state"] for w in pool["workers"]} != {"stopped"} or \
            pool["accept_queue"] is not None:
        raise Failed(f"{pool}")
    if any(proc.exists(w["pid"]) for w in before):
        raise Failed("a worker lives")
    m.ctl("stop", "web")                        # again: it has stopped
    with socket.create_server(("127.0.0.1", port)):
        done = env.client("start", "web")
        if done.returncode != 1 or "in use" not in done.stderr:
            raise Failed(f"{done}")
    if "2 workers ready" not in m.ctl("start", "web", seconds=40):
        raise Failed("start")
    if http.get(port).status != 200 or http.get(path).status != 200:
        raise Failed("it does not serve")
    if [w["cpus"] for w in m.wait_workers(2)] != [w["cpus"] for w in before]:
        raise Failed("its CPUs are others")
    m.wait_workers(1, state="parked", role="spare")
    m.ctl("stop", "web", seconds=40)
    m.ctl("restart", "web", seconds=40)         # of what is stopped: a start
    m.ctl("stop", "web", seconds=40)
    m.stop()


def test_a_stopped_worker_stays_away_and_refuses_nobody(env):
    port = env.port()
    m = env.start("--port", port, "--workers", 2)
    with http.Load(port, 4) as load:
        for _ in range(3):
            load.wait_more(20)
            m.ctl("stop", "web/1", seconds=40)
            states = {w["slot"]: w["state"] for w in m.workers()}
            if states != {0: "ready", 1: "stopped"} or m.pool()["state"] != "ready":
                raise Failed(f"{states}, pool {m.pool()['state']}")
            load.wait_more(20)
            m.ctl("start", "web/1", seconds=40)
    bad = [a for a in load.results if a.outcome != http.OK]
    if bad:
        raise Failed(f"{len(bad)} requests failed, the first: {bad[0]}")
    if {e["reason"] for e in m.events("worker.exit")} != {"stop"}:
        raise Failed(f"{m.events('worker.exit')}")
    m.ctl("stop", "web/1", seconds=40)
    m.ctl("stop", "web/0", seconds=40)          # the last takes the socket along
    if http.get(port).outcome != http.REFUSED or m.pool()["state"] != "stopped":
        raise Failed("nobody accepts, and the socket is open")
    if "1 worker ready" not in m.ctl("start", "web/0", seconds=40) or \
            [w["state"] for w in m.workers()] != ["ready", "stopped"]:
        raise Failed(f"{m.workers()}")
    m.stop()


def test_who_may_stop_and_start(env):
    program = shutil.copy(env.mpsup, env.dir / "client")
    m = env.start("--port", env.port(), "--workers", 1, "--control-group", "65530",
                  "--view-group", "65531")
    def as_member(*words, group):
        return subprocess.run([program, *words], env=env.environ(), cwd="/", user=65534,
                              group=65534, extra_groups=[group], capture_output=True, text=True,
                              timeout=patience(30), check=False)
    for verb in ("stop", "start", "restart"):
        for group, code in ((65530, 0), (65531, 4), (65532, 4)):
            done = as_member(verb, "web", group=group)
            if done.returncode != code:
                raise Failed(f"{verb} with group {group}: exit {done.returncode}: {done.stderr}")
    orders = [(e["verb"], e["uid"]) for e in m.events("control")]
    if orders != [(verb, 65534) for verb in ("stop", "start", "restart")]:
        raise Failed(f"control events: {orders}")
    m.stop()


def test_start_and_restart_have_their_exit_codes(env):
    if env.client("restart").returncode != 3:
        raise Failed("restart of nothing")
    m = env.start("--port", env.port(), "--workers", 1)
    for words, code in ((("restart", "nopool"), 3), (("restart", "web/7"), 3),
                        (("start", "web"), 0), (("restart", "a", "b"), 2)):
        got = env.client(*words, seconds=40).returncode
        if got != code:
            raise Failed(f"{words}: exit {got}, not {code}")
    for words in (("stop", "nopool"), ("stop", "web/7"), ("stop", "nobody:")):
        if env.client(*words).returncode != 3:
            raise Failed(f"{words}")
    m.stop()


FLOOD = """
const line = 'x'.repeat(4000) + '\\n';
require('http').createServer((q, r) => r.end()).listen(%d);
(function more() { for (let i = 0; i < 100; i++) process.stdout.write(line);
                   setImmediate(more); })();
"""


@timeout(120)
def test_log_flood_fills_no_disk(env):
    """32 MiB each, and five old ones: what a worker writes without end replaces itself."""
    node, port = env.need_program("node"), env.port()
    app = env.app(app_js=FLOOD % port)
    d = Daemon(env, "--workers", 1, "--port", port, "--", node, "app.js", cwd=app).expect(0)
    folder = env.root / "var/log/mpsup" / d.name
    wait_until("the oldest is there", lambda: (folder / "web.log.5").exists(), 60)
    first = (folder / "web.log.5").stat().st_ino
    wait_until("it is replaced", lambda: (folder / "web.log.5").stat().st_ino != first, 30)
    wanted = {"web.log", *(f"web.log.{i}" for i in range(1, 6))}
    for _ in range(200):     # while they are renamed
        sizes = {}
        for path in folder.glob("web.log*"):
            try:
                sizes[path.name] = path.stat().st_size
            except FileNotFoundError:
                continue
        if not set(sizes) <= wanted or any(size > 32 << 20 for size in sizes.values()):
            raise Failed(f"{sizes}")
    if http.get(port, seconds=20).outcome != http.OK or "web ready" not in env.client("list").stdout:
        raise Failed("the flood stopped somebody")
    d.stop()
