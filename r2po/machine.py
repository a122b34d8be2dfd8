"""What differs from one operating system to another."""

from __future__ import annotations

import sys

LINUX = sys.platform == "linux"
