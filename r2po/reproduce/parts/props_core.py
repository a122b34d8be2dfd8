"""The ProPS paper's main table: ProPS and ProPS+ with the paper's own settings, on the environments that we have."""

from __future__ import annotations

from collections.abc import Sequence

from r2po.analysis.logs.experiments import ExperimentLogs
from r2po.analysis.published import PROPS_SOURCE
from r2po.reproduce import making
from r2po.reproduce.compared import Compared
from r2po.reproduce.part import Command, Part, Place
from r2po.reproduce.results import compare_results
from r2po.reproduce.settings import of_props

METHODS = ("props", "propsp")
_SPREAD = (
    "The paper calls its ± a standard deviation in the text and a standard error in a caption. It is taken for the "
    "former; were it the latter, the published figure would be less sure, and the distance smaller, by a factor of up "
    "to 3.2, the square root of its 10 runs."
)


def _environments() -> list[str]:
    return list(dict.fromkeys(each.environment for each in of_props()))


def _commands(place: Place) -> Sequence[Command]:
    logs = [*place.from_logs, "--methods", ",".join(METHODS), "--envs", *(place.environments or _environments())]
    tables = [*logs, "--formats", *making.TABLES, "--output-dir"]
    curves = [*logs, "--formats", *making.FIGURES, "--output"]
    return [
        Command("paper_results_tables", [*tables, place.file("tables"), *making.logged(place, "props")]),
        Command("paper_results_tables", [*tables, place.file("tables_on_fresh_episodes")]),
        Command("paper_reward_curves", [*curves, place.file("curves/reward.png")]),
        Command("paper_reward_curves", [*curves, place.file("curves/incumbent.png"), "--value", "incumbent"]),
    ]


def _compare(experiments: Sequence[ExperimentLogs], place: Place) -> Sequence[Compared]:
    return compare_results(experiments, METHODS, place.environments or _environments(), "props", ("best_reward",))


def _remarks(cell: Compared) -> Sequence[str]:
    """Say what the spread may be; of 0.00 both readings are the same."""
    return [_SPREAD] if cell.published is not None and cell.published.std else []


PROPS_CORE = Part(
    paper="props",
    name="core",
    title="The main table of the ProPS paper",
    source=PROPS_SOURCE,
    model="GPT-4o",
    experiments=of_props,
    commands=_commands,
    compare=_compare,
    missing=(
        "Navigation (NavigationTrack-v0) is missing: the environment is in no package.",
        "The paper's baselines, the best two algorithms of Stable-Baselines3, are missing: with which settings it ran "
        "them is not part of this package.",
    ),
    remarks=_remarks,
)
