#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs host tests: run.py [--counts FILE] [--list] [WORD...]

Tests are the functions test_*(env) of tests/host/test_*.py. A WORD selects
those whose module.function contains it. Each test has a folder, a limit of
time, and must leave nothing behind. One line a test; a failure is followed by
what the masters said. Exit 1 when one failed.
"""

import argparse
import importlib
import os
import pathlib
import signal
import sys
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE))

from harness import Env, Failed, Skip, leftovers, patience  # noqa: E402  pylint: disable=wrong-import-position

DEFAULT_TIMEOUT_S = 60


class TookTooLong(Failed):
    pass


def find_tests(folder, words):
    found = []
    sys.path.insert(1, str(folder))
    for path in sorted(folder.glob("test_*.py")):
        module = importlib.import_module(path.stem)
        own = [(f.__code__.co_firstlineno, name, f) for name, f in vars(module).items()
               if name.startswith("test_") and callable(f) and f.__module__ == path.stem]
        for _, name, function in sorted(own, key=lambda t: t[0]):
            full = f"{path.stem[len('test_'):]}.{name[len('test_'):]}"
            if not words or any(word in full or word in f"{path.stem}.{name}" for word in words):
                found.append((full, function))
    return found


def on_alarm(*_):
    raise TookTooLong("the test took too long")


def failure_text(error):
    if isinstance(error, Failed):
        frames = traceback.extract_tb(error.__traceback__)
        own = [f for f in frames if pathlib.Path(f.filename).name.startswith("test_")]
        place = f" (at {pathlib.Path(own[-1].filename).name}:{own[-1].lineno})" if own else ""
        return f"{error}{place}"
    return "".join(traceback.format_exception(type(error), error, error.__traceback__)).rstrip()


def run_one(name, function):
    """("ok" | "FAILED" | "skipped", problems, masters' words)"""
    before = leftovers.Before()
    env = Env(name)
    verdict, problems = "ok", []
    signal.alarm(int(patience(getattr(function, "timeout_s", DEFAULT_TIMEOUT_S))))
    try:
        function(env)
    except Skip as skip:
        verdict, problems = "skipped", [str(skip)]
    except Exception as error:  # pylint: disable=broad-except
        verdict, problems = "FAILED", [failure_text(error)]
    finally:
        signal.alarm(0)
    alive = env.close()
    if alive and verdict == "ok":
        problems += [f"the test ended and a master still ran: {' '.join(m.argv)}" for m in alive]
    left = before.check(env)
    if verdict == "FAILED":
        # What an unfinished test leaves is no fact about mpsup.
        left = []
    problems += left
    if verdict == "ok" and problems:
        verdict = "FAILED"
    logs = [f"$ {' '.join(m.argv)}\n{m.log()}" for m in env.masters]
    env.remove()
    return verdict, problems, logs


def indent(text):
    return "\n".join("    " + line for line in text.splitlines())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--counts", metavar="FILE", help="write 'PASSED FAILED SKIPPED' there")
    parser.add_argument("--dir", metavar="DIR", type=pathlib.Path, default=HERE,
                        help="tests of that folder, with this harness")
    parser.add_argument("--list", action="store_true", help="only name the tests")
    parser.add_argument("words", nargs="*", metavar="WORD")
    args = parser.parse_args()
    tests = find_tests(args.dir.resolve(), args.words)
    if args.list:
        print("\n".join(name for name, _ in tests))
        return 0
    if not tests:
        print("no test has such a name", file=sys.stderr)
        return 2
    leftovers.adopt_orphans()
    corner = leftovers.Corner()
    signal.signal(signal.SIGALRM, on_alarm)
    counts = {"ok": 0, "FAILED": 0, "skipped": 0}
    for name, function in tests:
        started = time.monotonic()
        if os.geteuid() != 0:
            verdict, problems, logs = "skipped", ["needs root"], []
        else:
            verdict, problems, logs = run_one(name, function)
        counts[verdict] += 1
        reason = f": {problems[0]}" if verdict == "skipped" else ""
        print(f"{args.dir.resolve().name}/{name}: {verdict}{reason} ({time.monotonic() - started:.2f} s)", flush=True)
        if verdict == "FAILED":
            print("\n".join(indent(text) for text in problems + logs), flush=True)
    corner.close()
    if args.counts:
        pathlib.Path(args.counts).write_text(
            f"{counts['ok']} {counts['FAILED']} {counts['skipped']}\n", encoding="ascii")
    else:
        print(f"{counts['ok']} passed, {counts['FAILED']} failed, {counts['skipped']} skipped")
    return 1 if counts["FAILED"] else 0


if __name__ == "__main__":
    sys.exit(main())
