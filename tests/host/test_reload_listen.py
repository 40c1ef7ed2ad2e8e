# SPDX-License-Identifier: MIT
"""A new generation with other addresses: those that stay miss nobody, those that come listen when
it takes over, those that go are refused then, and all of it goes back with a bad version."""

import json
import os
import signal
import socket
import time

from harness import Failed, http, proc, timeout, wait_until
from harness.holdings import holdings, wait_as_before
from test_reload import pids, reload
from test_reload_unix import no_failures

ROUNDS = 20 if os.environ.get("MPSUP_TEST_LONG") else 1
# On all that it is told of in AT, or finds; its worst is in BAD.
PYTHON = """
import http.server, os, socket, socketserver, sys, threading, time
if os.environ.get("BAD") in ("all", os.environ["MPSUP_WORKER"]):
    sys.exit("a bad version")
class H(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        if self.path == "/slow":
            time.sleep(3)
        body = ("generation " + os.environ["MPSUP_GENERATION"]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *a): pass
class Unix(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
class Tcp(http.server.ThreadingHTTPServer):
    pass
def server(kind, at, fd=None):
    s = kind(at, H, bind_and_activate=fd is None)
    if fd is not None:
        s.socket = socket.socket(fileno=fd)
    threading.Thread(target=s.serve_forever).start()
for i in range(int(os.environ.get("LISTEN_FDS", "0"))):
    server(Tcp, ("", 0), 3 + i)
if "LISTEN_FDS" not in os.environ:
    for at in os.environ["AT"].split(","):
        server(*((Unix, at) if at.startswith("/") else (Tcp, ("", int(at)))))
"""
NODE = """
if (["all", process.env.MPSUP_WORKER].includes(process.env.BAD)) {
    console.error("a bad version");
    process.exit(1);
}
for (const at of process.env.AT.split(","))
    require("http").createServer((req, res) => {
        const answer = () => res.end("generation " + process.env.MPSUP_GENERATION);
        setTimeout(answer, req.url === "/slow" ? 3000 : 0);
    }).listen(at);
"""
PYTHONS, NODES = ("python3", "server.py"), ("node", "server.js")
KINDS = {
    "bind": (PYTHONS, {}),
    "activated": (PYTHONS, {"protocol": "systemd"}),
    "node": (NODES, {}),
    "cluster": (NODES, {"protocol": "node-cluster"}),
    "dealt": (NODES, {"protocol": "node-cluster", "balance": "roundrobin"}),
    "each": (NODES, {"protocol": "node-cluster", "balance": "reuseport"}),
    "sticky": (PYTHONS, {"balance": "sticky"}),
    "built_in": (None, {}),
    "built_in_dealt": (None, {"balance": "roundrobin"}),
}


class Pool:
    """A file of one pool, which listens where its last write() says."""

    def __init__(self, env, kind, workers=2, **keys):
        command, more = KINDS[kind]
        self.env = env
        self.app = env.app(server_py=PYTHON, server_js=NODE)
        self.path = env.dir / "one.yaml"
        self.keys = {"name": "web", "workers": workers, "cwd": str(self.app), **more, **keys}
        if command:
            self.keys["command"] = [env.need_program(command[0]), *command[1:]]
        self.others = []

    def write(self, *at, bad=None, **keys):
        env = {"AT": ",".join(map(str, at)), **({"BAD": bad} if bad else {})}
        listen = [f"unix:{a},mode=0666" if str(a).startswith("/") else f"0.0.0.0:{a}" for a in at]
        self.path.write_text(json.dumps({"name": "one", "pools": [
            {**self.keys, "listen": listen, "env": env, **keys}, *self.others]}))
        self.path.chmod(0o644)
        return self.path

    def start(self, *at, **keys):
        m = self.env.start("-c", self.write(*at, **keys), seconds=40)
        m.wait_workers(self.keys["workers"], seconds=30)
        return m

    def apply(self, *at, code=0, **keys):
        self.write(*at, **keys)
        return apply(self.env, code)


def apply(env, code=0):
    done = env.client("apply", seconds=60)
    if done.returncode != code:
        raise Failed(f"apply: exit {done.returncode}: {done.stdout} {done.stderr}")
    return done.stdout + done.stderr


def says(at, text=""):
    answer = http.get(str(at) if str(at).startswith("/") else at)
    if answer.outcome != http.OK or text not in answer.text:
        raise Failed(f"{at}: {answer}, not {text!r}")


