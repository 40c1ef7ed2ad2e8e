# SPDX-License-Identifier: MIT
"""Logs of pools: own files that lose no line when they are renamed, opened with nobody's rights
but the pool's, and so many lines of a worker and no more."""

import json
import os
import re
import signal
import socket
import threading

from harness import Failed, timeout, wait_until
from harness import http, proc

# GET /N writes N numbered lines, the odd ones to stderr.
WRITER = """
import http.server, sys
at = 0
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        global at
        for at in range(at, at + int(self.path[1:])):
            print('line', at, file=sys.stderr if at % 2 else sys.stdout, flush=True)
        at += 1
        self.send_response(200)
        self.send_header('Content-Length', '0')
        self.end_headers()
    def log_message(self, *a): pass
http.server.HTTPServer(('', int(sys.argv[1])), H).serve_forever()
"""

# Numbered lines without end, as fast as they are taken.
FLOOD = """
import os, sys, time
if len(sys.argv) > 1:
    for start in range(0, int(sys.argv[1]), 100):
        os.write(1, b''.join(b'flood %07d %s\\n' % (i, b'x' * 40)
                             for i in range(start, start + 100)))
    os.write(1, b'flood is over\\n')
else:
    block = b'flood without end ' + b'x' * 80 + b'\\n'
    while True:
        os.write(1, block * 100)
time.sleep(1000000)
"""


class Logs:
    """A file of pools, each with log keys of its own, and what their logs hold."""

    def __init__(self, env, name="shop"):
        self.env, self.name, self.pools, self.ports = env, name, {}, {}
        self.app = env.app(writer_py=WRITER, flood_py=FLOOD)
        self.python = env.need_program("python3")
        self.folder = env.dir / "logs"
        self.folder.mkdir()
        self.folder.chmod(0o755)

    def pool(self, name, log=None, command=None, **keys):
        port = self.ports[name] = self.env.port()
        keys = {"workers": 1, "cwd": str(self.app), "port": port,
                "command": command or [self.python, "writer.py", str(port)], **keys}
        self.pools[name] = {"name": name, "log": log or {}, **keys}
        return self

    def write(self):
        path = self.env.dir / f"{self.name}.yaml"
        path.write_text(json.dumps({"version": 1, "name": self.name,
                                    "pools": list(self.pools.values())}, indent=1))
        path.chmod(0o644)
        return path

    def start(self, **more):
        m = self.env.start("-c", self.write(), **more)
        wait_until("all are ready", lambda: all(p["state"] == "ready" for p in m.status()["pools"]))
        return m

    def says(self, name, count):
        answer = http.get(self.ports[name], f"/{count}", seconds=30)
        if answer.outcome != http.OK:
            raise Failed(f"{name}: {answer}")

    def text(self, name):
        try:
            return (self.folder / name).read_text(errors="replace")
        except FileNotFoundError:  # between its renaming and the next one
            return ""

    def wait(self, name, words, seconds=15):
        wait_until(f"{name} holds {words!r}", lambda: words in self.text(name), seconds)


def need(condition, what):
    if not condition:
        raise Failed(str(what))


def change(env, *args, code=0, words=""):
    done = env.client(*args, seconds=30)
    need(done.returncode == code and words in done.stdout + done.stderr,
         f"{args}: {done.returncode}: {done.stdout}{done.stderr}")


def numbers(text):
    return [int(n) for n in re.findall(r"line (\d+)", text)]


def test_each_pool_has_its_own(env):
    logs = Logs(env)
    logs.pool("web", {"file": str(logs.folder / "web.log")}, workers=2)
    logs.pool("api", {"file": "logs/api.log", "format": "json"})  # from the file's folder
    logs.pool("mute", {"file": "none"}).pool("plain")
    m = logs.start()
    for name in logs.ports:
        logs.says(name, 4)
    logs.wait("web.log", "line 3")
    logs.wait("api.log", "line 3")
    m.wait_line(r"plain/0 \| line 3")
    line = re.compile(r"20\d\d-\d\d-\d\dT[\d:.]+Z web/[01] \| line \d")
    lines = logs.text("web.log").splitlines()
    need(lines and all(line.fullmatch(text) for text in lines), lines)
    objects = [json.loads(text) for text in logs.text("api.log").splitlines()]
    need(sorted(o["line"] for o in objects) == [f"line {i}" for i in range(4)] and
         {o["worker"] for o in objects} == {"api/0"} and
         {(o["line"], o["stream"]) for o in objects} >= {("line 1", "err"), ("line 2", "out")},
         objects)
    shown = m.output()
    need(not re.search(r"(web|api|mute)/\d \|", shown), shown)
    need("line 3" in m.ctl("logs", "mute"), "mpsup logs has nothing of a mute pool")
    mode = (logs.folder / "web.log").stat()
    need(mode.st_uid == 0 and mode.st_mode & 0o777 == 0o640, mode)
    m.stop()


