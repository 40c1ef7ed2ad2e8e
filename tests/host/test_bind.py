# SPDX-License-Identifier: MIT
"""Servers that open their sockets themselves, by --protocol bind: real ones, and one that
does it in every way, also in bad ones."""

import re
import socket
import subprocess
import time

from harness import Failed, timeout, wait_until
from harness import http, proc
from harness.holdings import holdings, wait_as_before
from harness.spread import all_serve

BIND = ("--protocol", "bind")


def start(env, port, how, *more, workers=3, program=(), **kw):
    python = env.need_program("python3")
    app = env.fixture("binds.py")
    return env.start("--workers", workers, "--port", port, *BIND, *more, "--", python, "binds.py",
                     port, how, *program, cwd=app.parent, **kw)


def slots(where, count=60, path="/"):
    """Which slots answer, of so many requests one after another."""
    seen = {}
    for _ in range(count):
        a = http.get(where, path)
        if a.outcome != http.OK:
            raise Failed(f"not answered: {a}")
        slot = a.text.split()[1]
        seen[slot] = seen.get(slot, 0) + 1
    return seen


# ---- real programs ----

def check_program(env, port, *command, more=(), path="/", workers=3, seconds=40, cwd=None):
    m = env.start("--workers", workers, "--port", port, *BIND, *more, "--", *command,
                  cwd=cwd or env.dir, seconds=seconds)
    for a in http.many(port, 30, 5, path=path):
        if a.outcome != http.OK or a.status != 200:
            raise Failed(f"{command[0]}: {a}")
    all_serve(m, port, workers)
    victim = m.workers()[1]
    proc.kill(victim["pid"])
    wait_until("another took the place of the dead one", lambda: [
        w for w in m.workers(state="ready") if w["slot"] == 1 and w["pid"] != victim["pid"]],
        seconds)
    for a in http.many(port, 30, 5, path=path):
        if a.outcome != http.OK:
            raise Failed(f"{command[0]} after a death: {a}")
    m.stop()


def test_python_http_server(env):
    port = env.port()
    check_program(env, port, env.need_program("python3"), "-m", "http.server", port)


def test_python_http_server_by_ipv6(env):
    port = env.port()
    check_program(env, port, env.need_program("python3"), "-m", "http.server", "--bind", "::",
                  port)


def test_nginx(env):
    port = env.port()
    app = env.app(nginx_conf=f"""
        daemon off; pid /tmp/nginx.pid; worker_processes 2; error_log stderr;
        events {{ worker_connections 256; }}
        http {{ access_log off; client_body_temp_path /tmp/b; proxy_temp_path /tmp/p;
               fastcgi_temp_path /tmp/f; uwsgi_temp_path /tmp/u; scgi_temp_path /tmp/s;
               server {{ listen {port}; location / {{ return 200 "here"; }} }} }}""")
    check_program(env, port, env.need_program("nginx"), "-e", "stderr", "-c",
                  app / "nginx.conf", cwd=app)


@timeout(120)
def test_go(env):
    go = env.need_program("go")
    port = env.port()
    app = env.app(server_go="""
package main
import ("fmt"; "net/http"; "os")
func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "here") })
	fmt.Println(http.ListenAndServe(":"+os.Args[1], nil)); os.Exit(1)
}""")
    built = subprocess.run([go, "build", "-o", "server", "server.go"], cwd=app, env={
        "HOME": str(app), "PATH": "/usr/bin:/bin", "GOFLAGS": "-p=2", "CGO_ENABLED": "0",
        "GO111MODULE": "off", "GOCACHE": "/tmp/mpsup-go-cache"},
        capture_output=True, text=True, check=False)
    if built.returncode:
        raise Failed(built.stderr)
    check_program(env, port, "./server", port, cwd=app, more=("--spares", 1))


def test_php(env):
    port = env.port()
    app = env.app(index_php="<?php echo 'here';")
    check_program(env, port, env.need_program("php"), "-S", f"0.0.0.0:{port}", cwd=app)


