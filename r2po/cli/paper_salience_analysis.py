"""``paper_salience_analysis.py``: how critics react to the worst rollout, and what revisions change."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from r2po.cli.analysis_options import add_logs_options, add_only_options, add_report_options, warn
from r2po.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from r2po.analysis.logs.experiments import Cohort
    from r2po.analysis.salience.counts import Salience
    from r2po.analysis.salience.report import Found

MOST_ROWS = 14
"""Rows of a figure that fit on a page."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--mention-mode",
        choices=("word", "phrase"),
        default="word",
        help='a mention is the word "worst", or "worst rollout" or "worst trajectory" (default: word)',
    )
    add_report_options(parser, "salience_analysis")
    add_logs_options(parser)
    add_only_options(parser)
    parser.add_argument("--reference", choices=("published",), help="show the published counts beside ours")


def run(options: argparse.Namespace) -> int:
    """Write ``episodes.csv``, tables and figures; for each model and protocol apart."""
    from r2po.analysis.logs.comparable import choose, cohorts
    from r2po.analysis.logs.experiments import find_experiments
    from r2po.analysis.output.sheet import folder_name, write_text
    from r2po.analysis.salience.report import collect, episodes_csv

    experiments, lines = choose(
        find_experiments(options.logs_root, options.max_runs, options.only_env, options.only_method, parallel=True)
    )
    parts = [(cohort, collect(part)) for cohort, part in cohorts(experiments)]
    warn([*lines, *(line for _, found in parts for each in found for line in each.problems)])
    parts = [(cohort, [each for each in found if each.revisions]) for cohort, found in parts]
    parts = [(cohort, found) for cohort, found in parts if found]
    if not parts:
        raise InputError(f"no iteration with two policies in {options.logs_root!r}: nothing to analyse")
    folder = Path(options.output_dir)
    rows = episodes_csv([(cohort, each) for cohort, found in parts for each in found])
    sys.stdout.write(f"{write_text(folder / 'episodes.csv', rows)}\n")
    for cohort, found in parts:
        own = folder / folder_name(cohort.label) if len(parts) > 1 and cohort else folder
        for file in _write(found, cohort, own, options):
            sys.stdout.write(f"{file}\n")
    return 0


def _write(found: list[Found], cohort: Cohort | None, folder: Path, options: argparse.Namespace) -> list[Path]:
    from r2po.analysis.output import tables as output
    from r2po.analysis.output.sheet import FIGURE_FORMATS, write_figure, write_text
    from r2po.analysis.salience import tables
    from r2po.analysis.salience.report import analyses_of, to_records

    mode = options.mention_mode
    analyses = analyses_of(found, mode)
    revisions = [each.revisions for each in found]
    about = f"Runs: {cohort.label}" if cohort else "Runs of no language model"
    made = {
        "salience": tables.headline_table(analyses, mode, [about], with_reference=options.reference == "published"),
        "salience_controls": tables.controls_table(analyses, mode, [about]),
        "salience_noise": tables.noise_table(analyses, [about]),
        "salience_groups": tables.groups_table(revisions, [about]),
        "edit_patterns": tables.edits_table(revisions, [about]),
    }
    texts = [name for name in options.formats if name not in (*FIGURE_FORMATS, "json")]
    files = [file for name, table in made.items() for file in output.write(table, folder / name, texts)]
    for name, draw in _drawings(analyses, found).items():
        files += write_figure(partial(draw, f"{about}."), folder / name, options.formats)
    if "json" in options.formats:
        record = {"mention_mode": mode, "cohort": cohort.label if cohort else None}
        text = json.dumps(record | {"analyses": to_records(analyses, found)}, indent=2, allow_nan=False) + "\n"
        files.append(write_text(folder / "salience.json", text))
    return files


def _drawings(analyses: Sequence[Salience], found: Sequence[Found]) -> dict[str, Callable[[str], Figure]]:
    """Return what to draw by the name of its file; rows that do not fit on a page stand apart by method."""
    from r2po.analysis.salience.figures import changes_figure, edits_figure, has_shares, salience_figure

    revisions = [each.revisions for each in found]
    title, edits = "Salience of the worst rollout", "Edit patterns of revisions"
    drawings: dict[str, Callable[[str], Figure]] = {
        "edit_changes": partial(changes_figure, revisions, "Size of edits and change of reward")
    }
    if len(analyses) <= MOST_ROWS:
        drawings["salience"] = partial(salience_figure, analyses, title)
        drawings["edit_patterns"] = partial(edits_figure, revisions, edits)
        return drawings
    together = [each for each in analyses if each.is_together]
    drawings["salience"] = partial(salience_figure, together, f"{title}, by method")
    for method, label in {each.method: each.facts["label"] for each in analyses}.items():
        own = [each for each in analyses if each.method == method]
        members = [each.revisions for each in found if each.experiment.method == method]
        if any(map(has_shares, own)):
            drawings[f"salience_{method}"] = partial(salience_figure, own, f"{title}: {label}")
        drawings[f"edit_patterns_{method}"] = partial(edits_figure, members, f"{edits}: {label}")
    return drawings
