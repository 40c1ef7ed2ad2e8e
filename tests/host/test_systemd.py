# SPDX-License-Identifier: MIT
"""Programs of socket activation, unmodified: real ones, systemd's own library, and programs
that were written for other masters; and what comes in at a NOTIFY_SOCKET."""

import re
import shutil
import socket
import subprocess
import time

from harness import Failed, timeout, wait_until
from harness import http, proc
from harness.spread import all_serve

SYSTEMD = ("--protocol", "systemd")
AUTO = ("--protocol", "auto")


def start(env, port, how, *more, protocol=SYSTEMD, workers=3, program=(), **kw):
    python = env.need_program("python3")
    app = env.fixture("activated.py")
    where = ("--port", port) if port else ()
    return env.start("--workers", workers, *where, *protocol, *more, "--", python,
                     "activated.py", how, *program, cwd=app.parent, **kw)


def do(port, what, seconds=30.0):
    a = http.get(port, "/do/" + what, seconds)
    if a.outcome != http.OK:
        raise Failed(f"/do/{what}: {a}")
    return a.text


def check_answers(port, what):
    for a in http.many(port, 30, 5):
        if a.outcome != http.OK or a.status != 200:
            raise Failed(f"{what}: {a}")


def check_program(m, port, workers=3):
    """All of them serve, one is killed, and it is replaced by one that serves."""
    check_answers(port, "at first")
    all_serve(m, port, workers)
    victim = [w for w in m.workers() if w["slot"] == 1][0]
    proc.kill(victim["pid"])
    wait_until("another took the place of the dead one", lambda: [
        w for w in m.workers(state="ready") if w["slot"] == 1 and w["pid"] != victim["pid"]], 40)
    check_answers(port, "after a death")
    all_serve(m, port, workers)
    m.stop()


# ---- real programs ----

WSGI = '''
def app(environ, start):
    start("200 OK", [("Content-Length", "4")])
    return [b"here"]

async def asgi(scope, receive, send):
    while scope["type"] == "lifespan":
        message = await receive()
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"here"})
'''


def check_gunicorn(env, protocol):
    gunicorn = env.need_program("gunicorn")
    port = env.port()
    app = env.app(webapp_py=WSGI)
    m = env.start("--workers", 3, "--port", port, *protocol, "--", gunicorn, "webapp:app",
                  cwd=app, env={"PYTHONDONTWRITEBYTECODE": "1"}, seconds=60)
    # It says so itself, when it has booted.
    wait_until("its own words are its status", lambda: all(
        w["status_text"] == "Gunicorn arbiter booted" for w in m.workers()))
    check_program(m, port)


@timeout(120)
def test_gunicorn(env):
    check_gunicorn(env, SYSTEMD)


@timeout(120)
def test_gunicorn_by_auto(env):
    check_gunicorn(env, AUTO)


def check_uvicorn(env, protocol):
    uvicorn = env.need_program("uvicorn")
    port = env.port()
    app = env.app(webapp_py=WSGI)
    m = env.start("--workers", 3, "--port", port, *protocol, "--", uvicorn, "--fd", 3,
                  "--app-dir", app, "webapp:asgi", cwd=app,
                  env={"PYTHONDONTWRITEBYTECODE": "1"}, seconds=60)
    check_program(m, port)


@timeout(120)
def test_uvicorn(env):
    check_uvicorn(env, SYSTEMD)


@timeout(120)
def test_uvicorn_by_auto(env):
    check_uvicorn(env, AUTO)