def refused(*ports):
    for port in ports:
        answer = http.get(port, seconds=5)
        if answer.outcome != http.REFUSED:
            raise Failed(f"{port}: {answer}")


def listens(m, *at, pool=0):
    said = m.status()["pools"][pool]["listen"]
    wanted = {f"unix:{a}" if str(a).startswith("/") else f"0.0.0.0:{a}" for a in at}
    if set(said) != wanted:
        raise Failed(f"status says {said}, not {wanted}")


# ---- they come and go ----

def come_and_go(env, kind):
    pool = Pool(env, kind)
    a, b, c = env.port(), env.port(), env.port()
    m = pool.start(a, b)
    before = holdings(m)
    said = None
    with http.Load(a, 4, seconds=20) as load:
        load.wait_more(20)
        for _ in range(ROUNDS):
            for at, gone in (((a, c), b), ((b, c, a), None), ((c, a), b), ((a, b), c)):
                old = set(pids(m))
                said = pool.apply(*at)
                if old & set(pids(m)):
                    raise Failed(f"{said}: {old} became {pids(m)}")
                generation = m.pool()["generation"]
                listens(m, *at)
                if gone:
                    refused(gone)
                for port in at:
                    says(port, f"generation {generation}" if pool.keys.get("command") else "")
        load.wait_more(20)
    no_failures(load)
    reload(env, "--wait", "drained")
    if m.pool()["usage"]["connections_cut"]:
        raise Failed("connections were cut")
    wait_as_before(m, before)
    m.stop()


@timeout(90)
def test_bind(env):
    come_and_go(env, "bind")


@timeout(90)
def test_activated(env):
    come_and_go(env, "activated")


@timeout(90)
def test_sticky(env):
    come_and_go(env, "sticky")


@timeout(90)
def test_node(env):
    come_and_go(env, "node")


@timeout(90)
def test_cluster(env):
    come_and_go(env, "cluster")


@timeout(90)
def test_cluster_dealt(env):
    come_and_go(env, "dealt")


@timeout(90)
def test_built_in(env):
    come_and_go(env, "built_in")


@timeout(90)
def test_built_in_dealt(env):
    come_and_go(env, "built_in_dealt")


@timeout(60)
def test_the_plan_says_so(env):
    pool = Pool(env, "bind")
    a, b, port = env.port(), env.port(), env.port()
    m = pool.start(a)
    roll, replace = "web: new workers", "web: stops and starts again"
    for at, keys, plan in (((a, b), {}, roll), ((b,), {}, roll), ((a,), {"backlog": 7}, roll),
                           ((a,), {"balance": "sticky"}, replace), ((a,), {"port": port}, roll)):
        pool.write(*at, **keys)
        said = m.ctl("apply", "--dry-run")
        if plan not in said:
            raise Failed(f"{at} {keys}: {said}")
    m.stop()


def room(m, port):
    """How many clients find room in the queue of a worker that does not accept."""
    pid = pids(m)[0]
    os.kill(pid, signal.SIGSTOP)
    # With all its threads: one that has not heard of it accepts a client more.
    wait_until("it is stopped", lambda: all(proc.status(f"{pid}/task/{tid}")["State"][0] == "T"
                                            for tid in os.listdir(f"/proc/{pid}/task")))
    clients = []
    try:
        while len(clients) < 50:
            clients.append(socket.create_connection(("127.0.0.1", port), 0.5))
    except TimeoutError:
        pass
    finally:
        os.kill(pid, signal.SIGCONT)
        for client in clients:
            client.close()
    return len(clients)


@timeout(60)
def test_a_backlog_is_the_new_generations(env):
    for kind in ("activated", "built_in"):
        pool = Pool(env, kind, workers=1)
        a = env.port()
        m = pool.start(a, backlog=3)
        had = room(m, a)
        pool.apply(a, backlog=9)
        if room(m, a) != had + 6:
            raise Failed(f"{kind}: {had} clients, then {room(m, a)}")
        m.stop()


# ---- and back ----

def goes_back(env, kind, bad, **keys):
    pool = Pool(env, kind, **keys)
    a, b, c = env.port(), env.port(), env.port()
    m = pool.start(a, b)
    before = holdings(m)
    with http.Load(a, 3, seconds=20) as load, http.Load(b, 3, seconds=20) as other:
        for _ in range(2):
            load.wait_more(20)
            said = pool.apply(a, c, bad=bad, code=1)
            if "was rolled back: web/" not in said:
                raise Failed(said)
            listens(m, a, b)
            refused(c)
            if not load.wait_more(20) or not other.wait_more(20):
                raise Failed("nobody answers")
    no_failures(load, other)
    says(b, "generation 1")
    wait_until("all is as it was", lambda: len(pids(m)) == 2 and not m.workers(state="draining"), 20)
    wait_as_before(m, before)
    pool.apply(a, c)
    refused(b)
    says(c, "generation 4")
    m.stop()


