"""R2PO's sensitivity to tau_c, the mean reward from which the critic is told to change little."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from r2po.analysis.logs.experiments import Cohort, ExperimentLogs, cohorts
from r2po.analysis.logs.names import environment_label, environment_order
from r2po.analysis.output.tables import Cell, Table, count_cell
from r2po.analysis.paper.published_figures import SOURCE, published_tau_c
from r2po.analysis.paper.scores import Score, figures_of, reference_lines, score_of
from r2po.tasks import TASKS

SETTINGS = ("default", "half", "none")
ENVIRONMENTS = ("cartpole", "pong")
"""Those of the published analysis."""

METRICS: Mapping[str, str] = MappingProxyType(
    {"mean_reward": "mean", "best_reward": "best", "final_reward": "final", "heldout_reward": "held-out"}
)


def build_tau_c_table(
    experiments: Sequence[ExperimentLogs], *, with_reference: bool = False
) -> tuple[Table, list[str]]:
    """Return a row per environment and setting, and a line for each folder that is left out or odd.

    The default setting is the published code's experiment of its own, else R2PO's main experiment.
    """
    ours = [each for each in experiments if each.method == "r2po"]
    lines = [f"{each.path}: {line}" for each in ours for line in (*each.problems, *each.notes)]
    usable = [each for each in ours if each.runs and _setting(each)]
    keys = sorted({*ENVIRONMENTS, *(each.environment for each in usable if each.variant)}, key=environment_order)
    parts = cohorts(usable) or [(None, [])]
    several = len(parts) > 1
    rows: list[list[Cell | str]] = []
    for key in keys:
        for cohort, part in parts:
            here = [each for each in part if each.environment == key]
            chosen = {setting: _chosen(here, setting, lines) for setting in _settings(here)}
            rows += [_row(key, cohort, name, each, several, with_reference) for name, each in chosen.items()]
    heading = ["environment", *(["logs"] if several else []), "setting", "tau_c", "runs"]
    notes = ["Mean ± sample standard deviation over runs."]
    notes += [f"{cohort.label}." for cohort, _ in parts if cohort and not several]
    if with_reference:
        notes.append(f"Small print: {SOURCE}; z is our difference from it in standard errors.")
    columns = [*heading, *METRICS.values()]
    texts = range(len(heading) - 2)
    return Table("Sensitivity of R2PO to tau_c", columns, rows, notes, _plain(heading), texts), lines


def build_published_tau_c_table() -> Table:
    """Return the published sensitivity analysis, from the published figures alone."""
    rows: list[list[Cell | str]] = []
    for key in ENVIRONMENTS:
        for setting in SETTINGS:
            scores = {metric: _published(key, setting, metric) for metric in METRICS}
            cells = [Cell(score.text if score else "", figures=figures_of(score)) for score in scores.values()]
            runs = max(score.runs for score in scores.values() if score)
            rows.append([_environment(key), setting, _tau_c(key, setting), count_cell(runs), *cells])
    heading = ["environment", "setting", "tau_c", "runs"]
    notes = [f"Mean ± sample standard deviation over runs; {SOURCE}."]
    title = "Sensitivity of R2PO to tau_c, as published"
    return Table(title, [*heading, *METRICS.values()], rows, notes, _plain(heading), (0, 1))


def _plain(heading: Sequence[str]) -> list[str]:
    return [*heading, *METRICS]


def _setting(experiment: ExperimentLogs) -> str:
    """Return the setting of tau_c; empty if something else differs too."""
    if not experiment.variant:
        return "default"
    name, _, setting = experiment.variant.partition(" ")
    return setting if name == "tau_c" and "," not in setting else ""


def _settings(experiments: Sequence[ExperimentLogs]) -> list[str]:
    others = {_setting(each) for each in experiments} - set(SETTINGS)
    return [*SETTINGS, *sorted(others)]


def _chosen(experiments: Sequence[ExperimentLogs], setting: str, lines: list[str]) -> ExperimentLogs | None:
    """Return the experiment of a setting: one made for this analysis first, then the one with the most runs."""
    candidates = [each for each in experiments if _setting(each) == setting]
    candidates.sort(key=lambda each: (not each.variant, -len(each.runs), str(each.path)))
    lines += [
        f"{each.path}: left out, {candidates[0].path} is tau_c {setting} too"
        for each in candidates[1:]
        if bool(each.variant) == bool(candidates[0].variant)
    ]
    return candidates[0] if candidates else None


def _row(
    key: str,
    cohort: Cohort | None,
    setting: str,
    experiment: ExperimentLogs | None,
    several: bool,
    with_reference: bool,
) -> list[Cell | str]:
    head: list[Cell | str] = [
        _environment(key),
        *([cohort.label] if several and cohort else []),
        setting,
        _tau_c(key, setting),
    ]
    cells: list[Cell | str] = []
    for metric in METRICS:
        score = score_of("R2PO", experiment.values(metric)) if experiment else None
        published = _published(key, setting, metric) if with_reference else None
        text = score.text if score else ""
        below = () if published is None else reference_lines(score, published, published.text)
        cells.append(Cell(text, below, figures=figures_of(score, published)))
    return [*head, count_cell(len(experiment.runs)) if experiment else "no runs", *cells]


def _published(key: str, setting: str, metric: str) -> Score | None:
    figure = published_tau_c().get((key, setting, metric))
    return None if figure is None else Score("R2PO", figure.mean, figure.std, figure.runs)


def _environment(key: str) -> Cell:
    return Cell(environment_label(key), plain=key)


def _tau_c(key: str, setting: str) -> Cell:
    default = TASKS[key].conservative_threshold if key in TASKS else None
    factors = {"default": 1.0, "half": 0.5}
    if setting not in factors:
        return Cell("" if setting == "none" else setting)
    if default is None:
        return Cell("?")
    value = default * factors[setting]
    return Cell(f"{value:g}", figures=value)
