"""Options that the analyses share."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from r2po.cli.starting import place

if TYPE_CHECKING:
    from pathlib import Path

    from r2po.analysis.logs.chosen import Chosen
    from r2po.analysis.logs.experiments import Cohort, ExperimentLogs

METRICS = ("mean_reward", "best_reward", "final_reward", "heldout_reward")
UNITS = ("episodes", "steps", "calls", "tokens", "money")
PRESETS = ("core", "variants", "search", "code")
TABLE_FORMATS = ("md", "csv", "latex", "json", "png", "pdf", "svg")
MOST_LINES = 40


def add_logs_options(parser: argparse.ArgumentParser) -> None:
    """Declare where the logs are and how many runs count."""
    parser.add_argument(
        "--logs-root", default="logs", type=place, metavar="DIR", help="folder of log directories (default: logs)"
    )
    parser.add_argument(
        "--max-runs", type=positive, default=10, metavar="N", help="runs of each experiment to use (default: 10)"
    )


def add_only_options(parser: argparse.ArgumentParser, *other_names: str) -> None:
    """Declare which environments and methods count; the former's option may have other names too."""
    either = parser.add_mutually_exclusive_group()
    for key, what, names, group in (("env", "environment", other_names, parser), ("method", "method", (), either)):
        text = f"only this {what}, by key or label; may be repeated"
        group.add_argument(f"--only-{key}", *names, action="append", default=[], metavar=key.upper(), help=text)
    add_methods_option(either, "only these methods, in this order")


def add_preset_options(parser: argparse.ArgumentParser) -> None:
    """Declare which methods are shown: those of a preset, or one by one."""
    either = parser.add_mutually_exclusive_group()
    text = (
        f"which methods: {', '.join(PRESETS)}; those of one's own that the logs hold stand beside them (default: core)"
    )
    # The metavar is short, since argparse breaks no line of usage between options that exclude each other.
    either.add_argument("--preset", choices=PRESETS, default="core", metavar="PRESET", help=text)
    add_methods_option(either, "these methods instead, in this order")


def add_methods_option(parser: argparse._ActionsContainer, what: str) -> None:
    """Declare which methods count, and their order."""
    text = f"{what}: keys or labels, built in or found in the logs, parted by commas; NAME:code has policies as code"
    parser.add_argument("--methods", type=names, default=(), metavar="A,B,C", help=text)


def names(text: str) -> tuple[str, ...]:
    """Parse names that are parted by commas."""
    found = tuple(name.strip() for name in text.split(","))
    if not all(found):
        raise argparse.ArgumentTypeError(f"{text!r} is no list of names; expected e.g. props,r2po,my_method")
    return found


def add_reference_options(
    parser: argparse.ArgumentParser, what: str, *, alone: str = "", of_props: bool = False
) -> None:
    """Declare whether the published figures stand beside ours, or, in what is called ``alone``, by themselves."""
    papers = "; published: of the R2PO paper; props: of the ProPS paper" if of_props else ""
    choices = ("published", "props") if of_props else ("published",)
    parser.add_argument("--reference", choices=choices, help=f"show {what} next to ours{papers}")
    if alone:
        text = f"make {alone} from the published figures alone, without logs"
        parser.add_argument("--from-published", action="store_true", help=text)


def add_as_published(parser: argparse.ArgumentParser) -> None:
    """Declare whether the analysis is the published one, to the last figure, instead of the one we recommend."""
    text = "analyse as the published paper did: rewards as they were logged, and its tests and rules"
    parser.add_argument("--as-published", action="store_true", help=text)


def add_output_options(
    parser: argparse.ArgumentParser, folder: str, *other_names: str, with_figures: bool = False
) -> None:
    """Declare formats and place of tables, or of tables, figures and JSON; the place's option may have other names."""
    default = ["md", "csv", *(["json", "png", "pdf"] if with_figures else [])]
    remark = "; png, pdf and svg are figures" if with_figures else ""
    parser.add_argument(
        "--formats",
        "--format",
        nargs="+",
        choices=TABLE_FORMATS,
        default=default,
        metavar="FORMAT",
        help=f"of {', '.join(TABLE_FORMATS)}{remark} (default: {' '.join(default)})",
    )
    text = f"where the files are written (default: {folder})"
    parser.add_argument("--output-dir", *other_names, default=folder, type=place, metavar="DIR", help=text)


def found(options: argparse.Namespace, *also: str) -> Chosen:
    """Return the experiments under ``--logs-root`` of the methods that are asked for, and of others ``also``.

    How many runs are left out, and why, is printed.
    """
    from r2po.analysis.logs.chosen import choose_methods
    from r2po.analysis.logs.experiments import find_experiments
    from r2po.analysis.logs.names import method_key
    from r2po.analysis.logs.tally import tally

    only = (getattr(options, "only_env", getattr(options, "envs", ())), getattr(options, "only_method", ()))
    experiments = find_experiments(options.logs_root, options.max_runs, *only, parallel=True)
    asked = options.methods
    more = [name for name in also if name not in map(method_key, asked)] if asked else []
    chosen = choose_methods(experiments, [*asked, *more])
    warn(f"{options.logs_root}: {line}" for line in tally(chosen.experiments))
    return chosen


def compared(options: argparse.Namespace) -> tuple[list[ExperimentLogs], list[str]]:
    """Return the experiments under ``--logs-root`` that are compared, and a line for what is left out or odd."""
    from r2po.analysis.logs.comparable import choose

    return choose(found(options).experiments)


def folder_of(cohort: Cohort | None, parts: Sequence[object], folder: Path) -> Path:
    """Return where the files of a cohort are written: in a folder of its own if there are several."""
    from r2po.analysis.output.files import folder_name

    return folder / folder_name(cohort.label) if len(parts) > 1 and cohort else folder


def show(files: Iterable[Path]) -> None:
    """Print the names of files that were written."""
    for file in files:
        sys.stdout.write(f"{file}\n")


def warn(lines: Iterable[str]) -> None:
    """Print warnings; of very many, the first ones and their number."""
    lines = list(lines)
    for line in lines[:MOST_LINES]:
        sys.stderr.write(f"warning: {line}\n")
    if len(lines) > MOST_LINES:
        sys.stderr.write(f"warning: ... and {len(lines) - MOST_LINES} more\n")


def positive(text: str) -> int:
    """Parse a whole number from 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 1")
    return value


def whole_number(text: str) -> int:
    """Parse a whole number from 0."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0")
    return int(text)


def number(text: str) -> float:
    """Parse a finite number."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number")
    return value


def not_negative(text: str) -> float:
    """Parse a finite number from 0."""
    value = number(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 0")
    return value
