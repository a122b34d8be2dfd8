"""Runs commands with the things from outside: ``python -m tests.outside.runs`` reads a JSON list of argument lists."""

from __future__ import annotations

import json
import sys

from r2po.cli import main
from tests.outside import acrobot, polish, rule, worrier

__all__ = ["acrobot", "polish", "rule", "worrier"]

if __name__ == "__main__":
    codes = [main(arguments) for arguments in json.load(sys.stdin)]
    sys.stdout.write(f"\ncodes: {codes}\n")
