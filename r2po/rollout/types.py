"""What an evaluation returns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, overload

import numpy as np
from numpy.typing import NDArray

from r2po.policies.base import Array

End = Literal["terminated", "truncated", "cap"]
"""Why a rollout ended: the environment's terminal state, the environment's own limit, or the cap of the config.

Reported in that precedence, since caps often equal the environment's own limit.
"""


@dataclass(frozen=True)
class Rollout:
    """One episode of T steps.

    Attributes:
        seed: Seed of the environment's reset.
        observations: (T + 1, d) float64, or (T + 1,) int64 state numbers; the last one is the final observation.
        actions: (T, a) float64 as the environment received them, or (T,) int64.
        rewards: (T,) float64.
        end: Why it ended.
    """

    seed: int
    observations: Array
    actions: Array
    rewards: NDArray[np.float64]
    end: End

    @cached_property
    def total(self) -> float:
        """The return: the undiscounted sum of the rewards, in order."""
        total = 0.0
        for reward in self.rewards.tolist():
            total += reward
        return total

    @property
    def length(self) -> int:
        """Number of steps."""
        return len(self.rewards)


def closest(returns: NDArray[np.float64], value: float) -> int:
    """Return the index of the return that is closest to ``value``, the lowest one on ties."""
    return int(np.abs(returns - value).argmin())


@dataclass(frozen=True)
class Rollouts(Sequence[Rollout]):
    """The K episodes of one evaluation, in the order of their seeds."""

    episodes: tuple[Rollout, ...]

    @cached_property
    def returns(self) -> NDArray[np.float64]:
        """(K,) undiscounted returns."""
        return np.array([episode.total for episode in self.episodes])

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """(K,) numbers of steps."""
        return np.array([episode.length for episode in self.episodes], dtype=np.int64)

    @property
    def mean(self) -> float:
        """Mean return: the reward of a trial."""
        return float(self.returns.mean())

    def closest_to(self, value: float) -> int:
        """Return the index of the rollout whose return is closest to ``value``, the lowest one on ties."""
        return closest(self.returns, value)

    @property
    def median_index(self) -> int:
        """Index of the median rollout: the one closest to numpy's median of the returns, the lowest on ties (R2PO)."""
        return self.closest_to(float(np.median(self.returns)))

    def __len__(self) -> int:
        return len(self.episodes)

    def __iter__(self) -> Iterator[Rollout]:
        return iter(self.episodes)

    @overload
    def __getitem__(self, index: int) -> Rollout: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Rollout, ...]: ...
    def __getitem__(self, index: int | slice) -> Rollout | tuple[Rollout, ...]:
        return self.episodes[index]
