# SPDX-License-Identifier: MIT
"""What host tests stand on: a master under test, clients, a look into /proc."""

from .env import Env, Failed, Skip, timeout, wait_until
from .master import Master
from .pace import patience

__all__ = ["Env", "Failed", "Master", "Skip", "patience", "timeout", "wait_until"]
