# SPDX-License-Identifier: MIT
"""Node, in several versions, and the frameworks that run on each.

What npm has to bring is installed by scripts/node-modules.sh into a cache outside of the
tree. Without it, and without a network, a test fails and says so: it is not skipped.
"""

import functools
import json
import os
import pathlib
import platform
import shutil
import subprocess

from .env import FIXTURES, TOP, Failed
from .pace import patience

PACKAGES = TOP / "tests" / "node" / "packages"
ARCH = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())

# The newest of each that the version of Node can run, from their package.json and by trying:
# require("node:events") of fastify 4 is unknown to Node 15.
FRAMEWORKS = {
    "express": ((18, "express-5"), (0, "express-4")),
    "koa": ((18, "koa-3"), (0, "koa-2")),
    "fastify": ((20, "fastify-5"), (16, "fastify-4"), (0, "fastify-3")),
}


@functools.lru_cache(None)
def installed(name):
    """The node_modules of a set, installed by npm when it is not cached."""
    done = subprocess.run([str(TOP / "scripts" / "node-modules.sh"), name], capture_output=True,
                          text=True, timeout=patience(600), check=False,
                          stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise Failed(f"the npm packages of {name} cannot be had: {done.stderr.strip()}")
    return pathlib.Path(done.stdout.strip()) / "node_modules"


def majors(name):
    """The versions of Node in a set, as its package.json says, for this machine."""
    wanted = json.loads((PACKAGES / name / "package.json").read_text())["optionalDependencies"]
    return sorted(int(alias.split("-")[1]) for alias in wanted if alias.endswith(ARCH))


@functools.lru_cache(None)
def major_of(node):
    done = subprocess.run([node, "--version"], capture_output=True, text=True, check=True,
                          timeout=patience(20))
    return int(done.stdout.lstrip("v").split(".")[0])


def link_tree(source, target):
    """A copy that costs no space where both are on one file system."""
    def link(a, b):
        try:
            os.link(a, b)
        except OSError:
            shutil.copy2(a, b)

    shutil.copytree(source, target, copy_function=link, symlinks=True)


class Node:
    """One version of Node in a test: start() runs a program of fixtures/node with it."""

    def __init__(self, env, which):
        """which: "system", or a number of node-few or node-all."""
        self.env = env
        if which == "system":
            self.path = env.need_program("node")
            self.major = major_of(self.path)
            return
        name = "node-few" if which in majors("node-few") else "node-all"
        self.major = which
        # The cache may be below a home that a worker's uid cannot enter.
        self.path = str(env.dir / f"node-{which}" / "node")
        if not os.path.exists(self.path):
            os.mkdir(os.path.dirname(self.path))
            binary = installed(name) / f"node-{which}-{ARCH}" / "bin" / "node"
            try:
                os.link(binary, self.path)
            except OSError:
                shutil.copy2(binary, self.path)

    def modules(self, name="frameworks"):
        """Makes a set's packages known to the programs of this test."""
        target = self.env.dir / "app" / "node_modules"
        if not target.exists():
            target.parent.mkdir(exist_ok=True)
            link_tree(installed(name), target)

    def framework(self, name):
        self.modules()
        return next(package for least, package in FRAMEWORKS[name] if self.major >= least)

    def program(self, name):
        """A copy of fixtures/node/NAME where a worker can read it."""
        folder = self.env.dir / "app"
        folder.mkdir(exist_ok=True)
        shutil.copyfile(FIXTURES / "node" / name, folder / name)
        return folder / name

    def start(self, program, *options, ready=True, seconds=30.0):
        path = self.program(program)
        return self.env.start(*options, "--", self.path, program, cwd=path.parent, ready=ready,
                              seconds=seconds)

    def run(self, program, *arguments, seconds=30.0):
        """The program by itself, without mpsup; its finished process."""
        path = self.program(program)
        return subprocess.run([self.path, path.name, *map(str, arguments)], cwd=path.parent,
                              env=self.env.environ(), stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=patience(seconds),
                              check=False)
