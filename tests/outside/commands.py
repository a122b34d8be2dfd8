"""Runs commands in one process that knows nothing from outside: a JSON list of argument lists is read from stdin.

Prints their exit codes, and after which of them the module ``lab`` had been imported.
"""

from __future__ import annotations

import json
import sys

from r2po.cli import main

if __name__ == "__main__":
    codes, imported = [], []
    for arguments in json.load(sys.stdin):
        codes.append(main(arguments))
        imported.append("lab" in sys.modules)
    sys.stdout.write(f"\ncodes: {codes}\nimported: {imported}\n")
