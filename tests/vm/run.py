#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs tests in a virtual machine: run.py [--counts FILE] [WORD...]

    run.py --exec 'CMD'    CMD in a fresh machine, as root in /mpsup, which is the tree with
                           the programs in build/: prints its output, exits with its status
    run.py --shell         a root shell in one
"""

import argparse
import signal
import sys

sys.dont_write_bytecode = True

import machine  # noqa: E402  pylint: disable=wrong-import-position


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--exec", dest="command", metavar="CMD", help="run CMD in a machine")
    parser.add_argument("--shell", action="store_true", help="a root shell in a machine")
    parser.add_argument("--limit", type=float, default=600.0, metavar="S")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        machine.need_tools()
        if args.shell:
            return machine.shell()
        return machine.Run(args.command, limit_s=args.limit).run()
    except machine.Problem as why:
        print(f"vm: {why}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
