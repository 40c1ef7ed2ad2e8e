# SPDX-License-Identifier: MIT
"""Files of several pools: one pool's broken world leaves the others serving; apply touches only
what differs; what runs can be written down as a file that does the same."""

import json
import os
import re
import socket
import subprocess

from harness import Failed, patience, timeout, wait_until
from harness import http, proc

SERVER = """
import http.server, os, sys
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = f"{os.environ.get('WORD', '-')} {os.environ.get('MPSUP_POOL')} {os.getuid()}".encode()
        self.send_response(200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *a): pass
http.server.ThreadingHTTPServer(('', int(sys.argv[1])), H).serve_forever()
"""


class File:
    """A file of pools in the test's folder, written again and again."""

    def __init__(self, env, name="shop"):
        self.env = env
        self.name = name
        self.app = env.app(server_py=SERVER)
        self.path = env.dir / f"{name}.yaml"
        self.pools = {}
        self.top = {}

    def pool(self, name, **keys):
        self.pools[name] = {"name": name, **keys}
        return self

    def server(self, name, port, word=None, **keys):
        command = [self.env.need_program("python3"), "server.py", str(port)]
        keys.setdefault("workers", 1)
        if word:
            keys["env"] = {"WORD": word}
        return self.pool(name, port=port, command=command, cwd=str(self.app), **keys)

    def write(self):
        # JSON is YAML.
        text = {"version": 1, "name": self.name, **self.top, "pools": list(self.pools.values())}
        self.path.write_text(json.dumps(text, indent=1))
        self.path.chmod(0o644)
        return self.path


def pids(m):
    return {p["name"]: [w["pid"] for w in p["workers"]] for p in m.status()["pools"]}


def state(m, name):
    return next((p["state"] for p in m.status()["pools"] if p["name"] == name), None)


def says(port, text):
    answer = http.get(port, "/")
    if answer.outcome != http.OK or text not in answer.text:
        raise Failed(f"port {port}: {answer}, not {text!r}")


def four(env):
    f = File(env)
    a, b = env.port(), env.port()
    f.server("web", a, "one", workers=2).server("api", b, "two")
    f.pool("gone", port=env.port(), command=["no-such-thing"])
    f.pool("crash", port=env.port(), command=["sh", "-c", "echo boom >&2; exit 3"],
           restart={"backoff": "1ms..1ms"})
    return f, a, b


def test_two_serve_while_two_are_broken(env):
    f, a, b = four(env)
    m = env.start("-c", f.write())
    wait_until("crash has failed", lambda: state(m, "crash") == "failed")
    wait_until("both serve", lambda: state(m, "web") == state(m, "api") == "ready")
    says(a, "one web")
    says(b, "two api")
    uids = {int(http.get(p, "/").text.split()[2]) for p in (a, b)}
    if len(uids) != 2 or 0 in uids:
        raise Failed(f"the pools' uids: {uids}")
    pools = {p["name"]: p for p in m.status()["pools"]}
    if "no-such-thing" not in pools["gone"]["reason"] or "shop.yaml:" not in pools["gone"]["reason"]:
        raise Failed(f"gone: {pools['gone']['reason']}")
    if "exit 3" not in pools["crash"]["reason"]:
        raise Failed(f"crash: {pools['crash']['reason']}")
    answer = env.client("apply")
    if answer.returncode != 1 or "1 pool is not as" not in answer.stderr:
        raise Failed(f"{answer.returncode} {answer.stderr}")
    answer = env.client("status", "gone/0")
    if answer.returncode != 3 or "has no workers: " not in answer.stderr:
        raise Failed(f"{answer.returncode} {answer.stderr}")
    m.stop()


def test_all_broken_ends(env):
    f = File(env)
    f.pool("a", port=env.port(), command=["no-such-thing"])
    f.pool("b", port=env.port(), command=["sh", "-c", "exit 3"], restart={"backoff": "1ms..1ms"})
    m = env.start("-c", f.write(), ready=False)
    m.wait_exit(70)
    f.pool("b", port=env.port(), command=["nor-this"])
    m = env.start("-c", f.write(), ready=False)
    m.wait_exit(2)


