"""A run directory: ``logs/<experiment>/run_N``.

``run.yaml`` says what is run, ``warmup.jsonl``, ``iterations.jsonl`` and ``llm_calls.jsonl`` grow with the run,
``trajectories/`` holds rollouts, ``result.json`` says that the run is complete. docs/run-log.md explains every field.
"""

from __future__ import annotations

import fcntl
import io
import json
import re
import shutil
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from r2po.errors import InputError
from r2po.rollout import End, Rollout
from r2po.runlog.jsonl import read_lines, write_atomically
from r2po.trial import Candidate

SCHEMA_VERSION = 2
"""2: long replies are packed, and prompts by bz2; ``keep_trajectories`` may be "auto"."""
AUTO_BYTES = 500_000
"""With ``keep_trajectories: auto``, rollouts are kept until their files take so many bytes."""
_FastLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # a sweep reads a thousand descriptions
_RUN_NAME = re.compile(r"run_(\d+)")


class RunLockedError(InputError):
    """Another process works in this run directory."""


class RunDirectory:
    """The files of one run. Reading is safe at any time; writing needs ``lock``."""

    def __init__(self, path: Path, new_parents: Sequence[Path] = ()) -> None:
        self.path = path
        self._new_parents = new_parents
        self._lock_file: io.TextIOWrapper | None = None

    @classmethod
    def create(cls, logdir: Path, number: int | None = None) -> RunDirectory:
        """Make ``run_N`` under ``logdir``, the next free one or a given one; two processes never get the same one."""
        try:
            new_parents = [folder for folder in (logdir, *logdir.parents) if not folder.exists()]
            logdir.mkdir(parents=True, exist_ok=True)
            following = max((run.number for run in list_runs(logdir)), default=0) + 1 if number is None else number
            while True:
                try:
                    (logdir / f"run_{following}").mkdir()
                except FileExistsError:
                    if number is not None:
                        raise RunLockedError(f"{logdir / f'run_{number}'} was made by another process") from None
                    following += 1
                    continue
                return cls(logdir / f"run_{following}", new_parents)
        except (OSError, ValueError) as error:
            raise InputError(f"cannot make a run directory under logdir {str(logdir)!r}: {error}") from None

    @property
    def number(self) -> int:
        """N of ``run_N``."""
        match = _RUN_NAME.fullmatch(self.path.name)
        assert match is not None
        return int(match[1])

    @property
    def warmup(self) -> Path:
        """The warm-up trials, one line each."""
        return self.path / "warmup.jsonl"

    @property
    def iterations(self) -> Path:
        """The iterations, one line each."""
        return self.path / "iterations.jsonl"

    @property
    def is_complete(self) -> bool:
        """Whether the run reached its end."""
        return (self.path / "result.json").exists()

    def lock(self) -> None:
        """Make this process the only one that writes here, until it ends.

        Raises:
            RunLockedError: Another process holds the run.
        """
        self._lock_file = (self.path / ".lock").open("w")
        try:
            fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunLockedError(f"{self.path} is being run by another process") from None
        except OSError as error:
            raise InputError(
                f"cannot lock {self.path}: {error.strerror}; r2po needs a file system with locks"
            ) from None

    def close(self) -> None:
        """Give the lock up."""
        if self._lock_file is not None:
            self._lock_file.close()

    def remove(self) -> None:
        """Delete the directory and the folders that were made for it, unless they hold something: it never began."""
        shutil.rmtree(self.path)
        with suppress(OSError):  # raised by the first one that is not empty
            for folder in self._new_parents:
                folder.rmdir()

    def write_description(self, description: dict[str, Any]) -> None:
        """Write ``run.yaml``."""
        text = yaml.safe_dump({"schema": SCHEMA_VERSION, **description}, sort_keys=False, allow_unicode=True)
        write_atomically(self.path / "run.yaml", text.encode())

    def read_description(self) -> dict[str, Any]:
        """Read ``run.yaml``.

        Raises:
            InputError: It is missing, damaged, or of a newer schema than this version knows.
        """
        path = self.path / "run.yaml"
        try:
            description = yaml.load(path.read_text(encoding="utf-8"), Loader=_FastLoader)  # noqa: S506 - a SafeLoader
            schema = int(description["schema"])
        except FileNotFoundError:
            raise InputError(f"{self.path} is no run directory: it has no run.yaml") from None
        except (yaml.YAMLError, UnicodeDecodeError, TypeError, KeyError, ValueError):
            raise InputError(f"{path} is damaged or was not written by r2po") from None
        if schema > SCHEMA_VERSION:
            raise InputError(f"{path} has schema {schema}; this version of r2po reads up to {SCHEMA_VERSION}")
        assert isinstance(description, dict)
        return description

    def write_result(self, result: dict[str, Any]) -> None:
        """Write ``result.json``: the run is complete."""
        text = json.dumps({"schema": SCHEMA_VERSION, **result}, indent=2, ensure_ascii=False)
        write_atomically(self.path / "result.json", f"{text}\n".encode())

    def read_result(self) -> dict[str, Any]:
        """Read ``result.json`` of a complete run."""
        path = self.path / "result.json"
        try:
            result = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            result = None
        if not isinstance(result, dict):
            raise InputError(f"{path} is damaged; without it, --resume makes it again")
        return result

    def write_trajectories(self, iteration: int, candidates: Iterable[Candidate], keep: str) -> None:
        """Keep rollouts of an iteration: "all", those "shown" in prompts, the same up to a size ("auto"), or "none"."""
        if keep == "auto" and self._trajectory_bytes(before=iteration) >= AUTO_BYTES:
            keep = "none"
        arrays: dict[str, np.ndarray[Any, Any]] = {}
        for candidate in candidates:
            indices = range(len(candidate.rollouts)) if keep == "all" else sorted(candidate.shown)
            for index in indices if keep != "none" else ():
                arrays |= _arrays(f"{candidate.stage}_{index}", candidate.rollouts[index])
        if arrays:
            buffer = io.BytesIO()
            # Any: numpy's signature takes the keyword allow_pickle for one of the arrays.
            np.savez_compressed(buffer, **_any(arrays))
            (self.path / "trajectories").mkdir(exist_ok=True)
            # They can be made again from the seed: not worth the wait for the disk.
            write_atomically(self._trajectories(iteration), buffer.getvalue(), sync=False)

    def read_rollout(self, iteration: int, name: str, seed: int, end: End) -> Rollout | None:
        """Return a rollout of an iteration, named by its candidate's stage and its number; None if it was not kept."""
        path = self._trajectories(iteration)
        if not path.exists():
            return None
        with np.load(path) as arrays:
            if f"{name}_rewards" not in arrays:
                return None
            parts = {part: arrays[f"{name}_{part}"] for part in ("observations", "actions", "rewards")}
        return Rollout(seed=seed, **parts, end=end)

    def _trajectories(self, iteration: int) -> Path:
        return self.path / "trajectories" / f"iteration_{iteration:04d}.npz"

    def _trajectory_bytes(self, before: int) -> int:
        """Return the size of the files of earlier iterations: what a killed iteration left does not count."""
        files = map(self._trajectories, range(1, before))
        return sum(file.stat().st_size for file in files if file.exists())

    def read_iterations(self) -> list[dict[str, Any]]:
        """Read the complete iterations."""
        return _readable(self.iterations)

    def read_warmup(self) -> list[dict[str, Any]]:
        """Read the warm-up trials."""
        return _readable(self.warmup)


