"""A run directory: ``logs/<experiment>/run_N``.

``run.yaml`` says what is run, files of lines (``*.jsonl``) grow with the run, ``trajectories/`` holds rollouts, and
``result.json`` says that the run is complete. docs/run-log.md explains every field.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any, cast

import yaml

from r2po.errors import InputError
from r2po.runlog.chain import DESCRIPTION, KEY, Chain, checksum, origin, seal_json, split_json, split_yaml
from r2po.runlog.consistency import check_evaluations, check_iterations, check_warmup
from r2po.runlog.jsonl import DamagedLog, check, dump, indented, sums_of, unreadable, write_atomically
from r2po.runlog.lock import Lock, RunLockedError
from r2po.runlog.mirror import mirror_of
from r2po.runlog.presence import holds_anything, is_there
from r2po.runlog.records import (
    SCHEMA_VERSION,
    SEALED_SINCE,
    Description,
    EvaluationRecord,
    IterationRecord,
    Result,
    T,
    WarmupRecord,
    checked,
    read_records,
)

_FastLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # a sweep reads a thousand descriptions
_RUN_NAME = re.compile(r"run_(\d+)")


class RunDirectory:
    """The files of one run. Reading is safe at any time; writing needs ``lock``.

    Its readers raise ``DamagedLog`` if a file is not what r2po writes.

    Attributes:
        path: The folder.
        warmup: The file of the warm-up trials, one line each.
        iterations: The file of the iterations, one line each.
        evaluations: The file of the evaluations of programs, one line each; there is none if policies are numbers.
        calls: The log of the calls, one line per event.
        reevaluation: The file of fresh episodes of accepted candidates, if there is one.
    """

    def __init__(self, path: Path, new_parents: Sequence[Path] = ()) -> None:
        self.path = path
        self.warmup = path / "warmup.jsonl"
        self.iterations = path / "iterations.jsonl"
        self.evaluations = path / "evaluations.jsonl"
        self.calls = path / "llm_calls.jsonl"
        self.reevaluation = path / "reevaluation.jsonl"
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
    def logs(self) -> tuple[Path, ...]:
        """The files that grow with the run."""
        return self.warmup, self.iterations, self.evaluations, self.calls

    @property
    def number(self) -> int:
        """N of ``run_N``."""
        match = _RUN_NAME.fullmatch(self.path.name)
        assert match is not None
        return int(match[1])

    @property
    def is_complete(self) -> bool:
        """Whether the run reached its end."""
        return is_there(self.path / "result.json")

    @property
    def is_described(self) -> bool:
        """Whether it has a ``run.yaml``."""
        return is_there(self.path / DESCRIPTION)

    @property
    def holds_work(self) -> bool:
        """Whether there is anything that was paid for: a request to a model, or an iteration."""
        return holds_anything(self.iterations) or holds_anything(self.calls)

    @property
    def has_begun(self) -> bool:
        """Whether anything is logged."""
        return any(map(holds_anything, self.logs))

    def lock(self) -> None:
        """Make this process the only one that writes here, until it ends.

        Raises:
            RunLockedError: Another process holds the run.
        """
        try:
            self._lock = Lock(self.path / ".lock")
        except BlockingIOError:
            raise RunLockedError(f"{self.path} is being run by another process") from None

    @property
    def keeps_others_out(self) -> bool:
        """Whether it is locked; a system may have no locks."""
        return self._lock is not None and self._lock.holds

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
        mirror = mirror_of(self.path)
        if mirror is not None:
            mirror.removed()

    @property
    def has_checksums(self) -> bool:
        """Whether every change to its files would be seen; older versions wrote no checksums."""
        return origin(self.path)[1]

    def write_description(self, description: Mapping[str, Any]) -> None:
        """Write ``run.yaml``."""
        plain = json.loads(dump({"schema": SCHEMA_VERSION, **description}))  # YAML takes nothing of NumPy
        body = _yaml(plain)
        write_atomically(self.path / DESCRIPTION, body + _yaml({KEY: checksum(body)}))

    def read_description(self) -> Description:
        """Read ``run.yaml``.

        Raises:
            InputError: It is missing, damaged, or of a newer schema than this version knows.
        """
        path = self.path / DESCRIPTION
        try:
            body, said = split_yaml(path.read_bytes())
        except FileNotFoundError:
            raise InputError(f"{self.path} is not a run directory: it has no run.yaml") from None
        except OSError as error:
            raise unreadable(path, error) from None
        try:
            description = yaml.load(body.decode(), Loader=_FastLoader)  # noqa: S506 - a SafeLoader
            schema = int(description["schema"])
        except Exception:  # noqa: BLE001 - PyYAML lets through whatever a value does to it
            raise DamagedLog(f"{path} is damaged or was not written by r2po") from None
        if schema > SCHEMA_VERSION:
            raise InputError(f"{path} has schema {schema}; this version of r2po reads up to {SCHEMA_VERSION}")
        if said is None and schema >= SEALED_SINCE:
            raise DamagedLog(f"{path} is damaged: it has no checksum, which schema {schema} has")
        if said not in (None, checksum(body)):
            raise DamagedLog(f"{path} is damaged: it was changed since it was written, as its checksum does not fit")
        return checked(Description, description, str(path))

    def write_result(self, result: Mapping[str, Any]) -> None:
        """Write ``result.json``: the run is complete."""
        text = indented({"schema": SCHEMA_VERSION, **result, "sums": self.sums()})
        write_atomically(self.path / "result.json", seal_json(text, origin(self.path)[0]))

    def read_result(self) -> Result:
        """Read ``result.json`` of a complete run.

        Raises:
            InputError: It is damaged, or ``run.yaml`` is, by whose checksum it is judged.
        """
        path = self.path / "result.json"
        remedy = "delete it, and --resume rebuilds it"
        try:
            data = path.read_bytes()
        except OSError as error:
            raise unreadable(path, error) from None
        try:
            body, said = split_json(data)
            result = checked(Result, body, f"{path} is damaged")
        except DamagedLog as error:
            raise DamagedLog(f"{error}; {remedy}") from None
        if self.is_described:
            self.read_description()  # a damaged result can be rebuilt, its description cannot
        before, needed = origin(self.path)
        if needed and said is None:
            raise DamagedLog(f"{path} is damaged: it has no checksum; {remedy}")
        if said not in (None, checksum(body, before)):
            raise DamagedLog(f"{path} is damaged: it or run.yaml was changed since it was written; {remedy}")
        return result

    def sums(self) -> dict[str, str]:
        """Return the checksum of each file of lines as it is, by name.

        Raises:
            DamagedLog: One is damaged.
        """
        return {log.name: sums_of(log)[-1] for log in self.logs if is_there(log)}

    def read_iterations(self) -> list[IterationRecord]:
        """Read the complete iterations."""
        return self.read_iterations_as(IterationRecord)

    def read_iterations_as(self, kind: type[T]) -> list[T]:
        """Read the complete iterations, as records of a kind that leaves out what is not needed."""
        chain = Chain(self.iterations)
        records = read_records(kind, self.iterations, chain)
        check_iterations(cast("Sequence[Mapping[str, Any]]", records), self.iterations)
        check(chain)
        return records

    def read_warmup(self) -> list[WarmupRecord]:
        """Read the warm-up trials."""
        chain = Chain(self.warmup)
        records = read_records(WarmupRecord, self.warmup, chain)
        check_warmup(records, self.warmup)
        check(chain)
        return records

    def read_evaluations(self) -> list[EvaluationRecord]:
        """Read the evaluations of programs; none if policies are numbers."""
        chain = Chain(self.evaluations)
        records = read_records(EvaluationRecord, self.evaluations, chain)
        check_evaluations(records, self.evaluations)
        check(chain)
        return records


def _yaml(values: Mapping[str, Any]) -> bytes:
    return str(yaml.safe_dump(values, sort_keys=False, allow_unicode=True)).encode()


def list_runs(logdir: Path) -> list[RunDirectory]:
    """Return the run directories under ``logdir``, by number; none if there is no such folder.

    Raises:
        InputError: It cannot be read.
    """
    try:
        if not logdir.is_dir():
            return []
        runs = [RunDirectory(path) for path in logdir.iterdir() if _RUN_NAME.fullmatch(path.name) and path.is_dir()]
    except (OSError, ValueError) as error:
        raise _no_path(logdir, error) from None
    return sorted(runs, key=lambda run: run.number)


def open_run(path: str | Path) -> RunDirectory:
    """Open an existing run directory for reading.

    Raises:
        InputError: There is none; names the runs in the folder if their parent was given.
    """
    path = Path(path)
    try:
        path = path.resolve()
        if path.is_dir() and _RUN_NAME.fullmatch(path.name):
            return RunDirectory(path)
    except (OSError, ValueError, RuntimeError) as error:  # the last one: a link to itself
        raise _no_path(path, error) from None
    runs = ", ".join(run.path.name for run in list_runs(path))
    hint = f"; it holds {runs}" if runs else ""
    raise InputError(f"{path} is not a run directory; expected <logdir>/run_N{hint}")


def _no_path(path: Path, error: Exception) -> InputError:
    reason = error.strerror if isinstance(error, OSError) else error
    return InputError(f"cannot read {str(path)!r}: {reason}")