def test_strict_refuses(env):
    f, _, _ = four(env)
    m = env.start("-c", f.write(), "--strict", ready=False)
    m.wait_exit(2)
    if "no-such-thing" not in m.log():
        raise Failed(m.log())


def test_every_mistake_is_told_and_nothing_starts(env):
    f, _, _ = four(env)
    f.pools["web"]["wrokers"] = 3
    f.pools["api"]["limits"] = {"memory": "2Q"}
    f.top["colour"] = "red"
    m = env.start("-c", f.write(), ready=False)
    m.wait_exit(2)
    for text in ("has no key 'wrokers'; did you mean 'workers'?", "limits.memory: '2Q'",
                 "has no key 'colour'", "3 errors in "):
        if text not in m.log():
            raise Failed(f"not told: {text}\n{m.log()}")
    if len(re.findall(r"shop\.yaml:\d+:\d+: ", m.log())) != 3:
        raise Failed(m.log())


def test_a_mended_world_starts(env):
    f, _, _ = four(env)
    late = env.dir / "late"
    port = f.pools["gone"]["port"]
    f.pools["gone"]["command"] = [str(late), str(port)]
    m = env.start("-c", f.write())
    wait_until("the others serve", lambda: state(m, "web") == state(m, "api") == "ready")
    before = pids(m)
    answer = env.client("start", "gone")
    if answer.returncode != 1 or "late" not in answer.stderr:
        raise Failed(f"{answer.returncode} {answer.stderr}")
    late.write_text("#!/bin/sh\nexec python3 " + str(f.app / "server.py") + " $1\n")
    late.chmod(0o755)
    m.ctl("stop", "gone")
    m.ctl("start", "gone")
    says(port, "gone")
    if {k: v for k, v in pids(m).items() if k in ("web", "api")} != \
            {k: v for k, v in before.items() if k in ("web", "api")}:
        raise Failed("the others were touched")
    m.stop()


def test_apply_touches_only_what_differs(env):
    f = File(env)
    ports = [env.port() for _ in range(4)]
    for name, port in zip("abc", ports):
        f.server(name, port, "first")
    m = env.start("-c", f.write())
    wait_until("all serve", lambda: all(p["state"] == "ready" for p in m.status()["pools"]))
    before = pids(m)
    plan = m.ctl("apply", "--dry-run")
    if plan != "= 3 pools as they are\n":
        raise Failed(plan)

    del f.pools["a"]
    f.server("b", ports[1], "second")
    f.server("d", ports[3], "new")
    f.write()
    plan = m.ctl("apply", "--dry-run")
    if pids(m) != before:
        raise Failed("a dry run changed something")
    if m.ctl("apply") != plan:
        raise Failed("the plan was another")
    for line in ("- a: ", "~ b: new workers, one after the other: env\n", "+ d: starts\n",
                 "= 1 pool as it is\n"):
        if line not in plan:
            raise Failed(f"no {line!r} in the plan:\n{plan}")
    after = pids(m)
    if list(after) != ["b", "c", "d"] or after["c"] != before["c"] or after["b"] == before["b"]:
        raise Failed(f"{before} became {after}")
    says(ports[1], "second")
    says(ports[3], "new")
    f.server("e", env.port(), "newer")
    f.write()
    if m.ctl("apply", "e") != "+ e: starts\n" or pids(m)["c"] != before["c"]:
        raise Failed("a pool that is in the file alone cannot be applied by its name")
    answer = env.client("apply", "f")
    if answer.returncode != 3 or "no pool 'f'" not in answer.stderr:
        raise Failed(f"{answer.returncode} {answer.stderr}")
    if http.get(ports[0], "/").outcome != http.REFUSED:
        raise Failed("the removed pool's port is open")
    if any(proc.exists(pid) for pid in before["a"]):
        raise Failed("the removed pool's worker lives")

    f.server("b", ports[0], "third")
    f.write()
    m.ctl("apply")
    says(ports[0], "third")
    if http.get(ports[1], "/").outcome != http.REFUSED or pids(m)["c"] != before["c"]:
        raise Failed("the port that is given up is open, or c was touched")
    m.stop()