@timeout(180)
def test_go(env):
    go = env.need_program("go")
    port = env.port()
    app = env.app(server_go="""
package main
import ("fmt"; "net"; "net/http"; "os"; "strconv")
func fail(what any) { fmt.Println(what); os.Exit(1) }
func main() {
	if os.Getenv("LISTEN_PID") != strconv.Itoa(os.Getpid()) { fail("LISTEN_PID") }
	if os.Getenv("LISTEN_FDS") != "1" { fail("LISTEN_FDS") }
	l, err := net.FileListener(os.NewFile(3, "http"))
	if err != nil { fail(err) }
	c, err := net.Dial("unixgram", os.Getenv("NOTIFY_SOCKET"))
	if err != nil { fail(err) }
	if _, err = c.Write([]byte("READY=1\\nSTATUS=go serves")); err != nil { fail(err) }
	c.Close()
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "here") })
	fail(http.Serve(l, nil))
}""")
    built = subprocess.run([go, "build", "-o", "server", "server.go"], cwd=app, env={
        "HOME": str(app), "PATH": "/usr/bin:/bin", "GOFLAGS": "-p=2", "CGO_ENABLED": "0",
        "GO111MODULE": "off", "GOCACHE": "/tmp/mpsup-go-cache"},
        capture_output=True, text=True, check=False)
    if built.returncode:
        raise Failed(built.stderr)
    m = env.start("--workers", 3, "--port", port, *SYSTEMD, "--ready", "notify", "--",
                  "./server", cwd=app)
    wait_until("its status", lambda: all(w["status_text"] == "go serves" for w in m.workers()))
    check_program(m, port)


def libsystemd(env):
    built = env.build / "helpers" / "activated"
    if not built.exists():
        raise Failed("build/helpers/activated is missing: make tests")
    app = env.app()
    shutil.copy(built, app / "activated")
    return app


def test_systemds_own_library(env):
    port, other = env.port(), env.port()
    app = libsystemd(env)
    m = env.start("--workers", 3, "--port", port, "--listen", f"127.0.0.1:{other},name=admin",
                  *SYSTEMD, "--ready", "notify", "--watchdog", "20s", "--", "./activated", cwd=app)
    for line in ("fds 2$", "name http stream 1", "name admin stream 1", "watchdog 1 20000000",
                 "notify 1$", "barrier 1$"):
        for slot in range(3):
            m.wait_line(rf"web/{slot} . {line}")
    for w in m.workers():
        if w["status_text"] != f"slot {w['slot']} serves":
            raise Failed(f"status: {w}")
    check_program(m, port)


def test_its_watchdog_is_enough(env):
    """It says that it lives at a third of the time: none is ended."""
    app = libsystemd(env)
    m = env.start("--workers", 2, "--port", env.port(), *SYSTEMD, "--watchdog", "1500ms", "--",
                  "./activated", cwd=app)
    pids = {w["pid"] for w in m.workers()}
    time.sleep(4)
    if {w["pid"] for w in m.workers(state="ready")} != pids:
        raise Failed("a worker that says that it lives was ended")
    m.stop()


def test_einhorn(env):
    port, other = env.port(), env.port()
    m = start(env, port, "einhorn", "--listen", f"127.0.0.1:{other}", "--compat", "einhorn")
    check_answers(other, "the second port")
    check_program(m, port)


def test_einhorn_with_as_many_sockets_as_there_can_be(env):
    ports = [env.port() for _ in range(32)]
    more = [word for port in ports[1:] for word in ("--listen", f"127.0.0.1:{port}")]
    m = start(env, ports[0], "einhorn", *more, "--compat", "einhorn", workers=1)
    check_answers(ports[-1], "the last port")
    m.stop()


def test_einhorns_ack_is_its_word(env):
    port = env.port()
    m = start(env, port, "acks", "--compat", "einhorn", "--ready", "notify")
    check_program(m, port)


def test_rubbish_is_no_ack(env):
    began, port = time.monotonic(), env.port()
    m = start(env, port, "acks", "--compat", "einhorn", "--ready", "notify", workers=2,
              program=("2.5",))
    if time.monotonic() - began < 2.5:
        raise Failed("ready before the ack")
    check_program(m, port, 2)


