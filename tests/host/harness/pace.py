# SPDX-License-Identifier: MIT
"""How long tests wait. MPSUP_TEST_SLOW=N multiplies it: an emulated machine is slower."""

import os

SLOW = float(os.environ.get("MPSUP_TEST_SLOW", "1"))


def patience(seconds):
    return seconds * SLOW