LEAVES_SLOWLY = """
import http.server, os, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: (time.sleep(float(sys.argv[2])), os._exit(0)))
http.server.ThreadingHTTPServer(('', int(sys.argv[1])), http.server.SimpleHTTPRequestHandler).serve_forever()
"""


def test_an_address_moves_from_pool_to_pool(env):
    """In one apply; whoever had it may take his time to leave."""
    f = File(env)
    env.app(server_py=SERVER, slow_py=LEAVES_SLOWLY)
    first, second, third = env.port(), env.port(), env.port()

    def slow(name, port, seconds):
        f.pool(name, port=port, workers=1, cwd=str(f.app),
               command=[env.need_program("python3"), "slow.py", str(port), str(seconds)])

    def apply(what):
        answer = env.client("apply", seconds=30)
        states = {name: state(m, name) for name in f.pools}
        if answer.returncode != 0 or set(states.values()) != {"ready"}:
            raise Failed(f"{what}: {answer.returncode} {answer.stderr} {states}")

    slow("a", first, 0.7)
    slow("b", second, 0)
    m = env.start("-c", f.write())
    wait_until("both serve", lambda: state(m, "a") == state(m, "b") == "ready")
    slow("a", second, 0.7)
    f.server("b", first)
    f.write()
    apply("two change places")
    says(first, " b ")
    slow("a", third, 0)
    f.server("c", second)
    f.write()
    apply("a new pool has what another leaves")
    says(second, " c ")
    del f.pools["a"]
    f.server("d", third)
    f.write()
    apply("a new pool has what one that goes had")
    says(third, " d ")
    m.stop()


def test_one_that_waits_for_an_address(env):
    """It is no failed pool, can be taken out of the file again, and stopped and started."""
    f = File(env)
    env.app(server_py=SERVER, slow_py=LEAVES_SLOWLY)
    port = env.port()
    f.pool("a", port=port, workers=1, cwd=str(f.app), restart={"stop_timeout": "20s"},
           command=[env.need_program("python3"), "slow.py", str(port), "3"])
    f.server("other", env.port())
    m = env.start("-c", f.write())
    wait_until("both serve", lambda: state(m, "a") == state(m, "other") == "ready")
    del f.pools["a"]
    f.server("b", port)
    f.server("c", env.port())
    f.write()
    m.ctl("apply", "--no-wait")
    if state(m, "b") != "starting" or "has until its last worker" not in m.ctl("status", "b"):
        raise Failed(m.ctl("status", "b"))
    m.ctl("start", "c")
    m.ctl("stop", "b")
    if state(m, "b") != "stopped":
        raise Failed(state(m, "b"))
    answer = env.client("apply", "--no-wait")
    if answer.returncode != 0 or state(m, "b") != "starting":
        raise Failed(f"{answer.returncode} {answer.stderr} {state(m, 'b')}")
    waits = env.client("wait", "b", "ready", "--timeout", "20s", seconds=30)
    if waits.returncode != 0 or state(m, "b") != "ready":
        raise Failed(f"wait: {waits.returncode} {waits.stderr} {state(m, 'b')}")
    says(port, " b ")
    m.stop()


