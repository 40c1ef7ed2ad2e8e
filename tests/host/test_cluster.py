# SPDX-License-Identifier: MIT
"""Node programs as they are, on the oldest, the system's and the newest Node.

`make check-node` does the same on every version in between.
"""

from harness import node_checks, nodes

OLDEST, NEWEST = nodes.majors("node-few")[0], nodes.majors("node-few")[-1]

globals().update(node_checks.tests_for(__name__, (
    ("oldest", OLDEST), ("system", "system"), ("newest", NEWEST))))
