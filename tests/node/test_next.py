# SPDX-License-Identifier: MIT
"""Next.js behind a server of one's own, on each Node that it supports."""

import hashlib
import os
import shutil
import subprocess

from harness import Failed, http, nodes, patience, timeout

LEAST = 20      # next's package.json: >= 20.9.0
VERSIONS = [v for v in (*nodes.majors("node-few"), *nodes.majors("node-all")) if v >= LEAST]

PAGE = """
export const dynamic = 'force-dynamic';
export default function Page() { return <p>{'I am worker ' + process.pid + '.'}</p>; }
"""
LAYOUT = """
export default function Layout({ children }) { return <html><body>{children}</body></html>; }
"""


def build(env, node):
    """Built once, by the first Node, without a network; kept beside the cached packages."""
    folder = env.dir / "app"
    words = hashlib.sha256((PAGE + LAYOUT).encode()).hexdigest()[:16]
    kept = nodes.installed("next").parent / f"built-{words}"
    if kept.is_dir():
        shutil.copytree(kept, folder / ".next")
    else:
        (folder / "app").mkdir()
        (folder / "app" / "page.jsx").write_text(PAGE)
        (folder / "app" / "layout.jsx").write_text(LAYOUT)
        done = subprocess.run(
            [node.path, "node_modules/next/dist/bin/next", "build"], cwd=folder,
            env=env.environ(NEXT_TELEMETRY_DISABLED="1", CI="1"), capture_output=True, text=True,
            timeout=patience(300), check=False, stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            raise Failed(f"next build: {done.stdout}{done.stderr}")
        shutil.copytree(folder / ".next", kept)
    for top, folders, files in os.walk(folder / ".next"):
        for name in (*folders, *files):
            os.chmod(os.path.join(top, name), 0o755)


def custom_server(env, which):
    node, port = nodes.Node(env, which), env.port()
    node.modules("next")
    node.program("next-server.js")
    build(env, node)
    m = node.start("next-server.js", "--workers", 2, "--port", port, "--env",
                   "NEXT_TELEMETRY_DISABLED=1", "--env", "NODE_ENV=production", "--watchdog", "5s",
                   seconds=60)
    m.wait_workers(2)
    for answer in http.many(port, 20, 4, seconds=30):
        if answer.status != 200 or "I am worker" not in answer.text:
            raise Failed(f"{answer}\n{m.output()}")
    m.stop()


def tests():
    made = {}
    for version in VERSIONS:
        @timeout(400)
        def test(env, which=version):
            custom_server(env, which)

        test.__module__ = __name__
        made[f"test_custom_server_{version}"] = test
    return made


globals().update(tests())