def test_einhorns_socket_is_for_its_own(env):
    env.need_root()
    port = env.port()
    m = start(env, port, "einhorn", "--compat", "einhorn", workers=1)
    w, where = m.workers()[0], do(port, "ack_path")
    for _ in range(3):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(20)
            s.connect(f"/proc/{w['pid']}/root{where}")
            if s.recv(10):
                raise Failed("a stranger got an answer")
    m.wait_line("process [0-9]+ of uid 0, which is not its own, wrote to its EINHORN_SOCK_PATH")
    m.stop()
    m.wait_line("web/0: 3 messages in its name were not its own")


def test_einhorn_without_a_run_of_its_own(env):
    port = env.port()
    for less in (("--no-sandbox", "view"), ("--ro", "/run")):
        m = start(env, port, "einhorn", "--compat", "einhorn", *less, workers=1)
        if do(port, "ack_path") != "none":
            raise Failed(f"{less}: {do(port, 'ack_path')}")
        m.stop()


def test_server_starter(env):
    port, other = env.port(), env.port()
    path = env.dir / "web.sock"
    m = start(env, port, "starter", "--listen", f"127.0.0.1:{other}", "--listen",
              f"unix:{path},mode=0666", "--compat", "server-starter,einhorn")
    m.wait_line(re.escape(f"starter {port}=3;127.0.0.1:{other}=4;{path}=5"))
    check_answers(other, "the second port")
    if http.get(str(path)).outcome != http.OK:
        raise Failed("the unix socket")
    if m.pool()["listen"][0] != f"0.0.0.0:{port}":
        raise Failed(f"listens on {m.pool()['listen']}")
    check_program(m, port)


# ---- when it is ready ----

def check_waits(env, how, protocol=SYSTEMD, **kw):
    port = env.port()
    m = start(env, port, how, protocol=protocol, **kw)
    check_program(m, port)


def test_blocking_accept(env):
    check_waits(env, "accept")


def test_blocking_accept_of_one_socket(env):
    """Each has the same socket, blocking, and a death does not change that."""
    port = env.port()
    m = start(env, port, "accept", "--balance", "shared")
    for _ in range(3):
        victim = m.workers()[0]["pid"]
        proc.kill(victim)
        wait_until("it is replaced", lambda pid=victim: len([
            w for w in m.workers(state="ready") if w["pid"] != pid]) == 3)
        check_answers(port, "after a death")
    if do(port, "flags") != "blocking":
        raise Failed("the socket is not blocking any more")
    if "BlockingIOError" in m.log():
        raise Failed(m.log())
    m.stop()


def test_waiting_is_seen(env):
    for how in ("accept", "poll", "select", "epoll", "children"):
        for protocol in (SYSTEMD, AUTO):
            port = env.port()
            m = start(env, port, how, protocol=protocol, workers=1)
            check_answers(port, how)
            m.stop()


def test_one_that_only_lives_is_ready_after_a_second(env):
    port = env.port()
    m = start(env, port, "sleeps", workers=1)
    born = m.events("worker.spawn")[0]["time"], m.events("worker.ready")[0]["time"]
    took = seconds_between(*born)
    if not 1.0 <= took < 2.9:
        raise Failed(f"ready after {took} s")
    m.stop()


def seconds_between(a, b):
    from datetime import datetime
    parse = lambda t: datetime.fromisoformat(t.replace("Z", "+00:00"))
    return (parse(b) - parse(a)).total_seconds()


def test_auto_does_not_take_a_living_one_for_a_ready_one(env):
    """It may be about to bind: it is ready when it waits on what it was given."""
    m = start(env, env.port(), "sleeps", workers=1, protocol=AUTO)
    took = seconds_between(m.events("worker.spawn")[0]["time"], m.events("worker.ready")[0]["time"])
    if took < 2.9:
        raise Failed(f"ready after {took} s, and it slept for 3")
    m.stop()


def test_never_ready_at_exec(env):
    m = start(env, env.port(), "dies", "--boot-limit", 2, workers=1, ready=False)
    m.wait_exit(70)
    if "never got ready" not in m.log():
        raise Failed(m.log())