@timeout(60)
def test_back_bind(env):
    goes_back(env, "bind", "all")


@timeout(60)
def test_back_activated(env):
    goes_back(env, "activated", "all")


@timeout(60)
def test_back_cluster(env):
    goes_back(env, "cluster", "all")


@timeout(60)
def test_back_when_one_had_taken_over(env):
    goes_back(env, "bind", "1", restart={"surge": 1})


@timeout(60)
def test_back_when_one_had_taken_over_activated(env):
    goes_back(env, "activated", "1", restart={"surge": 1})


@timeout(60)
def test_back_when_one_had_taken_over_shared(env):
    goes_back(env, "cluster", "1", restart={"surge": 1})


@timeout(60)
def test_what_is_taken_changes_nothing(env):
    pool = Pool(env, "bind")
    a, b, c = env.port(), env.port(), env.port()
    m = pool.start(a)
    before, holds = pids(m), holdings(m)
    with socket.create_server(("127.0.0.1", c)):
        said = pool.apply(a, b, c, code=1)
        if f":{c} is in use" not in said or pids(m) != before:
            raise Failed(f"{said}: {before} became {pids(m)}")
        refused(b)
        listens(m, a)
        wait_as_before(m, holds)
    pool.apply(a, b, c)
    says(c, "generation 2")
    m.stop()


@timeout(60)
def test_what_is_taken_when_its_turn_comes(env):
    """Asked for while another one takes over."""
    pool = Pool(env, "bind")
    a, b = env.port(), env.port()
    m = pool.start(a)
    (pool.app / "server.py").write_text("import time\ntime.sleep(1)\n" + PYTHON)
    m.ctl("reload", "--no-wait")
    with socket.create_server(("127.0.0.1", b)):
        said = pool.apply(a, b, code=1)
        if f":{b} is in use" not in said:
            raise Failed(said)
        says(a, "generation 2")
        listens(m, a)
    pool.apply(a, b)
    says(b, "generation 4")
    m.stop()


# ---- those that a program asks for ----

def programs(env, kind, **keys):
    """Given up, and its program asks for it still; had again by a bad version, and by a good one."""
    pool = Pool(env, kind, unlisted="open", **keys)
    a, b = env.port(), env.port()
    m = pool.start(a, b)
    alone = [f"0.0.0.0:{a}"]
    for said, at, keys, generation in (([a, b], (a, b), {"listen": alone}, 2),
                                       ([a, b], (a, b), {"bad": "all", "code": 1}, 2),
                                       ([a, b], (a, b), {}, 4), ([a], (a,), {}, 5)):
        pool.apply(*at, **keys)
        wait_until("it has asked", lambda: {a[8:] for a in m.pool()["listen"]} ==
                   {str(port) for port in said})
        time.sleep(0.5)
        for port in said:
            says(port, f"generation {generation}")
    refused(b)
    m.stop()


@timeout(60)
def test_programs_bind(env):
    programs(env, "bind", protocol="bind")


@timeout(60)
def test_programs_cluster(env):
    programs(env, "cluster")


@timeout(60)
def test_programs_each(env):
    programs(env, "each")


@timeout(60)
def test_programs_dealt(env):
    programs(env, "dealt")


def asks_late(env, kind):
    """When the reload is over, and nobody had asked, while the old one has it still."""
    pool = Pool(env, kind, workers=1, unlisted="open")
    a, b = env.port(), env.port()
    (pool.app / "server.js").write_text(
        NODE.replace("for (", "process.env.AT.split(',').forEach((at, i) => setTimeout(() =>\n", 1)
        .replace('const at of process.env.AT.split(","))', "")
        .replace(".listen(at);", ".listen(at), 2000 * i));"))
    pool.write(a, b, listen=[f"0.0.0.0:{a}"])
    m = env.start("-c", pool.path, seconds=40)
    wait_until("it has asked", lambda: http.get(b).outcome == http.OK)
    answer = http.background(b, "/slow")
    wait_until("it is there", lambda: sum(w["connections"] for w in m.workers()) == 1)
    reload(env)
    born = pids(m)
    wait_until("it has asked again", lambda: http.get(b).outcome == http.OK, 5)
    says(b, "generation 2")
    if pids(m) != born or answer().outcome != http.OK:
        raise Failed(f"{born} became {pids(m)}")
    m.stop()