def test_who_waits_for_a_slot_that_is_no_more(env):
    """Its pool has stopped, and cannot begin anew."""
    f = File(env)
    env.app(server_py=SERVER, slow_py=LEAVES_SLOWLY)
    first, taken = env.port(), env.port()
    f.pool("a", port=first, workers=1, cwd=str(f.app),
           command=[env.need_program("python3"), "slow.py", str(first), "0.7"])
    f.server("other", env.port())
    m = env.start("-c", f.write())
    wait_until("both serve", lambda: state(m, "a") == state(m, "other") == "ready")
    f.server("a", taken, balance="sticky")
    f.write()
    m.ctl("apply", "--no-wait")
    with socket.create_server(("", taken)): # while the old one leaves: just before it was free
        clients = [subprocess.Popen([env.mpsup, *words], env=env.environ(), stdin=subprocess.DEVNULL,
                                    stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
                   for words in (("wait", "a/0", "stopped"), ("stop", "a/0"))]
        wait_until("a is broken", lambda: state(m, "a") == "failed")
        m.ctl("restart", "other", seconds=30)
        for client in clients:
            _, said = client.communicate(timeout=patience(20))
            if client.returncode != 0:
                raise Failed(f"{client.args}: {client.returncode} {said}")
    m.stop()


def test_other_sockets_for_a_stopped_pool(env):
    """Its next start is with them, and says how it went."""
    f = File(env)
    first, second = env.port(), env.port()
    f.server("a", first, workers=2)
    f.server("other", env.port())
    m = env.start("-c", f.write())
    wait_until("both serve", lambda: state(m, "a") == state(m, "other") == "ready")
    m.ctl("stop", "a")
    f.server("a", second, "new", user="no-such-user")
    f.write()
    if env.client("apply").returncode != 1:
        raise Failed("a user that is not there")
    f.server("a", second, "new")
    f.write()
    m.ctl("apply")
    if state(m, "a") != "stopped":
        raise Failed("a person's stop does not hold")
    if m.ctl("start", "a", seconds=30) != "started: 1 worker ready\n":
        raise Failed("what start said")
    says(second, "new a")
    m.ctl("scale", "a", "2")
    if not re.search(r"^    workers: 2  # mpsup set, scale$", m.ctl("config", "a"), re.M):
        raise Failed("scale is no origin")
    m.stop()


def test_a_bad_file_changes_nothing(env):
    f = File(env)
    port = env.port()
    f.server("a", port, "first")
    m = env.start("-c", f.write())
    before = pids(m)
    f.server("a", port, "second", spares="many")
    f.write()
    answer = env.client("apply")
    if answer.returncode != 2 or "spares: 'many'" not in answer.stderr or "shop.yaml:" not in answer.stderr:
        raise Failed(f"{answer.returncode} {answer.stderr}")
    f.path.unlink()
    answer = env.client("apply")
    if answer.returncode != 2 or "shop.yaml" not in answer.stderr:
        raise Failed(f"{answer.returncode} {answer.stderr}")
    if pids(m) != before:
        raise Failed("a worker was touched")
    f.server("a", port, "third", user="no-such-user")
    f.write()
    answer = env.client("apply")
    if answer.returncode != 1 or "no-such-user" not in answer.stdout or pids(m) != before:
        raise Failed(f"{answer.returncode} {answer.stdout} {answer.stderr}")
    says(port, "first")
    m.stop()


def test_a_bad_version_is_rolled_back(env):
    f = File(env)
    port = env.port()
    f.server("web", port, "first", workers=3, restart={"backoff": "1ms..1ms"})
    m = env.start("-c", f.write())
    before = pids(m)["web"]
    (f.app / "server.py").write_text("import sys\nsys.exit('no good')\n")
    f.server("web", port, "second", workers=3, restart={"backoff": "1ms..1ms"})
    f.write()
    answer = env.client("apply", seconds=30)
    if answer.returncode != 1 or "rolled back" not in answer.stderr:
        raise Failed(f"{answer.returncode} {answer.stdout} {answer.stderr}")
    if "no good" not in m.log() or pids(m)["web"] != before:
        raise Failed(f"{before} became {pids(m)}: nobody was to leave")
    says(port, "first")
    m.stop()


def test_config_is_a_file_that_does_the_same(env):
    f = File(env)
    port = env.port()
    f.server("a", port, "one ${HOME:-x} $${HOME}", rw=["/var/tmp"], no_pin=True)
    f.pools["a"]["env"]["DB_PASSWORD"] = "geheim"
    m = env.start("-c", f.write())
    text = m.ctl("config")
    if "geheim" in text or "DB_PASSWORD=***" not in text:
        raise Failed(text)
    if not re.search(r"^    workers: 1  # \S+shop\.yaml:\d+:\d+$", text, re.M):
        raise Failed(text)
    m.stop()
    again = env.dir / "again.yaml"
    again.write_text(text)
    m = env.start("-c", again)
    if m.ctl("config").count("\n") != text.count("\n"):
        raise Failed("it is not the same again")
    says(port, "${HOME}")
    m.stop()
    m = env.start("-p", env.port(), "-w", 1, "--name", "line", "-e", "A=b c")
    again.write_text(m.ctl("config"))
    m.stop()
    m = env.start("-c", again)
    if m.status()["name"] != "line" or "A=b c" not in again.read_text():
        raise Failed(again.read_text())
    m.stop()


def test_a_customers_file_is_not_trusted(env):
    f = File(env)
    f.server("a", env.port(), "first")
    folder = env.dir / "d"
    folder.mkdir()
    theirs = folder / "customer.yaml"
    theirs.write_text(json.dumps({"pools": [{"name": "evil", "port": env.port(), "user": "root"}]}))
    theirs.chmod(0o666)
    f.top["include"] = "d/*.yaml"
    m = env.start("-c", f.write(), ready=False)
    m.wait_exit(2)
    if "others than root can write to" not in m.log():
        raise Failed(m.log())
    theirs.chmod(0o644)
    m = env.start("-c", f.path)
    before = pids(m)
    theirs.chmod(0o666)
    answer = env.client("apply")
    if answer.returncode != 2 or "chmod go-w" not in answer.stderr or pids(m) != before:
        raise Failed(f"{answer.returncode} {answer.stderr}")
    m.stop()


def test_a_customers_env_file_is_not_trusted(env):
    f = File(env)
    theirs = env.dir / "their.env"
    theirs.write_text("WORD=evil\n")
    f.server("a", env.port(), env_file=str(theirs))
    port = env.port()
    f.server("b", port, "first")
    m = env.start("-c", f.write())
    before = pids(m)

    def refused(word):
        answer = env.client("apply")
        said = answer.stdout + answer.stderr
        if answer.returncode != 1 or word not in said or "shop.yaml:" not in said or \
                "env_file" not in said or pids(m) != before:
            raise Failed(f"{answer.returncode} {said}")

    theirs.chmod(0o666)
    refused("chmod go-w")
    theirs.unlink()
    os.mkfifo(theirs) # nobody writes: the master must not wait
    refused("not a regular file")
    theirs.unlink()
    refused("No such file")

    # Nor is it the others' end: what differs there is done, and a start serves them.
    f.server("b", port, "second")
    f.write()
    answer = env.client("apply")
    if answer.returncode != 1 or pids(m)["a"] != before["a"]:
        raise Failed(f"{answer.returncode} {answer.stdout} {answer.stderr}")
    says(port, "second")
    m.stop()
    m = env.start("-c", f.path)
    says(port, "second")
    why = next(p for p in m.status()["pools"] if p["name"] == "a")
    if why["state"] != "failed" or "env_file" not in why["reason"] or "shop.yaml:" not in why["reason"]:
        raise Failed(str(why))
    m.stop()


def test_a_customers_link_leads_nowhere(env):
    """The file at its end is root's, but the one who made the link has chosen which."""
    f = File(env)
    secret = env.dir / "secret"
    secret.mkdir(0o700)
    (secret / "other.env").write_text("WORD=anothers\n")
    theirs = env.dir / "theirs"
    theirs.mkdir()
    link = theirs / "env"
    link.symlink_to(secret / "other.env")
    port = env.port()
    f.server("b", env.port(), "first")
    f.server("a", port, env_file=str(link))
    m = env.start("-c", f.write())
    wait_until("both serve", lambda: state(m, "a") == state(m, "b") == "ready")
    says(port, "anothers") # all of it is root's
    before = pids(m)
    f.server("a", port, env_file=str(link), credential=[f"key={link}"], workers=2)

    def refused(said, word):
        if word not in said or str(link) not in said or "shop.yaml:" not in said or pids(m) != before:
            raise Failed(said)

    f.write()
    os.lchown(link, 61111, 61111)
    answer = env.client("apply")
    refused(answer.stdout + answer.stderr, "can change where it leads")
    os.lchown(link, 0, 0)
    os.chown(theirs, 61111, 61111)
    answer = env.client("apply")
    refused(answer.stdout + answer.stderr, "can change where it leads")
    f.server("a", port, "kept", credential=[f"key={link}"])
    f.write()
    answer = env.client("apply")
    refused(answer.stdout + answer.stderr, "can change where it leads")
    f.server("a", port, "kept")
    f.top["include"] = "theirs/more.yaml"
    f.write()
    (secret / "more.yaml").write_text(json.dumps({"pools": [{"name": "c", "port": env.port()}]}))
    (theirs / "more.yaml").symlink_to("../secret/more.yaml")
    answer = env.client("apply")
    if answer.returncode != 2 or "can change where it leads" not in answer.stderr or pids(m) != before:
        raise Failed(f"{answer.returncode} {answer.stderr}")
    m.stop()


def test_a_customers_policy_is_not_trusted(env):
    f = File(env)
    port = env.port()
    theirs = env.dir / "their.yaml"
    generic = (env.build.parent / "policy/generic.yaml").read_text()
    theirs.write_text(generic)
    f.server("a", port, "first", policy="their.yaml")
    f.server("b", env.port(), "other")
    m = env.start("-c", f.write())
    wait_until("both serve", lambda: state(m, "a") == state(m, "b") == "ready")
    before = pids(m)
    f.server("a", port, "second", policy="their.yaml")
    f.write()
    os.chown(theirs, 61111, 61111)
    answer = env.client("apply")
    if answer.returncode != 1 or "root does not trust it" not in answer.stdout or \
            "policy" not in answer.stdout or pids(m) != before:
        raise Failed(f"{answer.returncode} {answer.stdout}")
    os.chown(theirs, 0, 0)
    answer = env.client("apply")
    if answer.returncode != 0:
        raise Failed(f"{answer.returncode} {answer.stdout}")
    says(port, "second")
    m.stop()


def test_config_says_which_variable_won(env):
    """The later of two wins, a file's or the pool's own."""
    f = File(env)
    (env.dir / "e").write_text("WORD=of-a-file\nB=of-a-file\n")
    own, read = env.port(), env.port()
    f.top["defaults"] = {"env": {"WORD": "of-all"}}
    f.server("own", own, env_file="e")
    f.pools["own"]["env"] = {"WORD": "own"}
    f.server("read", read, env_file="e")
    m = env.start("-c", f.write())

    def look():
        says(own, "own ")
        says(read, "of-a-file ")

    wait_until("both serve", lambda: state(m, "own") == state(m, "read") == "ready")
    look()
    again = env.dir / "again.yaml"
    again.write_text(m.ctl("config"))
    m.stop()
    m = env.start("-c", again)
    wait_until("both serve", lambda: state(m, "own") == state(m, "read") == "ready")
    look()
    m.stop()


def test_config_holds_in_another_folder(env):
    """Relative paths were meant from the file's folder."""
    f = File(env)
    (env.dir / "k").write_text("geheim")
    (env.dir / "e").write_text("WORD=of-a-file\n")
    (env.dir / "p.yaml").write_text((env.build.parent / "policy/generic.yaml").read_text())
    port = env.port()
    f.server("a", port, policy="p.yaml", env_file="e", credential={"key": "k"}, log={"file": "l"})
    m = env.start("-c", f.write())
    says(port, "of-a-file")
    text = m.ctl("config")
    for name in ("p.yaml", "e", "k", "l"):
        if f"{env.dir}/{name}  #" not in text.replace('"', ""):
            raise Failed(f"{name}: {text}")
    m.stop()
    folder = env.dir / "elsewhere"
    folder.mkdir()
    (folder / "again.yaml").write_text(text)
    m = env.start("-c", folder / "again.yaml")
    says(port, "of-a-file")
    m.stop()


def test_the_files_folder_is_the_workers_after_a_set_too(env):
    f = File(env)
    port = env.port()
    env.app(server_py=SERVER)
    f.path = f.app / "shop.yaml"
    f.server("a", port)
    del f.pools["a"]["cwd"]
    m = env.start("-c", f.write(), cwd="/")
    m.ctl("set", "a", "restart.limit=3/10s")
    f.server("a", port, "second")
    del f.pools["a"]["cwd"]
    f.write()
    answer = env.client("apply", seconds=30)
    if answer.returncode != 0:
        raise Failed(f"{answer.stdout} {answer.stderr}")
    says(port, "second")
    m.stop()


def test_a_name_alone_is_below_etc(env):
    f = File(env)
    f.server("a", env.port())
    folder = env.root / "etc/mpsup"
    folder.mkdir(parents=True)
    f.write().rename(folder / "shop.yaml")
    m = env.start("-c", "shop")
    if m.status()["name"] != "shop":
        raise Failed(m.status())
    m.stop()


def test_a_total_that_cannot_be_had_is_that_pools_end(env):
    f = File(env)
    a, b = env.port(), env.port()
    f.server("a", a, "one", total={"memory": "1G"}).server("b", b, "two")
    m = env.start("-c", f.write())
    wait_until("b serves", lambda: state(m, "b") == "ready")
    pool = m.status()["pools"][0]
    if "ok       memory controller" in env.client("check").stdout:
        wait_until("a serves", lambda: state(m, "a") == "ready")
        if pool["total"]["memory"] != 1 << 30:
            raise Failed(pool["total"])
    elif pool["state"] != "failed" or "total.memory: no memory controller" not in pool["reason"] or \
            not re.search(r"shop\.yaml:\d+:\d+: ", pool["reason"]):
        raise Failed(pool)
    says(b, "two")
    m.stop()


TELL = """
import http.server, os, sys
def look():
    d = os.environ['CREDENTIALS_DIRECTORY']
    out = [d] + sorted(os.listdir(d))
    out.append(open(d + '/db').read())
    for what in (lambda: open(d + '/db', 'w'), lambda: open(d + '/new', 'w'), lambda: os.chmod(d + '/db', 0o777),
                 lambda: os.unlink(d + '/db')):
        try:
            what()
            out.append('DONE')
        except OSError as e:
            out.append(e.strerror)
    st = os.stat(d + '/db')
    out.append(f'{st.st_mode & 0o777:o} {st.st_uid == os.getuid()}')
    out.append(str('geheim' in open('/proc/self/environ').read()))
    return '\\n'.join(out).encode()
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = look()
        self.send_response(200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *a): pass
http.server.ThreadingHTTPServer(('', int(sys.argv[1])), H).serve_forever()
"""


def test_credentials_are_the_pools_own_and_read_only(env):
    f = File(env)
    a, b = env.port(), env.port()
    (f.app / "tell.py").write_text(TELL)
    secret = env.dir / "db.pass"
    secret.write_text("geheim")
    secret.chmod(0o600)
    python = env.need_program("python3")
    for name, port, keys in (("a", a, {"credential": {"db": "db.pass", "other": str(secret)}}),
                             ("b", b, {"credential": {"db": "other.pass"}})):
        f.pool(name, port=port, command=[python, "tell.py", str(port)], cwd=str(f.app), workers=1, **keys)
    (env.dir / "other.pass").write_text("anders")
    (env.dir / "other.pass").chmod(0o600)
    m = env.start("-c", f.write())
    wait_until("both serve", lambda: state(m, "a") == state(m, "b") == "ready")
    lines = http.get(a, "/").text.split("\n")
    if lines[1:4] != ["db", "other", "geheim"] or set(lines[4:8]) - {"Read-only file system", "Permission denied"} \
            or lines[8:] != ["400 True", "False"]:
        raise Failed(lines)
    lines = http.get(b, "/").text.split("\n")
    if lines[1:3] != ["db", "anders"]:
        raise Failed(lines)
    seen = m.log() + m.ctl("config") + m.ctl("status", "--json") + m.ctl("events", "--json")
    if "geheim" in seen or "anders" in seen:
        raise Failed("a secret is told")
    m.stop()
    f.pools["a"]["credential"]["db"] = "none.pass"
    m = env.start("-c", f.write())
    wait_until("b serves", lambda: state(m, "b") == "ready")
    if state(m, "a") != "failed" or "none.pass" not in m.status()["pools"][0]["reason"]:
        raise Failed(m.status()["pools"][0])
    m.stop()
    m = env.start("--port", a, "--credential", f"db={secret}", "--no-sandbox", "view", "--", python, "tell.py", a,
                  cwd=f.app, ready=False)
    m.wait_exit(69)


@timeout(90)
def test_an_address_that_stays_waits(env):
    """Other addresses: the pool stops and starts again, and who comes by those that stay is
    served, if a moment later."""
    app = env.app(app_js="""
const http = require('http');
for (const at of process.env.AT.split(' '))
  http.createServer((q, s) => s.end(process.env.AT)).listen(isNaN(at) ? at : Number(at));
""")
    one, two, sock = env.port(), env.port(), f"{env.dir}/app.sock"

    def listen(*at):
        pool = {"port": [a for a in at if a != sock],
                "listen": [f"unix:{a},mode=0666" for a in at if a == sock], "env": {"AT": " ".join(map(str, at))}, "workers": 2, "cwd": str(app),
                "command": [env.need_program("node"), "app.js"]}
        File(env).pool("web", **pool).write()

    listen(one)
    m = env.start("-c", env.dir / "shop.yaml")
    with http.Load(one, 4, seconds=20) as load:
        for at in ((one, two), (two, sock, one), (one, sock), (one,)):
            listen(*at)
            m.ctl("apply", seconds=60)
            m.wait_workers(2)
            for where in at:
                answer = http.get(where)
                if answer.text != " ".join(map(str, at)):
                    raise Failed(f"{where}: {answer}, not {at}")
            load.wait_more(20)
    bad = [r for r in load.results if r.outcome != http.OK]
    if bad or len(load.results) < 100:
        raise Failed(f"{len(bad)} of {len(load.results)} failed: {bad[:3]}")
    if http.get(two).outcome != http.REFUSED or os.path.exists(sock):
        raise Failed("an address that is not wanted any more is still there")
    m.stop()


@timeout(60)
def test_two_pools_swap_their_addresses(env):
    app = env.app(app_js="require('http').createServer((q, s) => s.end(process.env.MPSUP_POOL))"
                         ".listen(process.env.PORT);")
    one, two = env.port(), env.port()

    def ports(a, b):
        f = File(env)
        for name, port in (("a", a), ("b", b)):
            f.pool(name, port=port, workers=1, cwd=str(app), command=[env.need_program("node"), "app.js"])
        f.write()

    ports(one, two)
    m = env.start("-c", env.dir / "shop.yaml")
    ports(two, one)
    m.ctl("apply", seconds=60)
    wait_until("they have each other's", lambda: http.get(one).text == "b" and http.get(two).text == "a")
    ports(one, two)
    m.ctl("apply", "--no-wait")
    m.ctl("stop", "a")     # in the middle of it: that is the last word
    wait_until("b has what it was to have", lambda: http.get(two).text == "b")
    if state(m, "a") != "stopped" or http.get(one).outcome != http.REFUSED:
        raise Failed(f"a is {state(m, 'a')}")
    m.ctl("start", "a")
    wait_until("a has it, too", lambda: http.get(one).text == "a")
    ports(two, one)
    m.ctl("apply", "--no-wait")
    m.stop()