def test_ready_notify_is_that_alone(env):
    m = start(env, env.port(), "poll", "--ready", "notify", "--ready-timeout", "2500ms",
              "--boot-limit", 1, workers=1, ready=False)
    m.wait_exit(70)
    if "was not ready within 2500 ms" not in m.log() and "was not ready within 2.5" not in m.log():
        raise Failed(m.log())
    m = start(env, env.port(), "says", "--ready", "notify", workers=1, program=(1.5,))
    took = seconds_between(m.events("worker.spawn")[0]["time"], m.events("worker.ready")[0]["time"])
    if took < 1.4:
        raise Failed(f"ready after {took} s, and it said so after 1.5")
    m.stop()


def test_ready_exec_and_a_time(env):
    for rule, least, most in (("exec", 0, 2), ("2s", 1.9, 4)):
        m = start(env, env.port(), "sleeps", "--ready", rule, workers=1)
        took = seconds_between(m.events("worker.spawn")[0]["time"],
                               m.events("worker.ready")[0]["time"])
        if not least <= took < most:
            raise Failed(f"--ready {rule}: after {took} s")
        m.stop()


def test_rules_that_cannot_come_true_are_refused(env):
    for args, word in ((("--protocol", "systemd", "--ready", "listen"), "--ready listen"),
                       (("--protocol", "bind", "--ready", "notify"), "--ready notify"),
                       (("--protocol", "node-ipc", "--ready", "exec"), "--ready"),
                       (("--protocol", "systemd", "--spares", "1"), "--spares"),
                       (("--protocol", "bind", "--compat", "einhorn"), "--compat"),
                       (("--protocol", "node-ipc", "--compat", "einhorn"), "--compat"),
                       (("--spares", "1", "--compat", "einhorn"), "--compat")):
        done = env.client("--port", env.port(), *args, "--", "/bin/true")
        if done.returncode != 2 or word not in done.stderr:
            raise Failed(f"{args}: exit {done.returncode}: {done.stderr}")


# ---- auto: both ways are open ----

def test_auto_one_that_binds(env):
    port = env.port()
    m = start(env, port, "binds", protocol=AUTO, program=(port,))
    if http.get(("::1", port)).outcome != http.REFUSED:
        raise Failed("an IPv4 program is reached by IPv6")
    check_program(m, port)


@timeout(90)
def test_stop_and_start(env):
    """The same program finds both ways open again."""
    for how, protocol in (("binds", AUTO), ("poll", AUTO), ("poll", SYSTEMD)):
        port = env.port()
        m = start(env, port, how, "--on-failed", "hold", protocol=protocol, program=(port,))
        for target in ("web/1", "web"):
            m.ctl("stop", target)
            wait_until("stopped", lambda: m.workers(state="stopped"))
            wait_until("nothing of it runs", lambda t=target: len(m.workers(state="ready")) ==
                       (2 if t == "web/1" else 0))
            m.ctl("start", target)
            m.wait_workers(3, seconds=30)
            check_answers(port, f"{how} after {target}")
        before = {w["pid"] for w in m.workers()}
        m.ctl("restart", "web", seconds=60)
        m.wait_workers(3, seconds=30)
        if before & {w["pid"] for w in m.workers()}:
            raise Failed("a worker was there before the restart")
        check_program(m, port)


def check_auto(env, port, *command, cwd=None, more=()):
    m = env.start("--workers", 3, "--port", port, *AUTO, *more, "--", *command,
                  cwd=cwd or env.dir, seconds=60)
    check_program(m, port)


def test_auto_http_server(env):
    port = env.port()
    check_auto(env, port, env.need_program("python3"), "-m", "http.server", port)
    check_auto(env, port, env.need_program("python3"), "-m", "http.server", "--bind", "::", port)


def test_auto_nginx(env):
    port = env.port()
    app = env.app(nginx_conf=f"""
        daemon off; pid /tmp/nginx.pid; worker_processes 2; error_log stderr;
        events {{ worker_connections 256; }}
        http {{ access_log off; client_body_temp_path /tmp/b; proxy_temp_path /tmp/p;
               fastcgi_temp_path /tmp/f; uwsgi_temp_path /tmp/u; scgi_temp_path /tmp/s;
               server {{ listen {port}; location / {{ return 200 "here"; }} }} }}""")
    check_auto(env, port, env.need_program("nginx"), "-e", "stderr", "-c", app / "nginx.conf",
               cwd=app)


