"""Everything derived from a config and a seed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import gymnasium

from r2po.config import Config
from r2po.envs.flattened import flattened
from r2po.envs.making import make
from r2po.errors import InputError
from r2po.methods import METHODS, Method
from r2po.methods.method import EVALUATION_BUDGET
from r2po.policies import Policy, PolicyConfig, PolicyFamily, Solution, clipped, make_policy
from r2po.prompts import Brief, Wording, prompt_facts, rehearse
from r2po.rollout import Rollout, Rollouts, SelectedEngine, select_engine
from r2po.runlog.facts import PromptFacts
from r2po.seeding import derive_seed
from r2po.tasks.bare import nameless
from r2po.tasks.fitting import misfit
from r2po.tasks.privileged import HiddenState
from r2po.tasks.spaces import read_spaces


class Setting:
    """The method, the policy family, the brief for prompts, and seeded rollouts of one experiment."""

    def __init__(self, config: Config, seed: int) -> None:
        assert config.policy is not None
        assert config.max_traj_length is not None
        assert config.optimum is not None
        self.config = config
        self.seed = seed
        self.controlled = config.protocol == "controlled"
        self.method: Method = METHODS.find(config.method)
        task = config.card
        source, description = task.description(config.description, config.policy)
        spaces = read_spaces(config.gym_env_name, config.env_kwargs or {}, flatten=task.flatten)
        if config.task and (problem := misfit(task, spaces)):
            raise InputError(f"the task card of {task.name} does not fit: {problem}")
        if task.unfinished or not task.is_described:  # only methods that tell nothing of it come here
            description = nameless(spaces)
        self.hidden = HiddenState(task) if config.information == "privileged" else None
        if self.hidden:
            spaces, description = self.hidden.spaces(spaces), self.hidden.description(description)
        about_policy = PolicyConfig(config.bias, seed, config.policy_settings, config.isolation)
        self.policy: PolicyFamily[Any] = make_policy(config.policy, spaces, about_policy)
        self.brief = Brief(
            task=task,
            description=description,
            source=source,
            spaces=spaces,
            policy=self.policy,
            optimum=config.optimum,
            search_step_size=config.search_step_size,
            conservative_threshold=config.critic_llm_conservative_threshold,
            max_traj_length=config.max_traj_length,
            num_evaluation_episodes=config.num_evaluation_episodes,
            traj_history_last_n=config.traj_history_last_n,
            announced_iterations=config.announced_iterations,
            structured_output=config.structured_output,
            rollout_window=config.rollout_window,
            history_window=config.history_window,
            number_samples=config.number_samples,
            wording=Wording(config.prompts),
            clips_actions=config.clip_actions,
            shows_replies=not self.controlled,
            revision_rule=config.revision_rule or ("order" if self.policy.choices else "preference"),
        )
        self._engines: list[SelectedEngine] = []
        self._idle: deque[SelectedEngine] = deque()
        if config.rollout_engine != "auto":  # say now whether it is available, not at the first rollout
            self.engine  # noqa: B018 - made when first used

    @cached_property
    def prompts(self) -> PromptFacts | None:
        """From which texts its prompts are written; None if its method asks no model."""
        task, as_code = self.brief.task, self.config.information == "reward_source"
        further = {"reward_source": task.reward_source, "hidden": dict(task.hidden)} if as_code else {}
        return prompt_facts(self.method.templates, self.brief, further) if self.method.asks_model else None

    def check_prompts(self) -> None:
        """Refuse a user's templates from which the method's prompts cannot be written.

        Raises:
            InputError: In one line, with file and line where there is one.
        """
        if self.method.asks_model:
            rehearse(self.brief, self.method.templates)

    @cached_property
    def engine(self) -> SelectedEngine:
        """What rolls out policies; each further thread gets another one.

        Raises:
            InputError: The config asks for an engine that cannot run this environment here.
        """
        engine = self._make_engine()
        self._idle.append(engine)
        return engine

    def _make_engine(self) -> SelectedEngine:
        config = self.config
        # No other engine runs programs, so none is compiled and tried for them.
        programs = self.policy.kind == "program" and config.rollout_engine == "auto"
        engine = select_engine(
            "reference" if programs else config.rollout_engine,
            config.gym_env_name,
            config.env_kwargs or {},
            self.brief.spaces,
            max_steps=self.brief.max_traj_length,
            success=self.brief.task.success_key,
            reuse=self.brief.task.reuse,
            wrap=self._wrap if self.hidden or self.brief.task.flatten else None,
        )
        self._engines.append(engine)
        return engine

    def make_environment(self, **settings: Any) -> gymnasium.Env[Any, Any]:
        """Return a new environment, which policies see as in rollouts, with further settings of ``gymnasium.make``."""
        kwargs = {"disable_env_checker": None, **(self.config.env_kwargs or {}), **settings}
        return self._wrap(make(self.config.gym_env_name, **kwargs))

    def _wrap(self, environment: gymnasium.Env[Any, Any]) -> gymnasium.Env[Any, Any]:
        """Return an environment with the observations that policies see."""
        seen = flattened(environment) if self.brief.task.flatten else environment
        return self.hidden.wrap(seen) if self.hidden else seen

    @property
    def expected_iterations(self) -> int:
        """Iterations of the run; if evaluations end it, so many as it takes to spend them without repairs."""
        if self.config.budget == "evaluations":
            return -(-EVALUATION_BUDGET // self.method.evaluations_per_iteration(dict(self.config)))
        assert self.config.num_iterations is not None
        return self.config.num_iterations

    @property
    def rollout_s(self) -> float:
        """Seconds spent on rollouts so far, summed over threads."""
        return sum(engine.seconds for engine in self._engines)

    def evaluate(self, solution: Solution, seeds: Iterable[int]) -> Rollouts:
        """Roll out a policy once per seed.

        Raises:
            EvaluationFailed: It does not work.
        """
        return self.roll_out_policy(self.bind(solution), list(seeds))

    def roll_out_policy(self, policy: Policy, seeds: Sequence[int]) -> Rollouts:
        """Roll out a policy once per seed, in environments that no other thread uses meanwhile.

        Raises:
            EvaluationFailed: It does not work.
        """
        with self._borrowed() as engine:
            return engine.evaluate(policy, seeds)

    @contextmanager
    def _borrowed(self) -> Iterator[SelectedEngine]:
        self.engine  # noqa: B018 - made when first used
        try:
            engine = self._idle.popleft()
        except IndexError:
            engine = self._make_engine()
        try:
            yield engine
        finally:
            self._idle.append(engine)

    def roll_out(self, solution: Solution, seed: int, *, warmup: bool = False) -> Rollout:
        """Roll out a policy from one seed, with its trajectory."""
        return self.engine.roll_out(self.bind(solution, warmup=warmup), seed)

    def bind(self, solution: Solution, *, warmup: bool = False) -> Policy:
        """Return the policy of a solution; in the warm-up it always clips, else as the config says."""
        return self.within_bounds(self.policy.bind(solution), warmup=warmup)

    def within_bounds(self, policy: Policy, *, warmup: bool = False) -> Policy:
        """Return a policy with its actions moved into the environment's bounds, if they are to be."""
        return clipped(policy, self.brief.spaces) if warmup or self.config.clip_actions else policy

    def seeds(self, iteration: int, candidate: int) -> list[int]:
        """Seeds of an evaluation; under ``controlled``, or if the method says so, candidates share them (paired)."""
        name = "paired" if self.controlled or self.method.paired else candidate
        count = self.config.num_evaluation_episodes
        return [derive_seed(self.seed, "iteration", iteration, "candidate", name, "rollout", k) for k in range(count)]

    def tuning_seeds(self, iteration: int) -> list[int]:
        """Seeds of the evaluations by which an iteration tunes constants; all have the same ones."""
        count = self.config.tune_episodes or 0
        return [derive_seed(self.seed, "iteration", iteration, "tuning", "rollout", k) for k in range(count)]

    @property
    def evaluation_workers(self) -> int:
        """How many evaluations may be under way at once; 1 where policies have no processes of their own."""
        return self.config.evaluation_workers if self.policy.walled else 1

    @property
    def heldout_seeds(self) -> list[int]:
        """Seeds of the fresh episodes on which the best policy is re-evaluated."""
        return [derive_seed(self.seed, "heldout", k) for k in range(self.config.heldout_episodes)]

    def reevaluation_seeds(self, iteration: int, first: int, count: int) -> list[int]:
        """Seeds of fresh episodes of an accepted candidate, from number ``first`` on: nothing was chosen by these."""
        numbers = range(first, first + count)
        return [derive_seed(self.seed, "reevaluation", iteration, k) for k in numbers]

    @property
    def clips_solutions(self) -> bool:
        """Whether solutions are moved into what prompts ask for."""
        return self.controlled or self.policy.always_clips

    def close(self) -> None:
        """Close the environments."""
        for engine in self._engines:
            engine.close()
