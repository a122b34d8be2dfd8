"""``eval_report/`` of every experiment under a folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from r2po.analysis.evaluation.kept import Kept, logs_state
from r2po.analysis.evaluation.report import FOLDER, experiments_in, write_report
from r2po.analysis.logs.chosen import choose_methods
from r2po.analysis.logs.comparable import Named, uneven_runs, unfinished
from r2po.analysis.logs.experiments import ExperimentLogs, find_experiments, log_directories
from r2po.analysis.logs.fresh import Basis, basis_of, settled
from r2po.analysis.logs.load import LogDirectory
from r2po.analysis.logs.parallel import in_parallel
from r2po.analysis.logs.run_data import STAND_IN
from r2po.analysis.logs.tally import tally
from r2po.analysis.output.scores import score_of
from r2po.errors import R2POError

MANY_RUNS = 100
"""Beyond so many runs, their single figures are drawn only if asked for: each run takes half a second."""


@dataclass(frozen=True)
class Evaluation:
    """What to print of one log directory, a line per experiment, and what is missing or odd, one line each."""

    line: str
    warnings: tuple[str, ...]


def evaluate_all(
    logs_root: str | Path,
    max_runs: int | None,
    only_env: Sequence[str] = (),
    only_method: Sequence[str] = (),
    figures: str = "auto",
    *,
    methods: Sequence[str] = (),
    as_published: bool = False,
) -> list[Evaluation]:
    """Write the reports of all log directories that ``find_experiments`` finds, on all cores.

    Reports are left as they are if nothing has changed since they were made.

    Figures: "all" draws those of each run too, "experiments" does not, "auto" does up to ``MANY_RUNS`` runs.
    ``methods`` are the only ones, in this order. ``as_published`` shows logged rewards alone.

    Raises:
        InputError: There is no such folder, environment or method.
    """
    states = _states(logs_root)
    experiments = find_experiments(logs_root, max_runs, only_env, only_method, parallel=True)
    experiments = choose_methods(experiments, methods).experiments
    folders: dict[Path, list[ExperimentLogs]] = {}
    for each in experiments:
        folders.setdefault(each.path, []).append(each)
    if not folders:
        return [Evaluation(f"no log directory in {str(logs_root)!r}: nothing holds run_1, run_2, ...", ())]
    runs = sum(len(each.runs) for each in experiments)
    all_figures = figures == "all" or (figures == "auto" and runs <= MANY_RUNS)
    work = partial(_evaluate, states=states, all_figures=all_figures, as_published=as_published)
    left_out = [Evaluation("", (f"{logs_root}: {line}",)) for line in tally(experiments)]
    evaluations = left_out + in_parallel(work, list(folders.values()), module=__name__)
    if figures == "auto" and not all_figures:
        note = f"figures of the {runs} single runs are left out; --figures all draws them too"
        evaluations.append(Evaluation(note, ()))
    return evaluations


def _states(logs_root: str | Path) -> dict[Path, str]:
    """Return the state of each log directory, from before anything is read."""
    with suppress(ValueError):  # no name of a folder, which is told when it is to be read
        return {path: logs_state(path) for path in log_directories(Path(logs_root))}
    return {}


def _evaluate(
    parts: Sequence[ExperimentLogs], *, states: Mapping[Path, str], all_figures: bool, as_published: bool
) -> Evaluation:
    """Return the evaluation of one log directory: the one on record, if nothing has changed since it was written."""
    kept = Kept(parts, states.get(parts[0].path, ""), (all_figures, as_published))
    said = kept.find()
    if said:
        return Evaluation(said[0], said[1:])
    evaluation = _evaluated(parts, all_figures=all_figures, as_published=as_published)
    if evaluation.line:
        kept.keep((evaluation.line, *evaluation.warnings))
    return evaluation


def _evaluated(parts: Sequence[ExperimentLogs], *, all_figures: bool, as_published: bool) -> Evaluation:
    """Evaluate one log directory, which may hold runs of several experiments."""
    path = parts[0].path
    problems = tuple(problem for part in parts for problem in part.problems)
    warnings = tuple(f"{path}: left out: {problem}" for problem in problems)
    runs = sorted((run for part in parts for run in part.runs), key=lambda run: int(run.name.removeprefix("run_")))
    if not runs:
        return Evaluation("", warnings)
    logs = LogDirectory(path, tuple(runs), problems)
    try:
        write_report(logs, all_figures=all_figures, as_published=as_published)
    except R2POError as error:
        return Evaluation("", (*warnings, str(error)))
    named = experiments_in(logs)
    bases = [basis_of(part.runs, as_published=as_published) for _, part in named]
    lines = "\n".join(_line(name, part, basis) for (name, part), basis in zip(named, bases, strict=True))
    biased = [f"{path}: {basis.warning}" for basis in bases if basis.warning]
    compared = [Named(name, part.runs[0].task["label"], part.runs) for name, part in named]
    notes = [f"{path}: {line}" for line in unfinished(compared)] + uneven_runs(logs)
    unread = [f"{run.name}: {run.unread}" for run in runs if run.unread]
    return Evaluation(lines, (*warnings, *biased, *(f"{path}: {note}" for note in (*logs.notes, *unread)), *notes))


def _line(name: str, logs: LogDirectory, basis: Basis) -> str:
    (shown,) = settled([logs], basis)
    scores = {metric: score_of("", shown.values(f"{metric}_reward")) for metric in ("mean", "best", "final", "heldout")}
    what = dict.fromkeys(("mean", "final"), " on fresh episodes") if basis.fresh else {}
    runs = len(logs.runs)
    figures = ", ".join(
        f"{metric}{what.get(metric, '')} {score.text}{f' ({score.runs} runs)' if score.runs < runs else ''}"
        for metric, score in scores.items()
        if score
    )
    mark = f" [{STAND_IN}]" if any(run.stand_in for run in logs.runs) and STAND_IN not in name else ""
    stopped = sum(not run.complete for run in logs.runs)
    count = f"{runs} run{'' if runs == 1 else 's'}{f' ({stopped} unfinished)' if stopped else ''}"
    return f"{name}{mark}: {count}: {figures}: {logs.path / FOLDER}"