@timeout(60)
def test_asks_late_cluster(env):
    asks_late(env, "cluster")


@timeout(60)
def test_asks_late_each(env):
    asks_late(env, "each")


@timeout(60)
def test_asks_late_dealt(env):
    asks_late(env, "dealt")


# ---- what is under way where it goes ----

def finishes(env, kind, then, **keys):
    pool = Pool(env, kind, **keys)
    a, b = env.port(), env.port()
    m = pool.start(a, b)
    before = holdings(m)
    answer = http.background(b, "/slow")
    wait_until("it is there", lambda: sum(w["connections"] for w in m.workers()) == 1)
    pool.apply(a)
    refused(b)
    then(pool, m, a, b)
    got = answer()
    if got.outcome != http.OK or got.text != "generation 1":
        raise Failed(str(got))
    wait_until("it has left", lambda: not m.workers(state="draining"), 20)
    if m.pool()["usage"]["connections_cut"]:
        raise Failed("one was counted as cut")
    pool.apply(a, b)
    says(b)
    reload(env, "--wait", "drained")
    wait_as_before(m, before)
    m.stop()


def nothing(*_):
    pass


def comes_back(pool, m, a, b):
    """While the old one has it still."""
    pool.apply(b, a)
    says(b, "generation 3")
    listens(m, a, b)
    pool.apply(a)
    refused(b)


def comes_back_late(pool, _, a, b):
    """When the old one has left: the new one gets what it had."""
    (pool.app / "server.py").write_text("import time\ntime.sleep(5)\n" + PYTHON)
    pool.apply(b, a)
    (pool.app / "server.py").write_text(PYTHON)
    for at in (a, b):
        says(at, "generation 3")


def upgrade(_, m, a, b):
    m.ctl("upgrade", seconds=30)
    refused(b)
    says(a, "generation 2")
    listens(m, a)


@timeout(60)
def test_a_slow_answer_bind(env):
    finishes(env, "bind", nothing)


@timeout(60)
def test_a_slow_answer_activated(env):
    finishes(env, "activated", nothing)


@timeout(60)
def test_a_slow_answer_cluster(env):
    finishes(env, "cluster", nothing)


@timeout(60)
def test_it_comes_back_bind(env):
    finishes(env, "bind", comes_back)


@timeout(60)
def test_it_comes_back_when_the_last_has_left(env):
    finishes(env, "bind", comes_back_late, workers=1)


@timeout(60)
def test_it_comes_back_cluster(env):
    finishes(env, "cluster", comes_back)


@timeout(60)
def test_it_comes_back_dealt(env):
    finishes(env, "dealt", comes_back)


@timeout(60)
def test_an_upgrade_bind(env):
    finishes(env, "bind", upgrade)


@timeout(60)
def test_an_upgrade_cluster(env):
    finishes(env, "cluster", upgrade)


@timeout(60)
def test_an_upgrade_dealt(env):
    finishes(env, "dealt", upgrade)


@timeout(60)
def test_unix_sockets_too(env):
    pool = Pool(env, "bind")
    folder = pool.app / "sockets"
    folder.mkdir()
    folder.chmod(0o755)
    a, path = env.port(), folder / "web.sock"
    m = pool.start(a, path)
    before = holdings(m)
    with http.Load(a, 4, seconds=20) as load:
        for bad in (None, "all", "1"):
            load.wait_more(10)
            if bad:
                pool.apply(a, bad=bad, code=1, restart={"surge": 1})
                listens(m, a, path)
                says(path, f"generation {m.pool()['generation']}")
            answer = http.background(str(path), "/slow")
            wait_until("it is there", lambda: any(w["connections"] for w in m.workers()))
            pool.apply(a)
            listens(m, a)
            if http.get(str(path)).outcome != http.REFUSED or path.exists():
                raise Failed("the path is there still")
            got = answer()
            if got.outcome != http.OK:
                raise Failed(str(got))
            pool.apply(a, path)
            says(path, f"generation {m.pool()['generation']}")
    no_failures(load)
    reload(env, "--wait", "drained")
    wait_until("only it is there", lambda: os.listdir(folder) == [path.name], 20)
    wait_as_before(m, before)
    m.stop()
    if os.listdir(folder):
        raise Failed(f"{os.listdir(folder)} was left")


