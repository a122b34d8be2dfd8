"""The R2PO paper's sensitivity to tau_c: R2PO with its own revision threshold, with half of it, and with none."""

from __future__ import annotations

from collections.abc import Sequence

from r2po.analysis.logs.built_in import OURS, task_facts
from r2po.analysis.logs.experiments import ExperimentLogs
from r2po.analysis.output.scores import score_of
from r2po.analysis.paper.tau_c import ENVIRONMENTS, SETTINGS, chosen_setting, setting_of
from r2po.analysis.published import SOURCE, published_tau_c
from r2po.reproduce import making
from r2po.reproduce.compared import Compared, Figure
from r2po.reproduce.distance import of_means
from r2po.reproduce.part import Command, Experiment, Part, Place
from r2po.reproduce.parts.r2po_core import PUBLISHED_MODEL
from r2po.reproduce.settings import of_r2po, of_tau_c

_TITLES = {
    "best_reward": "Best reward",
    "mean_reward": "Mean reward over the iterations",
    "final_reward": "Final reward",
}


def _experiments() -> Sequence[Experiment]:
    return [*of_r2po((OURS,), ENVIRONMENTS), *of_tau_c(("half", "none"))]


def _commands(place: Place) -> Sequence[Command]:
    formats = ["--formats", *making.TABLES]
    asked = [*place.from_logs, *making.environments(place), *formats, "--output-dir"]
    return [
        Command("tau_c_sensitivity_results", [*asked, place.file("tables"), *making.logged(place)]),
        Command("tau_c_sensitivity_results", [*asked, place.file("tables_on_fresh_episodes")]),
    ]


def _compare(experiments: Sequence[ExperimentLogs], place: Place) -> Sequence[Compared]:
    usable = [each for each in experiments if each.runs and each.method == OURS and setting_of(each)]
    return [
        _cell(usable, metric, environment, setting)
        for metric in _TITLES
        for environment in ENVIRONMENTS
        if environment in (place.environments or ENVIRONMENTS)
        for setting in SETTINGS
    ]


def _cell(usable: Sequence[ExperimentLogs], metric: str, environment: str, setting: str) -> Compared:
    here = chosen_setting([each for each in usable if each.environment == environment], setting)
    ours = score_of(here.label, here.values(metric)) if here else None
    published = published_tau_c().get((environment, setting, metric))
    return Compared(
        _TITLES[metric],
        task_facts(environment)["label"],
        f"tau_c {setting}",
        environment,
        OURS,
        Figure.of_score(ours),
        Figure.of_score(published),
        of_means(ours, published),
        here.runs if here else (),
    )


R2PO_TAU_C = Part(
    paper="r2po",
    name="tau_c",
    title="The sensitivity to tau_c of the R2PO paper",
    source=SOURCE,
    model=PUBLISHED_MODEL,
    experiments=_experiments,
    commands=_commands,
    compare=_compare,
)
