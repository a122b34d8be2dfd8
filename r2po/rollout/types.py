"""What an evaluation returns, and what makes one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, Protocol, TypeAlias, overload

import gymnasium
import numpy as np
from numpy.typing import NDArray

from r2po.errors import RunStopped
from r2po.isolation.outcomes import Failure
from r2po.policies import Policy
from r2po.policies.policy import Array

End = Literal["terminated", "truncated", "cap"]
"""Why a rollout ended: the environment's terminal state, the environment's own limit, or the cap of the config.

Reported in that precedence, since caps often equal the environment's own limit.
"""


Wrap: TypeAlias = Callable[[gymnasium.Env[Any, Any]], gymnasium.Env[Any, Any]]
"""Puts something around an environment."""


@dataclass(frozen=True)
class Rollout:
    """One episode of T steps.

    Attributes:
        seed: Seed of the environment's reset.
        observations: (T + 1, d) float64, or (T + 1,) int64 state numbers; the last one is the final observation.
        actions: (T, a) float64 as the environment received them, or (T,) int64.
        rewards: (T,) float64.
        end: Why it ended.
        success: Whether the environment ever said that it succeeded; None if that is not asked.
    """

    seed: int
    observations: Array
    actions: Array
    rewards: NDArray[np.float64]
    end: End
    success: bool | None = None

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


@dataclass(frozen=True, eq=False)
class Rollouts(Sequence[Rollout]):
    """The K episodes of one evaluation, in the order of their seeds.

    Their outcomes are at hand. Observations, actions and rewards of a replayable policy are not kept: the first time
    that an episode is asked for, by its index, it is rolled out again from its seed, and then kept.

    Attributes:
        seeds: K seeds.
        returns: (K,) undiscounted returns.
        lengths: (K,) numbers of steps.
        ends: Why each ended.
        replay: Rolls the policy out from a seed.
        successes: Whether each succeeded; None if the task does not tell.
    """

    seeds: tuple[int, ...]
    returns: NDArray[np.float64]
    lengths: NDArray[np.int64]
    ends: tuple[End, ...]
    replay: Callable[[int], Rollout]
    successes: tuple[bool, ...] | None = None
    _kept: dict[int, Rollout] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, episodes: Sequence[Rollout]) -> Rollouts:
        """Return these episodes as an evaluation."""
        successes = tuple(episode.success for episode in episodes if episode.success is not None)
        return cls(
            seeds=tuple(episode.seed for episode in episodes),
            returns=np.array([episode.total for episode in episodes]),
            lengths=np.array([episode.length for episode in episodes], dtype=np.int64),
            ends=tuple(episode.end for episode in episodes),
            replay={episode.seed: episode for episode in episodes}.__getitem__,
            successes=successes if episodes and len(successes) == len(episodes) else None,
            _kept=dict(enumerate(episodes)),
        )

    @classmethod
    def unfinished(cls, lengths: Sequence[int]) -> Rollouts:
        """Return the evaluation of a policy that failed: no episode, but the steps that were made in each."""
        nothing: dict[int, Rollout] = {}
        return cls((), np.empty(0), np.array(lengths, dtype=np.int64), (), nothing.__getitem__)

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
        return len(self.seeds)

    @overload
    def __getitem__(self, index: int) -> Rollout: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Rollout, ...]: ...
    def __getitem__(self, index: int | slice) -> Rollout | tuple[Rollout, ...]:
        numbers = range(len(self))[index]
        if isinstance(numbers, range):
            return tuple(self[number] for number in numbers)
        if numbers not in self._kept:
            self._kept[numbers] = self.replay(self.seeds[numbers])
        return self._kept[numbers]


class EvaluationFailed(Exception):
    """A policy failed while it was rolled out. That is an outcome of its evaluation, not an error of the program.

    Attributes:
        failure: Why.
        lengths: Steps that were made in each episode that was started; empty if the policy could not be loaded.
    """

    def __init__(self, failure: Failure, lengths: Sequence[int]) -> None:
        super().__init__(f"{failure.kind}: {failure.text}")
        self.failure = failure
        self.lengths = tuple(lengths)


class EpisodeLost(RunStopped):
    """An interruption has lost the trajectory of an episode, and the policy does not do the same again."""


class Engine(Protocol):
    """Rolls out policies in one environment. All engines give the same numbers; they differ in speed."""

    name: str
    """What the config key ``rollout_engine`` calls it."""

    def runs(self, policy: Policy) -> bool:
        """Return whether it can roll out this policy."""

    def evaluate(self, policy: Policy, seeds: Sequence[int]) -> Rollouts:
        """Roll out ``policy`` once per seed.

        Raises:
            EvaluationFailed: The policy does not work.
        """

    def roll_out(self, policy: Policy, seed: int) -> Rollout:
        """Roll out ``policy`` from one seed, with its trajectory."""

    def close(self) -> None:
        """Free what it holds."""
