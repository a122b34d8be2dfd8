"""``trajectories/``: rollouts that were shown in prompts, one compressed archive for each iteration."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from r2po.runlog.jsonl import write_atomically

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


def write_trajectories(run: Path, iteration: int, rollouts: Iterable[tuple[str, int, Arrays]]) -> None:
    """Keep rollouts of an iteration, each given with its candidate's stage and its index; none make no file."""
    arrays: dict[str, Any] = {}  # Any: numpy's signature takes the keyword allow_pickle for one of the arrays
    for stage, index, rollout in rollouts:
        arrays |= {f"{stage}_{index}_{part}": rollout[part] for part in PARTS}
    if arrays:
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)
        path = archive(run, iteration)
        path.parent.mkdir(exist_ok=True)
        # They can be made again from the seed: not worth the wait for the disk.
        write_atomically(path, buffer.getvalue(), sync=False)


def read_trajectory(run: Path, iteration: int, stage: str, index: int) -> dict[str, NDArray[Any]] | None:
    """Return the arrays of a rollout by name; None if it was not kept."""
    path = archive(run, iteration)
    if not path.exists():
        return None
    with np.load(path) as arrays:
        names = {part: f"{stage}_{index}_{part}" for part in PARTS}
        return {part: arrays[name] for part, name in names.items()} if names["rewards"] in arrays else None


def archive(run: Path, iteration: int) -> Path:
    """Return the file of an iteration's trajectories."""
    return run / "trajectories" / f"iteration_{iteration:04d}.npz"
