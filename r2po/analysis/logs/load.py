"""From a log directory to ``RunData``. Log files are not trusted: what cannot be used is named and left out."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from r2po.analysis.logs.copies import without_copies
from r2po.analysis.logs.identities import with_other_models_noted
from r2po.analysis.logs.own import load_own_run
from r2po.analysis.logs.published import is_published_run, load_published_run
from r2po.analysis.logs.run_data import RunData, Unusable
from r2po.analysis.logs.sb3 import is_sb3, load_sb3_run
from r2po.errors import InputError, nearest
from r2po.runlog import RunDirectory, list_runs


@dataclass(frozen=True)
class LogDirectory:
    """The runs of one experiment.

    Attributes:
        path: The folder, as it was given.
        runs: The usable runs, by number.
        problems: One line for each run that is left out.
    """

    path: Path
    runs: tuple[RunData, ...]
    problems: tuple[str, ...]

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
    runs, problems = load_runs_of(directories)
    if not runs:
        raise InputError(f"no usable run in {str(path)!r}: {'; '.join(problems)}")
    return LogDirectory(path, runs, problems)


def nearest_folder(path: Path) -> str:
    """Return a hint at the folder with the name that is nearest to that of a missing one, or an empty string."""
    siblings: list[str] = []
    with suppress(OSError):
        siblings = [str(each) for each in path.parent.iterdir() if each.is_dir()]
    return nearest(str(path), siblings)


def load_runs_of(directories: Sequence[RunDirectory]) -> tuple[tuple[RunData, ...], tuple[str, ...]]:
    """Read the runs of one folder; returns the usable ones without copies, and a line for each of the others."""
    found = [_load_run(directory) for directory in directories]
    problems = tuple(each for each in found if isinstance(each, str))
    runs = with_other_models_noted(without_copies([each for each in found if isinstance(each, RunData)]))
    return _with_lengths(runs), problems


def _load_run(directory: RunDirectory) -> RunData | str:
    """Read the complete iterations of one run; returns one line where it cannot be used."""
    path = directory.path
    try:
        if directory.is_described:
            return load_own_run(directory)
        if is_sb3(path.resolve().parent):
            return load_sb3_run(path)
        if is_published_run(path):
            return load_published_run(path)
    except (Unusable, OSError, ValueError) as problem:  # the latter two: unreadable, or changed while it was read
        return f"{path.name}: {' '.join(str(problem).split())}"
    return f"{path.name}: it has no run.yaml, nor the published code's overall_log.txt"


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