@timeout(120)
def test_no_line_is_lost_by_rotation(env):
    """40000 lines into files of 128 KiB, while somebody opens them anew again and again."""
    logs = Logs(env)
    logs.pool("web", {"file": "logs/web.log", "rotate": "128K", "keep": 200},
              restart={"ready": "exec"}, command=[logs.python, "flood.py", "40000"])
    m = logs.start()

    def over():
        m.send(signal.SIGUSR1)
        return "is over" in logs.text("web.log")

    wait_until("all is written", over, 60)
    files = sorted((p for p in logs.folder.glob("web.log.*")),
                   key=lambda p: -int(p.name.rsplit(".", 1)[1]))
    need(len(files) > 20 and all(p.stat().st_size <= 128 << 10 for p in files), files)
    text = "".join(p.read_text() for p in files) + logs.text("web.log")
    got = [int(n) for n in re.findall(r"web/0 \| flood (\d{7}) x{40}\n", text)]
    need(got == list(range(40000)), f"{len(got)} lines, {len(set(got))} of them different")
    m.stop()


def test_more_than_the_rate_is_counted(env):
    logs = Logs(env)
    logs.pool("web", {"file": "logs/web.log", "rate": "100/3s"})
    logs.pool("api", {"file": "logs/api.log"})
    m = logs.start()
    logs.says("web", 1000)
    logs.says("api", 1000)
    logs.wait("api.log", "line 999")
    logs.wait("web.log", "dropped")
    told = re.findall(r"web/0 \| mpsup: (\d+) lines? dropped: more than log.rate's 100 in 3.0 s",
                      logs.text("web.log"))
    passed = numbers(logs.text("web.log"))
    need(sum(map(int, told)) + len(passed) == 1000 and len(passed) % 100 == 0,
         f"{told} + {len(passed)}")
    need(len(numbers(logs.text("api.log"))) == 1000, "the other pool's lines were counted")
    need("line 999" in m.ctl("logs", "-n", "900", "web"), "mpsup logs has not the last lines")
    logs.says("web", 1)
    logs.wait("web.log", "line 1000")
    # What was dropped last is told at the end, too.
    logs.says("web", 500)
    m.stop()
    told = re.findall(r"mpsup: (\d+) lines? dropped", logs.text("web.log"))
    passed = numbers(logs.text("web.log"))
    need(sum(map(int, told)) + len(passed) == 1501, f"{told} + {len(passed)}")


def sizes_of(folder):
    """Of the flood's files, which are renamed all the time."""
    while True:
        try:
            return {p.name: p.stat().st_size for p in folder.glob("loud.log*")}
        except FileNotFoundError:
            pass


def test_a_flood_delays_no_other_pool(env):
    logs = Logs(env)
    logs.pool("loud", {"file": "logs/loud.log", "rotate": "1M", "keep": 1},
              restart={"ready": "exec"}, command=[logs.python, "flood.py"])
    logs.pool("web", {"file": "logs/web.log"})
    m = logs.start()
    logs.wait("loud.log.1", "without end", 30)
    logs.says("web", 100)
    logs.wait("web.log", "line 99")
    need(len(numbers(logs.text("web.log"))) == 100, "lines are missing")
    sizes = sizes_of(logs.folder)
    need(set(sizes) <= {"loud.log", "loud.log.1"} and max(sizes.values()) <= 1 << 20, sizes)
    m.stop()


def test_changes_hold_from_the_next_line_on(env):
    logs = Logs(env)
    logs.pool("web", {"file": "logs/web.log"})
    m = logs.start()
    pids = [w["pid"] for w in m.workers()]
    logs.says("web", 1)
    logs.wait("web.log", "line 0")
    change(env, "set", "web", f"log.file={logs.folder}/set.log", "log.format=json")
    logs.says("web", 1)
    logs.wait("set.log", '"line":"line 1"')
    logs.pools["web"]["log"] = {"file": "logs/applied.log"}
    logs.write()
    change(env, "apply")
    logs.says("web", 1)
    logs.wait("applied.log", "line 2")
    need(numbers(logs.text("web.log") + logs.text("set.log")) == [0, 1], "lines went elsewhere")
    # What cannot be is refused, and nothing has changed.
    for wrong in ("logs/no/such.log", "logs"):
        logs.pools["web"]["log"] = {"file": wrong}
        logs.write()
        change(env, "apply", code=1, words="log.file")
    logs.says("web", 1)
    logs.wait("applied.log", "line 3")
    need([w["pid"] for w in m.workers()] == pids, "workers were replaced")
    m.stop()


