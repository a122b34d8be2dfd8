"""The manifest of a sweep: ``<logs>/<name>/sweep.json`` says which runs it has, and what went wrong with some."""

from __future__ import annotations

import fcntl
import io
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from r2po.errors import InputError
from r2po.jsonl import write_atomically
from r2po.sweep.plan import Item

FILE = "sweep.json"
SCHEMA_VERSION = 1


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
    _lock_file: io.TextIOWrapper | None = field(default=None, repr=False)

    @classmethod
    def open(cls, name: str, items: Sequence[Item]) -> Manifest:
        """Make or take up the manifest of a sweep, and keep other processes out of it until ``close``.

        Raises:
            InputError: Another process runs the sweep, or a sweep of this name has other runs.
        """
        folder = Path(items[0].config.logdir).parent / name
        runs = [_entry(item, folder.parent) for item in items]
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock_file = (folder / ".lock").open("w")
            fcntl.flock(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock_file.close()
            raise InputError(f"this sweep is being run by another process: {folder}") from None
        except OSError as error:
            raise InputError(f"cannot make {folder}: {error.strerror}") from None
        manifest = cls(folder, runs, datetime.now(timezone.utc).isoformat(timespec="seconds"), _lock_file=lock_file)
        if (folder / FILE).exists():
            earlier = read(folder)
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
        if self._lock_file is not None:
            self._lock_file.close()


def _entry(item: Item, logs: Path) -> dict[str, Any]:
    return {
        "config": item.source,
        "overrides": list(item.overrides),
        "seed": item.seed,
        "run": os.path.relpath(item.path, logs),
        "planned": item.config.num_iterations,
    }


def read(folder: Path) -> Manifest:
    """Read the manifest in a folder.

    Raises:
        InputError: It is damaged, or of a newer version.
    """
    path = folder / FILE
    try:
        content: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        schema = int(content["schema"])
        manifest = Manifest(folder, list(content["runs"]), content["created"], dict(content["failures"]))
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(f"{path} is damaged or was not written by r2po") from None
    if schema > SCHEMA_VERSION:
        raise InputError(f"{path} has schema {schema}; this version of r2po reads up to {SCHEMA_VERSION}")
    return manifest


def find(logs: Path) -> list[Manifest]:
    """Return the sweeps in a folder of logs, or of a sweep's own folder or file; the latest last.

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
    return sorted(map(read, folders), key=lambda each: each.created)
