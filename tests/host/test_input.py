# SPDX-License-Identifier: MIT
"""Bad input: one clear line, the contract's exit code, nothing left running."""

import json
import os
import socket

from harness import Failed
from harness import http

# (arguments, exit code, what the line must hold). {port} is a free one.
BAD_OPTIONS = [
    (["--port", "70000"], 2, "--port"),
    (["--port", "0"], 2, "--port"),
    (["--port", "-1"], 2, "--port"),
    (["--port", "3000x"], 2, "3000x"),
    (["--port", ""], 2, "--port"),
    (["--port"], 2, "--port"),
    (["--prot", "3000"], 2, "--port|--protocol"),
    (["--wrokers", "2"], 2, "--workers"),
    (["--workers", "0"], 2, "--workers"),
    (["--workers", "many"], 2, "many"),
    (["--workers", "99999999999999999999"], 2, "--workers"),
    (["--cpus", "9999"], 2, "9999"),
    (["--cpus", "green"], 2, "green"),
    (["--cpus", "1-"], 2, "--cpus"),
    (["--spares", "-3"], 2, "--spares"),
    (["--parallel", "0"], 2, "--parallel"),
    (["--port", "{port}", "--user", "no-such-user"], 2, "no-such-user"),
    (["--port", "{port}", "--group", "no-such-group"], 2, "no-such-group"),
    (["--port", "{port}", "--groups", "no-such-group"], 2, "no-such-group"),
    (["--port", "{port}", "--cwd", "/no/such/folder"], 2, "/no/such/folder"),
    (["--protocol", "carrier-pigeon"], 2, "carrier-pigeon"),
    (["--protocol", "node-ipcc"], 2, "node-ipc"),
    (["--view", "sideways"], 2, "sideways"),
    (["--port", "{port}", "--ro", "/no/such/path"], 2, "/no/such/path"),
    (["--port", "{port}", "--rw", "/no/such/path"], 2, "/no/such/path"),
    (["--no-sandbox", "secomp"], 2, "seccomp"),
    (["--env", "NOEQUALS"], 2, "NOEQUALS"),
    (["--env-file", "/no/such/file"], 2, "/no/such/file"),
    (["--restart-limit", "ten"], 2, "ten"),
    (["--restart-limit", "10/"], 2, "--restart-limit"),
    (["--boot-limit", "x"], 2, "--boot-limit"),
    (["--backoff", "10s..1s"], 2, "--backoff"),
    (["--backoff", "soon"], 2, "soon"),
    (["--fatal-exit", "256"], 2, "256"),
    (["--on-failed", "cry"], 2, "cry"),
    (["--ready-timeout", "5 parsecs"], 2, "--ready-timeout"),
    (["--stop-timeout", "-1s"], 2, "--stop-timeout"),
    (["--stop-signal", "SIGNONE"], 2, "SIGNONE"),
    (["--watchdog", "x"], 2, "--watchdog"),
    (["--backlog", "0"], 2, "--backlog"),
    (["--name", "Not A Name"], 2, "Not A Name"),
    (["--name", "../up"], 2, "../up"),
    (["--log-format", "xml"], 2, "xml"),
    (["--quiet", "--verbose"], 2, "--quiet|--verbose"),
    (["--listen", "nonsense"], 2, "nonsense"),
    (["--listen", "300.1.1.1:80"], 2, "300.1.1.1"),
    (["--listen", "unix:"], 2, "unix:"),
    (["--listen", "unix:/no/such/folder/x.sock"], 2, "/no/such/folder"),
    (["--listen", "unix:/tmp/" + "x" * 200], 2, "unix:"),
    (["--listen", "192.0.2.1:{port}"], 2, "192.0.2.1"),
    (["--port", "{port}", "--protocol", "node-ipc"], 2, "node-ipc"),
    (["--port", "{port}", "--", "/no/such/command"], 2, "/no/such/command"),
    (["--port", "{port}", "--", "no-such-command-anywhere"], 2, "no-such-command-anywhere"),
    (["--port", "{port}", "--", "/etc/passwd"], 2, "/etc/passwd"),
    (["--port", "{port}", "--", "/etc"], 2, "/etc"),
    (["--port", "{port}", "--"], 2, "--"),
    (["statsu"], 2, "status"),
    (["monit"], 2, "'monit' is called 'top' here"),
    (["ls"], 2, "'ls' is called 'list' here"),
    (["describe"], 2, "'describe' is called 'status' here"),
    (["delete"], 2, "'delete' is called 'stop' here"),
    (["save"], 2, "'save' is called 'config' here"),
    (["jlist"], 2, "'jlist' is called 'status --json' here"),
    (["unstartup"], 2, "'startup --remove' here"),
    (["help", "ls"], 2, "'ls' is called 'list' here"),
    (["help", "statsu"], 2, "did you mean 'status'?"),
    (["xyzzy"], 2, "`mpsup help` shows them"),
]


def one_line(done):
    return [line for line in done.stderr.splitlines() if line.strip()]


def check_refusal(env, args, code, word):
    """None, or what is wrong with how mpsup refuses args."""
    shown = " ".join(args)
    done = env.client(*args, seconds=10)
    lines = one_line(done)
    if done.returncode != code:
        return f"{shown}: exit {done.returncode}, not {code}: {lines[:3]}"
    if len(lines) != 1:
        return f"{shown}: {len(lines)} lines: {lines[:4]}"
    if not any(w in lines[0] for w in word.split("|")):
        return f"{shown}: the line does not name {word}: {lines[0]}"
    return None


