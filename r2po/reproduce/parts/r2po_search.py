"""Black-box searches at the R2PO paper's budget, which its comparison lacks: R2PO's published figures stand beside."""

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
from r2po.reproduce.settings import searches

SEARCHES = ("random_search", "cma_es", "ars", "evolution_strategy")


def _experiments() -> Sequence[Experiment]:
    return searches(SEARCHES, PUBLISHED_ORDER)


def _commands(place: Place) -> Sequence[Command]:
    return [*making.results("search", place), *making.robust(SEARCHES, place)]


def _compare(experiments: Sequence[ExperimentLogs], place: Place) -> Sequence[Compared]:
    return compare_results(experiments, [*CORE, *SEARCHES], place.environments or PUBLISHED_ORDER, "published")


R2PO_SEARCH = Part(
    paper="r2po",
    name="search",
    title="Black-box search at the budget of the R2PO paper",
    source=SOURCE,
    model=PUBLISHED_MODEL,
    experiments=_experiments,
    commands=_commands,
    compare=_compare,
    missing=(
        "The paper compares with no black-box search, so these have no published figures: those of ProPS, ProPS+ and "
        "R2PO stand beside them. Runs of these three are made by --table core, and are shown here once they are there.",
    ),
)
