"""The best policy of a run, to be looked at, watched or used elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import ArrayLike

from r2po.config import Config
from r2po.errors import InputError
from r2po.experiment.best import beats
from r2po.experiment.plugins import load_plugins_of
from r2po.experiment.setting import Setting
from r2po.policies import Session
from r2po.policies.policy import Array
from r2po.runlog import RunDirectory, open_run
from r2po.runlog.records import Description, IterationRecord


@dataclass(frozen=True)
class Best:
    """The best policy of a run so far.

    Attributes:
        setting: What it was found in; to be closed.
        iteration: Where it was found.
        solution: The policy's numbers or source.
        facts: Its ``reward``, ``iteration``, ``solution`` as logged and, if the task tells, ``success``.
    """

    setting: Setting
    iteration: int
    solution: Any
    facts: Mapping[str, Any]


def best_of(records: Sequence[IterationRecord], *, by_success: bool = False) -> IterationRecord | None:
    """Return the iteration of the best policy, the first of equals; None if no policy has worked.

    Args:
        records: The iterations.
        by_success: Whether success comes before reward, where the task tells it.
    """
    best: IterationRecord | None = None
    for record in records:
        if record["reward"] is not None and (best is None or beats(record, best, by_success=by_success)):
            best = record
    return best


def load_best(directory: RunDirectory, purpose: str) -> Best:
    """Return the best policy of a run so far.

    Args:
        directory: The run.
        purpose: What it is for, e.g. "to watch".

    Raises:
        InputError: There is none, or the run is one of Stable-Baselines3.
    """
    description = directory.read_description()
    check_kind(directory, description)
    iterations = directory.read_iterations()
    if not iterations:
        raise InputError(f"{directory.path} has no complete iteration yet: there is no policy {purpose}")
    load_plugins_of(description, directory.path)
    setting = _setting(description)
    best = best_of(iterations, by_success=setting.method.keeps_by == "score")
    if best is None or best["accepted"] is None:
        setting.close()
        raise InputError(f"no policy of {directory.path} has worked: there is none {purpose}")
    solution = setting.policy.load(best["candidates"][best["accepted"]])
    facts = {
        "reward": best["reward"],
        "iteration": best["iteration"],
        "solution": setting.policy.record(solution),
        **({"success": best["success"]} if "success" in best else {}),
    }
    return Best(setting, best["iteration"], solution, facts)


def check_kind(directory: RunDirectory, description: Description) -> None:
    """Refuse runs of Stable-Baselines3, whose policies are in files of their own.

    Raises:
        InputError: It is one.
    """
    if description["config"].get("algorithm") is not None:
        raise InputError(f"{directory.path} is a run of Stable-Baselines3: its best policy is in best_model.zip")


def _setting(description: Description) -> Setting:
    return Setting(Config(**description["config"]), int(description["seed"]))


class LoadedPolicy:
    """The best policy of a run, ready to act: ``action = policy(observation)``. Use it as a context, or close it.

    A policy that is code runs behind the wall of its run's config, and may have a memory in an episode: ``reset``
    begins another one. To all others, ``reset`` makes no difference. Use the object in one thread only.

    Attributes:
        iteration: Where it was found, from 1.
        reward: Its mean return there.
        source: The code of a policy that is code; else None.
        params: The numbers of a policy that is numbers; else None.
    """

    def __init__(self, run: str | Path) -> None:
        best = load_best(open_run(run), "to load")
        self._setting = best.setting
        self.iteration, self.reward = best.iteration, float(best.facts["reward"])
        self.source: str | None = best.facts["solution"].get("source")
        self.params: list[float] | None = best.facts["solution"].get("params")
        self._policy = best.setting.bind(best.solution)
        self._session: Session | None = None
        self._episodes = 0

    def reset(self, seed: int = 0, *, episodes: int = 1) -> None:
        """Begin an episode, or several that advance together.

        Args:
            seed: Seeds the generators of a policy that is code; further episodes have the seeds that follow.
            episodes: How many.

        Raises:
            InputError: That is no number from 1.
            PolicyFailed: The policy's code does not work.
        """
        if episodes < 1:
            raise InputError(f"episodes is {episodes}; expected a number from 1")
        self._end()
        self._session = self._policy.begin(range(seed, seed + episodes))
        self._episodes = episodes

    def __call__(self, observation: ArrayLike) -> Array | int:
        """Return the action for the next observation of the episode, as ``act`` does."""
        return self.act(observation)

    def act(self, observation: ArrayLike) -> Array | int:
        """Return the action for the next observation of the episode.

        Args:
            observation: (d,) the observation, or the number of a state.

        Returns:
            (a,) the action, within the environment's bounds where the run moved it there, or its number.

        Raises:
            InputError: The observation has another size.
            PolicyFailed: The policy's code failed.
        """
        action = self.act_batch(np.asarray(observation)[np.newaxis])[0]
        return int(action) if self._setting.brief.spaces.discrete_action else np.array(action)

    def act_batch(self, observations: ArrayLike) -> Array:
        """Return the actions for the next observations of several episodes, one for each row.

        Another number of rows than before begins that many new episodes.

        Args:
            observations: (B, d) observations, or (B,) numbers of states.

        Returns:
            (B, a) float64 actions, or their (B,) int64 numbers.

        Raises:
            InputError: The observations have another size.
            PolicyFailed: The policy's code failed.
        """
        rows = self._rows(observations)
        if self._session is None or len(rows) != self._episodes:
            self.reset(episodes=len(rows))
        assert self._session is not None
        return np.array(self._session(range(len(rows)), rows))

    def make_environment(self, **settings: Any) -> gymnasium.Env[Any, Any]:
        """Return a new environment of the run; its observations are what the policy takes.

        With ``information: privileged``, they end with the hidden state.

        Args:
            settings: Further ones of ``gymnasium.make``, such as ``render_mode``.
        """
        return self._setting.make_environment(**settings)

    def _rows(self, observations: ArrayLike) -> Array:
        """Return observations as rollouts give them to policies."""
        brief, size = self._setting.brief, self._setting.brief.spaces.observation_size
        given = np.asarray(observations)
        if brief.spaces.discrete_observation:
            if given.ndim == 1 and given.size and np.isin(given, np.arange(size)).all():
                return given.astype(np.int64)
            raise InputError(f"observation {given.tolist()}: expected the number of a state, from 0 to {size - 1}")
        if given.ndim == 2 and given.shape[1] == size and len(given):
            return given.astype(np.float64)
        ending = f", the last of them hidden state ({', '.join(brief.task.state)})" if self._setting.hidden else ""
        raise InputError(
            f"observation of shape {given.shape[1:]}: expected {size} numbers{ending}, as the policy's "
            "make_environment() gives them"
        )

    def close(self) -> None:
        """End the policy."""
        self._end()
        self._setting.close()

    def _end(self) -> None:
        if self._session is not None:
            session, self._session = self._session, None
            session.close()

    def __enter__(self) -> LoadedPolicy:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.close()


def load_policy(run: str | Path) -> LoadedPolicy:
    """Return the best policy so far of a run: ``action = policy(observation)``.

    Of equals, it is the first. Call ``policy.act_batch`` for many observations at once.

    Args:
        run: Its directory, ``<logdir>/run_N``; the run may be unfinished.

    Raises:
        InputError: There is no such run, or no policy in it.
    """
    return LoadedPolicy(run)