@timeout(180)
def test_java(env):
    port = env.port()
    app = env.app(S_java=f"""
import com.sun.net.httpserver.*; import java.net.*;
public class S {{ public static void main(String[] a) throws Exception {{
  HttpServer s = HttpServer.create(new InetSocketAddress({port}), 0);
  s.createContext("/", x -> {{ x.sendResponseHeaders(200, 4);
    x.getResponseBody().write("here".getBytes()); x.close(); }});
  s.start(); }} }}""")
    check_program(env, port, env.need_program("java"), "S.java", cwd=app, seconds=90)


def test_redis(env):
    redis = env.need_program("redis-server")
    port = env.port()
    m = env.start("--workers", 3, "--port", port, *BIND, "--", redis, "--port", port,
                  "--protected-mode", "no", "--save", "")
    all_serve(m, port)
    for host in ("127.0.0.1", "::1"):
        with socket.create_connection((host, port), 5) as s:
            s.sendall(b"PING\r\n")
            if s.recv(64) != b"+PONG\r\n":
                raise Failed(f"redis does not answer on {host}")
    m.stop()


@timeout(90)
def test_npm_start(env):
    npm = env.need_program("npm")
    port = env.port()
    app = env.app(package_json='{"name": "x", "version": "1.0.0", "scripts": '
                               '{"start": "node app.js"}}',
                  app_js=f"require('http').createServer((q, r) => r.end('here')).listen({port})")
    check_program(env, port, npm, "start", cwd=app)


# ---- every way to open a socket ----

def test_each_slot_has_its_share(env):
    port = env.port()
    m = start(env, port, "plain")
    seen = slots(port, 120)
    if set(seen) != {"0", "1", "2"} or min(seen.values()) < 15:
        raise Failed(f"the share of each: {seen}")
    m.stop()


def check_ways(env, how, hosts=("127.0.0.1",), refused=(), program=()):
    port = env.port()
    m = start(env, port, how, workers=2, program=program)
    for host in hosts:
        seen = slots((host, port), 24)
        if set(seen) != {"0", "1"}:
            raise Failed(f"by {host}: {seen}")
    for host in refused:
        if http.get((host, port)).outcome != http.REFUSED:
            raise Failed(f"{host} is served, and the program did not ask for it")
    return m, port


def test_ipv4_alone(env):
    m, port = check_ways(env, "plain", refused=("::1",))
    if http.get(port).text.split()[5] != "2":
        raise Failed("an IPv4 program sees an IPv6 peer")
    m.stop()


def test_dual_stack(env):
    check_ways(env, "six", ("127.0.0.1", "::1"))[0].stop()


def test_ipv4_and_ipv6_by_two_sockets(env):
    check_ways(env, "both", ("127.0.0.1", "::1"))[0].stop()


def test_ipv6_alone(env):
    check_ways(env, "sixonly", ("::1",), ("127.0.0.1",))[0].stop()


def test_from_a_thread(env):
    check_ways(env, "threads")[0].stop()


def test_from_a_grandchild(env):
    check_ways(env, "fork")[0].stop()


def test_before_its_forks(env):
    check_ways(env, "prefork")[0].stop()


def test_again_and_again(env):
    check_ways(env, "again")[0].stop()


def test_under_signals(env):
    check_ways(env, "signals")[0].stop()


def test_flags_are_the_programs(env):
    m, _ = check_ways(env, "flags")
    m.wait_line("flags True False True")
    m.stop()


def test_own_sockets_are_its_own(env):
    m, _ = check_ways(env, "own")
    m.wait_line("ephemeral True")
    m.stop()


def test_two_ports(env):
    port, other = env.port(), env.port()
    m = start(env, port, "two", "--listen", f"0.0.0.0:{other}", workers=2, program=(other,))
    for p in (port, other):
        if set(slots(p, 24)) != {"0", "1"}:
            raise Failed(f"port {p} is not served by both")
    m.stop()


