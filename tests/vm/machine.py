# SPDX-License-Identifier: MIT
"""One virtual machine from its start to its end: qemu, the tree for it, what comes back."""

import io
import os
import pathlib
import platform
import re
import select
import selectors
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("MPSUP_BUILD", TOP / "build")).resolve()
# Of the tree, what a test may read there.
FOLDERS = ("deploy", "docs", "include", "policy", "scripts", "tests")
CPUS = 2
MEMORY_MIB = 1536
BOOT_S = 300          # until the job starts; a few seconds on an idle host
DISTRESS = re.compile(r"Kernel panic|BUG:|Oops|Out of memory|initrd: |Failed to start")


class Problem(Exception):
    """No machine, or it came to no end; the text says what would help."""


class Unavailable(Problem):
    """This host cannot run one: a skip."""


def need_tools():
    if platform.machine() != "x86_64":
        raise Unavailable(f"the machine is x86_64 and this host's programs are "
                          f"{platform.machine()}'s")
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    missing = [name for name in ("qemu-system-x86_64", "mmdebstrap", "mke2fs", "cpio", "depmod")
               if shutil.which(name, path=path) is None]
    if missing:
        raise Unavailable(f"needs {', '.join(missing)}: as root, scripts/install-deps.sh vm")
    for name in ("mpsup", "mpsup-init", "mpsup-worker"):
        if not (BUILD / name).exists():
            raise Problem(f"{BUILD / name} is not there: make first")


def image():
    """The folder with kernel, initrd and root.ext4; made when it is not cached."""
    done = subprocess.run([TOP / "scripts" / "vm-image.sh"], stdout=subprocess.PIPE, text=True,
                          check=False)
    if done.returncode == os.EX_UNAVAILABLE:
        raise Unavailable("the machine's disk cannot be had here (scripts/vm-image.sh)")
    if done.returncode != 0:
        raise Problem("the machine's disk could not be made (scripts/vm-image.sh)")
    return pathlib.Path(done.stdout.strip())


def _folder():
    """A folder for one machine, named after this process; those of killed ones go."""
    for old in pathlib.Path(tempfile.gettempdir()).glob("mpsup-vm.*.*"):
        pid = old.name.split(".")[1]
        if pid.isdigit() and not os.path.exists(f"/proc/{pid}"):
            shutil.rmtree(old, ignore_errors=True)
    return tempfile.TemporaryDirectory(prefix=f"mpsup-vm.{os.getpid()}.")


def _by_root(info):
    """mpsup trusts what root alone can change, so in there it is root's."""
    info.uid = info.gid = 0
    info.uname = info.gname = "root"
    info.mode &= ~0o022
    return None if "__pycache__" in info.name else info


