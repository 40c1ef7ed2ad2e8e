# SPDX-License-Identifier: MIT
"""What host tests stand on: a master under test, clients, a look into /proc."""

from .env import Env, Failed, Skip, timeout, wait_until
from .master import Master

__all__ = ["Env", "Failed", "Master", "Skip", "timeout", "wait_until"]