def test_unix_socket(env):
    python = env.need_program("python3")
    app = env.fixture("binds.py")
    path = env.dir / "web.sock"
    m = env.start("--workers", 2, "--listen", f"unix:{path},mode=0666", *BIND, "--", python,
                  "binds.py", 1, "unix", path, cwd=app.parent)
    for _ in range(10):
        a = http.get(str(path))
        if a.outcome != http.OK:
            raise Failed(f"over the unix socket: {a}")
    m.stop()


def test_the_shared_socket(env):
    port = env.port()
    m = start(env, port, "plain", "--balance", "shared", workers=2)
    slots(port, 20)
    with open("/proc/net/tcp", encoding="ascii") as f:
        n = sum(1 for line in f if line.split()[1].endswith(f":{port:04X}")
                and line.split()[3] == "0A")
    if n != 1:
        raise Failed(f"{n} sockets listen")
    m.stop()


# ---- addresses that were not given ----

def test_narrower_than_configured_is_refused(env):
    port = env.port()
    m = start(env, port, "loopback", "--boot-limit", 1, workers=1, ready=False)
    m.wait_exit(70)
    if f"app listens on 127.0.0.1:{port}, but --port {port} listens on all addresses; use " \
       f"--listen 127.0.0.1:{port}" not in m.log():
        raise Failed(m.log())


def test_narrower_as_configured(env):
    python = env.need_program("python3")
    app = env.fixture("binds.py")
    for how in ("loopback", "plain", "six"):  # wildcards take what is configured
        port = env.port()
        m = env.start("--workers", 2, "--listen", f"127.0.0.1:{port}", *BIND, "--", python,
                      "binds.py", port, how, cwd=app.parent)
        if set(slots(port, 24)) != {"0", "1"}:
            raise Failed(f"{how} is not served by both")
        m.stop()


def check_unlisted(env, word, printed, served):
    port, other = env.port(), env.port()
    m = start(env, port, "unlisted", *(("--unlisted", word) if word else ()), workers=2,
              program=(other,))
    for text in printed:
        m.wait_line(text)
    if (http.get(other).outcome != http.REFUSED) != served:
        raise Failed(f"--unlisted {word}: {other} is {'not ' if served else ''}served")
    return m, port, other


def test_unlisted_is_refused(env):
    m, port, other = check_unlisted(env, None, ["web/0 . unlisted EADDRINUSE",
                                                "web/1 . unlisted EADDRINUSE"], False)
    m.wait_line(f"app listens on 127.0.0.1:{other}, mpsup was given {port}")
    m.stop()


def test_unlisted_is_opened(env):
    m, _, other = check_unlisted(env, "open", ["web/0 . unlisted 0", "web/1 . unlisted 0"], True)
    if f"127.0.0.1:{other}" not in m.pool()["listen"]:
        raise Failed(f"listen: {m.pool()['listen']}")
    m.stop()


def test_unlisted_is_passed(env):
    # It opens its own, as without us: the second is told that it is in use.
    m, _, _ = check_unlisted(env, "pass", ["unlisted 0", "unlisted EADDRINUSE"], True)
    m.stop()


def test_no_port_at_all(env):
    python = env.need_program("python3")
    app = env.fixture("binds.py")
    port = env.port()
    m = env.start("--workers", 3, *BIND, "--", python, "binds.py", port, "plain", cwd=app.parent)
    if set(slots(port, 60)) != {"0", "1", "2"}:
        raise Failed("not all serve a port that the program chose")
    if m.pool()["listen"] != [f"0.0.0.0:{port}"]:
        raise Failed(f"listen: {m.pool()['listen']}")
    m.stop()


def test_a_port_in_use(env):
    with socket.socket() as s:
        s.bind(("0.0.0.0", 0))
        s.listen(1)
        m = start(env, s.getsockname()[1], "plain", ready=False)
        m.wait_exit(2)


def test_one_that_never_listens(env):
    m = start(env, env.port(), "silent", "--ready-timeout", "500ms", "--boot-limit", 2,
              ready=False)
    m.wait_exit(70)
    if "was not ready within 500 ms" not in m.log():
        raise Failed(m.log())


