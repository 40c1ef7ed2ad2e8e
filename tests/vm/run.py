#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs tests in a virtual machine: run.py [--counts FILE] [WORD...]

It has what a development host may not have: cgroup v2 with all controllers,
systemd as process 1, PSI, Landlock. In it run the tests of tests/vm/guest and
those of tests/host that ask the kernel for something. A WORD selects tests as in
tests/host/run.py. qemu emulates (KVM is not relied on): no timing from in there
means anything.

    run.py --exec 'CMD'    CMD in a fresh machine; its output and exit status
    run.py --shell         a root shell in it; `poweroff -f` or Ctrl-A X ends it
"""

import argparse
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("MPSUP_BUILD", TOP / "build")).resolve()
MEMORY_MIB = 2048
SLOW = 10             # times the seconds that a test waits for something
BOOT_S = 240          # until the job starts
LIMIT_S = 1500        # all of it
EXIT_MARK = "@@mpsup-vm-exit"
COUNTS_MARK = "@@mpsup-vm-counts"

# Host tests that ask the kernel for something, which is another one here, with other
# cgroups; the others would only repeat, twenty times slower.
HOST_WORDS = ["attack.", "end.", "main.", "node.program_in"]

JOB = """\
#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb LC_ALL=C.UTF-8
export MPSUP_TEST_SLOW={slow} MPSUP_BUILD=/mpsup/build {more}
stty -echo -onlcr 2>/dev/null
cd /mpsup
(
{command}
)
echo "{mark} $?"
sync
exec systemctl poweroff --force --force
"""

SHELL_JOB = """\
#!/bin/sh
export PATH=/mpsup/build:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=${TERM:-linux}
cd /mpsup
bash -l
exec systemctl poweroff --force --force
"""

# A word may name tests of one of the two folders only: run.py ends with 2 in the other.
TESTS = """\
echo 0 >/sys/fs/cgroup/cgroup.procs
part() {{
    file=$1; shift
    python3 tests/host/run.py --counts $file "$@"
    status=$?
    [ $status != 2 ] || [ -z "{words}" ] || {{ echo 0 0 0 >$file; return; }}
    [ -s $file ] || echo 0 1 0 >$file
    [ $status = 0 ] || bad=1
}}
bad=0
part /tmp/counts.guest --dir tests/vm/guest {words}
part /tmp/counts.host {host}
echo "{mark}" $(cat /tmp/counts.guest /tmp/counts.host)
(exit $bad)"""


class Problem(Exception):
    """What stops a run before it has counted anything; the text says what would help."""


class Cannot(Problem):
    """This host has no machine to give: the tests are skipped."""


def need_tools():
    missing = [name for name in ("qemu-system-x86_64", "mmdebstrap", "cpio", "depmod")
               if shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin") is None]
    if missing:
        raise Cannot(f"needs {', '.join(missing)}; scripts/install-deps.sh vm installs them")
    if os.geteuid() != 0:
        raise Cannot("needs root, to make the image")
    for name in ("mpsup", "mpsup-init", "mpsup-worker"):
        if not (BUILD / name).exists():
            raise Problem(f"{BUILD}/{name} is not there: make first")


def image():
    done = subprocess.run([TOP / "scripts" / "vm-image.sh"], stdout=subprocess.PIPE, text=True,
                          check=False)
    if done.returncode != 0:
        raise Problem("the image could not be made")
    return pathlib.Path(done.stdout.strip())


def pack_tree(folder, job, initrd):
    """The built tree as /mpsup and the job, behind the root in one initrd: the kernel
    unpacks archives that follow each other."""
    stage = folder / "tree"
    top = stage / "mpsup"
    (top / "build").mkdir(parents=True)
    for path in BUILD.iterdir():
        if path.is_file() and os.access(path, os.X_OK):
            shutil.copy(path, top / "build")
    for name in ("policy", "tests/host", "tests/vm", "deploy", "scripts"):
        if (TOP / name).exists():
            shutil.copytree(TOP / name, top / name, symlinks=True)
    (stage / "mpsup-vm").mkdir()
    path = stage / "mpsup-vm" / "job"
    path.write_text(job)
    path.chmod(0o755)
    with initrd.open("ab") as out:
        names = "\0".join(str(p.relative_to(stage)) for p in sorted(stage.rglob("*")))
        subprocess.run(["cpio", "--null", "--quiet", "-o", "-H", "newc", "-R", "0:0"], cwd=stage,
                       input=names.encode(), stdout=out, check=True)
    shutil.rmtree(stage)


def qemu(folder, kernel, initrd, interactive):
    console = folder / "console.log"
    command = ["qemu-system-x86_64", "-M", "pc", "-accel", "tcg", "-cpu", "max", "-smp", "2",
               "-m", str(MEMORY_MIB), "-nodefaults", "-no-user-config", "-no-reboot",
               "-display", "none", "-kernel", str(kernel), "-initrd", str(initrd),
               "-append", "console=ttyS0 panic=-1 psi=1 quiet systemd.show_status=false",
               "-serial", f"file:{console}"]
    command += ["-serial", "mon:stdio"] if interactive else ["-serial", "stdio"]
    disk = folder / "disk"
    with disk.open("wb") as f:
        f.truncate(64 << 20)
    command += ["-drive", f"file={disk},if=virtio,format=raw,cache=unsafe"]
    return command, console


class Run:
    """One machine from its start to its end."""

    def __init__(self, job, interactive=False):
        self.status = None
        self.counts = None
        with tempfile.TemporaryDirectory(prefix="mpsup-vm.") as name:
            folder = pathlib.Path(name)
            made = image()
            initrd = folder / "initrd"
            shutil.copyfile(made / "root.cpio", initrd)
            pack_tree(folder, job, initrd)
            command, console = qemu(folder, made / "kernel", initrd, interactive)
            if interactive:
                self.status = subprocess.run(command, check=False).returncode
                return
            self._follow(command, console)

    def _follow(self, command, console):
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT) as machine:
            why = []

            def give_up(text):
                why.append(text)
                machine.kill()

            alarms = [threading.Timer(BOOT_S, give_up, [f"nothing ran within {BOOT_S} s"]),
                      threading.Timer(LIMIT_S, give_up, [f"not done within {LIMIT_S} s"])]
            for alarm in alarms:
                alarm.start()
            try:
                for raw in machine.stdout:
                    alarms[0].cancel()
                    self._line(raw.decode("utf-8", "replace").rstrip("\r\n"))
            finally:
                for alarm in alarms:
                    alarm.cancel()
                machine.kill()
        if self.status is None:
            last = console.read_text(errors="replace").splitlines()[-25:] if console.exists() \
                else []
            raise Problem("\n    ".join([f"the machine ended early"
                                         f"{': ' + why[0] if why else ''}; its console's last "
                                         "lines:", *last]))

    def _line(self, line):
        if line.startswith(EXIT_MARK):
            self.status = int(line.split()[1])
        elif line.startswith(COUNTS_MARK):
            numbers = [int(n) for n in re.findall(r"\d+", line)]
            self.counts = [sum(numbers[i::3]) for i in range(3)]
        else:
            print(line, flush=True)


def job_of(command, slow=SLOW):
    keep = {k: v for k, v in os.environ.items() if k == "MPSUP_TEST_MUST_RUN"}
    more = " ".join(f"{k}={shlex.quote(v)}" for k, v in keep.items())
    return JOB.format(command=command, mark=EXIT_MARK, slow=slow, more=more)


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
    parser.add_argument("--exec", dest="command", metavar="CMD", help="run CMD in a machine")
    parser.add_argument("--shell", action="store_true", help="a root shell in a machine")
    parser.add_argument("words", nargs="*", metavar="WORD")
    args = parser.parse_args()
    try:
        need_tools()
        if args.shell:
            return Run(SHELL_JOB, interactive=True).status
        if args.command:
            return Run(job_of(args.command)).status
        words = " ".join(map(shlex.quote, args.words))
        host = words or " ".join(HOST_WORDS)
        run = Run(job_of(TESTS.format(words=words, host=host, mark=COUNTS_MARK)))
    except Cannot as why:
        print(f"vm: skipped: {why}", flush=True)
        return say_counts(args, [0, 0, 1])
    except Problem as why:
        print(f"vm: {why}", file=sys.stderr)
        return 1
    if run.counts is None:
        print("vm: the tests in the machine did not come to their end", file=sys.stderr)
        return 1
    return say_counts(args, run.counts)


if __name__ == "__main__":
    sys.exit(main())
