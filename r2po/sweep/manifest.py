"""The manifest of a sweep: ``<logs>/<name>/sweep.json`` says which runs it has, and what went wrong with some."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from r2po.errors import InputError
from r2po.runlog.jsonl import write_atomically
from r2po.runlog.lock import NO_LOCKS, Lock, take_lock
from r2po.sweep.plan import PlannedRun, SweepRequest

FILE = "sweep.json"
LOCK = ".lock"
MOMENT_S = 0.25
"""Commands hold the lock for a moment to see whether a process works on the sweep."""
SCHEMA_VERSION = 1
MOST_LEVELS = 4
"""Sweeps are looked for so many folders below: ``logs/paper/sweep-...`` is two below ``logs``."""
_ASKED = ("configs", "settings", "seeds", "protocol", "logs")


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
        request: What was asked for, so that the sweep can be continued by its name; None if an older version wrote it.
        race: Which experiments get no more runs, and why; None if they are not raced.
    """

    folder: Path
    runs: list[dict[str, Any]]
    created: str
    failures: dict[str, str] = field(default_factory=dict)
    request: SweepRequest | None = None
    race: Mapping[str, Any] | None = None
    _lock: Lock | None = field(default=None, repr=False)
    _stamp: tuple[int, int, int] | None = field(default=None, repr=False)

    @classmethod
    def open(
        cls,
        folder: Path,
        planned: Sequence[PlannedRun],
        note: Callable[[str], None],
        request: SweepRequest | None = None,
        *,
        alone: bool = True,
    ) -> Manifest:
        """Create or reopen the manifest of a sweep in ``folder_of`` it; nobody else opens it until ``close``.

        Unless it is ``alone``, others are at work, whose failures stay.

        Raises:
            InputError: Another process runs the sweep, or a sweep of this name has other runs.
        """
        try:
            lock = take_lock(folder / LOCK, MOMENT_S)
        except BlockingIOError:
            raise InputError(f"this sweep is being run by another process: {folder}") from None
        if not lock.holds:
            note(NO_LOCKS.format(path=folder.parent))
        manifest = cls._taken_up(folder, planned, note, request)
        manifest._lock = lock
        if alone:
            manifest.failures = {}
        manifest.write()
        return manifest

    @classmethod
    def join(
        cls,
        folder: Path,
        planned: Sequence[PlannedRun],
        note: Callable[[str], None],
        request: SweepRequest,
        *,
        alone: bool,
    ) -> Manifest:
        """Create or read the manifest of a sweep on which any number of processes works, without a lock.

        Args:
            folder: What ``folder_of`` returned.
            planned: Its runs.
            note: Hears what the user should know.
            request: What was asked for.
            alone: Whether this is the first of these processes: it tries again what failed earlier, and races anew.

        Raises:
            InputError: The sweep has other runs.
        """
        manifest = cls._taken_up(folder, planned, note, request)
        if alone:
            manifest.failures, manifest.race = {}, None
        manifest.write()
        return manifest

    @classmethod
    def _taken_up(
        cls, folder: Path, planned: Sequence[PlannedRun], note: Callable[[str], None], request: SweepRequest | None
    ) -> Manifest:
        """Return the manifest of these runs, with what an earlier one says."""
        runs = [_entry(run, folder.parent) for run in planned]
        manifest = cls(folder, runs, datetime.now(timezone.utc).isoformat(timespec="seconds"), request=request)
        if (folder / FILE).exists():
            try:
                earlier = read(folder)
            except DamagedError as error:
                note(f"{error}; writing a new one")
            else:
                if earlier.runs != runs:
                    raise InputError(f"{folder} belongs to a sweep with other runs: give this one another --name")
                manifest.created, manifest.failures = earlier.created, earlier.failures
                manifest.race = earlier.race
        return manifest

    def write(self) -> None:
        """Write it, whole or not at all."""
        content: dict[str, Any] = {
            "schema": SCHEMA_VERSION,
            "created": self.created,
            "runs": self.runs,
            "failures": self.failures,
        }
        if self.request is not None:
            asked = {key: getattr(self.request, key) for key in _ASKED}
            content["request"] = asked | {key: list(asked[key]) for key in ("configs", "settings", "seeds")}
        if self.race is not None:
            content["race"] = self.race
        text = json.dumps(content, indent=1, ensure_ascii=False)
        write_atomically(self.folder / FILE, f"{text}\n".encode(), writer=f".{os.getpid()}-{secrets.token_hex(4)}")

    def fail(self, index: int, reason: str) -> None:
        """Remember why a run failed, beside what other processes have written since."""
        self.refresh()
        self.failures[self.runs[index]["run"]] = reason
        self.write()

    def refresh(self) -> None:
        """Take over what other processes have written since."""
        with suppress(InputError):
            said = read(self.folder)
            self.failures, self.race = said.failures, said.race

    @property
    def deferred(self) -> set[str]:
        """The runs that a race has left out, as far as is known here."""
        return {run for each in (self.race or {"deferred": ()})["deferred"] for run in each["runs"]}

    def is_news(self) -> bool:
        """Whether the file is another one than when this was last asked."""
        try:
            status = (self.folder / FILE).stat()
        except OSError:
            return False
        before, self._stamp = self._stamp, (status.st_ino, status.st_mtime_ns, status.st_size)
        return self._stamp != before

    def path(self, index: int) -> Path:
        """Return the directory of a run."""
        return self.folder.parent / str(self.runs[index]["run"])

    def close(self) -> None:
        """Let other processes run the sweep."""
        if self._lock is not None:
            self._lock.close()


