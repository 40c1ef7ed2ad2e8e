# SPDX-License-Identifier: MIT
"""One test's world: a folder, ports, the masters that it started."""

import errno
import os
import pathlib
import random
import shutil
import socket
import subprocess
import tempfile
import time

from .pace import patience

FIXTURES = pathlib.Path(__file__).resolve().parent.parent / "fixtures"
TOP = FIXTURES.parents[2]
BUILD = pathlib.Path(os.environ.get("MPSUP_BUILD", TOP / "build")).resolve()


class Skip(Exception):
    """This host cannot run the test; the text says what is missing."""


class Failed(AssertionError):
    """The promise does not hold."""


def timeout(seconds):
    """Decorator: this test may take longer than the runner's default."""

    def mark(function):
        function.timeout_s = seconds
        return function

    return mark


def wait_until(what, condition, seconds=10.0, step=0.02):
    """The first true value of condition(); Failed, naming `what`, after the time."""
    end = time.monotonic() + patience(seconds)
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failed(f"waited {seconds:g} s for: {what}")
        time.sleep(step)


def first_port_of_clients():
    """Where net.ipv4.ip_local_port_range begins; the top when that leaves too few."""
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as f:
        first = int(f.read().split()[0])
    return first if first > 12000 else 65536


class Env:
    """Given to each test function. Everything that it makes is gone afterwards."""

    def __init__(self, name):
        self.name = name
        # Not below /tmp: a worker has a /tmp of its own. Enterable by any uid.
        base = "/srv" if os.geteuid() == 0 and os.path.isdir("/srv") else None
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="mpsup-test.", dir=base))
        self.dir.chmod(0o755)
        self.root = self.dir / "root"
        self.root.mkdir()
        self.build = BUILD
        self.masters = []
        self._ports = []

    # Files

    def app(self, **files):
        """A folder with the given files; `app_js="..."` makes app.js."""
        folder = self.dir / "app"
        folder.mkdir(exist_ok=True)
        for name, text in files.items():
            path = folder / ".".join(name.rsplit("_", 1))
            path.write_text(text)
            path.chmod(0o755)
        return folder

    def fixture(self, name):
        """A copy of tests/host/fixtures/NAME where a worker can read it."""
        folder = self.dir / "app"
        folder.mkdir(exist_ok=True)
        path = folder / pathlib.Path(name).name
        shutil.copyfile(FIXTURES / name, path)
        path.chmod(0o755)
        return path

    def own_copy(self):
        """From now on its mpsup is a copy that anybody may run, wherever the tree is, with
        all that belongs to it: as an installation has it. The path of the program."""
        folder = self.dir / "own" / "bin"
        folder.mkdir(parents=True)
        for name in ("mpsup", "mpsup-init", "mpsup-worker", "mpsup-scope"):
            shutil.copy2(self.build / name, folder / name)
        shutil.copytree(TOP / "policy", self.dir / "own" / "policy")
        self.build = folder
        return folder / "mpsup"

    # Needs

    @staticmethod
    def need_root():
        if os.geteuid() != 0:
            raise Skip("needs root")

    @staticmethod
    def need_program(name):
        """The program's path outside of anybody's home, where a worker can see it."""
        for folder in ("/usr/bin", "/usr/sbin", "/usr/local/bin", "/bin"):
            path = os.path.join(folder, name)
            if os.access(path, os.X_OK):
                return path
        raise Skip(f"needs {name}")

    # Ports

    def port(self):
        """A TCP port that nobody listens on, on any address, kept until the test's end.

        Not of those that the kernel gives to clients: one of these could have it before the
        master does. And no other run's: each keeps a name of the port's own."""
        while True:
            number = random.randrange(10000, first_port_of_clients())
            name = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            try:
                name.bind(f"\0mpsup-test-port-{number}")
                with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as s:
                    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
                    s.bind(("::", number))
            except OSError as e:
                name.close()
                if e.errno != errno.EADDRINUSE:
                    raise
                continue
            self._ports.append(name)
            return number

    # Programs

    @property
    def mpsup(self):
        return str(self.build / "mpsup")

    def environ(self, **more):
        """What a person's shell would have, without traces of sudo."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("SUDO_", "MPSUP_"))}
        kept["MPSUP_ROOT"] = str(self.root)
        kept.update(more)
        return kept

    def start(self, *args, cwd=None, env=None, pty=False, under=(), ready=True, seconds=20.0):
        """A master; with ready=True it has said `ready:` before this returns."""
        from .master import Master

        master = Master(self, [*under, self.mpsup, *map(str, args)], cwd=cwd or self.dir,
                        environ=self.environ(**(env or {})), pty=pty)
        self.masters.append(master)
        if ready:
            master.wait_ready(seconds)
        else:
            wait_until("the master listens for commands, or ends", lambda: not master.alive() or
                       list(self.root.glob("run/mpsup/*.sock")), seconds)
        return master

    def client(self, *args, seconds=10.0, env=None):
        """A client command; the finished process with text stdout and stderr."""
        return subprocess.run([self.mpsup, *map(str, args)], cwd=self.dir,
                              timeout=patience(seconds),
                              env=self.environ(**(env or {})), stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, errors="replace", check=False)

    def close(self):
        """Ends what still runs; says which masters that were."""
        for name in self._ports:
            name.close()
        alive = [m for m in self.masters if m.alive()]
        for master in alive:
            master.kill()
        for master in self.masters:
            master.close()
        return alive

    def remove(self):
        shutil.rmtree(self.dir, ignore_errors=True)
