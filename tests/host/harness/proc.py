# SPDX-License-Identifier: MIT
"""What the kernel says about a process of the host, by its host pid."""

import os
import signal


def exists(pid):
    """False for a zombie too: it is only waiting to be collected."""
    try:
        return status(pid)["State"][0] not in "ZX"
    except (OSError, KeyError):
        return False


def kill(pid, number=signal.SIGKILL):
    """A signal by host pid; only for processes that this test has seen started."""
    os.kill(pid, number)


def status(pid):
    """/proc/PID/status as a dict of texts."""
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as f:
        return {k: v.strip() for k, _, v in (line.partition(":") for line in f)}


def namespaces(pid):
    """{"pid": "pid:[4026531836]", ...}"""
    folder = f"/proc/{pid}/ns"
    return {name: os.readlink(f"{folder}/{name}") for name in os.listdir(folder)}


def environ(pid):
    with open(f"/proc/{pid}/environ", "rb") as f:
        pairs = [p.decode("utf-8", "replace").partition("=") for p in f.read().split(b"\0") if p]
    return {name: value for name, _, value in pairs}


def command(pid):
    with open(f"/proc/{pid}/cmdline", "rb") as f:
        return f.read().decode("utf-8", "replace").rstrip("\0").split("\0")


def mounts(pid):
    """One dict a mount: point, options, fields ("shared:1"), type, source, super_options."""
    found = []
    with open(f"/proc/{pid}/mountinfo", encoding="utf-8", errors="replace") as f:
        for line in f:
            left, _, right = line.rstrip("\n").partition(" - ")
            a, b = left.split(" "), right.split(" ")
            found.append({"id": a[0], "root": a[3], "point": a[4], "options": a[5].split(","),
                          "fields": a[6:], "type": b[0], "source": b[1],
                          "super_options": b[2].split(",")})
    return found


def descriptors(pid):
    """{number: what it names}"""
    folder = f"/proc/{pid}/fd"
    found = {}
    for number in os.listdir(folder):
        try:
            found[int(number)] = os.readlink(f"{folder}/{number}")
        except FileNotFoundError:
            continue
    return found


def leaf(pid):
    """Path of its cgroup in the v2 tree."""
    with open(f"/proc/{pid}/cgroup", encoding="ascii") as f:
        for line in f:
            if line.startswith("0::"):
                return line[3:].strip()
    return None


def picture(pid):
    """What it waits for, in one text."""
    said = [f"pid {pid}"]
    try:
        facts = status(pid)
        said += [" ".join(command(pid)), f"state {facts['State']}", f"parent {facts['PPid']}",
                 f"pending {facts['SigPnd']} {facts['ShdPnd']}", f"blocked {facts['SigBlk']}"]
        for file in ("wchan", "syscall", "stack"):
            with open(f"/proc/{pid}/{file}", encoding="ascii", errors="replace") as f:
                said.append(f"{file} {' '.join(f.read().split())}")
        said.append(f"holds {descriptors(pid)}")
    except (OSError, KeyError) as e:
        said.append(f"({e})")
    return "; ".join(said)


def parent(pid):
    return int(status(pid)["PPid"])


def children(pid):
    """Those of its main thread, zombies too."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
            return [int(word) for word in f.read().split()]
    except OSError:
        return []


def descendants(pid):
    """Host pids below pid, zombies left out."""
    children = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            s = status(name)
        except OSError:
            continue
        if s.get("State", "Z")[0] not in "ZX":
            children.setdefault(int(s["PPid"]), []).append(int(name))
    found, queue = [], [pid]
    while queue:
        for child in children.get(queue.pop(), []):
            found.append(child)
            queue.append(child)
    return found


def cgroup2_mount():
    """Where the v2 tree is mounted, or None."""
    for m in mounts("self"):
        if m["type"] == "cgroup2" and m["root"] == "/":
            return m["point"]
    return None
