# SPDX-License-Identifier: MIT
"""Do all workers of a pool serve, whatever program it is?"""

import socket

from .env import wait_until


def all_serve(m, port, workers=3):
    """Idle connections to the port, from many addresses, are taken by every worker."""
    held = []
    try:
        def spread():
            for _ in range(8):
                own = f"127.0.1.{len(held) % 250 + 1}"
                held.append(socket.create_connection(("127.0.0.1", port), 5, (own, 0)))
            return {w["slot"] for w in m.workers() if w["connections"]} >= set(range(workers))
        wait_until("each worker has connections of its own", spread, 15, 0.2)
    finally:
        for s in held:
            s.close()
