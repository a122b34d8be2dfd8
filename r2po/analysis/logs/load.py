"""From a log directory to ``RunData``. Log files are not trusted: what cannot be used is named and left out."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from r2po.analysis.logs.copies import without_copies
from r2po.analysis.logs.identities import with_other_models_noted
from r2po.analysis.logs.own import load_own_run
from r2po.analysis.logs.published import is_published_run, load_published_run
from r2po.analysis.logs.run_data import RunData, Unusable
from r2po.analysis.logs.sb3 import is_sb3, load_sb3_run
from r2po.errors import InputError, nearest
from r2po.runlog import RunDirectory, list_runs
from r2po.runlog.condition import condition_of

DAMAGED, UNUSABLE = "damaged", "not usable"
"""Why a run is left out: its files are damaged, or it has nothing yet that can be used."""


@dataclass(frozen=True)
class LogDirectory:
    """The runs of one experiment.

    Attributes:
        path: The folder, as it was given.
        runs: The usable runs, by number.
        problems: One line for each run that cannot be used.
        left_out: For each run that is left out, why, in few words; those that cannot be used first.
    """

    path: Path
    runs: tuple[RunData, ...]
    problems: tuple[str, ...]
    left_out: tuple[str, ...] = field(default=(), kw_only=True)

    @property
    def notes(self) -> tuple[str, ...]:
        """One line for each oddity of a run that is used."""
        return tuple(f"{run.name}: {note}" for run in self.runs for note in run.notes)

    @property
    def remarks(self) -> list[str]:
        """The problems and notes, each with the folder's name."""
        return [f"{self.path}: {line}" for line in (*self.problems, *self.notes)]

    def values(self, metric: str) -> list[float]:
        """Return a metric (``run_data.METRICS``) of each run that tells it."""
        figures = (run.metric(metric) for run in self.runs)
        return [figure for figure in figures if figure is not None]


def load_log_directory(path: str | Path) -> LogDirectory:
    """Read all runs of a log directory, in this project's or the published code's format.

    Raises:
        InputError: It is missing, is itself a run, or holds no usable run.
    """
    path = Path(path)
    try:
        directories = _find_runs(path)
    except OSError as error:
        raise InputError(f"cannot read {str(path)!r}: {error}") from None
    loaded = load_runs_of(directories)
    if not loaded.runs:
        raise InputError(f"no usable run in {str(path)!r}: {'; '.join(loaded.problems)}")
    return LogDirectory(path, loaded.runs, loaded.problems, left_out=loaded.left_out)


def nearest_folder(path: Path) -> str:
    """Return a hint at the folder with the name that is nearest to that of a missing one, or an empty string."""
    siblings: list[str] = []
    with suppress(OSError):
        siblings = [str(each) for each in path.parent.iterdir() if each.is_dir()]
    return nearest(str(path), siblings)


class Loaded(NamedTuple):
    """The runs of one folder: usable ones without copies, and of each of the others a line and why it is left out."""

    runs: tuple[RunData, ...]
    problems: tuple[str, ...]
    left_out: tuple[str, ...]


def load_runs_of(directories: Sequence[RunDirectory]) -> Loaded:
    """Read the runs of one folder."""
    found = [_load_run(directory) for directory in directories]
    lost = [each for each in found if isinstance(each, _Lost)]
    runs = with_other_models_noted(without_copies([each for each in found if isinstance(each, RunData)]))
    return Loaded(_with_lengths(runs), tuple(each.problem for each in lost), tuple(each.reason for each in lost))


class _Lost(NamedTuple):
    """A run that cannot be used."""

    problem: str
    reason: str = UNUSABLE


def _load_run(directory: RunDirectory) -> RunData | _Lost:
    """Read the complete iterations of one run."""
    path = directory.path
    try:
        if directory.is_described:
            return _with_damage(load_own_run(directory), directory)
        if is_sb3(path.resolve().parent):
            return load_sb3_run(path)
        if is_published_run(path):
            return load_published_run(path)
    except (Unusable, OSError, ValueError) as problem:  # the latter two: unreadable, or changed while it was read
        text = f"{path.name}: {' '.join(str(problem).split())}"
        condition = condition_of(directory) if directory.is_described else None
        return _Lost(text, DAMAGED) if condition is not None and condition.kind == "damaged" else _Lost(text)
    text = f"{path.name}: it has no run.yaml, nor the published code's overall_log.txt"
    return _Lost(text, DAMAGED if condition_of(directory).kind == "damaged" else UNUSABLE)


def _with_damage(run: RunData, directory: RunDirectory) -> RunData:
    """Return an unfinished run with what keeps it from being continued; reading a complete one has shown all damage."""
    if run.complete:
        return run
    fault = condition_of(directory).fault.replace(f"{directory.path}/", "")
    note = f"{fault}; its iterations are counted, but it cannot be continued"
    return replace(run, damage=fault, notes=(*run.notes, note)) if fault else run


def _with_lengths(runs: Sequence[RunData]) -> tuple[RunData, ...]:
    """Call runs of the published code unfinished that are shorter than others: its logs do not say it."""
    silent = [run for run in runs if run.origin == "published" and run.algorithm is None]
    longest = max((run.num_iterations for run in silent), default=0)
    return tuple(
        replace(run, planned_iterations=longest, complete=run.num_iterations == longest) if run in silent else run
        for run in runs
    )


def _find_runs(path: Path) -> list[RunDirectory]:
    name = str(path)
    if not path.exists():
        raise InputError(f"no log directory {name!r}{nearest_folder(path)}")
    if not path.is_dir():
        raise InputError(f"{name!r} is a file; expected a log directory, which holds run_1, run_2, ...")
    runs = list_runs(path)
    if not runs:
        here = path.resolve()
        if any(run.path == here for run in list_runs(here.parent)):
            above = path.parent if path.name == here.name else here.parent
            raise InputError(f"{name!r} is a single run; give the log directory above it: --logdir {above}")
        below = sorted(str(folder) for folder in path.iterdir() if list_runs(folder))
        hint = f"; log directories in it: {', '.join(below)}" if below else ""
        raise InputError(f"{name!r} is not a log directory: it holds no run_N{hint}")
    return runs
