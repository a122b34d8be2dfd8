"""Runs groups of commands, each in a process of its own that knows nothing from outside.

A JSON list of groups, which are lists of argument lists, is read from stdin. An argument list of one name that ends in
``.py`` is a script. The processes are forked from this one, which has imported what commands need: that takes a second
each time. Prints of each group the exit codes, and after which of its commands the module ``lab`` had been imported;
of one that a signal has ended, the signal.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module

from r2po.cli import main

HEAVY = ("r2po.registration", "r2po.experiment.launch", "r2po.sweep.workers.pool", "r2po.commands.reevaluate")


def run_group(commands: Sequence[Sequence[str]]) -> None:
    """Run one group to its end."""
    codes, imported = [], []
    for arguments in commands:
        if len(arguments) == 1 and arguments[0].endswith(".py"):
            runpy.run_path(arguments[0], run_name="__main__")
            codes.append(0)
        else:
            codes.append(main(arguments))
        imported.append("lab" in sys.modules)
    sys.stdout.write(f"\ncodes: {codes}\nimported: {imported}\n")


def run_apart(commands: Sequence[Sequence[str]]) -> int:
    """Run one group in a child of this process; returns what it ended with, minus the signal if by one."""
    child = os.fork()
    if child == 0:
        status = 0
        try:
            run_group(commands)
        except BaseException:  # noqa: BLE001 - the child must not go on as its parent would
            traceback.print_exc()
            status = 1
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    for name in HEAVY:
        import_module(name)
    groups = json.load(sys.stdin)
    for group in groups:
        code = run_apart(group)
        if code < 0:
            sys.stdout.write(f"\nsignal: {-code}\n")
        sys.stdout.flush()
