"""The reference engine: plain Gymnasium, the definition of a correct rollout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import partial
from typing import Any, Literal

import gymnasium
import numpy as np

import r2po.envs  # noqa: F401 - registers the project's own environments
from r2po.envs.making import make
from r2po.isolation.outcomes import PolicyFailed
from r2po.policies import Policy, Session
from r2po.policies.policy import Array
from r2po.rollout.types import End, EvaluationFailed, Rollout, Rollouts, Wrap
from r2po.tasks.spaces import Spaces


class GymnasiumEngine:
    """Rolls out policies in environments that are made once and reused, or with ``reuse=False`` anew for each episode.

    Up to ``parallel`` episodes advance together, so that the policy is evaluated on a batch of observations. Every
    episode starts from its own seed, and equals, bit for bit, the same episode in a fresh environment stepped alone.
    With ``success``, a key of ``info``, an episode succeeds in which that was ever true. ``wrap`` is put around every
    environment; the spaces are those of what it returns.
    """

    name = "reference"

    def __init__(
        self,
        gym_id: str,
        env_kwargs: Mapping[str, Any],
        spaces: Spaces,
        *,
        max_steps: int,
        parallel: int = 20,
        success: str = "",
        reuse: bool = True,
        wrap: Wrap | None = None,
    ) -> None:
        self._gym_id = gym_id
        self._env_kwargs = dict(env_kwargs)
        self._spaces = spaces
        self._max_steps = max_steps
        self._parallel = parallel
        self._success = success
        self._reuse = reuse
        self._wrap = wrap
        self._pool: list[gymnasium.Env[Any, Any]] = []

    def runs(self, _policy: Policy) -> bool:
        """Return True: it rolls out any policy."""
        return True

    def evaluate(self, policy: Policy, seeds: Sequence[int]) -> Rollouts:
        """Roll out ``policy`` once per seed; one that is not replayable with the trajectories."""
        parts = [seeds[start : start + self._parallel] for start in range(0, len(seeds), self._parallel)]
        batches: list[_Batch] = []
        try:
            for part in parts:
                batches.append(self._run(policy, part, keep=not policy.replayable))  # noqa: PERF401 - those before count
        except EvaluationFailed as failed:
            before = [length for batch in batches for length in batch.lengths]
            raise EvaluationFailed(failed.failure, [*before, *failed.lengths]) from None
        if not policy.replayable:
            return Rollouts.of([rollout for batch in batches for rollout in batch.rollouts()])
        returns = np.array([total for batch in batches for total in batch.returns])
        lengths = np.array([length for batch in batches for length in batch.lengths], np.int64)
        ends = tuple(end for batch in batches for end in batch.ends)
        successes = tuple(each for batch in batches for each in batch.successes) if self._success else None
        return Rollouts(tuple(seeds), returns, lengths, ends, partial(self.roll_out, policy), successes)

    def roll_out(self, policy: Policy, seed: int) -> Rollout:
        """Roll out ``policy`` from one seed, with its trajectory."""
        return self._run(policy, [seed], keep=True).rollouts()[0]

    def close(self) -> None:
        """Close all environments."""
        while self._pool:
            self._pool.pop().close()

    def _run(self, policy: Policy, seeds: Sequence[int], *, keep: bool) -> _Batch:
        try:
            session = policy.begin(seeds)
        except PolicyFailed as failed:
            raise EvaluationFailed(failed.failure, ()) from failed
        with closing(session):
            batch = _Batch(self._spaces, self._environments(len(seeds)), seeds, keep=keep, success=self._success)
            try:
                batch.run(session, self._max_steps)
            except PolicyFailed as failed:
                raise EvaluationFailed(failed.failure, batch.lengths) from failed
        return batch

    def _environments(self, count: int) -> list[gymnasium.Env[Any, Any]]:
        if not self._reuse:
            self.close()
        while len(self._pool) < count:
            made = make(self._gym_id, **self._env_kwargs)
            self._pool.append(self._wrap(made) if self._wrap else made)
        return self._pool[:count]


class _Batch:
    """Episodes that advance together; with ``keep``, their trajectories are kept, with ``success``, who succeeded."""

    def __init__(
        self,
        spaces: Spaces,
        environments: Sequence[gymnasium.Env[Any, Any]],
        seeds: Sequence[int],
        *,
        keep: bool,
        success: str,
    ) -> None:
        count = len(seeds)
        self._seeds = seeds
        self._discrete_action = spaces.discrete_action
        self._steppers = [environment.step for environment in environments]
        self._keep = keep
        self._success = success
        self.successes = [False] * count
        # Two buffers: a policy may hand out views of the observations as its actions.
        shape, kind = ((count,), np.int64) if spaces.discrete_observation else ((count, spaces.observation_size), float)
        self._current: Array = np.empty(shape, kind)
        for slot, seed in enumerate(seeds):
            self._current[slot] = environments[slot].reset(seed=seed)[0]
        self.returns = [0.0] * count
        self.lengths = [0] * count
        self.ends: list[End] = ["cap"] * count
        # Steps in which the same episodes were active: their slots, and what each step saw and did.
        self._kept: list[tuple[Sequence[int], list[Array], list[Array]]] = []
        self._rewards: list[list[float]] = [[] for _ in seeds]

    def run(self, session: Session, max_steps: int) -> None:
        """Step every episode to its end."""
        count = len(self._seeds)
        active = list(range(count))
        for time in range(1, max_steps + 1):
            observations = self._current.copy() if len(active) == count else self._current[active]
            try:
                actions = session(active, observations)
            except PolicyFailed:
                self._stop(active, time - 1)
                raise
            if self._keep:
                self._note(active, observations, actions)
            active = self._step(active, actions, time)
            if time == max_steps:
                self._stop(active, time)
            if not active:
                break

    def rollouts(self) -> list[Rollout]:
        """Return the episodes with their trajectories."""
        stages = [(active, np.stack(seen), np.stack(taken)) for active, seen, taken in self._kept]
        return [
            Rollout(
                seed=seed,
                observations=np.concatenate([*_of(slot, stages, 1), self._current[slot : slot + 1]]),
                actions=np.concatenate(_of(slot, stages, 2)),
                rewards=np.array(self._rewards[slot]),
                end=self.ends[slot],
                success=self.successes[slot] if self._success else None,
            )
            for slot, seed in enumerate(self._seeds)
        ]

    def _stop(self, active: Sequence[int], time: int) -> None:
        """Note the length of the episodes that have not ended by themselves."""
        for slot in active:
            self.lengths[slot] = time

    def _note(self, active: Sequence[int], observations: Array, actions: Array) -> None:
        taken = np.array(actions, np.int64 if self._discrete_action else np.float64)
        if not self._kept or len(self._kept[-1][0]) != len(active):
            self._kept.append((active, [], []))
        self._kept[-1][1].append(observations)
        self._kept[-1][2].append(taken)

    def _step(self, active: Sequence[int], actions: Array, time: int) -> list[int]:
        """Step every active environment once and return those that go on."""
        going: list[int] = []
        # Discrete actions go in as Python ints, continuous ones as rows of the batch.
        for slot, action in zip(active, actions.tolist() if self._discrete_action else actions, strict=True):
            observation, reward, terminated, truncated, info = self._steppers[slot](action)
            self._current[slot] = observation
            reward = float(reward)
            self.returns[slot] += reward
            if self._keep:
                self._rewards[slot].append(reward)
            if self._success and info.get(self._success):
                self.successes[slot] = True
            if terminated or truncated:
                self.lengths[slot] = time
                self.ends[slot] = "terminated" if terminated else "truncated"
            else:
                going.append(slot)
        return going


def _of(slot: int, stages: Sequence[tuple[Sequence[int], Array, Array]], part: Literal[1, 2]) -> list[Array]:
    """Return what one episode saw (1) or did (2) in each stage in which it was active."""
    return [stage[part][:, stage[0].index(slot)] for stage in stages if slot in stage[0]]
