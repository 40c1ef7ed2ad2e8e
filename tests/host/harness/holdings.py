# SPDX-License-Identifier: MIT
"""What a master holds: the same before and after whatever happens to its workers."""

import os
import time

from . import leftovers, proc
from .env import Failed, wait_until


def holdings(m):
    """How many descriptors of each kind, processes and leaves, when nobody is talked to."""
    seen = []
    for _ in range(5):
        counts = {}
        for what in proc.descriptors(m.pid).values():
            kind = "file" if what.startswith("/") else what.split(":")[0]
            counts[kind] = counts.get(kind, 0) + 1
        counts["leaves"] = sum(len(names) for leaf in leftovers.leaves()
                               for _, names, _ in os.walk(leaf))
        counts["children"] = len(proc.children(m.pid))
        seen.append(counts)
        time.sleep(0.05)
    return min(seen, key=lambda counts: sum(counts.values()))


def wait_as_before(m, before):
    try:
        wait_until("as before", lambda: holdings(m) == before, 10, 0.2)
    except Failed:
        raise Failed(f"the master held {before}, and now {holdings(m)}") from None