def test_a_reload_and_a_stopped_pool_keep_their_log(env):
    logs = Logs(env)
    logs.pool("web", {"file": "logs/web.log"}).pool("api", {"file": "logs/api.log"})
    m = logs.start()
    logs.pools["web"]["env"] = {"NEW": "1"}
    logs.pools["web"]["log"]["file"] = "logs/new.log"
    logs.write()
    change(env, "apply")
    logs.says("web", 1)
    logs.wait("new.log", "line 0")
    for order in ("stop", "start"):
        change(env, order, "api")
    logs.says("api", 1)
    logs.wait("api.log", "line 0")
    fds = [link for link in proc.descriptors(m.pid).values() if str(logs.folder) in link]
    need(sorted(fds) == [str(logs.folder / n) for n in ("api.log", "new.log")], fds)
    m.stop()


def test_a_broken_place_is_that_pools_end(env):
    """In a folder of others: their rights. What they may not, mpsup does not for them."""
    env.need_root()
    logs = Logs(env)
    theirs = env.dir / "theirs"
    theirs.mkdir()
    os.chown(theirs, 65534, 65534)
    (logs.folder / "link.log").symlink_to("real.log")
    secret = env.dir / "secret"
    secret.mkdir(mode=0o755)
    (theirs / "way").symlink_to(secret)
    (theirs / "link.log").symlink_to(secret / "x.log")
    logs.pool("web", {"file": "theirs/web.log"}, user="nobody")
    logs.pool("own", {"file": "theirs/own.log"})  # another uid's
    logs.pool("way", {"file": "theirs/way/x.log"}, user="nobody")
    logs.pool("linked", {"file": "theirs/link.log"}, user="nobody")
    logs.pool("ours", {"file": "logs/link.log"})
    logs.pool("gone", {"file": "no/such.log"})
    checked = env.client("check", "--strict", "-c", logs.write())
    need(checked.returncode == 1 and "log.file" in checked.stdout + checked.stderr, checked)
    need(not (theirs / "web.log").exists(), "check has made a file")
    m = env.start("-c", logs.write())
    logs.says("web", 1)
    wait_until("its log", lambda: "line 0" in (theirs / "web.log").read_text())
    need((theirs / "web.log").stat().st_uid == 65534, "not as the pool's user")
    reasons = {p["name"]: (p["state"], p["reason"]) for p in m.status()["pools"]}
    for name, words in (("own", f"others than root can change {theirs}"),
                        ("way", "others than root can change"), ("linked", "a symbolic link"),
                        ("ours", "a symbolic link"), ("gone", "mkdir -p")):
        need(reasons[name][0] == "failed" and words in reasons[name][1] and
             "shop.yaml:" in reasons[name][1], f"{name}: {reasons[name]}")
    need(not list(secret.iterdir()), "root wrote where they pointed")
    m.stop()


def lay(folder, target, *names):
    """Links to it, in the place of what is there."""
    for name in names:
        (folder / "new").symlink_to(target)
        (folder / "new").rename(folder / name)


def test_a_hostile_folder_leads_nowhere(env):
    """Its owner puts links in the place of the file, of the renamed ones and of a folder on the
    way, under load."""
    env.need_root()
    logs = Logs(env)
    secret = env.dir / "secret"
    secret.mkdir()
    theirs = env.dir / "theirs"
    theirs.mkdir()
    os.chown(theirs, 65534, 65534)
    prize = env.dir / "prize"
    prize.write_text("root's\n")
    prize.chmod(0o600)
    logs.pool("web", {"file": "theirs/web.log", "rotate": "4K", "keep": 2}, user="nobody")
    (theirs / "sub").mkdir()
    os.chown(theirs / "sub", 65534, 65534)
    logs.pool("sub", {"file": "theirs/sub/sub.log", "rotate": "4K"}, user="nobody")
    m = logs.start()
    for name in ("web", "sub"):
        logs.says(name, 1)
    wait_until("their logs", lambda: (theirs / "web.log").exists() and
               (theirs / "sub/sub.log").exists())
    (theirs / "sub").rename(theirs / "away")
    lay(theirs, secret, "sub")
    lay(theirs, prize, "web.log")
    m.send(signal.SIGUSR1)
    m.wait_line("shop.yaml:.*web.log: it is a symbolic link")
    for _ in range(20):
        lay(theirs, prize, "web.log", "web.log.1")
        m.send(signal.SIGUSR1)
        for name in ("web", "sub"):
            logs.says(name, 100)
    m.wait_line("theirs/sub/sub.log: others than root can change")
    need(not list(secret.iterdir()), "root wrote where a link on the way led")
    need(prize.read_text() == "root's\n" and prize.stat().st_uid == 0, "the prize was won")
    (theirs / "web.log").unlink(missing_ok=True)
    m.send(signal.SIGUSR1)
    wait_until("a file again", lambda: (theirs / "web.log").exists() and
               not (theirs / "web.log").is_symlink())
    logs.says("web", 1)
    wait_until("it is written to", lambda: "line 2001" in (theirs / "web.log").read_text())
    m.stop()