def place_of(name: str, planned: Sequence[PlannedRun]) -> Path:
    """Return where the folder of a sweep is, or would be."""
    return Path(planned[0].config.logdir).parent / name


def name_of(run: PlannedRun, logs: Path) -> str:
    """Return what the manifest of a sweep calls a run; the sweep's folder is in ``logs``."""
    return os.path.relpath(run.path, logs)


def folder_of(name: str, planned: Sequence[PlannedRun]) -> Path:
    """Return the folder of a sweep, which is made if need be.

    Raises:
        InputError: That is impossible.
    """
    folder = place_of(name, planned)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make {folder}: {error.strerror}") from None
    return folder


def _entry(run: PlannedRun, logs: Path) -> dict[str, Any]:
    return {
        "config": run.source,
        "overrides": list(run.overrides),
        "seed": run.seed,
        "run": name_of(run, logs),
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
        request = _request(content["request"]) if "request" in content else None
        failures, race = dict(content["failures"]), content.get("race")
        manifest = Manifest(folder, list(content["runs"]), content["created"], failures, request, race)
        _check_types(manifest)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise DamagedError(f"{path} is damaged or was not written by r2po") from None
    if schema > SCHEMA_VERSION:
        raise InputError(f"{path} has schema {schema}; this version of r2po reads up to {SCHEMA_VERSION}")
    return manifest


def _request(told: Mapping[str, Any]) -> SweepRequest:
    """Return what was asked for; raises a TypeError if an entry is not what it should be."""
    texts, seeds = (*told["configs"], *told["settings"]), told["seeds"]
    optional = (told["protocol"], told["logs"])
    if not all(isinstance(text, str) for text in texts) or not all(type(seed) is int for seed in seeds):
        raise TypeError
    if not all(isinstance(text, str | None) for text in optional):
        raise TypeError
    return SweepRequest(**{key: told[key] for key in _ASKED})


def _check_types(manifest: Manifest) -> None:
    """Raise a TypeError if an entry is not what it should be."""
    datetime.fromisoformat(manifest.created)
    texts = [*manifest.failures, *manifest.failures.values(), *(run["run"] for run in manifest.runs)]
    counts = [run["planned"] for run in manifest.runs]
    if not all(isinstance(text, str) for text in texts) or not all(isinstance(each, int | None) for each in counts):
        raise TypeError
    for each in manifest.race["deferred"] if manifest.race is not None else ():
        told = (
            (manifest.race or {})["rule"],
            each["experiment"]["config"],
            *each["experiment"]["overrides"],
            *each["runs"],
        )
        if not all(isinstance(text, str) for text in told) or type(each["seeds"]) is not int:
            raise TypeError


def find(logs: Path) -> tuple[list[Manifest], list[InputError]]:
    """Return the sweeps below a folder of logs, or of a sweep's own folder or file, the latest last; and what is wrong.

    Raises:
        InputError: There is none.
    """
    if logs.name == FILE:
        logs = logs.parent
    folders = list(_sweeps_below(logs))
    if not folders:
        raise InputError(f"no sweep in {str(logs)!r}: expected a folder with <sweep>/{FILE}")
    manifests, errors = [], []
    for folder in folders:
        try:
            manifests.append(read(folder))
        except InputError as error:  # noqa: PERF203 - one broken sweep must not hide the others
            errors.append(error)
    return sorted(manifests, key=lambda each: each.created), errors


def _sweeps_below(logs: Path) -> Iterator[Path]:
    """Yield the folders with a manifest, the given one included; those of runs, which are many, are not entered."""
    for folder, names, files in os.walk(logs):
        if FILE in files:
            yield Path(folder)
        too_deep = len(Path(folder).relative_to(logs).parts) >= MOST_LEVELS
        holds_runs = any(name.startswith("run_") for name in names)
        names[:] = [] if too_deep or holds_runs else sorted(name for name in names if not name.startswith("."))
