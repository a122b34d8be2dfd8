"""R2PO's sensitivity to tau_c, the mean reward from which the critic is told to change little."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import product
from types import MappingProxyType

from r2po.analysis.logs.built_in import OURS, method_facts, task_facts
from r2po.analysis.logs.comparable import about_runs, cohorts, left_out, named, others
from r2po.analysis.logs.experiments import ExperimentLogs
from r2po.analysis.logs.fresh import basis_of, runs_of, settled
from r2po.analysis.logs.names import environment_order
from r2po.analysis.output.scores import few_note, figures_of, reference_lines, score_of, small_print
from r2po.analysis.output.tables import Cell, Table, count_cell
from r2po.analysis.paper.presets import task_cell
from r2po.analysis.published import SOURCE, published_tau_c
from r2po.runlog.facts import TaskFacts

SETTINGS = ("default", "half", "none")
ENVIRONMENTS = ("cartpole", "pong")
"""Those of the published analysis."""

METRICS: Mapping[str, str] = MappingProxyType(
    {"mean_reward": "mean", "best_reward": "best", "final_reward": "final", "heldout_reward": "held-out"}
)


def build_tau_c_table(
    experiments: Sequence[ExperimentLogs],
    *,
    with_reference: bool = False,
    as_published: bool = False,
    environments: Collection[str] = (),
) -> tuple[Table, list[str]]:
    """Return a row per environment, method and setting, and a line for each folder that is left out or odd.

    The default setting is the method's main experiment, as in the published table, else the one that the study made for
    it. Methods beside R2PO are those that are not built in and have its revision rule. ``as_published`` takes logged
    rewards, and tells the difference from published figures by z, else it is Welch's test. Rows are those of
    ``environments``, of all if there are none.
    """
    ruled = [each for each in experiments if each.facts["revision_rule"]]
    lines = [line for each in ruled for line in each.remarks]
    usable = [each for each in ruled if each.runs and setting_of(each)]
    ours = {*ENVIRONMENTS, *(each.environment for each in usable if each.variant and each.method == OURS)}
    tasks = {key: task_facts(key) for key in ENVIRONMENTS}
    tasks |= {each.environment: each.task for each in usable if each.environment in ours or each.method != OURS}
    tasks = {key: task for key, task in tasks.items() if not environments or key in environments}
    shown = [each for each in usable if each.environment in tasks]
    basis = basis_of(runs_of(shown), as_published=as_published, with_reference=with_reference)
    usable = settled(shown, basis)
    lines += [basis.warning] if basis.warning else []
    parts = cohorts(usable) or [(None, [])]
    methods = [method_facts(OURS), *others(usable)]
    by_logs, by_method = len(parts) > 1, len(methods) > 1
    heading = ["environment", *_if(by_logs, "logs"), *_if(by_method, "method"), "setting", "tau_c", "runs"]
    rows: list[list[Cell | str]] = []
    for key, (cohort, part), facts in product(sorted(tasks, key=environment_order), parts, methods):
        here = [each for each in part if (each.environment, each.method) == (key, facts["name"])]
        if not here and not (facts["name"] == OURS and key in ours):
            continue
        who = (*_if(by_logs, cohort.label if cohort else ""), *_if(by_method, facts["label"]))
        for setting in _settings(here):
            cells = _results(_chosen(here, setting, lines), tasks[key], setting, with_reference, as_published)
            rows.append([task_cell(tasks[key]), *who, setting, _tau_c(tasks[key], setting), *cells])
    notes = ["Mean ± sample standard deviation over runs."]
    notes += [f"{cohort.label}." for cohort, _ in parts if cohort and not by_logs]
    notes += [basis.note] if basis.note else []
    notes += [*about_runs(named(usable)), *few_note(len(each.runs) for each in usable)]
    if with_reference:
        notes.append(small_print(SOURCE, as_published=as_published))
    title = "Sensitivity to tau_c" if by_method else "Sensitivity of R2PO to tau_c"
    texts = range(len(heading) - 2)
    return Table(title, [*heading, *METRICS.values()], rows, notes, [*heading, *METRICS], texts), lines


def build_published_tau_c_table() -> Table:
    """Return the published sensitivity analysis, from the published figures alone."""
    rows: list[list[Cell | str]] = []
    for task, setting in product(map(task_facts, ENVIRONMENTS), SETTINGS):
        scores = [published_tau_c().get((task["name"], setting, metric)) for metric in METRICS]
        cells = [Cell(score.text if score else "", figures=figures_of(score)) for score in scores]
        runs = max(score.runs for score in scores if score)
        rows.append([task_cell(task), setting, _tau_c(task, setting), count_cell(runs), *cells])
    heading = ["environment", "setting", "tau_c", "runs"]
    notes = [f"Mean ± sample standard deviation over runs; {SOURCE}."]
    title = "Sensitivity of R2PO to tau_c, as published"
    return Table(title, [*heading, *METRICS.values()], rows, notes, [*heading, *METRICS], (0, 1))


def setting_of(experiment: ExperimentLogs) -> str:
    """Return the setting of tau_c; empty if something else differs too."""
    if not experiment.variant:
        return "default"
    name, _, setting = experiment.variant.partition(" ")
    return setting if name == "tau_c" and "," not in setting else ""


def _settings(experiments: Sequence[ExperimentLogs]) -> list[str]:
    others = {setting_of(each) for each in experiments} - set(SETTINGS)
    return [*SETTINGS, *sorted(others)]


def chosen_setting(experiments: Sequence[ExperimentLogs], setting: str) -> ExperimentLogs | None:
    """Return the experiment of a setting: the main one first, then by rank; None if there is none."""
    candidates = [each for each in experiments if setting_of(each) == setting]
    return max(candidates, key=lambda each: (not each.variant, each.rank), default=None)


def _chosen(experiments: Sequence[ExperimentLogs], setting: str, lines: list[str]) -> ExperimentLogs | None:
    """Return the experiment of a setting, and note the others that are left out."""
    kept = chosen_setting(experiments, setting)
    candidates = [each for each in experiments if setting_of(each) == setting]
    if kept is not None:
        lines += [left_out(each, kept, f"tau_c {setting}") for each in candidates if each is not kept]
    return kept


def _results(
    experiment: ExperimentLogs | None, task: TaskFacts, setting: str, with_reference: bool, as_published: bool
) -> list[Cell | str]:
    """Return the cells from the number of runs on."""
    cells: list[Cell | str] = [count_cell(len(experiment.runs)) if experiment else "no runs"]
    for metric in METRICS:
        score = score_of(experiment.label, experiment.values(metric)) if experiment else None
        is_ours = experiment is None or experiment.method == OURS
        published = published_tau_c().get((task["name"], setting, metric)) if with_reference and is_ours else None
        below: tuple[str, ...] = ()
        if published is not None:
            below = reference_lines(score, published, published.text, as_published=as_published)
        figures = figures_of(score, published, as_published=as_published)
        text, mark = (score.text, score.mark) if score else ("", "")
        cells.append(Cell(text + mark, below, plain=text, figures=figures))
    return cells


def _if(shown: bool, *cells: str) -> tuple[str, ...]:
    return cells if shown else ()


def _tau_c(task: TaskFacts, setting: str) -> Cell:
    default, factors = task["conservative_threshold"], {"default": 1.0, "half": 0.5}
    if setting not in factors:
        return Cell("" if setting == "none" else setting)
    if default is None:
        return Cell("?")
    value = default * factors[setting]
    return Cell(f"{value:g}", figures=value)
