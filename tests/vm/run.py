#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs tests in a virtual machine: run.py [--counts FILE] [--list] [WORD...]

It has what a development host may not have: cgroup v2 with all controllers,
systemd as process 1, PSI, Landlock. In it run the tests of tests/vm/guest and
those of tests/host that ask the kernel for something. A WORD selects tests of
both as in tests/host/run.py. qemu emulates (KVM is not relied on): no timing from
in there means anything.

    run.py --exec 'CMD'    CMD in a fresh machine, as root in /mpsup, which is the
                           tree with the programs in build/; its output and status
    run.py --shell         a root shell in one; exit or Ctrl-A X ends it
"""

import argparse
import pathlib
import re
import shlex
import signal
import subprocess
import sys

sys.dont_write_bytecode = True

import machine  # noqa: E402  pylint: disable=wrong-import-position

SLOW = 10             # times the seconds that a test waits for something
LIMIT_S = 1500        # for all tests; they take a third of it

# Host tests that ask the kernel for something, which is another one here, with other
# cgroups; the others would only repeat, slower.
HOST_WORDS = ["attack.", "bind.arguments", "bind.a_spare", "bind.ipv4_and", "end.", "main.",
              "node.program_in", "place."]

# In the root cgroup, from which controllers can be given on though processes are in it.
PLACE = "echo 0 >/sys/fs/cgroup/cgroup.procs"
GROUP = "python3 tests/host/run.py --counts /dev/null --dir {folder} {names}"

RUNNER = machine.TOP / "tests" / "host" / "run.py"
FOLDERS = {"guest": "tests/vm/guest", "host": "tests/host"}


def names(kind, words):
    """Tests of that folder whose names hold one of the words."""
    done = subprocess.run([sys.executable, RUNNER, "--list", "--dir",
                           machine.TOP / FOLDERS[kind], *words],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode not in (0, 2):
        raise machine.Problem(f"{FOLDERS[kind]} cannot be listed:\n{done.stderr.strip()}")
    return done.stdout.split()


class Tally:
    """Shows tests' lines as they come and keeps their verdicts, so that those of a
    machine that comes to no end are known too."""

    def __init__(self):
        self.verdicts = {}

    def line(self, text):
        found = re.match(r"((?:guest|host)/\S+): (ok|FAILED|skipped)\b", text)
        if found:
            self.verdicts[found[1]] = found[2]
            text = f"vm/{text}"
        print(text, flush=True)

    def counts(self, chosen):
        """[passed, failed, skipped]; a test of which nothing was heard has failed."""
        silent = [name for name in chosen if name not in self.verdicts]
        for name in silent:
            print(f"vm/{name}: FAILED: the machine said nothing of it")
        every = list(self.verdicts.values()) + ["FAILED"] * len(silent)
        return [every.count(verdict) for verdict in ("ok", "FAILED", "skipped")]


def run_tests(words):
    """[passed, failed, skipped]"""
    chosen = {"guest": names("guest", words), "host": names("host", words or HOST_WORDS)}
    groups = [GROUP.format(folder=FOLDERS[kind], names=" ".join(map(shlex.quote, found)))
              for kind, found in chosen.items() if found]
    if not groups:
        raise machine.Problem("no test has such a name")
    tally = Tally()
    run = machine.Run("\n".join([PLACE, *groups, "true"]), on_line=tally.line, limit_s=LIMIT_S,
                      environ={"MPSUP_TEST_SLOW": SLOW})
    try:
        run.run()
    except machine.Unavailable:
        raise
    except machine.Problem as why:
        print(f"vm: {why}", flush=True)
    return tally.counts([f"{kind}/{name}" for kind, found in chosen.items() for name in found])


ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


def end(number, _):
    """So that the machine and its folder are put away; a second signal does not disturb it."""
    for other in ENDING:
        signal.signal(other, signal.SIG_IGN)
    sys.exit(128 + number)


def say_counts(args, counts):
    """The exit status."""
    if args.counts:
        pathlib.Path(args.counts).write_text(" ".join(map(str, counts)) + "\n", encoding="ascii")
    else:
        print("{} passed, {} failed, {} skipped".format(*counts))
    return 1 if counts[1] else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--counts", metavar="FILE", help="write 'PASSED FAILED SKIPPED' there")
    parser.add_argument("--list", action="store_true", help="only name the tests")
    parser.add_argument("--exec", dest="command", metavar="CMD", help="run CMD in a machine")
    parser.add_argument("--shell", action="store_true", help="a root shell in a machine")
    parser.add_argument("--limit", type=float, default=600.0, metavar="SECONDS",
                        help="for --exec (600)")
    parser.add_argument("words", nargs="*", metavar="WORD")
    args = parser.parse_args()
    for number in ENDING:
        signal.signal(number, end)
    try:
        if args.list:
            print("\n".join(f"{kind}/{name}" for kind in FOLDERS for name in
                            names(kind, args.words or (HOST_WORDS if kind == "host" else []))))
            return 0
        machine.need_tools()
        if args.shell:
            return machine.shell()
        if args.command:
            return machine.Run(args.command, limit_s=args.limit).run()
        return say_counts(args, run_tests(args.words))
    except machine.Unavailable as why:
        print(f"vm: skipped: {why}", flush=True)
        return say_counts(args, [0, 0, 1])
    except machine.Problem as why:
        print(f"vm: {why}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
