# SPDX-License-Identifier: MIT
"""A running mpsup: its words, its status, its events, its end."""

import fcntl
import json
import os
import pty as pty_module
import re
import select
import signal
import struct
import subprocess
import termios
import threading
import time

from . import proc
from .env import Failed, wait_until
from .pace import patience


class Master:
    """Use Env.start(). Output is collected by threads, so it never blocks mpsup."""

    def __init__(self, env, argv, cwd, environ, pty=False):
        self._env = env
        self.argv = argv
        self.lines = []             # (seconds since the start, stream, line)
        self._changed = threading.Condition()
        self._readers = []
        self._started = time.monotonic()
        self.pty_fd = -1
        if pty:
            self._start_on_pty(cwd, environ)
        else:
            self._process = subprocess.Popen(
                argv, cwd=cwd, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, start_new_session=True)
            self._read(self._process.stdout.fileno(), "out")
            self._read(self._process.stderr.fileno(), "err")
        self.pid = self._process.pid

    def _start_on_pty(self, cwd, environ):
        self.pty_fd, slave = pty_module.openpty()

        def become_leader():
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        try:
            self._process = subprocess.Popen(
                self.argv, cwd=cwd, env=environ, stdin=slave, stdout=slave, stderr=slave,
                preexec_fn=become_leader)  # pylint: disable=subprocess-popen-preexec-fn
        finally:
            os.close(slave)
        # A copy of its own: close_pty() must not pull the number away under the reader.
        self._pty_reader_fd = os.dup(self.pty_fd)
        os.set_blocking(self._pty_reader_fd, True)
        self._pty_stop_r, self._pty_stop_w = os.pipe()
        self._read(self._pty_reader_fd, "pty", stop_fd=self._pty_stop_r)

    # Output

    def _read(self, fd, stream, stop_fd=None):
        reader = threading.Thread(target=self._collect, args=(fd, stream, stop_fd), daemon=True)
        self._readers.append(reader)
        reader.start()

    def _collect(self, fd, stream, stop_fd):
        rest = b""
        while True:
            try:
                if stop_fd is not None:
                    able, _, _ = select.select([fd, stop_fd], [], [])
                    if stop_fd in able:
                        break
                piece = os.read(fd, 65536)
            except OSError:
                break
            if not piece:
                break
            *whole, rest = (rest + piece).split(b"\n")
            self._add(stream, whole)
        if rest:
            self._add(stream, [rest])

    def _add(self, stream, whole):
        with self._changed:
            now = time.monotonic() - self._started
            for line in whole:
                text = line.decode("utf-8", "backslashreplace").rstrip("\r")
                self.lines.append((now, stream, text))
            self._changed.notify_all()

    def output(self, stream=None):
        """Everything said so far, as one text; stream "out", "err", "pty" or all."""
        with self._changed:
            return "\n".join(t for _, s, t in self.lines if stream in (None, s))

    def log(self):
        """The output with times, for a failure's report."""
        with self._changed:
            return "\n".join(f"{at:8.3f} {s}: {t}" for at, s, t in self.lines)

    def wait_line(self, pattern, seconds=10.0):
        """The first line that matches the regular expression, seen or to come."""
        regex = re.compile(pattern)
        end = time.monotonic() + patience(seconds)
        seen = 0
        with self._changed:
            while True:
                for _, _, text in self.lines[seen:]:
                    found = regex.search(text)
                    if found:
                        return found
                seen = len(self.lines)
                left = end - time.monotonic()
                over = self._process.poll() is not None and not any(
                    r.is_alive() for r in self._readers)
                if over or left <= 0:
                    code = self._process.returncode
                    why = f"it ended with {code}" if over else f"{seconds:g} s passed"
                    raise Failed(f"no line matches /{pattern}/: {why}")
                self._changed.wait(min(left, 0.1))

    def wait_ready(self, seconds=20.0):
        return self.wait_line(r"(^|\W)ready: ", seconds)

    # Facts

    def ctl(self, *args, seconds=10.0):
        """A client command that must succeed; its standard output."""
        done = self._env.client(*args, seconds=seconds)
        if done.returncode != 0:
            raise Failed(f"mpsup {' '.join(map(str, args))}: exit {done.returncode}: "
                         f"{done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def status(self, *target):
        return json.loads(self.ctl("status", "--json", *target))

    def pool(self, name="web"):
        for pool in self.status()["pools"]:
            if pool["name"] == name:
                return pool
        raise Failed(f"status shows no pool {name}")

    def workers(self, role="worker", state=None):
        return [w for w in self.pool()["workers"]
                if w["role"] == role and state in (None, w["state"])]

    def wait_workers(self, count, state="ready", role="worker", seconds=15.0):
        return wait_until(f"{count} {role}s in state {state}", lambda: (
            lambda found: found if len(found) == count else None)(self.workers(role, state)),
            seconds)

    def events(self, name=None):
        """All events so far; with a name, these only."""
        every = [json.loads(line) for line in self.ctl("events", "--json").splitlines() if line]
        return [e for e in every if name in (None, e["event"])]

    def wait_event(self, name, seconds=10.0, **fields):
        """The first event of that name with these fields."""
        def find():
            for event in self.events(name):
                if all(event.get(k) == v for k, v in fields.items()):
                    return event
            return None

        return wait_until(f"event {name} {fields}", find, seconds, 0.05)

    # The end

    def alive(self):
        return self._process.poll() is None

    def send(self, number):
        os.kill(self.pid, number)

    def wait_exit(self, code=0, seconds=30.0):
        """Waits for its end; Failed unless the exit code (negative: signal) is this one."""
        try:
            got = self._process.wait(patience(seconds))
        except subprocess.TimeoutExpired:
            raise Failed(f"the master still runs after {seconds:g} s:\n{self.picture()}") from None
        for reader in self._readers:
            if self.pty_fd < 0:
                reader.join(patience(10))
        if code is not None and got != code:
            raise Failed(f"the master's exit code is {got}, not {code}")
        return got

    def picture(self):
        """What it and its processes do just now: for a failure that comes once in a year."""
        seen = [proc.picture(pid) for pid in [self.pid, *proc.descendants(self.pid)]]
        try:
            done = self._env.client("status", "--json")
            seen.append(done.stdout or done.stderr)
        except subprocess.TimeoutExpired:
            seen.append("it does not answer")
        return "\n".join(seen)

    def stop(self, number=signal.SIGTERM, code=0, seconds=30.0):
        self.send(number)
        return self.wait_exit(code, seconds)

    def kill(self):
        if self.alive():
            self._process.kill()
        self._process.wait(10)

    # The terminal

    def resize(self, rows, columns):
        fcntl.ioctl(self.pty_fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, keys):
        os.write(self.pty_fd, keys)

    def close_pty(self):
        """As when a window is closed: no descriptor of the master side is left."""
        if self.pty_fd < 0:
            return
        os.write(self._pty_stop_w, b"x")
        for reader in self._readers:
            reader.join(patience(10))
        for fd in (self._pty_reader_fd, self.pty_fd, self._pty_stop_r, self._pty_stop_w):
            os.close(fd)
        self.pty_fd = -1

    def close(self):
        self.close_pty()
        for reader in self._readers:
            reader.join(patience(5))
        for stream in (self._process.stdout, self._process.stderr):
            if stream:
                stream.close()
