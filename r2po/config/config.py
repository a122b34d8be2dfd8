"""The config of one experiment: YAML, typed, validated, and resolved against the task card and the method.

Keys keep their published names. What is left out comes from the environment's task card and from the method.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import pydantic
import pydantic_core
from pydantic import Field

from r2po.isolation.wall import Isolation
from r2po.llm.accounting import Prices
from r2po.llm.types import CRITIC, Streaming
from r2po.prompts import HistoryWindow, RevisionRule, RolloutWindow
from r2po.rollout import EngineName
from r2po.runlog.keys import CAP_KEYS, telling
from r2po.tasks import Task, Told, task_for
from r2po.validation import Section

Positive = Annotated[int, Field(ge=1)]
NotNegative = Annotated[int, Field(ge=0)]
FiniteNumber = Annotated[float, Field(allow_inf_nan=False)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Protocol = Literal["published", "controlled"]
Temperature = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Information = Literal["same", "reward_source", "privileged"]
TopP = Annotated[float, Field(gt=0, le=1)]
SAMPLING_KEYS = ("temperature", "top_p", "max_output_tokens", "reasoning_effort", "think")
PROGRAM_KEYS = ("candidates", "reflection", "repairs", "history", "information", "budget")
"""Keys of a search for programs; None with every other method, but for ``information: privileged``."""
TUNING_KEYS = ("tune_evaluations", "tune_episodes")
"""Keys of a method that tunes the constants of programs; None with every other one."""
CRITIC_KEYS = ("critic_llm_model_name", "critic")
MODEL_KEYS = (
    *("llm_model_name", *CRITIC_KEYS, "base_url", *SAMPLING_KEYS, "structured_output", "num_ctx", "prompt_cache"),
    *("llm_timeout_s", "llm_idle_timeout_s", "llm_streaming", "llm_max_attempts", "llm_max_wait_s"),
    *("max_concurrent_calls", *sorted(CAP_KEYS)),
    *("traj_history_last_n", "prompts", "description", "revision_rule"),
    *("rollout_window", "history_window", "number_samples"),
)
"""Keys that do nothing where no model is asked; caps end a run before a call."""
MEANINGFUL_NULLS = frozenset({"critic_llm_conservative_threshold", "announced_iterations"})
"""Keys whose explicit null says something: no threshold, no announced number of iterations."""

LONGEST = 200
"""Characters of a value in a message."""

PUBLISHED_KEYS = (
    "warmup_episodes",
    "max_traj_length",
    "clip_actions",
    "optimum",
    "search_step_size",
    "critic_llm_conservative_threshold",
    "announced_iterations",
)
"""Keys that the section ``published`` takes: the settings in which the published methods differ."""


class CriticSettings(Section):
    """How the critic's model is asked and what it costs, where that differs from the search's.

    Only keys that are set have an effect, and only they are logged; None takes back the search's setting.
    """

    temperature: Temperature | None = None
    top_p: TopP | None = None
    max_output_tokens: Positive | None = None
    reasoning_effort: str | None = None
    think: bool | str | None = None
    num_ctx: Positive | None = None
    base_url: str | None = None
    prices: Prices | Literal["auto"] | None = None

    @property
    def own(self) -> dict[str, Any]:
        """The keys that are set."""
        return {key: getattr(self, key) for key in type(self).model_fields if key in self.model_fields_set}

    @pydantic.model_serializer(mode="wrap")
    def _write(self, write: pydantic.SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {key: value for key, value in write(self).items() if key in self.own}


class HistorySettings(Section):
    """How many rounds prompts of a search for programs show in full: the latest ones, and the best ones."""

    last: NotNegative = 3
    best: NotNegative = 2


class Config(Section):
    """All keys of a config; ``docs/config.md`` explains them. None means: from the task card or the method."""

    # The experiment
    gym_env_name: str
    task: Annotated[Task, pydantic.PlainSerializer(Task.record)] | None = None
    method: str
    llm_model_name: str | None = None
    critic_llm_model_name: str | None = None
    base_url: str | None = None
    logdir: str
    protocol: Protocol = "published"
    seed: NotNegative | None = None
    resume_run: Positive | None = None
    num_iterations: Positive | None = None
    num_evaluation_episodes: Positive = 20
    heldout_episodes: NotNegative = 100
    reevaluation_episodes: NotNegative = 20
    keep_trajectories: Literal["none", "auto", "shown", "all"] = "auto"
    rollout_engine: EngineName = "auto"
    plugins: list[str] = Field(default=[])
    track: list[str] = Field(default=[])

    # Environment and policy
    env_kwargs: dict[str, Any] | None = None
    policy: str | None = None
    bias: bool = True
    policy_settings: dict[str, Any] = Field(default={})
    isolation: Isolation = "auto"
    evaluation_workers: Positive = 1
    warmup_episodes: NotNegative | None = None
    max_traj_length: Positive | None = None
    clip_actions: bool = True

    # The search for programs
    candidates: Positive | None = None
    reflection: bool | None = None
    repairs: NotNegative | None = None
    history: HistorySettings | Literal["all"] | None = None
    information: Information | None = None
    budget: Literal["iterations", "evaluations"] | None = None
    tune_evaluations: Positive | None = None
    tune_episodes: Positive | None = None

    # What the prompts say
    prompts: str = "published"
    description: Told = "published"
    optimum: FiniteNumber | None = None
    search_step_size: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    critic_llm_conservative_threshold: FiniteNumber | None = None
    revision_rule: RevisionRule | None = None
    announced_iterations: Positive | None = None
    traj_history_last_n: NotNegative = 5
    rollout_window: RolloutWindow | None = None
    history_window: HistoryWindow | None = None
    number_samples: bool = False

    # The model
    temperature: Temperature | None = None
    top_p: TopP | None = None
    max_output_tokens: Positive | None = None
    reasoning_effort: str | None = None
    think: bool | str | None = None
    structured_output: bool = False
    num_ctx: Positive | None = None
    prompt_cache: bool | None = None
    critic: CriticSettings | None = None
    llm_timeout_s: Seconds = 300.0
    llm_idle_timeout_s: Seconds | None = None
    llm_streaming: Streaming = "auto"
    llm_max_attempts: Positive = 8
    llm_max_wait_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 600.0
    max_concurrent_calls: Positive = 10

    # Caps and prices
    max_llm_calls: Positive | None = None
    max_tokens: Positive | None = None
    max_cost: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    max_wall_time_s: Seconds | None = None
    prices: Prices | Literal["auto"] | None = None

    @pydantic.field_validator("llm_streaming", mode="before")
    @classmethod
    def _one_of_four(cls, value: object) -> object:
        if value in ("auto", "own") or isinstance(value, bool):
            return value
        raise pydantic_core.PydanticCustomError("streaming", "expected auto, own, true or false")

    @property
    def card(self) -> Task:
        """The task card: the config's own, else that of its environment.

        Raises:
            InputError: There is none.
        """
        return task_for(self.gym_env_name) if self.task is None else self.task

    def for_role(self, role: str) -> Config:
        """Return the config for a role's model: for the critic, with its own model and settings."""
        changes = self.critic.own if role == CRITIC and self.critic else {}
        if role == CRITIC and self.critic_llm_model_name is not None:
            changes["llm_model_name"] = self.critic_llm_model_name
        return self.model_copy(update=changes) if changes else self

    @property
    def known_prices(self) -> Prices | None:
        """The prices as numbers; None if there are none, or if they are yet to be looked up."""
        return self.prices if isinstance(self.prices, Prices) else None

    @property
    def missing_prices(self) -> str | None:
        """The section whose prices are missing, so that the cost of some calls is unknown; None if there is none."""
        sections = {"prices": self, "critic.prices": self.for_role(CRITIC)}
        return next((name for name, config in sections.items() if config.prices is None), None)

    @property
    def streaming(self) -> Streaming:
        """Whether answers are streamed: where tokens are capped or cost something, only from providers' own servers.

        Any other may leave out the tokens of a stream, and then a cap could never be kept again.
        """
        critic = self.for_role(CRITIC)
        counted = (self.max_tokens, self.max_cost, self.prices, critic.prices)
        return "own" if self.llm_streaming and any(each is not None for each in counted) else self.llm_streaming

    @property
    def sampling(self) -> dict[str, Any]:
        """The sampling settings that are set."""
        values = {key: getattr(self, key) for key in SAMPLING_KEYS if getattr(self, key) is not None}
        return {**values, "structured_output": True} if self.structured_output else values


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Name the keys in which two resolved configs differ, except those that change nothing in a run.

    Runs made before a key existed count with its default.
    """
    defaults = {key: field.default for key, field in Config.model_fields.items()}
    old, new = telling({**defaults, **old}), telling({**defaults, **new})
    return [key for key in {**old, **new} if old.get(key) != new.get(key)]


def changes(config: Config, recorded: Mapping[str, Any], seed: int) -> str:
    """Say how a config differs from that of a run with this seed: ``optimum was 1, is 2``; empty if it does not."""
    old = {**recorded, "seed": seed}
    new = {**config.model_dump(mode="json"), "seed": seed if config.seed is None else config.seed}
    named = differences(old, new)
    old, new = telling(old), telling(new)
    return ", ".join(f"{key} was {_short(old.get(key))}, is {_short(new.get(key))}" for key in named)


def _short(value: object) -> str:
    """Write a value in a short line."""
    text = " ".join(repr(value).split())
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
