"""What came of a run: figures, arrays over its iterations, and its best policy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from r2po.config import Config
from r2po.experiment.loading import LoadedPolicy, load_policy
from r2po.runlog import RunDirectory

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Result:
    """A complete run of n iterations.

    Rewards are mean returns over the episodes of an evaluation. Those of methods that keep the better of several
    candidates, R2PO among them, are biased upwards, and ``best_reward`` is the largest of noisy means: report
    ``heldout_reward`` with it. ``r2po.load_runs(result.directory.parent)`` also has the rewards on fresh episodes.

    Attributes:
        directory: The run's directory, ``<logdir>/run_N``.
        config: Its config, resolved.
        seed: Its seed.
        stand_in: Whether an embedded stand-in answered instead of a language model: then it says nothing about any.
        best_reward: The largest mean return of an accepted policy; None if no policy has worked.
        best_iteration: Where it was found, from 1; None likewise.
        best_params: (p,) the parameters of the best policy; None if it is code, or if none has worked.
        best_source: The source of the best policy if it is code; else None.
        heldout_reward: Mean return of the best policy over fresh episodes; None without any.
        heldout_std: Sample standard deviation of these returns; None of fewer than two.
        heldout_episodes: Number of these episodes.
        heldout_success: Fraction of them that succeeded; None if the task does not tell.
        rewards: (n,) mean return of the policy that each iteration accepted, as logged; nan where none worked.
        best_rewards: (n,) the largest of them so far; nan before the first.
        episodes: (n,) episodes spent by the end of each iteration, all candidates and the warm-up included.
        steps: (n,) environment steps, likewise.
        llm_calls: (n,) replies received by the end of each iteration.
        notes: What the run had to say, one line each: keys without effect, calls that are asked again, and the like.
    """

    directory: Path
    config: Config
    seed: int
    stand_in: bool
    best_reward: float | None
    best_iteration: int | None
    best_params: Floats | None
    best_source: str | None
    heldout_reward: float | None
    heldout_std: float | None
    heldout_episodes: int
    heldout_success: float | None
    rewards: Floats
    best_rewards: Floats
    episodes: Ints
    steps: Ints
    llm_calls: Ints
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, directory: RunDirectory, config: Config, notes: Sequence[str] = ()) -> Result:
        """Read what came of a complete run.

        Raises:
            InputError: Its files cannot be read.
        """
        log, result, records = directory.read_description(), directory.read_result(), directory.read_iterations()
        params = result.get("best_params")
        return cls(
            directory=directory.path,
            config=config,
            seed=log["seed"],
            stand_in=log["stand_in"],
            best_reward=result.get("best_reward"),
            best_iteration=result.get("best_iteration"),
            best_params=None if params is None else np.array(params, np.float64),
            best_source=result.get("best_source"),
            heldout_reward=result["heldout_reward"],
            heldout_std=result["heldout_std"],
            heldout_episodes=result["heldout_episodes"],
            heldout_success=result.get("heldout_success"),
            rewards=_floats([record["reward"] for record in records]),
            best_rewards=_floats([record.get("best_reward") for record in records]),
            episodes=np.array([record["episodes"] for record in records], np.int64),
            steps=np.array([record["steps"] for record in records], np.int64),
            llm_calls=np.array([record["llm_calls"] for record in records], np.int64),
            notes=tuple(notes),
        )

    @cached_property
    def policy(self) -> LoadedPolicy:
        """The best policy, ready to act: ``action = result.policy(observation)``; made when it is first asked for.

        Raises:
            InputError: No policy has worked.
        """
        return load_policy(self.directory)

    @property
    def history(self) -> pd.DataFrame:
        """A row for each iteration, with its number as index: rewards and what was spent by its end."""
        import pandas as pd

        columns: dict[str, Any] = {
            "reward": self.rewards,
            "best_reward": self.best_rewards,
            "episodes": self.episodes,
            "steps": self.steps,
            "llm_calls": self.llm_calls,
        }
        return pd.DataFrame(columns, index=pd.RangeIndex(1, len(self.rewards) + 1, name="iteration"))

    def __repr__(self) -> str:
        """Return what a notebook shows: where the run is, and its two figures."""
        mark = ", embedded stand-in, no language model" if self.stand_in else ""
        best = "no policy has worked" if self.best_reward is None else f"best reward {self.best_reward:.2f}"
        held = "" if self.heldout_reward is None else f", held-out {self.heldout_reward:.2f}"
        held += f" over {self.heldout_episodes} episodes" if held else ""
        return f"<r2po.Result of {self.directory}: {best}{held}, {len(self.rewards)} iterations{mark}>"


def _floats(values: Sequence[float | None]) -> Floats:
    return np.array([np.nan if value is None else value for value in values], np.float64)
