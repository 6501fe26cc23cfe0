"""Whether Triton's kernels run in its interpreter, on the CPU."""

from __future__ import annotations

import os

# read once, as Triton does when a kernel is defined
INTERPRETED = os.environ.get("TRITON_INTERPRET", "0").lower() in {"1", "true", "on", "yes", "y"}