# ---- deaths ----

@timeout(90)
def test_kills_under_load(env):
    port = env.port()
    m = start(env, port, "plain", "--restart-limit", "1000/60s", "--backoff", "0ms..0ms")
    with http.Load(port, 6, seconds=15) as load:
        for n in range(20):
            w = m.workers(state="ready")
            if w:
                proc.kill(w[n % len(w)]["pid"])
            time.sleep(0.25)
    for bad in (http.REFUSED, http.HUNG):
        if load.count(bad):
            raise Failed(f"{load.count(bad)} {bad} of {len(load.results)}")
    if load.count(http.OK) < 200:
        raise Failed(f"only {load.count(http.OK)} were answered")
    m.stop()


def test_a_spare_waits_in_bind(env):
    port = env.port()
    m = start(env, port, "plain", "--spares", 1, workers=2)
    spare = m.wait_workers(1, state="parked", role="spare")[0]
    if set(slots(port, 40)) != {"0", "1"}:
        raise Failed("the spare serves, or somebody does not")
    victim = m.workers()[1]["pid"]
    proc.kill(victim)
    wait_until("the spare took the place", lambda: [
        w for w in m.workers(state="ready") if w["slot"] == 1 and w["pid"] == spare["pid"]])
    slots(port, 40)
    m.wait_workers(1, state="parked", role="spare")
    begin = time.monotonic()
    m.stop()
    # No signal but KILL reaches one that waits inside bind().
    if "stop_timeout" in m.log() or time.monotonic() - begin > 8:
        raise Failed("the parked spare was waited for")


def test_a_failed_slot_keeps_nothing(env):
    """Its clients go to the others, and none waits in its queue."""
    port = env.port()
    m = start(env, port, "plain", "--restart-limit", "1/600s", "--on-failed", "hold", workers=2)
    for _ in range(2):
        w = wait_until("slot 1 is there", lambda: [
            w for w in m.workers(state="ready") if w["slot"] == 1])[0]
        proc.kill(w["pid"])
        wait_until("it is gone", lambda: not [
            v for v in m.workers(state="ready") if v["pid"] == w["pid"]])
    wait_until("slot 1 is given up", lambda: m.workers(state="failed"))
    if set(slots(port, 40)) != {"0"}:
        raise Failed("who else answers?")
    m.ctl("reset", "web/1")
    wait_until("slot 1 is back", lambda: len(m.workers(state="ready")) == 2)
    if set(slots(port, 60)) != {"0", "1"}:
        raise Failed("slot 1 gets nothing after its return")
    m.stop()


def test_stop_and_start_of_a_slot(env):
    port = env.port()
    m = start(env, port, "plain")
    m.ctl("stop", "web/1")
    if set(slots(port, 40)) != {"0", "2"}:
        raise Failed("a stopped slot is asked")
    m.ctl("start", "web/1")
    wait_until("it is back", lambda: len(m.workers(state="ready")) == 3)
    if set(slots(port, 60)) != {"0", "1", "2"}:
        raise Failed("slot 1 gets nothing after its return")
    m.ctl("restart", "web")
    wait_until("all are back", lambda: len(m.workers(state="ready")) == 3)
    if set(slots(port, 60)) != {"0", "1", "2"}:
        raise Failed("somebody gets nothing after a restart")
    m.stop()


# ---- hostile ones ----

def test_arguments_that_lie(env):
    port = env.port()
    m = start(env, port, "lies", workers=1)
    m.wait_line("lie userfaultfd ")     # the last one, on another pipe than `ready:`
    found = dict(re.findall(r"lie (\w+) (\w+)", m.output()))
    expected = {"zero": "EINVAL", "one": "EINVAL", "short": "EINVAL", "huge": "EINVAL",
                "negative": "EINVAL", "null": "EFAULT", "wild": "EFAULT", "half": "EFAULT",
                "nosock": "ENOTSOCK", "closed": "EBADF", "minus": "EBADF",
                "family": "EAFNOSUPPORT", "six": "EAFNOSUPPORT", "udp": "0",
                "userfaultfd": "EPERM"}
    wrong = {k: (found.get(k), v) for k, v in expected.items() if found.get(k) != v}
    if wrong:
        raise Failed(f"found and expected: {wrong}")
    slots(port, 5)
    m.stop()