@timeout(90)
def test_auto_npm_start(env):
    npm = env.need_program("npm")
    port = env.port()
    app = env.app(package_json='{"name": "x", "version": "1.0.0", "scripts": '
                               '{"start": "node app.js"}}',
                  app_js="require('http').createServer((q, r) => r.end('here'))"
                         ".listen(process.env.PORT)")
    check_auto(env, port, npm, "start", cwd=app)


def test_auto_node_with_an_option(env):
    node = env.need_program("node")
    port = env.port()
    check_auto(env, port, node, "-e",
               f"require('http').createServer((q, r) => r.end('here')).listen({port})")


def test_auto_a_slow_start(env):
    """It has what it was given for a long time, and means to bind."""
    port = env.port()
    python = env.need_program("python3")
    m = env.start("--workers", 2, "--port", port, *AUTO, "--", "/bin/sh", "-c",
                  f"sleep 2; exec {python} -m http.server {port}")
    took = seconds_between(m.events("worker.spawn")[0]["time"], m.events("worker.ready")[0]["time"])
    if took < 1.9:
        raise Failed(f"ready after {took} s, and it listened after 2")
    check_answers(port, "after a slow start")
    m.stop()


def test_auto_one_cannot_take_the_others_sockets(env):
    """They serve from what they found at their birth; one that binds in another form is told
    that it is in use, and they go on."""
    port = env.port()
    m = start(env, port, "odd", protocol=AUTO, program=(port,), ready=False)
    m.wait_line("web/1 . odd 98")
    wait_until("the others serve", lambda: len(m.workers(state="ready")) == 2)
    check_answers(port, "the others")
    all_serve(m, port, 1)
    m.stop()


def test_auto_a_second_port_of_its_own(env):
    """One that takes its sockets and opens another one still gets them at the next birth."""
    port, other = env.port(), env.port()
    m = start(env, port, "second", "--unlisted", "open", protocol=AUTO, program=(other,))
    check_answers(other, "the other port")
    check_program(m, port)


def test_auto_spares(env):
    port = env.port()
    m = start(env, port, "binds", "--spares", 1, protocol=AUTO, program=(port,), workers=2)
    spare = m.wait_workers(1, state="parked", role="spare")[0]
    proc.kill(m.workers()[1]["pid"])
    wait_until("the spare took the place", lambda: [
        w for w in m.workers(state="ready") if w["slot"] == 1 and w["pid"] == spare["pid"]])
    check_answers(port, "after a promotion")
    m.stop()


def test_spares_whatever_the_rule_of_readiness(env):
    for rule in ("exec", "300ms"):
        port = env.port()
        m = start(env, port, "binds", "--spares", 1, "--ready", rule, protocol=AUTO,
                  program=(port,), workers=2)
        spare = m.wait_workers(1, state="parked", role="spare")[0]
        proc.kill(m.workers()[1]["pid"])
        wait_until(f"--ready {rule}: the spare took the place", lambda pid=spare["pid"]: [
            w for w in m.workers(state="ready") if w["slot"] == 1 and w["pid"] == pid])
        time.sleep(1.2)  # the deadline of a hand-over
        if not [w for w in m.workers(state="ready") if w["pid"] == spare["pid"]]:
            raise Failed(f"--ready {rule}: it was ended after its promotion")
        # The next one waits inside of its bind(), where it hears no signal.
        m.wait_workers(1, state="parked", role="spare")
        m.stop(seconds=8)


def test_a_spare_that_cannot_park_is_ended(env):
    m = start(env, env.port(), "spare", "--spares", 1, protocol=AUTO, workers=1)
    m.wait_line("a spare says READY=1 and has asked for no socket")
    m.wait_event("worker.exit", reason="protocol")
    m.stop()
