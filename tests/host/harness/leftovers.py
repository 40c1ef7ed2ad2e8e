# SPDX-License-Identifier: MIT
"""Counts what a test left behind: processes, leaves, files, descriptors."""

import ctypes
import os
import pathlib
import signal
import stat
import time

from . import proc
from .pace import patience

PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans():
    """Whatever a dead master leaves becomes a child of this program, and so is found."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


_OWN = "tests-of-mpsup."


class Corner:
    """A cgroup of this run's own, where its masters make their folders: two runs on one
    machine do not count each other's. None where controllers are: a cgroup with
    processes in it could not give them on."""

    def __init__(self):
        self._path = None
        mount = proc.cgroup2_mount()
        if mount is None or os.geteuid() != 0:
            return
        self._above = mount + proc.leaf(os.getpid()).rstrip("/")
        with open(f"{self._above}/cgroup.controllers", encoding="ascii") as f:
            if set(f.read().split()) & {"memory", "cpu", "pids"}:
                return
        self._sweep()
        path = f"{self._above}/{_OWN}{os.getpid()}"
        os.mkdir(path)
        self._path = path
        _move_to(path)

    def _sweep(self):
        """What runs that were killed left, as far as it is empty."""
        for name in os.listdir(self._above):
            if name.startswith(_OWN) and not proc.exists(name[len(_OWN):]):
                _remove_tree(f"{self._above}/{name}")

    def close(self):
        if self._path:
            _move_to(self._above)
            _remove_tree(self._path)


def _move_to(folder):
    with open(f"{folder}/cgroup.procs", "w", encoding="ascii") as f:
        f.write(str(os.getpid()))


def _remove_tree(top):
    for folder, _, _ in os.walk(top, topdown=False):
        try:
            os.rmdir(folder)
        except OSError:
            continue


def leaves():
    """Folders of masters below this program's own cgroup."""
    mount = proc.cgroup2_mount()
    if mount is None:
        return set()
    found = set()
    for folder, names, _ in os.walk(mount + proc.leaf(os.getpid())):
        for name in list(names):
            if name.startswith("mpsup"):
                found.add(os.path.join(folder, name))
                names.remove(name)
    return found


def _members(leaf):
    pids = []
    for folder, _, _ in os.walk(leaf):
        try:
            with open(os.path.join(folder, "cgroup.procs"), encoding="ascii") as f:
                pids += [int(line) for line in f]
        except OSError:
            continue
    return pids


def _collect_zombies(known):
    """Orphans that came to us and ended: collected, so that they are not counted."""
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) in known:
            continue
        try:
            s = proc.status(name)
            if int(s["PPid"]) == os.getpid() and s["State"][0] == "Z":
                os.waitpid(int(name), os.WNOHANG)
        except (OSError, KeyError):
            continue


class Before:
    """What was there before a test; check() compares with what is there now."""

    def __init__(self):
        self._leaves = leaves()
        self._fds = len(os.listdir("/proc/self/fd"))

    def check(self, env, seconds=3.0):
        """A list of sentences, empty when nothing was left. Ends left processes."""
        known = {m.pid for m in env.masters}
        end = time.monotonic() + patience(seconds)
        while True:
            _collect_zombies(known)
            found = self._processes() + self._new_leaves() + self._files(env)
            if not found or time.monotonic() > end:
                break
            time.sleep(0.05)
        fds = len(os.listdir("/proc/self/fd"))
        if fds > self._fds:
            found.append(f"the test itself left {fds - self._fds} descriptors open")
        for pid in proc.descendants(os.getpid()):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self._remove_leaves()
        return found

    def _remove_leaves(self):
        """So that the next test starts from a clean tree; a used folder refuses."""
        for leaf in leaves() - self._leaves:
            _remove_tree(leaf)

    @staticmethod
    def _processes():
        found = []
        for pid in proc.descendants(os.getpid()):
            try:
                found.append(f"process {pid} was left: {' '.join(proc.command(pid))}")
            except OSError:
                continue
        return found

    def _new_leaves(self):
        ours = {os.getpid(), *proc.descendants(os.getpid())}
        found = []
        for leaf in sorted(leaves() - self._leaves):
            members = _members(leaf)
            # Somebody else's master may have started beside this test.
            if not members or ours.intersection(members):
                found.append(f"cgroup folder was left: {leaf}")
        return found

    @staticmethod
    def _files(env):
        found = []
        for folder, _, names in os.walk(env.root):
            for name in names:
                path = pathlib.Path(folder) / name
                try:
                    kind = path.lstat().st_mode
                except OSError:
                    continue
                where = path.relative_to(env.root)
                if "run" in where.parts or stat.S_ISSOCK(kind) or path.suffix == ".pid":
                    found.append(f"file was left: {where}")
        return found
