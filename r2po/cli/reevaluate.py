"""``r2po reevaluate``: roll the accepted candidates of runs out on fresh episodes."""

from __future__ import annotations

import argparse
import sys
from collections import Counter

from r2po import cores
from r2po.cli.analysis_options import positive
from r2po.cli.plugin_option import add_plugin_option
from r2po.cli.starting import place

WORDS = {
    "done": "re-evaluated",
    "there": "had it already",
    "needless": "need none: their methods do not choose between noisy means (--all takes them too)",
    "left": "left out",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_plugin_option(parser)
    parser.add_argument(
        "logs", nargs="+", type=place, metavar="LOGS", help="run directories, or folders with any at any depth"
    )
    parser.add_argument(
        "--episodes",
        type=positive,
        metavar="N",
        help="fresh episodes per accepted candidate (default: reevaluation_episodes of the run's config, else 20)",
    )
    parser.add_argument(
        "--all",
        action="store_true",
        help="also runs of methods that do not choose between noisy means: incumbents at the same budget "
        "(paper_budget_tables, paper_reward_curves --value incumbent) are fair only if all compared runs have it",
    )
    text = f"runs at once (default: one per core, {cores.available()} here)"
    parser.add_argument("--jobs", type=positive, default=cores.available(), metavar="J", help=text)


def run(options: argparse.Namespace) -> int:
    """Re-evaluate; print a line for each run that changed; 1 if any was left out that may need it."""
    from r2po.commands.reevaluate import find_runs, reevaluate_runs

    counts: Counter[str] = Counter()
    for outcome in reevaluate_runs(find_runs(options.logs), options.episodes, options.jobs, everyone=options.all):
        counts[outcome.state] += 1
        if outcome.state == "left":
            sys.stderr.write(f"warning: {outcome.line}\n")
        elif outcome.state == "done":
            sys.stdout.write(f"{outcome.line}\n")
            sys.stdout.flush()
    sums = [f"{counts[state]} {text}" for state, text in WORDS.items() if counts[state]]
    sys.stdout.write(f"{counts.total()} run{'' if counts.total() == 1 else 's'}: {'; '.join(sums)}\n")
    return 1 if counts["left"] else 0
