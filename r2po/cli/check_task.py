"""``r2po check-task``: check a task before anything depends on it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from r2po.cli.plugin_option import add_plugin_option
from r2po.isolation.wall import Isolation

if TYPE_CHECKING:
    from r2po.tasks import Task


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_plugin_option(parser)
    parser.add_argument(
        "task",
        metavar="TASK",
        help="a task by its name, any registered id, the file of a task card, or 'all'",
    )
    parser.add_argument(
        "--isolation",
        choices=get_args(Isolation),
        default="auto",
        help="the wall behind which the card's reward function runs (default: auto)",
    )


def run(options: argparse.Namespace) -> int:
    """Print what is found. Returns 1 if the environment or its card must be changed."""
    from r2po.commands.check_task import check_task

    failed = False
    for task in _tasks(options.task):
        sys.stdout.write(f"{task.name} ({task.gym_id})\n")
        for finding in check_task(task, options.isolation):
            sys.stdout.write(f"  {finding.verdict:<8}{finding.what + ':':<10} {finding.text}\n")
            sys.stdout.flush()
            failed |= finding.verdict == "FAILED"
    return 1 if failed else 0


def _tasks(name: str) -> list[Task]:
    from r2po.tasks import TASKS, read_card
    from r2po.tasks.bare import card_for, check_card

    if name == "all":
        return list(TASKS.values())
    if name.endswith((".yaml", ".yml")):
        card = read_card(Path(name))
        check_card(card, name)
        return [card]
    return [TASKS[name] if name in TASKS else card_for(name)]
