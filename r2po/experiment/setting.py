"""Everything derived from a config and a seed."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any

from r2po.config import Config
from r2po.methods import METHODS, Method
from r2po.policies import Policy, PolicyConfig, PolicyFamily, Solution, clipped, make_policy
from r2po.prompts import Brief, prompt_facts
from r2po.rollout import Rollout, Rollouts, SelectedEngine, select_engine
from r2po.runlog.facts import PromptFacts
from r2po.seeding import derive_seed
from r2po.tasks import task_for
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
        self.method: Method = METHODS[config.method]
        spaces = read_spaces(config.gym_env_name, config.env_kwargs or {})
        about_policy = PolicyConfig(config.bias, seed, config.policy_settings)
        self.policy: PolicyFamily[Any] = make_policy(config.policy, spaces, about_policy)
        task = task_for(config.gym_env_name)
        source, description = task.description(config.description, config.policy)
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
            clips_actions=config.clip_actions,
            shows_replies=not self.controlled,
            revision_rule=config.revision_rule or ("order" if self.policy.choices else "preference"),
        )
        if config.rollout_engine != "auto":  # say now whether it is available, not at the first rollout
            self.engine  # noqa: B018 - made when first used

    @cached_property
    def prompts(self) -> PromptFacts | None:
        """From which texts its prompts are written; None if its method asks no model."""
        return prompt_facts(self.method.templates, self.brief) if self.method.asks_model else None

    @cached_property
    def engine(self) -> SelectedEngine:
        """What rolls out policies.

        Raises:
            InputError: The config asks for an engine that cannot run this environment here.
        """
        config = self.config
        return select_engine(
            config.rollout_engine,
            config.gym_env_name,
            config.env_kwargs or {},
            self.brief.spaces,
            max_steps=self.brief.max_traj_length,
        )

    def evaluate(self, solution: Solution, seeds: Iterable[int]) -> Rollouts:
        """Roll out a policy once per seed."""
        return self.engine.evaluate(self.bind(solution), list(seeds))

    def roll_out(self, solution: Solution, seed: int, *, warmup: bool = False) -> Rollout:
        """Roll out a policy from one seed, with its trajectory."""
        return self.engine.roll_out(self.bind(solution, warmup=warmup), seed)

    def bind(self, solution: Solution, *, warmup: bool = False) -> Policy:
        """Return the policy of a solution; in the warm-up it always clips, else as the config says."""
        clips = warmup or self.config.clip_actions
        policy = self.policy.bind(solution)
        return clipped(policy, self.brief.spaces) if clips else policy

    def seeds(self, iteration: int, candidate: int) -> list[int]:
        """Seeds of an evaluation; under ``controlled`` all candidates of an iteration share them (paired)."""
        name = "paired" if self.controlled else candidate
        count = self.config.num_evaluation_episodes
        return [derive_seed(self.seed, "iteration", iteration, "candidate", name, "rollout", k) for k in range(count)]

    @property
    def heldout_seeds(self) -> list[int]:
        """Seeds of the fresh episodes on which the best policy is re-evaluated."""
        return [derive_seed(self.seed, "heldout", k) for k in range(self.config.heldout_episodes)]

    @property
    def clips_solutions(self) -> bool:
        """Whether solutions are moved into what prompts ask for."""
        return self.controlled or self.policy.always_clips

    def close(self) -> None:
        """Close the environments."""
        if "engine" in vars(self):
            self.engine.close()