def test_bad_options(env):
    wrong = []
    for args, code, word in BAD_OPTIONS:
        filled = [a.replace("{port}", str(env.port())) for a in args]
        try:
            problem = check_refusal(env, filled, code, word)
        except Exception as error:  # pylint: disable=broad-except
            problem = f"{' '.join(filled)}: {error}"
        if problem:
            wrong.append(problem)
    if wrong:
        raise Failed(f"{len(wrong)} of {len(BAD_OPTIONS)} refusals are not as they should be:\n"
                     + "\n".join(wrong))


def test_every_verb_has_its_help(env):
    verbs = [v["name"] for v in json.loads(env.client("help", "--json").stdout)["verbs"]]
    overview = env.client("help").stdout
    for verb in [*verbs, "help", "version"]:
        one = env.client("help", verb)
        if one.returncode != 0 or not one.stdout.startswith("usage: mpsup ") or one.stderr:
            raise Failed(f"help {verb}: {one}")
        if f"\n  {verb} " not in overview:
            raise Failed(f"{verb} is not in the overview")
        if verb in verbs and env.client(verb, "--help").stdout != one.stdout:
            raise Failed(f"{verb} --help is not help {verb}")
        if verb in verbs and env.client(verb, "-h").stdout != one.stdout:
            raise Failed(f"{verb} -h is not help {verb}")
    plain = [env.client(*words) for words in (["version"], ["--version"], ["run", "--version"])]
    if len({p.stdout for p in plain}) != 1 or not plain[0].stdout.startswith("mpsup "):
        raise Failed(plain)


def test_nothing_asked_prints_the_commonest_commands(env):
    done = env.client()
    if done.returncode != 2 or "mpsup" not in done.stdout + done.stderr:
        raise Failed(f"exit {done.returncode}")


def test_help_and_version(env):
    for args in (["--help"], ["help"], ["run", "--help"], ["status", "--help"]):
        done = env.client(*args)
        if done.returncode != 0 or not done.stdout:
            raise Failed(f"{args}: exit {done.returncode}, {len(done.stdout)} bytes")
    text = env.client("run", "--help").stdout
    for option in ("--port", "--listen", "--workers", "--spares", "--no-sandbox", "--stop-signal"):
        if option not in text:
            raise Failed(f"--help does not name {option}")
    done = env.client("--version")
    if done.returncode != 0 or not any(c.isdigit() for c in done.stdout):
        raise Failed(f"--version: {done.stdout!r}")


def test_port_in_use(env):
    with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as taken:
        taken.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        taken.bind(("::", 0))
        taken.listen()
        port = taken.getsockname()[1]
        problem = check_refusal(env, ["--port", str(port)], 2, str(port))
    if problem:
        raise Failed(problem)


def test_second_master_on_the_port_is_refused(env):
    port = env.port()
    m = env.start("--port", port, "--workers", 1)
    problem = check_refusal(env, ["--port", str(port), "--name", "other"], 2, str(port))
    if problem:
        raise Failed(problem)
    if http.get(port).status != 200:
        raise Failed("the first one was harmed")
    m.stop()


def test_file_in_place_of_a_unix_socket_is_kept(env):
    path = env.dir / "precious"
    path.write_text("do not touch")
    problem = check_refusal(env, ["--listen", f"unix:{path}"], 2, "precious")
    if problem:
        raise Failed(problem)
    if path.read_text() != "do not touch":
        raise Failed("the file was changed")


def test_folder_that_the_uid_cannot_enter(env):
    """Named where the worker would meet it. The app view shows the program without the folder,
    unless that comes along with something else that is shown."""
    closed = env.dir / "closed"
    inner = closed / "app"
    inner.mkdir(parents=True)
    program = inner / "program"
    program.write_text("#!/bin/sh\nexit 3\n")
    program.chmod(0o755)
    closed.chmod(0o700)
    arguments = ["--port", str(env.port()), "--protocol", "native", "--workers", "1"]
    for more in (["--view", "host"], ["--cwd", str(env.dir)]):
        problem = check_refusal(env, [*arguments, *more, "--", str(program)], 2,
                                f"may not enter {closed} (mode 700")
        if problem:
            raise Failed(problem)
    m = env.start("--boot-limit", "1", *arguments, "--cwd", "/", "--", str(program), ready=False)
    m.wait_exit(70)
    if "exit 3" not in m.log():
        raise Failed("the program was not reached in the app view")


def test_command_without_execute_bit(env):
    program = env.app(program_sh="#!/bin/sh\nexit 0\n") / "program.sh"
    program.chmod(0o644)
    problem = check_refusal(env, ["--port", str(env.port()), "--", str(program)], 2, "program.sh")
    if problem:
        raise Failed(problem)


def test_no_such_instance(env):
    for verb in ("status", "stop", "events", "logs"):
        done = env.client(verb)
        if done.returncode != 3 or len(one_line(done)) != 1:
            raise Failed(f"{verb}: exit {done.returncode}, {done.stderr!r}")


def test_host_that_cannot_filter_is_69(env):
    """The cage is had whole, or the start ends and names the word that accepts less."""
    deny = env.build / "helpers" / "deny"
    if not os.access(deny, os.X_OK):
        raise Failed(f"{deny} was not built")
    m = env.start("--port", env.port(), "--workers", 1, under=[str(deny), "seccomp=EINVAL", "--"],
                  ready=False)
    m.wait_exit(69)
    if "--no-sandbox seccomp" not in m.output():
        raise Failed(f"no way out is named: {m.output()}")
