"""The R2PO paper's core table: ProPS, ProPS+, R2PO and Stable-Baselines3 on ten environments."""

from __future__ import annotations

from collections.abc import Sequence

from r2po.analysis.logs.experiments import ExperimentLogs
from r2po.analysis.logs.names import PUBLISHED_ORDER
from r2po.analysis.published import SOURCE
from r2po.reproduce import making
from r2po.reproduce.compared import Compared
from r2po.reproduce.part import Command, Experiment, Part, Place
from r2po.reproduce.results import compare_results
from r2po.reproduce.settings import SUITE, of_r2po, suites

PUBLISHED_MODEL = "gpt-oss:20b"
METHODS = ("props", "propsp", "r2po")


def _experiments() -> Sequence[Experiment]:
    return [*of_r2po(METHODS), *suites(PUBLISHED_ORDER)]


def _commands(place: Place) -> Sequence[Command]:
    return [*making.results("core", place), *making.significance(place), *making.robust([*METHODS, SUITE], place)]


def _compare(experiments: Sequence[ExperimentLogs], place: Place) -> Sequence[Compared]:
    return compare_results(experiments, [*METHODS, SUITE], place.environments or PUBLISHED_ORDER, "published")


R2PO_CORE = Part(
    paper="r2po",
    name="core",
    title="The core table of the R2PO paper",
    source=SOURCE,
    model=PUBLISHED_MODEL,
    experiments=_experiments,
    commands=_commands,
    compare=_compare,
)
