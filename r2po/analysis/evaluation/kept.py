"""Reports that need not be made anew: nothing that they were made from has changed, and neither have they."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from r2po.analysis.evaluation.report import FOLDER
from r2po.analysis.logs.experiments import ExperimentLogs
from r2po.analysis.logs.raced import remarks_of
from r2po.runlog.jsonl import write_atomically

FILE = "made_from.json"
_PACKAGE = Path(__file__).parents[2]
_LIBRARIES = ("matplotlib", "numpy")
"""What figures depend on, beside this package."""


def logs_state(folder: Path) -> str:
    """Return a hash of the names, sizes and times of all files in a log directory but those of reports."""
    return _state(folder, of_reports=False)


class Kept:
    """What was said of the report on one log directory, kept beside it.

    It holds as long as all files of the logs and of the report have the sizes and times that they had, the runs are the
    same ones, and so are the code and the options.

    Args:
        parts: The experiments of one log directory, at least one.
        logs: ``logs_state`` of it from before the runs were read: a run that goes on has changed meanwhile. Empty if
            the folder was not there, so that nothing is kept.
        options: What else the report depends on.
    """

    def __init__(self, parts: Sequence[ExperimentLogs], logs: str, options: Sequence[object]) -> None:
        self._folder = parts[0].path
        self._logs = logs
        race = remarks_of(self._folder)  # it goes by other folders too
        about = [str(self._folder), logs, options, _code(), race, [_facts(part) for part in parts]]
        self._made_from = hashlib.sha256(repr(about).encode(errors="surrogatepass")).hexdigest()

    @property
    def _file(self) -> Path:
        return self._folder / FOLDER / FILE

    def find(self) -> tuple[str, ...] | None:
        """Return what ``keep`` was given; None if the report must be made."""
        try:
            kept = TypeAdapter(dict[str, str | tuple[str, ...]]).validate_json(self._file.read_bytes())
        except (OSError, ValidationError):
            return None
        said = kept.get("said")
        holds = kept.get("made_from") == self._made_from and kept.get("reports") == self._reports()
        return said if holds and isinstance(said, tuple) else None

    def keep(self, said: Sequence[str]) -> None:
        """Note what was said of the report that was just made."""
        if not self._logs:
            return
        record = {"said": said, "made_from": self._made_from, "reports": self._reports()}
        with suppress(OSError):  # then the report is made anew the next time
            write_atomically(self._file, json.dumps(record, indent=2).encode(), sync=False)

    def _reports(self) -> str:
        return _state(self._folder, of_reports=True)


def _facts(part: ExperimentLogs) -> tuple[object, ...]:
    """Return what was found out about the runs as a whole, perhaps by comparing them with those of other folders."""
    runs = [(run.name, run.label, run.notes, run.copies, run.damage, run.prompts) for run in part.runs]
    return part.task, part.facts, part.variant, part.cohort, part.algorithm, part.problems, runs


def _state(folder: Path, *, of_reports: bool) -> str:
    digest = hashlib.sha256()
    for place, names, files in os.walk(folder):
        names.sort()
        if (FOLDER in Path(place).relative_to(folder).parts) != of_reports:
            continue
        for name in sorted(set(files) - {FILE}):
            path = os.path.join(place, name)  # noqa: PTH118 - there may be many
            try:
                status = os.stat(path)  # noqa: PTH116 - likewise
            except OSError:  # it has gone meanwhile
                continue
            told = (os.path.relpath(path, folder), status.st_size, status.st_mtime_ns, status.st_ctime_ns)
            digest.update(repr(told).encode(errors="surrogatepass"))
    return digest.hexdigest()


@cache
def _code() -> str:
    """Return a hash of the sizes and times of this package's files, and the versions of the libraries."""
    files = [(str(path), path.stat()) for path in sorted(_PACKAGE.rglob("*.py"))]
    told = [(path, status.st_size, status.st_mtime_ns) for path, status in files]
    return hashlib.sha256(repr((told, [version(name) for name in _LIBRARIES])).encode()).hexdigest()