class Journald:
    """What journald is to those who write lines: a socket that takes streams."""

    # In a /run of the master's own, and its stderr is the journal's, as systemd says it.
    UNDER = ("unshare", "--mount", "sh", "-c",
             "d=$1; shift; mount -t tmpfs run /run && mkdir -p /run/systemd/journal &&"
             " mount --bind $d /run/systemd/journal &&"
             " JOURNAL_STREAM=$(stat -L -c %d:%i /proc/$$/fd/2) exec \"$@\"", "sh")

    def __init__(self, env):
        self.folder = env.dir / "journal"
        self.folder.mkdir()
        self.under = (*self.UNDER, str(self.folder))
        self.streams, self._lock, self._got = [], threading.Lock(), {}
        self.listener = None

    def open(self, reads=True):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.folder / "stdout"))
        self.listener.listen()
        threading.Thread(target=self._accept, args=(self.listener, reads), daemon=True).start()
        return self

    def close(self):
        """It ends, and its streams with it."""
        if not self.listener:
            return
        (self.folder / "stdout").unlink()
        for s in [self.listener, *self.streams]:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            s.close()
        self.listener, self.streams = None, []

    def _accept(self, listener, reads):
        while True:
            try:
                stream = listener.accept()[0]
            except OSError:
                return
            self.streams.append(stream)
            if reads:
                threading.Thread(target=self._read, args=(stream,), daemon=True).start()

    def _read(self, stream):
        try:
            with stream.makefile("rb") as lines:
                head = [lines.readline().decode().strip() for _ in range(7)]
                for line in lines:
                    with self._lock:
                        self._got.setdefault(head[0], []).append(line.decode())
        except OSError:
            pass

    def got(self, who):
        with self._lock:
            return list(self._got.get(who, []))


def test_the_journal_comes_and_goes(env):
    """No line is lost when journald is started again; without one they are on stderr."""
    env.need_root()
    logs, journal = Logs(env), Journald(env)
    logs.pool("web").pool("api", {"file": "logs/api.log"})
    try:
        journal.open()
        m = logs.start(under=journal.under)
        m.wait_line(r"^<6>.*ready: ")
        for name in ("web", "api"):
            logs.says(name, 2)
        wait_until("its lines", lambda: journal.got("web/0") == ["<6>line 0\n", "<4>line 1\n"])
        for i in range(2, 6):
            journal.close()
            journal.open()
            logs.says("web", 1)
            wait_until(f"line {i}", lambda: any(f"line {i}" in x for x in journal.got("web/0")))
        need(len(journal.got("web/0")) == 6, journal.got("web/0"))
        journal.close()
        logs.says("web", 1)
        m.wait_line(r"web/0 \| line 6")
        journal.open()
        wait_until("it is found again", lambda: logs.says("web", 1) or
                   len(journal.got("web/0")) > 6, 10, step=0.2)
        need(not journal.got("api/0") and "line 1" in logs.text("api.log"), "api has a file")
        m.stop()
    finally:
        journal.close()


def test_a_journal_that_does_not_read_stops_nobody(env):
    env.need_root()
    logs, journal = Logs(env), Journald(env)
    logs.pool("web", {"format": "json"})
    try:
        journal.open(reads=False)
        m = logs.start(under=journal.under)
        logs.says("web", 30000)
        logs.says("web", 1)
        need("line 30000" in m.ctl("logs", "-n", "900", "web"), "the last line was not read")
        m.stop()
    finally:
        journal.close()


def test_without_systemd_a_stale_variable_changes_nothing(env):
    logs = Logs(env)
    logs.pool("web")
    m = logs.start(env={"JOURNAL_STREAM": "8:12345"})
    logs.says("web", 1)
    m.wait_line(r"web/0 \| line 0")
    m.stop()