@timeout(60)
def test_a_stop_refuses_when_the_path_has_gone(env):
    """What is under way is finished, though somebody drains still who has a unix socket."""
    pool = Pool(env, "bind")
    folder = pool.app / "sockets"
    folder.mkdir()
    a, path = env.port(), folder / "web.sock"
    m = pool.start(a, path)
    answers = [http.background(str(path), "/slow")]
    wait_until("it is there", lambda: any(w["connections"] for w in m.workers()))
    pool.apply(a)
    answers.append(http.background(a, "/slow"))
    wait_until("so is another", lambda: sum(w["connections"] for w in m.workers()) == 2)
    m.ctl("stop", "web", seconds=30)
    for answer, generation in zip(answers, (1, 2)):
        if answer().text != f"generation {generation}":
            raise Failed(str(answer()))
    m.send(signal.SIGTERM)
    m.wait_exit(0)


@timeout(60)
def test_another_pool_gets_it_then(env):
    """Once nobody has it: it waits, and says for whom."""
    pool = Pool(env, "bind")
    a, b = env.port(), env.port()
    m = pool.start(a, b)
    answer = http.background(b, "/slow")
    wait_until("it is there", lambda: sum(w["connections"] for w in m.workers()) == 1)
    pool.apply(a)
    pool.others = [{**pool.keys, "name": "next", "listen": [f"0.0.0.0:{b}"], "env": {"AT": str(b)}}]
    pool.write(a)
    m.ctl("apply", "--no-wait")
    if "pool web has" not in (m.status()["pools"][1]["reason"] or ""):
        raise Failed(str(m.status()["pools"][1]))
    if answer().outcome != http.OK:
        raise Failed("it was cut")
    wait_until("it has it", lambda: m.status()["pools"][1]["state"] == "ready", 20)
    says(b, "generation 1")
    m.stop()


@timeout(60)
def test_another_that_serves_does_not_wait(env):
    """Its reload is refused, says for whom, and is right later: also of a path."""
    pool = Pool(env, "bind")
    folder = pool.app / "sockets"
    folder.mkdir()
    a, b, c, path = env.port(), env.port(), env.port(), folder / "web.sock"

    def other(*at):
        pool.others = [{**pool.keys, "name": "next", "env": {"AT": ",".join(map(str, at))}, "listen": [
            f"unix:{x}" if x == path else f"0.0.0.0:{x}" for x in at]}]

    other(c)
    m = pool.start(a, b, path)
    for at in (b, path):
        answer = http.background(at if at == b else str(at), "/slow")
        wait_until("it is there", lambda: any(w["connections"] for w in m.workers()))
        pool.apply(*(x for x in (a, path) if x != at))
        other(c, at)
        said = pool.apply(*(x for x in (a, path) if x != at), code=1)
        if "pool web has" not in said:
            raise Failed(said)
        if answer().outcome != http.OK:
            raise Failed("it was cut")
        wait_until("it has it", lambda: env.client("apply").returncode == 0, 20, 0.2)
        says(at)
    m.stop()


@timeout(60)
def test_what_another_pool_waits_for_comes_back(env):
    """It does not wait for ever for what is not given away after all."""
    pool = Pool(env, "bind")
    a, b = env.port(), env.port()
    m = pool.start(a, b)
    (pool.app / "server.py").write_text("import time\ntime.sleep(1)\n" + PYTHON)
    pool.write(a, bad="all")
    m.ctl("apply", "--no-wait")
    pool.others = [{**pool.keys, "name": "next", "listen": [f"0.0.0.0:{b}"], "env": {"AT": str(b)}}]
    pool.write(a, bad="all")
    said = apply(env, 1)
    if "pool next: " not in said or f":{b} is in use" not in said:
        raise Failed(said)
    says(b, "generation 1")
    pool.apply(a)
    wait_until("it has it", lambda: m.status()["pools"][1]["state"] == "ready", 20)
    says(b)
    m.stop()


@timeout(60)
def test_part_of_an_address_is_replaced(env):
    """All addresses of a port, and one of them: they cannot be had together."""
    pool = Pool(env, "activated")
    a = env.port()
    m = pool.start(a)
    pool.write(listen=[f"127.0.0.1:{a}"])
    said = m.ctl("apply", seconds=30)
    if "stops and starts again" not in said:
        raise Failed(said)
    wait_until("it serves", lambda: http.get(a).outcome == http.OK, 20)
    m.stop()