def list_runs(logdir: Path) -> list[RunDirectory]:
    """Return the run directories under ``logdir``, by number; none if there is no such folder."""
    if not logdir.is_dir():
        return []
    runs = [RunDirectory(path) for path in logdir.iterdir() if path.is_dir() and _RUN_NAME.fullmatch(path.name)]
    return sorted(runs, key=lambda run: run.number)


def open_run(path: str | Path) -> RunDirectory:
    """Open an existing run directory for reading.

    Raises:
        InputError: There is none; names the runs that are there if the folder above them was given.
    """
    path = Path(path).resolve()
    if path.is_dir() and _RUN_NAME.fullmatch(path.name):
        return RunDirectory(path)
    runs = ", ".join(run.path.name for run in list_runs(path))
    hint = f"; it holds {runs}" if runs else ""
    raise InputError(f"{path} is no run directory; expected <logdir>/run_N{hint}")


def _readable(path: Path) -> list[dict[str, Any]]:
    try:
        return read_lines(path)
    except ValueError as error:
        raise InputError(f"damaged log: {error}") from None


def _arrays(name: str, rollout: Rollout) -> dict[str, np.ndarray[Any, Any]]:
    return {
        f"{name}_observations": rollout.observations,
        f"{name}_actions": rollout.actions,
        f"{name}_rewards": rollout.rewards,
    }


def _any(value: Any) -> Any:
    return value