def test_a_number_that_moves(env):
    port = env.port()
    m = start(env, port, "moving", workers=1, seconds=40)
    slots(port, 5)
    before = holdings(m)
    m.ctl("restart", "web")
    wait_until("it is back", lambda: m.workers(state="ready"), 40)
    slots(port, 5)
    wait_as_before(m, before)
    m.stop()


def test_sockets_that_linger(env):
    m = start(env, env.port(), "linger", workers=1)
    m.wait_line("lingered")
    begin = time.monotonic()
    for _ in range(20):
        m.pool()
    if time.monotonic() - begin > 10:
        raise Failed("the master waited for a socket of a worker")
    m.stop()


@timeout(60)
def test_flood_of_binds(env):
    port = env.port()
    m = start(env, port, "flood", workers=2)
    time.sleep(2)
    with open(f"/proc/{m.pid}/stat", encoding="ascii") as f:
        a = f.read().rsplit(")", 1)[1].split()
    time.sleep(4)
    with open(f"/proc/{m.pid}/stat", encoding="ascii") as f:
        b = f.read().rsplit(")", 1)[1].split()
    used = (int(b[11]) + int(b[12]) - int(a[11]) - int(a[12])) / 100 / 4
    if used > 0.2:
        raise Failed(f"two workers in a loop cost the master {used:.0%} of a CPU")
    slots(port, 10)
    if len(re.findall("app listens on", m.log())) > 2:
        raise Failed("the same hint again and again")
    m.stop()


# ---- Node programs that go past its cluster module, or to ports that were not given ----

NODE = """
const http = require('http'), net = require('net');
const serve = () => http.createServer((q, r) => r.end(`slot ${process.env.MPSUP_WORKER}`));
const [port, other] = process.argv.slice(2).map(Number);
"""


def start_node(env, port, text, *more, other=0, **kw):
    node = env.need_program("node")
    app = env.app(app_js=NODE + text)
    return env.start("--workers", 2, *(("--port", port) if port else ()), *more, "--", node,
                     "app.js", port, other, cwd=app, **kw)


def test_node_exclusive(env):
    port = env.port()
    m = start_node(env, port, "serve().listen({port, exclusive: true});")
    for a in http.many(port, 20, 4):
        if a.outcome != http.OK:
            raise Failed(f"{a}")
    m.stop()


def test_node_without_any_port(env):
    port = env.port()
    m = start_node(env, 0, "serve().listen(other);", other=port)
    for a in http.many(port, 20, 4):
        if a.outcome != http.OK:
            raise Failed(f"{a}")
    if m.pool()["listen"] != [f"[::]:{port}"]:
        raise Failed(f"listen: {m.pool()['listen']}")
    m.stop()


def test_node_unlisted_is_refused(env):
    port, other = env.port(), env.port()
    m = start_node(env, port, "serve().listen(port); serve().listen(other).on('error', e => "
                   "console.log('other', e.code));", other=other)
    m.wait_line("other EADDRINUSE")
    m.wait_line(f"app listens on {other}, mpsup was given {port}")
    m.stop()


def test_node_inspector_is_its_own(env):
    port, other = env.port(), env.port()
    node = env.need_program("node")
    app = env.app(app_js=NODE + "serve().listen(port);")
    m = env.start("--workers", 1, "--port", port, "--", node, f"--inspect=127.0.0.1:{other}",
                  "app.js", port, other, cwd=app)
    m.wait_line(f"app listens on 127.0.0.1:{other}, mpsup was given {port}")
    if http.get(other).outcome != http.REFUSED:
        raise Failed("the inspector is open")
    m.stop()
