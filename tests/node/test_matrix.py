# SPDX-License-Identifier: MIT
"""Every version of Node from 12 on with the same programs. See `make check-node`."""

from harness import node_checks, nodes

VERSIONS = sorted({*nodes.majors("node-few"), *nodes.majors("node-all")})

globals().update(node_checks.tests_for(__name__, [(f"{v}", v) for v in VERSIONS]))