def _pack(path, job):
    """A tar as the second disk: folders of the tree, the programs as build/, the job."""
    with tarfile.open(path, "w") as tar:
        for name in FOLDERS:
            if (TOP / name).exists():
                tar.add(TOP / name, name, filter=_by_root)
        for folder in (BUILD, BUILD / "helpers"):
            for program in sorted(folder.glob("*")):
                if program.is_file() and os.access(program, os.X_OK):
                    tar.add(program, f"build/{program.relative_to(BUILD)}", filter=_by_root)
        text = job.encode()
        info = tarfile.TarInfo(".vm/job")
        info.size, info.mode = len(text), 0o755
        tar.addfile(info, io.BytesIO(text))
    with path.open("ab") as f:
        f.truncate((path.stat().st_size + 511) // 512 * 512)


def _command(folder, made, interactive):
    # 57-bit addresses cost a page-table level that has to be walked in software.
    command = ["qemu-system-x86_64", "-M", "pc", "-accel", "tcg", "-cpu", "max,la57=off",
               "-smp", str(CPUS), "-m", str(MEMORY_MIB), "-nodefaults", "-no-user-config",
               "-no-reboot", "-display", "none", "-kernel", made / "kernel",
               "-initrd", made / "initrd", "-append",
               "console=ttyS0 panic=-1 psi=1 mitigations=off random.trust_cpu=on "
               "systemd.unified_cgroup_hierarchy=1 systemd.show_status=true loglevel=5",
               "-serial", f"file:{folder}/console",
               "-drive", f"file={made}/root.ext4,if=virtio,format=raw,snapshot=on,cache=unsafe",
               "-drive", f"file={folder}/tree.tar,if=virtio,format=raw,read-only=on",
               "-device", "virtio-serial"]
    if interactive:
        command += ["-chardev", "stdio,id=tty,mux=on,signal=off", "-mon", "chardev=tty",
                    "-device", "virtconsole,chardev=tty"]
    else:
        command += ["-chardev", "file,id=out,path=/dev/stdout",
                    "-device", "virtserialport,chardev=out,nr=1",
                    "-chardev", f"file,id=result,path={folder}/result",
                    "-device", "virtserialport,chardev=result,nr=2"]
    # Ends with this program, however that ends.
    return ["setpriv", "--pdeathsig", "KILL", *map(str, command)]


JOB = """\
#!/bin/bash
exec 3>/dev/vport0p2 >/dev/vport0p1 2>&1 </dev/null
export PATH=/mpsup/build:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export HOME=/root TERM=dumb LC_ALL=C.UTF-8 MPSUP_BUILD=/mpsup/build
export {environ}
cd /mpsup
echo started >&3
(
{command}
) 3>&-
echo "exit $?" >&3
"""

SHELL_JOB = """\
#!/bin/bash
export PATH=/mpsup/build:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export HOME=/root LC_ALL=C.UTF-8 MPSUP_BUILD=/mpsup/build
export {environ}
cd /mpsup
setsid -c -w bash -c 'stty sane rows {rows} cols {columns}; exec bash' \
    </dev/hvc0 >/dev/hvc0 2>&1
"""


def _words(environ):
    return " ".join(f"{name}='{value}'" for name, value in environ.items()) or "MPSUP_VM=1"


def shell():
    """An interactive root shell in a fresh machine. 0, whatever was done there."""
    if not sys.stdin.isatty():
        raise Problem("a shell needs a terminal; --exec 'CMD' does without")
    made = image()
    size = shutil.get_terminal_size()
    job = SHELL_JOB.format(rows=size.lines, columns=size.columns,
                           environ=_words({"TERM": os.environ.get("TERM", "linux")}))
    with _folder() as name:
        folder = pathlib.Path(name)
        _pack(folder / "tree.tar", job)
        print("vm: starting; exit ends it, as does Ctrl-A X", flush=True)
        with subprocess.Popen(_command(folder, made, True),
                              env={**os.environ, "TMPDIR": name}) as machine:
            try:
                _wait_with_terminal(machine)
            finally:
                machine.kill()
        if machine.returncode != 0:
            raise Problem(f"qemu ended with status {machine.returncode}")
    return 0


def _wait_with_terminal(machine):
    """Until its end, or until the terminal is closed: qemu would go on without one."""
    poll = select.poll()
    poll.register(0, 0)
    while machine.poll() is None:
        if poll.poll(500):
            raise Problem("the terminal was closed")


class Run:
    """run(): the job's exit status; its output goes to on_line as it comes."""

    def __init__(self, command, environ=None, limit_s=600.0, on_line=None):
        self._job = JOB.format(command=command, environ=_words(environ or {}))
        self._limit_s = limit_s
        self._on_line = on_line or (lambda line: print(line, flush=True))
        self._folder = None
        self.boot_s = None

    def run(self):
        made = image()
        with _folder() as name:
            self._folder = pathlib.Path(name)
            _pack(self._folder / "tree.tar", self._job)
            with (self._folder / "qemu").open("wb") as words, subprocess.Popen(
                    _command(self._folder, made, False), stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE, stderr=words,
                    env={**os.environ, "TMPDIR": name}) as machine:
                try:
                    why = self._follow(machine)
                finally:
                    machine.kill()
            found = re.search(r"^exit (\d+)$", self._result(), re.M)
            if not found:
                raise Problem(self._story(why))
            return int(found[1])

    def _result(self):
        try:
            return (self._folder / "result").read_text(encoding="ascii", errors="replace")
        except FileNotFoundError:
            return ""

    def _follow(self, machine):
        """Until its end, or a deadline; why it ended, as far as it is known here."""
        begin = time.monotonic()
        rest = b""
        with selectors.DefaultSelector() as selector:
            selector.register(machine.stdout, selectors.EVENT_READ)
            while True:
                now = time.monotonic() - begin
                if self.boot_s is None and "started" in self._result():
                    self.boot_s = now
                if self.boot_s is None and now > BOOT_S:
                    return f"systemd did not start the job within {BOOT_S} s"
                if now > self._limit_s:
                    return f"the job did not end within {self._limit_s:g} s"
                if not selector.select(1.0):
                    continue
                piece = os.read(machine.stdout.fileno(), 65536)
                *lines, rest = (rest + piece).split(b"\n")
                if not piece and rest:
                    lines = [rest]
                for line in lines:
                    self._on_line(line.decode("utf-8", "backslashreplace"))
                if not piece:
                    machine.wait()
                    return "the machine ended before the job did"

    def _words(self, name, count):
        """The last lines of a file, without colours, and before them what a kernel in
        distress said first."""
        try:
            text = (self._folder / name).read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return []
        lines = [line.rstrip() for line in re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text).splitlines()]
        lines = [line for line in lines if line]
        first = [line for line in lines[:-count] if DISTRESS.search(line)][:3]
        return first + lines[-count:]

    def _story(self, why):
        """What stopped it, qemu's own words and the console's last lines."""
        story = [why]
        for name, title in (("qemu", "qemu said"), ("console", "its console's last lines")):
            words = self._words(name, 25)
            if words:
                story += [f"{title}:", *(f"    {line}" for line in words)]
        return "\n".join(story)


if __name__ == "__main__":
    sys.exit("this is a part of tests/vm/run.py")
