# SPDX-License-Identifier: MIT
"""Programs that take their sockets themselves, on another kernel and under systemd."""

import urllib.request

from harness import Failed, http, proc, timeout, wait_until


def serves(port, count=20):
    for a in http.many(port, count, 4):
        if a.outcome != http.OK or a.status != 200:
            raise Failed(f"{a}")


@timeout(240)
def test_http_server_as_it_is(env):
    port = env.port()
    m = env.start("--port", port, "--workers", 3, "--spares", 1, "--", "python3", "-m",
                  "http.server", port, seconds=60)
    serves(port)
    spare = m.wait_workers(1, state="parked", role="spare", seconds=60)[0]
    proc.kill(m.workers()[1]["pid"])
    wait_until("the spare left bind() and serves", lambda: [
        w for w in m.workers(state="ready") if w["pid"] == spare["pid"]], 30)
    serves(port)
    m.stop()


@timeout(240)
def test_nginx_as_it_is(env):
    port = env.port()
    app = env.app(nginx_conf=f"""
        daemon off; pid /tmp/nginx.pid; worker_processes 1; error_log stderr;
        events {{ worker_connections 256; }}
        http {{ access_log off; client_body_temp_path /tmp/b; proxy_temp_path /tmp/p;
               fastcgi_temp_path /tmp/f; uwsgi_temp_path /tmp/u; scgi_temp_path /tmp/s;
               server {{ listen {port}; listen [::]:{port};
                        location / {{ return 200 "here"; }} }} }}""")
    m = env.start("--port", port, "--workers", 2, "--", env.need_program("nginx"), "-e", "stderr",
                  "-c", app / "nginx.conf", cwd=app, seconds=60)
    for host in ("127.0.0.1", "[::1]"):
        with urllib.request.urlopen(f"http://{host}:{port}/", timeout=20) as answer:
            if answer.read() != b"here":
                raise Failed(f"nginx on {host}")
    m.stop()


@timeout(240)
def test_a_program_of_socket_activation(env):
    port = env.port()
    app = env.app(sd_py="""
import os, socket
assert os.environ["LISTEN_PID"] == str(os.getpid()) and os.environ["LISTEN_FDS"] == "1"
d = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
d.sendto(b"READY=1\\nSTATUS=here\\n", os.environ["NOTIFY_SOCKET"])
s = socket.socket(fileno=3)
s.setblocking(True)
while True:
    c, _ = s.accept()
    c.recv(4096)
    c.sendall(b"HTTP/1.0 200 OK\\r\\nContent-Length: 4\\r\\n\\r\\nhere")
    c.close()
""")
    m = env.start("--port", port, "--workers", 2, "--protocol", "systemd", "--ready", "notify",
                  "--", "/usr/bin/python3", "sd.py", cwd=app, seconds=60)
    if [w["status_text"] for w in m.workers()] != ["here", "here"]:
        raise Failed(f"{m.workers()}")
    serves(port)
    m.stop()
