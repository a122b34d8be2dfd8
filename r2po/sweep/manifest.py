"""The manifest of a sweep: ``<logs>/<name>/sweep.json`` says which runs it has, and what went wrong with some."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from r2po.errors import InputError
from r2po.runlog.jsonl import write_atomically
from r2po.runlog.lock import NO_LOCKS, Lock
from r2po.sweep.plan import PlannedRun

FILE = "sweep.json"
SCHEMA_VERSION = 1


class DamagedError(InputError):
    """A manifest cannot be read. Except for when the sweep began, the request says all that it said."""


@dataclass
class Manifest:
    """A sweep's folder and what its manifest says.

    Attributes:
        folder: Where it is.
        runs: An entry for each run: ``config``, ``overrides``, ``seed``, ``planned`` iterations, and ``run``, its
            directory, relative to the folder of logs that the sweep's own folder is in: logs may be moved as a whole.
        created: When the sweep was first started.
        failures: Why runs failed that are not complete, by their ``run``.
    """

    folder: Path
    runs: list[dict[str, Any]]
    created: str
    failures: dict[str, str] = field(default_factory=dict)
    _lock: Lock | None = field(default=None, repr=False)

    @classmethod
    def open(cls, name: str, planned: Sequence[PlannedRun], note: Callable[[str], None]) -> Manifest:
        """Create or reopen the manifest of a sweep, and keep other processes out of it until ``close``.

        Raises:
            InputError: Another process runs the sweep, or a sweep of this name has other runs.
        """
        folder = Path(planned[0].config.logdir).parent / name
        runs = [_entry(run, folder.parent) for run in planned]
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = Lock(folder / ".lock")
        except BlockingIOError:
            raise InputError(f"this sweep is being run by another process: {folder}") from None
        except OSError as error:
            raise InputError(f"cannot make {folder}: {error.strerror}") from None
        if not lock.holds:
            note(NO_LOCKS.format(path=folder.parent))
        manifest = cls(folder, runs, datetime.now(timezone.utc).isoformat(timespec="seconds"), _lock=lock)
        if (folder / FILE).exists():
            try:
                earlier = read(folder)
            except DamagedError as error:
                note(f"{error}; writing a new one")
            else:
                if earlier.runs != runs:
                    raise InputError(f"{folder} belongs to a sweep with other runs: give this one another --name")
                manifest.created = earlier.created
        manifest.write()
        return manifest

    def write(self) -> None:
        """Write it, whole or not at all."""
        content = {"schema": SCHEMA_VERSION, "created": self.created, "runs": self.runs, "failures": self.failures}
        text = json.dumps(content, indent=1, ensure_ascii=False)
        write_atomically(self.folder / FILE, f"{text}\n".encode())

    def fail(self, index: int, reason: str) -> None:
        """Remember why a run failed."""
        self.failures[self.runs[index]["run"]] = reason
        self.write()

    def path(self, index: int) -> Path:
        """Return the directory of a run."""
        return self.folder.parent / str(self.runs[index]["run"])

    def close(self) -> None:
        """Let other processes run the sweep."""
        if self._lock is not None:
            self._lock.close()


def _entry(run: PlannedRun, logs: Path) -> dict[str, Any]:
    return {
        "config": run.source,
        "overrides": list(run.overrides),
        "seed": run.seed,
        "run": os.path.relpath(run.path, logs),
        "planned": run.config.num_iterations,
    }


def read(folder: Path) -> Manifest:
    """Read the manifest in a folder.

    Raises:
        DamagedError: It is damaged.
        InputError: It is of a newer version.
    """
    path = folder / FILE
    try:
        content: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        schema = int(content["schema"])
        manifest = Manifest(folder, list(content["runs"]), content["created"], dict(content["failures"]))
        _check_types(manifest)
    except (OSError, ValueError, KeyError, TypeError):
        raise DamagedError(f"{path} is damaged or was not written by r2po") from None
    if schema > SCHEMA_VERSION:
        raise InputError(f"{path} has schema {schema}; this version of r2po reads up to {SCHEMA_VERSION}")
    return manifest


def _check_types(manifest: Manifest) -> None:
    """Raise a TypeError if an entry is not what it should be."""
    datetime.fromisoformat(manifest.created)
    texts = [*manifest.failures, *manifest.failures.values(), *(run["run"] for run in manifest.runs)]
    counts = [run["planned"] for run in manifest.runs]
    if not all(isinstance(text, str) for text in texts) or not all(isinstance(each, int | None) for each in counts):
        raise TypeError


def find(logs: Path) -> tuple[list[Manifest], list[InputError]]:
    """Return the sweeps in a folder of logs, or of a sweep's own folder or file, the latest last; and what is wrong.

    Raises:
        InputError: There is none.
    """
    if logs.name == FILE:
        logs = logs.parent
    folders = [logs] if (logs / FILE).is_file() else []
    with suppress(OSError):
        folders += [path.parent for path in logs.glob(f"*/{FILE}")]
    if not folders:
        raise InputError(f"no sweep in {str(logs)!r}: expected a folder with <sweep>/{FILE}")
    manifests, errors = [], []
    for folder in folders:
        try:
            manifests.append(read(folder))
        except InputError as error:  # noqa: PERF203 - one broken sweep must not hide the others
            errors.append(error)
    return sorted(manifests, key=lambda each: each.created), errors
