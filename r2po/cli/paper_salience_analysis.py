"""``paper_salience_analysis.py``: how critics react to the worst rollout, and what revisions change."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from r2po.cli.analysis_options import (
    add_as_published,
    add_logs_options,
    add_only_options,
    add_output_options,
    add_reference_options,
    compared,
    folder_of,
    not_negative,
    number,
    show,
    warn,
    whole_number,
)
from r2po.errors import InputError

if TYPE_CHECKING:
    from r2po.analysis.output.tables import Table
    from r2po.analysis.output.writing import Draw
    from r2po.analysis.salience.counts import Salience
    from r2po.analysis.salience.edits import EditRules
    from r2po.analysis.salience.report import Found

MOST_ROWS = 14
"""Rows of a figure that fit on a page."""

_REWARDS = {
    "--partial-threshold": ("partial", "above this reward, a policy works in part"),
    "--high-threshold": ("high", "above it, a policy is close to optimal"),
    "--near-zero-threshold": ("near_zero", "up to this absolute reward, rollouts tell nothing"),
    "--meaningful-delta": ("meaningful", "above it, a change of reward counts"),
}
_COUNTS = {
    "--surgical-max-edit": ("surgical", "the most changed parameters of a surgical edit (default: 3)"),
    "--redesign-min-edit": ("redesign", "the fewest changed parameters of a redesign (default: 8)"),
    "--multi-state-min-edit": ("multi_state", "the fewest changed parameters of a multi-state fix (default: 4)"),
}
"""Options by the threshold that they set in all environments, and what they mean."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--mention-mode",
        choices=("word", "phrase"),
        default="word",
        help='a mention is the word "worst", or "worst rollout" or "worst trajectory" (default: word)',
    )
    add_output_options(parser, "salience_analysis", "--results-root", with_figures=True)
    add_logs_options(parser)
    add_only_options(parser, "--env")
    add_reference_options(parser, "the published counts")
    _add_edit_options(
        parser.add_argument_group(
            "edit patterns",
            "The defaults are the published thresholds; other environments have some on their own scale.",
        )
    )
    add_as_published(parser)


def _add_edit_options(group: argparse._ArgumentGroup) -> None:
    """Declare how edits are measured, and what counts as what in all environments."""
    group.add_argument(
        "--distance-mode",
        choices=("auto", "continuous", "discrete"),
        default="auto",
        help="a parameter counts as changed beyond --epsilon (continuous), or if it changed at all (discrete); "
        "auto: discrete for tables (default: auto)",
    )
    text = "the largest change of a parameter that counts as none (default: 0.05)"
    group.add_argument("--epsilon", type=not_negative, default=0.05, metavar="X", help=text)
    for option, (_, what) in _REWARDS.items():
        group.add_argument(option, type=number, metavar="REWARD", help=what)
    for option, (_, what) in _COUNTS.items():
        group.add_argument(option, type=whole_number, metavar="N", help=what)


def _rules(options: argparse.Namespace) -> EditRules:
    from r2po.analysis.salience.edits import EditRules

    given = {name: getattr(options, option[2:].replace("-", "_")) for option, (name, _) in (_REWARDS | _COUNTS).items()}
    changes = {name: value for name, value in given.items() if value is not None}
    return EditRules(options.distance_mode, options.epsilon, changes, options.as_published)


def run(options: argparse.Namespace) -> int:
    """Write ``episodes.csv``, tables and figures; for each model and protocol apart."""
    from r2po.analysis.logs.comparable import about_runs, cohorts, named
    from r2po.analysis.output.files import write_file
    from r2po.analysis.output.writing import write_all
    from r2po.analysis.salience.report import analyses_of, collect, episodes_csv, to_records

    rules = _rules(options)
    experiments, lines = compared(options)
    parts = [(cohort, collect(part, rules)) for cohort, part in cohorts(experiments)]
    warn([*lines, *(line for _, found in parts for each in found for line in each.problems)])
    parts = [(cohort, [each for each in found if each.revisions]) for cohort, found in parts]
    parts = [(cohort, found) for cohort, found in parts if found]
    if not parts:
        raise InputError(f"no iteration with two policies in {options.logs_root!r}: nothing to analyse")
    folder = Path(options.output_dir)
    show([write_file(folder / "episodes.csv", episodes_csv(parts).encode())])
    for cohort, found in parts:
        analyses = analyses_of(found, options.mention_mode, as_published=options.as_published)
        record: dict[str, Any] = {"mention_mode": options.mention_mode, "cohort": cohort.label if cohort else None}
        record |= {"distance_mode": rules.distance_mode, "epsilon": rules.epsilon}
        record["as_published"] = options.as_published
        record["analyses"] = to_records(analyses, found)
        notes = about_runs(named([each.experiment for each in found]))
        record["notes"] = notes
        about = [f"Runs: {cohort.label}." if cohort else "Runs of no language model.", *notes]
        items = _items(analyses, found, about, options)
        show(write_all(folder_of(cohort, parts, folder), items, options.formats, "salience.json", record))
    return 0


def _items(
    analyses: Sequence[Salience], found: Sequence[Found], about: Sequence[str], options: argparse.Namespace
) -> Iterator[tuple[str, Table | Draw]]:
    from r2po.analysis.salience import controls, tables

    mode, revisions = options.mention_mode, [each.revisions for each in found]
    with_reference = options.reference == "published"
    yield "salience", tables.headline_table(analyses, mode, about, with_reference=with_reference)
    if not options.as_published:
        yield "salience_controls", controls.split_table(analyses, mode, about)
    yield "salience_same_rollouts", controls.same_table(analyses, mode, about)
    yield "salience_noise", controls.noise_table(analyses, about)
    yield "salience_groups", tables.groups_table(revisions, about)
    yield "edit_patterns", tables.edits_table(revisions, about, _rules(options))
    yield from _drawings(analyses, found, " ".join(about))


def _drawings(analyses: Sequence[Salience], found: Sequence[Found], caption: str) -> Iterator[tuple[str, Draw]]:
    """Yield the figures with the names of their files; rows that do not fit on a page stand apart by method."""
    from r2po.analysis.salience.figures import changes_figure, edits_figure, has_shares, salience_figure

    revisions = [each.revisions for each in found]
    title, edits = "Salience of the worst rollout", "Edit patterns of revisions"
    yield "edit_changes", partial(changes_figure, revisions, "Size of edits and change of reward", caption)
    if len(analyses) <= MOST_ROWS:
        if any(map(has_shares, analyses)):
            yield "salience", partial(salience_figure, analyses, title, caption)
        yield "edit_patterns", partial(edits_figure, revisions, edits, caption)
        return
    together = [each for each in analyses if each.is_together]
    if any(map(has_shares, together)):
        yield "salience", partial(salience_figure, together, f"{title}, by method", caption)
    for method, label in {each.method: each.facts["label"] for each in analyses}.items():
        own = [each for each in analyses if each.method == method]
        members = [each.revisions for each in found if each.experiment.method == method]
        if any(map(has_shares, own)):
            yield f"salience_{method}", partial(salience_figure, own, f"{title}: {label}", caption)
        yield f"edit_patterns_{method}", partial(edits_figure, members, f"{edits}: {label}", caption)
