# SPDX-License-Identifier: MIT
"""Real servers as they are, under the default protocol: all workers serve, and deaths under
load refuse nobody and leave nobody hanging."""

import os
import socket
import subprocess
import time

from harness import Failed, timeout, wait_until
from harness import http, proc
from harness.spread import all_serve

SECONDS = 60 if os.environ.get("MPSUP_TEST_LONG") else 6


def http_server(env, port):
    return env.app(index_html="here"), (env.need_program("python3"), "-m", "http.server", port)


def node(env, port):
    app = env.app(app_js="require('http').createServer((q, r) => r.end('here'))"
                         ".listen(Number(process.argv[2]));")
    return app, (env.need_program("node"), "app.js", port)


def go(env, port):
    app = env.app(server_go="""
package main
import ("fmt"; "net/http"; "os")
func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "here") })
	fmt.Println(http.ListenAndServe(":"+os.Args[1], nil)); os.Exit(1)
}""")
    built = subprocess.run([env.need_program("go"), "build", "-o", "server", "server.go"], cwd=app,
                           env={"HOME": str(app), "PATH": "/usr/bin:/bin", "CGO_ENABLED": "0",
                                "GO111MODULE": "off", "GOCACHE": "/tmp/mpsup-go-cache"},
                           capture_output=True, text=True, check=False)
    if built.returncode:
        raise Failed(built.stderr)
    return app, ("./server", port)


def gunicorn(env, port):
    app = env.app(wsgi_py="def app(e, s):\n    s('200 OK', [])\n    return [b'here']\n")
    return app, (env.need_program("gunicorn"), "--worker-tmp-dir", "/dev/shm", "-b",
                 f"0.0.0.0:{port}", "wsgi:app")


def gunicorn_activated(env, port):
    app, command = gunicorn(env, port)
    return app, command[:3] + command[5:]


def nginx(env, port):
    app = env.app(nginx_conf=f"""
        daemon off; pid /tmp/nginx.pid; worker_processes 1; error_log stderr;
        events {{ worker_connections 256; }}
        http {{ access_log off; client_body_temp_path /tmp/b; proxy_temp_path /tmp/p;
               fastcgi_temp_path /tmp/f; uwsgi_temp_path /tmp/u; scgi_temp_path /tmp/s;
               server {{ listen {port}; location / {{ return 200 "here"; }} }} }}""")
    return app, (env.need_program("nginx"), "-e", "stderr", "-c", app / "nginx.conf")


def start(env, program, *more):
    port = env.port()
    app, command = program(env, port)
    m = env.start("--port", port, "--workers", 3, "--restart-limit", "100000/60s", "--backoff",
                  "0ms..0ms", *more, "--", *command, cwd=app, seconds=40)
    return m, port


def descriptors(m):
    """How many of each kind, when nobody is being talked to."""
    seen = []
    for _ in range(5):
        counts = {}
        for what in proc.descriptors(m.pid).values():
            kind = "file" if what.startswith("/") else what.split(":")[0]
            counts[kind] = counts.get(kind, 0) + 1
        seen.append(counts)
        time.sleep(0.05)
    return min(seen, key=lambda counts: sum(counts.values()))


def kill_under_load(m, port):
    before = descriptors(m)
    kills = 0
    with http.Load(port, 6, seconds=10) as load:
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            ready = m.workers(state="ready")
            if ready:
                try:
                    proc.kill(ready[kills % len(ready)]["pid"])
                    kills += 1
                except ProcessLookupError:
                    pass
            time.sleep(0.5)
    counts = {what: load.count(what) for what in (http.OK, http.REFUSED, http.HUNG, http.CUT)}
    if counts[http.REFUSED] or counts[http.HUNG] or counts[http.OK] < 50 * kills:
        raise Failed(f"{kills} kills: {counts}")
    # A request that was being answered is lost with its worker, one for each client at most.
    if counts[http.CUT] > 6 * kills:
        raise Failed(f"{kills} kills cut {counts[http.CUT]} connections")
    m.wait_workers(3, seconds=30)
    return before


def check(env, program, *more):
    m, port = start(env, program, *more)
    all_serve(m, port)
    if more:
        m.wait_workers(1, state="parked", role="spare", seconds=30)
    before = kill_under_load(m, port)
    if more:
        m.wait_workers(1, state="parked", role="spare", seconds=30)
    all_serve(m, port)
    try:
        wait_until("as before", lambda: descriptors(m) == before, 10, 0.2)
    except Failed:
        raise Failed(f"descriptors: {before} became {descriptors(m)}") from None
    m.stop()


@timeout(200)
def test_http_server(env):
    check(env, http_server)


@timeout(200)
def test_http_server_with_a_spare(env):
    check(env, http_server, "--spares", 1)


@timeout(200)
def test_node(env):
    check(env, node)


@timeout(200)
def test_node_with_a_spare(env):
    check(env, node, "--spares", 1)


@timeout(200)
def test_go(env):
    check(env, go)


@timeout(200)
def test_go_with_a_spare(env):
    check(env, go, "--spares", 1)


@timeout(200)
def test_gunicorn(env):
    check(env, gunicorn)


@timeout(200)
def test_gunicorn_with_a_spare(env):
    check(env, gunicorn, "--spares", 1)


@timeout(200)
def test_gunicorn_that_finds_its_socket(env):
    check(env, gunicorn_activated)


@timeout(200)
def test_nginx(env):
    check(env, nginx)


@timeout(200)
def test_nginx_with_a_spare(env):
    check(env, nginx, "--spares", 1)
