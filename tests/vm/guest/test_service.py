# SPDX-License-Identifier: MIT
"""As a service of systemd: ready when it is, stopped as asked, nothing left after any end."""

import json
import os
import pathlib
import socket
import subprocess
import time

from harness import Failed, http, patience, proc, wait_until

UNIT = """\
[Service]
Type=notify
Environment=MPSUP_ROOT={root}
ExecStart={mpsup} --name svc --port {port} --workers 2 {more}
Delegate=yes
KillMode=mixed
TimeoutStopSec=60
{lines}
"""


class Service:
    """A unit of this test; removed at its end."""

    def __init__(self, env, more="", lines=""):
        self.env, self.port = env, env.port()
        self.name = f"mpsup-test-{self.port}.service"
        self.path = pathlib.Path("/run/systemd/system") / self.name
        self.path.write_text(UNIT.format(root=env.root, mpsup=env.mpsup, port=self.port, more=more,
                                         lines=lines))
        self.ctl("daemon-reload")

    @staticmethod
    def ctl(*args, code=0):
        done = subprocess.run(["systemctl", *args], capture_output=True, text=True, check=False,
                              timeout=patience(30))
        if code is not None and done.returncode != code:
            raise Failed(f"systemctl {' '.join(args)}: exit {done.returncode}: {done.stderr}")
        return done.stdout.strip()

    def show(self, name):
        return self.ctl("show", f"--property={name}", "--value", self.name)

    def cgroup(self):
        return f"/sys/fs/cgroup{self.show('ControlGroup')}"

    def journal(self):
        return subprocess.run(["journalctl", "-u", self.name, "-o", "cat", "--no-pager"],
                              capture_output=True, text=True, check=False).stdout

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ctl("stop", self.name, code=None)
        self.ctl("reset-failed", self.name, code=None)
        self.path.unlink()
        self.ctl("daemon-reload")


def status(s):
    done = s.env.client("status", "--json")
    if done.returncode != 0:
        raise Failed(done.stderr)
    return json.loads(done.stdout)["pools"][0]


def test_start_waits_for_ready_and_stop_drains(env):
    with Service(env) as s:
        s.ctl("start", s.name)
        if http.get(s.port).outcome != http.OK:
            raise Failed("systemctl start returned before it served")
        wait_until("the status", lambda: s.show("StatusText") == "2 of 2 workers ready")
        main, group = int(s.show("MainPID")), s.cgroup()
        if not os.path.isdir(group):
            raise Failed(f"no cgroup {group}")
        slow = http.background(s.port, "/slow?ms=15000", seconds=60)
        wait_until("it is being answered",
                   lambda: any(w["connections"] for w in status(s)["workers"]), 1.2)
        s.ctl("stop", s.name)
        if slow().outcome != http.OK:
            raise Failed("an open request was cut by systemctl stop")
        if s.show("Result") != "success" or proc.exists(main):
            raise Failed(f"Result={s.show('Result')}\n{s.journal()}")
        wait_until("its cgroup is gone", lambda: not os.path.isdir(group))


def test_start_fails_with_the_reason(env):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        with Service(env) as s:
            s.path.write_text(s.path.read_text().replace(
                f"--port {s.port}", f"--listen 127.0.0.1:{taken.getsockname()[1]}"))
            s.ctl("daemon-reload")
            s.ctl("start", s.name, code=1)
            if s.show("ExecMainStatus") != "2" or "is in use" not in s.journal():
                raise Failed(f"{s.show('ExecMainStatus')}\n{s.journal()}")


def test_watchdog_is_fed(env):
    with Service(env, lines="WatchdogSec=10") as s:
        s.ctl("start", s.name)
        main = s.show("MainPID")
        time.sleep(25)
        if s.show("MainPID") != main or s.show("NRestarts") != "0":
            raise Failed(f"systemd ended it:\n{s.journal()}")


def test_killed_master_is_started_again_and_leaves_nothing(env):
    with Service(env, lines="Restart=always\nRestartSec=100ms") as s:
        s.ctl("start", s.name)
        workers = [w["pid"] for w in status(s)["workers"]]
        proc.kill(int(s.show("MainPID")))
        wait_until("a new master serves", lambda: s.show("NRestarts") == "1" and
                   s.show("ActiveState") == "active" and http.get(s.port).outcome == http.OK, 20)
        if any(map(proc.exists, workers)):
            raise Failed("a worker of the killed master lives")
        s.ctl("stop", s.name)
        if s.show("Result") != "success":
            raise Failed(s.journal())


POOLS = """\
version: 1
name: svc
pools:
  - {{name: web, port: {port}, workers: 2}}
  - name: talk
    workers: 1
    restart: {{ready: exec}}
    command: [python3, -c, {program}]
    port: {other}
"""

TALK = r"""
import os, time
for line in (b'plain\n', b'<3>its own\n', b'<0>not to every terminal\n', b'\x1b[2Jred\n'):
    os.write(1, line)
os.write(2, b'to stderr\n')
time.sleep(1000000)
"""


def test_each_worker_has_a_stream_of_the_journal(env):
    """journalctl shows POOL/SLOT and priorities; they are the service's, and survive journald."""
    with Service(env) as s:
        path = env.dir / "svc.yaml"
        path.write_text(POOLS.format(port=s.port, other=env.port(), program=json.dumps(TALK)))
        path.chmod(0o644)
        text = s.path.read_text()
        start = next(line for line in text.splitlines() if line.startswith("ExecStart="))
        s.path.write_text(text.replace(start, f"ExecStart={env.mpsup} -c {path}"))
        s.ctl("daemon-reload")
        s.ctl("start", s.name)

        def entries():
            subprocess.run(["journalctl", "--sync"], check=False)
            done = subprocess.run(["journalctl", "-u", s.name, "-o", "json", "--no-pager"],
                                  capture_output=True, text=True, check=True)
            return [(e.get("SYSLOG_IDENTIFIER"), e["MESSAGE"], e.get("PRIORITY"))
                    for e in map(json.loads, done.stdout.splitlines())]

        wanted = [("talk/0", "plain", "6"), ("talk/0", "its own", "3"),
                  ("talk/0", "not to every terminal", "1"), ("talk/0", "\\x1b[2Jred", "6"),
                  ("talk/0", "to stderr", "4")]
        wait_until("its lines", lambda: set(wanted) <= set(entries()), 15)
        got = entries()
        if any(message.startswith("talk/0 |") for _, message, _ in got):
            raise Failed(f"lines beside the stream: {got}")
        own = [(message, priority) for name, message, priority in got if name == "mpsup"]
        if not any("ready: " in message and priority == "6" for message, priority in own):
            raise Failed(f"our own words: {own}")
        # The streams of a journald that is started again are those that it had.
        s.ctl("restart", "systemd-journald.service")
        pid = next(p for p in json.loads(env.client("status", "--json").stdout)["pools"]
                   if p["name"] == "talk")["workers"][0]["pid"]
        proc.kill(pid)
        try:
            wait_until("the lines of the next one",
                       lambda: entries().count(("talk/0", "plain", "6")) == 2, 5)
        except Failed as why:
            raise Failed(f"{why}: {entries()}") from why
        died = [entry for entry in entries() if "talk/0 (pid" in entry[1]]
        if not died or died[0][0] != "mpsup":
            raise Failed(f"its certificate: {died}")