@timeout(60)
def test_a_stop_in_the_middle(env):
    pool = Pool(env, "bind")
    a, b, c = env.port(), env.port(), env.port()
    m = pool.start(a, b)
    before = holdings(m)
    (pool.app / "server.py").write_text("import time\ntime.sleep(30)\n" + PYTHON)
    pool.write(a, c)
    m.ctl("apply", "--no-wait")
    wait_until("it boots", lambda: m.workers(state="starting"))
    m.ctl("stop", "web", seconds=30)
    refused(a, b, c)
    (pool.app / "server.py").write_text(PYTHON)
    m.ctl("start", "web", seconds=30)
    says(a)
    says(c)
    refused(b)
    pool.apply(a, b)
    reload(env, "--wait", "drained")
    wait_as_before(m, before)
    m.send(signal.SIGTERM)
    m.wait_exit(0)


@timeout(60)
def test_deaths_in_the_middle(env):
    """A worker dies while half of the pool has other addresses: each slot comes back with its
    own, and nobody who may connect is refused."""
    pool = Pool(env, "bind", workers=3, restart={"surge": 1})
    a, b, c = env.port(), env.port(), env.port()
    m = pool.start(a, b)
    (pool.app / "server.py").write_text("import time\ntime.sleep(.7)\n" + PYTHON)
    with http.Load(a, 4, seconds=20) as load:
        load.wait_more(10)
        pool.write(a, c)
        m.ctl("apply", "--no-wait")
        wait_until("one has taken over", lambda: any(
            w["generation"] == 2 for w in m.workers(state="ready")), 15)
        for w in m.workers(state="ready"):
            if w["generation"] == 1:
                os.kill(w["pid"], signal.SIGKILL)
        wait_until("all have", lambda: [w["generation"] for w in m.workers(state="ready")] == [2] * 3, 30)
        time.sleep(0.2)
        load.wait_more(10)
    for at in (a, c):
        says(at, "generation 2")
    refused(b)
    bad = [r for r in load.results if r.outcome == http.REFUSED]
    if bad:
        raise Failed(f"{len(bad)} were refused: {bad[:3]}")
    m.stop()


NATIVE = """
import http.server, os, socket, threading, time
channel = socket.socket(fileno=int(os.environ["MPSUP_FD"]))
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(("generation " + os.environ["MPSUP_GENERATION"]).encode())
    def log_message(self, *a): pass
def serve(fd):
    s = http.server.ThreadingHTTPServer(("", 0), H, bind_and_activate=False)
    s.socket = socket.socket(fileno=fd)
    threading.Thread(target=s.serve_forever, daemon=True).start()
time.sleep(float(os.environ["BOOTS"]))
if "MPSUP_SPARE" in os.environ:
    channel.send(b"PARKED=1")
while True:
    words, fds, _, _ = socket.recv_fds(channel, 65536, 64)
    if b"HELLO=" in words:
        for fd in fds:
            serve(fd)
        channel.send(b"READY=1")
    if not words or b"DRAIN=" in words:
        os._exit(0)
"""


@timeout(60)
def test_a_spare_gets_what_its_place_had_not(env):
    """It takes the place of a worker of the old generation, with the addresses of the new one."""
    KINDS["native"] = (("python3", "native.py"), {"protocol": "native", "balance": "reuseport"})
    pool = Pool(env, "native", workers=5, spares=1, restart={"surge": 1})
    (pool.app / "native.py").write_text(NATIVE)
    a, b = env.port(), env.port()
    m = pool.start(a, env={"BOOTS": "0"})
    pool.write(a, b, env={"BOOTS": "1.5"})
    m.ctl("apply", "--no-wait")
    wait_until("a new spare", lambda: any(
        w["generation"] == 2 for w in m.workers(role="spare", state="parked")), 20)
    last = [w for w in m.workers(state="ready") if w["slot"] == 4]
    if [w["generation"] for w in last] != [1]:
        raise Failed(f"too late: {last}")
    os.kill(last[0]["pid"], signal.SIGKILL)
    m.wait_line("web/4: respawn from a spare now")
    wait_until("it serves", lambda: [w["generation"] for w in m.workers(state="ready")
                                     if w["slot"] == 4] == [2], 1)
    wait_until("all do", lambda: m.pool()["state"] == "ready", 30)
    says(b, "generation 2")
    m.stop()
