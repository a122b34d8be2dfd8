"""``trajectories/``: rollouts that were shown in prompts, one compressed archive for each iteration."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from r2po.runlog.chain import checksum
from r2po.runlog.jsonl import DamagedLog, unreadable, write_atomically

TRAJECTORIES = "trajectories"
AUTO_BYTES = 500_000
"""With ``keep_trajectories: auto``, rollouts are kept until their files take this many bytes."""


PARTS = ("observations", "actions", "rewards")
"""The arrays of a rollout of T steps: (T + 1, d) or (T + 1,), (T, a) or (T,), and (T,)."""

Arrays = Mapping[str, NDArray[Any]]
"""The same, by name."""


def has_room(run: Path, iteration: int) -> bool:
    """Whether earlier iterations' files leave room under ``auto``; what a killed iteration left does not count."""
    files = (archive(run, number) for number in range(1, iteration))
    return sum(file.stat().st_size for file in files if file.exists()) < AUTO_BYTES


def write_trajectories(
    run: Path, iteration: int, rollouts: Iterable[tuple[str, int, Arrays]], *, sync: bool = False
) -> str | None:
    """Keep rollouts of an iteration, each given with its candidate's stage and its index; none make no file.

    Unsynced, a power cut may lose them: for those that can be made again from the seed.

    Returns:
        The checksum of the file, if there is one.
    """
    arrays: dict[str, Any] = {}  # Any: numpy's signature takes the keyword allow_pickle for one of the arrays
    for stage, index, rollout in rollouts:
        arrays |= {f"{stage}_{index}_{part}": rollout[part] for part in PARTS}
    if not arrays:
        return None
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    path = archive(run, iteration)
    path.parent.mkdir(exist_ok=True)
    write_atomically(path, buffer.getvalue(), sync=sync)
    return checksum(buffer.getvalue())


def check_folder(run: Path) -> None:
    """Refuse a run that could not keep trajectories: that would show only after a model was asked.

    Raises:
        DamagedLog: Something else is in the place of their folder.
    """
    folder = run / TRAJECTORIES
    if (folder.is_symlink() or folder.exists()) and not folder.is_dir():
        raise DamagedLog(f"{folder} is not a folder: delete it, or put the folder back")


def fault_of(run: Path, iteration: int, expected: str) -> str:
    """Say what became of the file of an iteration, given its checksum; empty if it is as it was written."""
    path = archive(run, iteration)
    try:
        found = checksum(path.read_bytes())
    except FileNotFoundError:
        return f"{path} is lost"
    except OSError as error:
        return str(unreadable(path, error))
    return "" if found == expected else f"{path} was changed since it was written"


def read_trajectory(
    run: Path, iteration: int, stage: str, index: int, expected: str | None
) -> dict[str, NDArray[Any]] | None:
    """Return the arrays of a rollout by name; None if it was not kept. ``expected`` is the file's checksum, if known.

    Raises:
        DamagedLog: The file is not what r2po wrote.
    """
    path = archive(run, iteration)
    fault = "" if expected is None else fault_of(run, iteration, expected)
    if fault:
        raise DamagedLog(fault)
    if not path.exists():
        return None
    names = {part: f"{stage}_{index}_{part}" for part in PARTS}
    try:
        with np.load(path) as arrays:
            return {part: arrays[name] for part, name in names.items()} if names["rewards"] in arrays else None
    except OSError as error:
        raise unreadable(path, error) from None
    except (ValueError, KeyError, EOFError, TypeError, NotImplementedError, zipfile.BadZipFile, zlib.error):
        raise DamagedLog(f"{path} is damaged") from None


def archive(run: Path, iteration: int) -> Path:
    """Return the file of an iteration's trajectories."""
    return run / TRAJECTORIES / f"iteration_{iteration:04d}.npz"
