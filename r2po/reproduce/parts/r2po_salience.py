"""The R2PO paper's salience analysis: ThreeTraj on CartPole and Pong; and RepTraj, for edit patterns."""

from __future__ import annotations

from collections.abc import Sequence

from r2po.analysis.logs.built_in import method_facts, task_facts
from r2po.analysis.logs.comparable import choose
from r2po.analysis.logs.experiments import ExperimentLogs
from r2po.analysis.published import SOURCE, PublishedSalience, published_salience
from r2po.analysis.salience.report import analyses_of, collect
from r2po.analysis.salience.signs import Share
from r2po.reproduce import making
from r2po.reproduce.compared import Compared, Figure
from r2po.reproduce.distance import of_shares
from r2po.reproduce.part import Command, Experiment, Part, Place
from r2po.reproduce.parts.r2po_core import PUBLISHED_MODEL
from r2po.reproduce.settings import of_r2po

METHOD = "three_traj"
_EDITED = ("cartpole", "pong", "frozenlake")
"""The environments whose edits have published thresholds."""
_SIGNS = {
    "strict_mention": "strict + mention",
    "strict": "strict proxy",
    "old_mention": "old proxy + mention",
    "old": "old proxy",
}
_ALIKE = (
    "The published shares are counts of all runs together. That iterations of a run are alike is known of ours; the "
    "published ones are taken to be as much alike."
)
_GROUP = "Share of the regressions that have a sign"


def _experiments() -> Sequence[Experiment]:
    return [*of_r2po((METHOD,), tuple(published_salience())), *of_r2po(("reptraj",), _EDITED)]


def _commands(place: Place) -> Sequence[Command]:
    only = ["--only-method", METHOD, "--only-method", "reptraj"]
    asked = [*place.from_logs, *only, *making.only(place), "--formats", *making.TABLES, "pdf", *making.beside(place)]
    return [
        Command(
            "paper_salience_analysis", [*asked, "--mention-mode", mode, "--output-dir", place.file(f"salience_{mode}")]
        )
        for mode in ("word", "phrase")
    ]


def _compare(experiments: Sequence[ExperimentLogs], place: Place) -> Sequence[Compared]:
    chosen, _ = choose([each for each in experiments if each.method == METHOD])
    found = [each for each in collect(chosen) if each.revisions]
    analysed = {each.environment: each for each in analyses_of(found, "word") if not each.is_together}
    runs = {each.experiment.environment: each.experiment.runs for each in found}
    cells = []
    for environment, published in published_salience().items():
        if place.environments and environment not in place.environments:
            continue
        ours = analysed.get(environment)
        counts = ours.counts["regression"] if ours else None
        for sign, column in _SIGNS.items():
            share: Share | None = getattr(counts, sign) if counts else None
            figures = _figure(share), _published(published, sign)
            label = task_facts(environment)["label"]
            far = of_shares(share, getattr(published, sign), published.regressions)
            cells.append(Compared(_GROUP, label, column, environment, METHOD, *figures, far, runs.get(environment, ())))
    return cells


def _figure(share: Share | None) -> Figure | None:
    if share is None or share.value is None:
        return None
    return Figure(f"{share.value:.1%}", f"{share.count} of {share.known}", share.value)


def _published(published: PublishedSalience, sign: str) -> Figure | None:
    count, total = getattr(published, sign), published.regressions
    return Figure(f"{count / total:.1%}", f"{count} of {total}", count / total) if total else None


R2PO_SALIENCE = Part(
    paper="r2po",
    name="salience",
    title="The salience analysis of the R2PO paper",
    source=SOURCE,
    model=PUBLISHED_MODEL,
    experiments=_experiments,
    commands=_commands,
    compare=_compare,
    missing=(
        f"Edit patterns, of {method_facts('reptraj')['label']} too, are in the tables; the paper's figures of them are "
        "not part of this package.",
    ),
    remarks=lambda _: (_ALIKE,),
)
