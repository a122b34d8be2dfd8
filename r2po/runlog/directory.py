"""A run directory: ``logs/<experiment>/run_N``.

``run.yaml`` says what is run, ``warmup.jsonl``, ``iterations.jsonl`` and ``llm_calls.jsonl`` grow with the run,
``trajectories/`` holds rollouts, ``result.json`` says that the run is complete. docs/run-log.md explains every field.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import yaml

from r2po.errors import InputError
from r2po.runlog.jsonl import DamagedLog, dump, write_atomically, write_json
from r2po.runlog.lock import Lock
from r2po.runlog.records import (
    SCHEMA_VERSION,
    Description,
    IterationRecord,
    Result,
    WarmupRecord,
    checked,
    read_records,
)

_FastLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # a sweep reads a thousand descriptions
_RUN_NAME = re.compile(r"run_(\d+)")


class RunLockedError(InputError):
    """Another process works in this run directory."""


class RunDirectory:
    """The files of one run. Reading is safe at any time; writing needs ``lock``.

    Its readers raise ``DamagedLog`` if a file is not what r2po writes.

    Attributes:
        path: The folder.
        warmup: The file of the warm-up trials, one line each.
        iterations: The file of the iterations, one line each.
    """

    def __init__(self, path: Path, new_parents: Sequence[Path] = ()) -> None:
        self.path = path
        self.warmup = path / "warmup.jsonl"
        self.iterations = path / "iterations.jsonl"
        self._new_parents = new_parents
        self._lock: Lock | None = None

    @classmethod
    def create(cls, logdir: Path, number: int | None = None) -> RunDirectory:
        """Make ``run_N`` under ``logdir``, the next free one or a given one; two processes never get the same one."""
        new_parents: list[Path] = []
        try:
            new_parents = [folder for folder in (logdir, *logdir.parents) if not folder.exists()]
            logdir.mkdir(parents=True, exist_ok=True)
            last = max((run.number for run in list_runs(logdir)), default=0)
            for path in (logdir / f"run_{n}" for n in (count(last + 1) if number is None else [number])):
                with suppress(FileExistsError):
                    path.mkdir()
                    return cls(path, new_parents)
        except (OSError, ValueError) as error:
            for folder in new_parents:
                with suppress(OSError):  # not made, or used by others since
                    folder.rmdir()
            raise InputError(f"cannot make a run directory under logdir {str(logdir)!r}: {error}") from None
        raise RunLockedError(f"{logdir / f'run_{number}'} was made by another process")

    @property
    def number(self) -> int:
        """N of ``run_N``."""
        match = _RUN_NAME.fullmatch(self.path.name)
        assert match is not None
        return int(match[1])

    @property
    def is_complete(self) -> bool:
        """Whether the run reached its end."""
        return (self.path / "result.json").exists()

    @property
    def holds_work(self) -> bool:
        """Whether there is anything that was paid for: a request to a model, or an iteration."""
        logs = (self.iterations, self.path / "llm_calls.jsonl")
        return any(log.exists() and log.stat().st_size for log in logs)

    def lock(self) -> None:
        """Make this process the only one that writes here, until it ends.

        Raises:
            RunLockedError: Another process holds the run.
        """
        try:
            self._lock = Lock(self.path / ".lock")
        except BlockingIOError:
            raise RunLockedError(f"{self.path} is being run by another process") from None

    def close(self) -> None:
        """Release the lock."""
        if self._lock is not None:
            self._lock.close()

    def remove(self) -> None:
        """Delete the directory of a run that never began, and folders made for it that hold nothing else."""
        shutil.rmtree(self.path, ignore_errors=True)
        with suppress(OSError):  # raised by the first one that is not empty
            for folder in self._new_parents:
                folder.rmdir()

    def write_description(self, description: Mapping[str, Any]) -> None:
        """Write ``run.yaml``."""
        plain = json.loads(dump({"schema": SCHEMA_VERSION, **description}))  # YAML takes nothing of NumPy
        text = yaml.safe_dump(plain, sort_keys=False, allow_unicode=True)
        write_atomically(self.path / "run.yaml", text.encode())

    def read_description(self) -> Description:
        """Read ``run.yaml``.

        Raises:
            InputError: It is missing, damaged, or of a newer schema than this version knows.
        """
        path = self.path / "run.yaml"
        try:
            description = yaml.load(path.read_text(encoding="utf-8"), Loader=_FastLoader)  # noqa: S506 - a SafeLoader
            schema = int(description["schema"])
        except FileNotFoundError:
            raise InputError(f"{self.path} is not a run directory: it has no run.yaml") from None
        except (yaml.YAMLError, UnicodeDecodeError, TypeError, KeyError, ValueError):
            raise DamagedLog(f"{path} is damaged or was not written by r2po") from None
        if schema > SCHEMA_VERSION:
            raise InputError(f"{path} has schema {schema}; this version of r2po reads up to {SCHEMA_VERSION}")
        return checked(Description, description, str(path))

    def write_result(self, result: Mapping[str, Any]) -> None:
        """Write ``result.json``: the run is complete."""
        write_json(self.path / "result.json", {"schema": SCHEMA_VERSION, **result})

    def read_result(self) -> Result:
        """Read ``result.json`` of a complete run."""
        path = self.path / "result.json"
        try:
            return checked(Result, path.read_bytes(), f"{path} is damaged")
        except DamagedLog as error:
            raise DamagedLog(f"{error}; delete it, and --resume rebuilds it") from None

    def read_iterations(self) -> list[IterationRecord]:
        """Read the complete iterations."""
        return read_records(IterationRecord, self.iterations)

    def read_warmup(self) -> list[WarmupRecord]:
        """Read the warm-up trials."""
        return read_records(WarmupRecord, self.warmup)


def list_runs(logdir: Path) -> list[RunDirectory]:
    """Return the run directories under ``logdir``, by number; none if there is no such folder."""
    if not logdir.is_dir():
        return []
    runs = [RunDirectory(path) for path in logdir.iterdir() if path.is_dir() and _RUN_NAME.fullmatch(path.name)]
    return sorted(runs, key=lambda run: run.number)


def open_run(path: str | Path) -> RunDirectory:
    """Open an existing run directory for reading.

    Raises:
        InputError: There is none; names the runs in the folder if their parent was given.
    """
    path = Path(path).resolve()
    if path.is_dir() and _RUN_NAME.fullmatch(path.name):
        return RunDirectory(path)
    runs = ", ".join(run.path.name for run in list_runs(path))
    hint = f"; it holds {runs}" if runs else ""
    raise InputError(f"{path} is not a run directory; expected <logdir>/run_N{hint}")
