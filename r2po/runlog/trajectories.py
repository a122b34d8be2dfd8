"""``trajectories/``: rollouts that were shown in prompts, one compressed archive for each iteration."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from r2po.runlog.jsonl import write_atomically

AUTO_BYTES = 500_000
"""With ``keep_trajectories: auto``, rollouts are kept until their files take so many bytes."""


class Trajectory(Protocol):
    """The arrays of a rollout."""

    @property
    def observations(self) -> NDArray[Any]:
        """(T + 1, d) or (T + 1,)."""

    @property
    def actions(self) -> NDArray[Any]:
        """(T, a) or (T,)."""

    @property
    def rewards(self) -> NDArray[np.float64]:
        """(T,)."""


def has_room(run: Path, iteration: int) -> bool:
    """Whether earlier iterations' files leave room under ``auto``; what a killed iteration left does not count."""
    files = (archive(run, number) for number in range(1, iteration))
    return sum(file.stat().st_size for file in files if file.exists()) < AUTO_BYTES


def write_trajectories(run: Path, iteration: int, rollouts: Iterable[tuple[str, int, Trajectory]]) -> None:
    """Keep rollouts of an iteration, each given with its candidate's stage and its index; none make no file."""
    arrays: dict[str, Any] = {}  # Any: numpy's signature takes the keyword allow_pickle for one of the arrays
    for stage, index, rollout in rollouts:
        name = f"{stage}_{index}"
        arrays[f"{name}_observations"] = rollout.observations
        arrays[f"{name}_actions"] = rollout.actions
        arrays[f"{name}_rewards"] = rollout.rewards
    if arrays:
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)
        path = archive(run, iteration)
        path.parent.mkdir(exist_ok=True)
        # They can be made again from the seed: not worth the wait for the disk.
        write_atomically(path, buffer.getvalue(), sync=False)


def read_trajectory(run: Path, iteration: int, stage: str, index: int) -> dict[str, NDArray[Any]] | None:
    """Return the arrays of a rollout by the names that ``Trajectory`` gives them; None if it was not kept."""
    path, parts = archive(run, iteration), ("observations", "actions", "rewards")
    if not path.exists():
        return None
    with np.load(path) as arrays:
        names = {part: f"{stage}_{index}_{part}" for part in parts}
        return {part: arrays[name] for part, name in names.items()} if names["rewards"] in arrays else None


def archive(run: Path, iteration: int) -> Path:
    """Return the file of an iteration's trajectories."""
    return run / "trajectories" / f"iteration_{iteration:04d}.npz"
