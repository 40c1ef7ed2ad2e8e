# SPDX-License-Identifier: MIT
"""Real servers, none of which knows of mpsup: each function makes the program's files and
gives its folder and its command line. Those of Node, Go and gunicorn take two seconds for /slow."""

import subprocess

from .env import Failed


def http_server(env, port):
    return env.app(index_html="here"), (env.need_program("python3"), "-m", "http.server", port)


def node(env, port):
    app = env.app(app_js="require('http').createServer((q, r) => q.url == '/slow' ? "
                         "setTimeout(() => r.end('here'), 2000) : r.end('here'))"
                         ".listen(Number(process.argv[2]));")
    return app, (env.need_program("node"), "app.js", port)


def go(env, port):
    app = env.app(server_go="""
package main
import ("fmt"; "net/http"; "os"; "time")
func main() {
	http.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(2 * time.Second); fmt.Fprintf(w, "here") })
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
    app = env.app(wsgi_py="import time\ndef app(e, s):\n    if e['PATH_INFO'] == '/slow':\n"
                          "        time.sleep(2)\n    s('200 OK', [])\n    return [b'here']\n")
    return app, (env.need_program("gunicorn"), "--worker-tmp-dir", "/dev/shm", "-b",
                 f"0.0.0.0:{port}", "wsgi:app")


def gunicorn_activated(env, port):
    """It is given no address: it finds LISTEN_FDS."""
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
