"""A run as analyses see it, whatever format it was read from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from r2po.analysis.logs.iteration_data import IterationData
from r2po.rounding import levelled, mean
from r2po.runlog.facts import NO_MODEL, MethodFacts, TaskFacts
from r2po.runlog.keys import telling

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

STAND_IN = "embedded stand-in, no language model"
"""Mark of every output that shows runs in which no language model answered."""


class Unusable(Exception):
    """A run that cannot be summed up; the message says why, in one line."""


@dataclass(frozen=True)
class Heldout:
    """The best policy of a run on fresh episodes.

    Attributes:
        reward: Mean return.
        std: Sample standard deviation of the returns; None for one episode.
        episodes: Number of episodes.
        success: Fraction of them that succeeded; None if the task does not tell.
    """

    reward: float
    std: float | None
    episodes: int
    success: float | None = None


@dataclass(frozen=True)
class Spent:
    """What a run has taken so far, iterations in which no policy worked included.

    Attributes:
        iterations: Complete iterations.
        episodes: Episodes of all candidates and of the warm-up.
        steps: Environment steps, likewise.
        llm_calls: Replies received; None if the log does not say.
        llm_s: Seconds spent waiting for the model.
    """

    iterations: int
    episodes: int
    steps: int
    llm_calls: int | None
    llm_s: float


def models_label(model: str, critic: str) -> str:
    """Name the models of a run: ``"ollama/x (critic: y)"``, or the first alone if it answers the critic as well."""
    return f"{model} (critic: {critic})" if critic else model


METRICS = ("mean_reward", "best_reward", "final_reward", "heldout_reward")
"""The figures of a run that are compared: over its iterations, and of its best policy on fresh episodes."""
SUCCESS_METRICS = ("best_success", "final_success", "heldout_success")
"""Likewise, fractions of episodes that succeeded, where the task tells it; the best is the largest of an iteration."""


class MethodOnTask:
    """What is about one method on one task.

    Attributes:
        task: What it was run on; of an environment without a task card, only its name is known.
        facts: What the method is.
        algorithm: Algorithm of Stable-Baselines3, e.g. "PPO"; None for other methods.
    """

    task: TaskFacts
    facts: MethodFacts
    algorithm: str | None = None

    @property
    def label(self) -> str:
        """Name of the method in tables and figures, e.g. ``"ProPS+"`` or ``"SB3-PPO"``."""
        return f"{self.facts['label']}-{self.algorithm}" if self.algorithm else self.facts["label"]

    @property
    def environment(self) -> str:
        """Short name of the task, or what the log calls an environment without a task card; empty if no log tells."""
        return self.task["name"]

    @property
    def method(self) -> str:
        """Value of the config key ``method``; "sb3" for Stable-Baselines3; empty if no log tells."""
        return self.facts["name"]


@dataclass(frozen=True, eq=False)
class RunData(MethodOnTask):
    """The n complete iterations of a run in which a policy worked; n is 0 only for a baseline with but a summary.

    Attributes:
        path: Its folder, ``<logdir>/run_N``.
        origin: Whose log it is: this project's, or the published code's.
        model: Name of the model as configured; "not recorded" if the log does not say.
        protocol: "published" or "controlled"; "published code" if its log was written by that.
        numbers: (n,) number of each iteration, from 1; increasing.
        rewards: (n,) mean return of the accepted candidate of each iteration.
        episodes: (n,) episodes spent by the end of each iteration, all candidates and the warm-up included.
        steps: (n,) environment steps, likewise.
        llm_s: (n,) seconds spent waiting for the model in each iteration.
        read_iterations: Reads the candidates of its iterations.
        variant: How its setting differs from the method's own on that task, e.g. "tau_c=240"; empty if it does not.
        stand_in: Whether an embedded stand-in answered instead of a language model.
        seed: Seed of the run; None if the log does not say.
        target: Return that counts as solved, if the run names one.
        complete: Whether the run reached its end.
        planned_iterations: Iterations that the run was meant to have, if it says so.
        config: Its config as logged, by key; empty if the log has none.
        llm_calls: (n,) replies received by the end of each iteration; None if the log does not say.
        heldout: The re-evaluation of the best policy; None if it has not taken place.
        summary: Figures (``METRICS``) of a run without iterations.
        notes: What was found odd in its files, one line each.
        critic_model: Name of the critic's model, if it is another one; else empty.
        prompts: How its prompts differ from those that runs have by default, e.g. "detailed descriptions"; else empty.
        prompts_hash: Hash of all texts that its prompts are made from; empty if the log does not say.
        plugins_hash: Hash of the source of all plugins that it depends on; empty if there are none.
        replay_of: The recorded run that it repeats; empty if it is no replay.
        spent_in_all: What it has taken, if that is more than its n iterations tell.
        reevaluated: (n,) mean return of each accepted candidate on fresh episodes; None if any is not on record.
        copies: Names of the runs beside it that are copies of it, and are left out.
        fresh: Whether that is what means, final rewards and curves are made of, instead of the logged rewards.
        successes: (n,) fraction of the accepted candidate's rollouts that succeeded; None if the task does not tell.
        damage: What keeps an unfinished run from being continued, in one line; empty if nothing does.
        identities: What servers told of its models by role, such as a digest; only of those that told anything.
    """

    path: Path
    origin: Literal["r2po", "published"]
    task: TaskFacts
    facts: MethodFacts
    model: str
    protocol: str
    numbers: Ints
    rewards: Floats
    episodes: Ints
    steps: Ints
    llm_s: Floats
    read_iterations: Callable[[], tuple[IterationData, ...]]
    variant: str = ""
    algorithm: str | None = None
    stand_in: bool = False
    seed: int | None = None
    target: float | None = None
    complete: bool = True
    planned_iterations: int | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    llm_calls: Ints | None = None
    heldout: Heldout | None = None
    summary: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    critic_model: str = ""
    prompts: str = ""
    prompts_hash: str = ""
    plugins_hash: str = ""
    replay_of: str = ""
    spent_in_all: Spent | None = None
    reevaluated: Floats | None = None
    copies: tuple[str, ...] = ()
    fresh: bool = False
    successes: Floats | None = None
    damage: str = ""
    identities: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name of its folder, ``run_N``."""
        return self.path.name

    @property
    def num_iterations(self) -> int:
        """Number of complete iterations in which a policy worked, n."""
        return len(self.rewards)

    @cached_property
    def iterations(self) -> tuple[IterationData, ...]:
        """The n iterations with their candidates; read from the log when first asked for."""
        return self.read_iterations()

    @property
    def unread(self) -> str:
        """One line on iterations whose candidates the log does not tell, which are read for it; else empty."""
        problems = [each.problem for each in self.iterations if each.problem]
        if not problems:
            return ""
        return f"the candidates of {len(problems)} of {self.num_iterations} iterations cannot be used: {problems[0]}"

    @property
    def returns(self) -> tuple[Floats | None, ...]:
        """The (K,) returns of each of the n accepted candidates; None where the log does not hold them."""
        return tuple(iteration.candidates[iteration.accepted].returns for iteration in self.iterations)

    @cached_property
    def settings(self) -> Mapping[str, Any]:
        """What must agree between runs of one experiment, by config key; null is no setting.

        Which description prompts give is one only where there is a choice.
        """
        one_text = self.model == NO_MODEL or self.prompts_hash.startswith("own-")
        idle = {"seed", *(["description"] if one_text else [])}
        return {key: value for key, value in telling(self.config).items() if key not in idle and value is not None}

    @property
    def series(self) -> Floats:
        """(n,) reward of each iteration: the logged one, or that on fresh episodes."""
        return self.reevaluated if self.fresh and self.reevaluated is not None else self.rewards

    @cached_property
    def best_so_far(self) -> Floats:
        """(n,) reward of the policy with the largest logged one up to each iteration: that one, or on fresh episodes.

        On fresh episodes it may fall, and is not biased, as long as the policy was chosen by its logged reward.
        """
        if not self.fresh:
            return np.maximum.accumulate(self.rewards)
        (rewards,) = levelled(self.rewards)
        best = np.maximum.accumulate(rewards)
        first = np.append(True, best[1:] > best[:-1])  # the first of equals stays
        chosen: Floats = self.series[np.flatnonzero(first)[first.cumsum() - 1]]
        return chosen

    @property
    def best_iteration(self) -> int:
        """Number of the first iteration with the largest reward up to rounding, from 1."""
        (rewards,) = levelled(self.rewards)
        return int(self.numbers[rewards.argmax()])

    @property
    def spent(self) -> Spent:
        """What it has taken so far; n must not be 0."""
        calls = None if self.llm_calls is None else int(self.llm_calls[-1])
        told = Spent(self.num_iterations, int(self.episodes[-1]), int(self.steps[-1]), calls, float(self.llm_s.sum()))
        return self.spent_in_all or told

    @property
    def progress(self) -> str:
        """How far it came, e.g. ``"6 of 10 iterations"``."""
        done = self.spent.iterations if self.num_iterations else 0
        return progress(done, self.planned_iterations)

    def metric(self, name: str) -> float | None:
        """Return one of ``METRICS`` or ``SUCCESS_METRICS``; None if the log does not tell it."""
        if name in SUCCESS_METRICS:
            return self._success(name)
        if not self.num_iterations:
            return self.summary.get(name)
        if name == "heldout_reward":
            return self.heldout.reward if self.heldout else None
        series = self.series
        figures = {"mean_reward": mean(series), "best_reward": self.rewards.max(), "final_reward": series[-1]}
        return float(figures[name])

    def _success(self, name: str) -> float | None:
        if name == "heldout_success":
            return self.heldout.success if self.heldout else None
        if self.successes is None:
            return None
        return float(self.successes.max() if name == "best_success" else self.successes[-1])


def drawable(runs: Sequence[RunData]) -> list[RunData]:
    """Return the runs that have iterations."""
    return [run for run in runs if run.num_iterations]


def progress(done: int, planned: int | None) -> str:
    """Write how far a run came, e.g. ``"6 of 10 iterations"``."""
    total = done if planned is None else planned
    of = "" if planned is None else f" of {planned}"
    return f"{done}{of} iteration{'' if total == 1 else 's'}"
