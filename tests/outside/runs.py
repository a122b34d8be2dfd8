"""Runs commands with the things from outside: ``python -m tests.outside.runs`` reads a JSON list of argument lists."""

from __future__ import annotations

import json
import sys

from r2po.cli import main
from r2po.llm import registry
from tests.outside import acrobot, polish, worrier

__all__ = ["acrobot", "polish"]

if __name__ == "__main__":
    row = registry._Row(
        "Worrier", "worrier/<name>", lambda name: name.startswith("worrier/"), lambda name, _: worrier.Worrier(name)
    )
    registry._ROWS = (row, *registry._ROWS)  # type: ignore[assignment]
    codes = [main(arguments) for arguments in json.load(sys.stdin)]
    sys.stdout.write(f"\ncodes: {codes}\n")
