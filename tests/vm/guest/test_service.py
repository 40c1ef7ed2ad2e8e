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
