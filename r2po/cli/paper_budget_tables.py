"""``paper_budget_tables.py``: what methods reach at the same budget, and what a target takes."""

from __future__ import annotations

import argparse
from pathlib import Path

from r2po.cli.analysis_options import (
    UNITS,
    add_as_published,
    add_logs_options,
    add_output_options,
    add_preset_options,
    found,
    not_negative,
    number,
    show,
    warn,
)
from r2po.errors import InputError, unknown


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_preset_options(parser)
    add_logs_options(parser)
    add_output_options(parser, "budget_tables")
    parser.add_argument("--envs", nargs="+", default=(), metavar="ENV", help="environments (default: all with runs)")
    parser.add_argument(
        "--at",
        nargs="+",
        default=["equal", "episodes"],
        metavar=("N", "UNIT"),
        help=f"the budget, a number or 'equal', and its unit, one of {', '.join(UNITS)}; equal: the largest that all "
        "compared runs have spent, in each environment (default: equal episodes)",
    )
    target = parser.add_mutually_exclusive_group()
    target.add_argument(
        "--target",
        type=not_negative,
        default=0.9,
        metavar="SHARE",
        help="the target, as a share of the way from a random policy's reward to the optimum (default: 0.9)",
    )
    target.add_argument("--target-reward", type=number, metavar="R", help="the target as a reward")
    add_as_published(parser)


def run(options: argparse.Namespace) -> int:
    """Write three tables: at the budget, up to the budget, and to the target."""
    at, unit = _budget(options.at)

    from r2po.analysis.logs.names import parse_environment
    from r2po.analysis.output.writing import write_table
    from r2po.analysis.paper.budget import Question
    from r2po.analysis.paper.budget_tables import build_budget_tables
    from r2po.analysis.paper.presets import CHOSEN

    question = Question(unit, at, options.target, options.target_reward)
    experiments, methods = found(options)
    preset = CHOSEN if methods else options.preset
    environments = [parse_environment(name, (each.task for each in experiments)) for name in options.envs]
    tables, lines = build_budget_tables(
        preset, experiments, question, environments, methods=methods, as_published=options.as_published, parallel=True
    )
    warn(lines)
    for name, table in tables.items():
        show(write_table(table, Path(options.output_dir) / f"{preset}_{unit}_{name}", options.formats))
    return 0


def _budget(words: list[str]) -> tuple[float | None, str]:
    """Return the budget, None for an equal one, and its unit.

    Raises:
        InputError: They are no budget.
    """
    text, unit = words[0], words[1] if len(words) > 1 else "episodes"
    if len(words) > 2:
        raise InputError(f"--at {' '.join(words)}: expected a number or 'equal', and a unit")
    if unit not in UNITS:
        raise unknown("unit of --at", unit, UNITS)
    if text == "equal":
        return None, unit
    try:
        value = number(text)
    except argparse.ArgumentTypeError:
        value = 0.0
    if value <= 0:
        raise InputError(f"--at {text!r} is no budget; expected a number above 0, or 'equal'")
    return value, unit
