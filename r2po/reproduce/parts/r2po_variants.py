"""The R2PO paper's ablations, beside R2PO and its baselines, of which the table shows the best one."""

from __future__ import annotations

from collections.abc import Sequence

from r2po.analysis.logs.experiments import ExperimentLogs
from r2po.analysis.logs.names import PUBLISHED_ORDER
from r2po.analysis.published import SOURCE
from r2po.reproduce import making
from r2po.reproduce.compared import Compared
from r2po.reproduce.part import Command, Experiment, Part, Place
from r2po.reproduce.parts.r2po_core import METHODS as CORE
from r2po.reproduce.parts.r2po_core import PUBLISHED_MODEL
from r2po.reproduce.results import compare_results
from r2po.reproduce.settings import SUITE, of_r2po, suites

ABLATIONS = ("pure_search", "actor_second_pass", "critic_only", "always_critic", "reptraj", "three_traj")
_ORDER = ("props", "propsp", SUITE, *ABLATIONS, "r2po")


def _experiments() -> Sequence[Experiment]:
    return [*of_r2po((*CORE, *ABLATIONS)), *suites(PUBLISHED_ORDER)]


def _commands(place: Place) -> Sequence[Command]:
    return [*making.results("variants", place), *making.robust(_ORDER, place)]


def _compare(experiments: Sequence[ExperimentLogs], place: Place) -> Sequence[Compared]:
    return compare_results(experiments, _ORDER, place.environments or PUBLISHED_ORDER, "published")


R2PO_VARIANTS = Part(
    paper="r2po",
    name="variants",
    title="The variants of the R2PO paper",
    source=SOURCE,
    model=PUBLISHED_MODEL,
    experiments=_experiments,
    commands=_commands,
    compare=_compare,
)
