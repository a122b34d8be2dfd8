"""The config of one experiment: YAML, typed, validated, and resolved against the task card and the method.

Keys keep their published names. What is left out comes from the environment's task card and from the method.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
import yaml
from pydantic import Field

from r2po.errors import InputError, nearest, unknown
from r2po.llm.accounting import Prices
from r2po.methods import METHODS
from r2po.policies import FAMILIES
from r2po.published_config import is_published, translate
from r2po.rollout import EngineName
from r2po.tasks import Task, task_for

Positive = Annotated[int, Field(ge=1)]
NotNegative = Annotated[int, Field(ge=0)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Protocol = Literal["published", "controlled"]
SAMPLING_KEYS = ("temperature", "top_p", "max_output_tokens", "reasoning_effort", "think")
CAP_KEYS = frozenset({"max_llm_calls", "max_tokens", "max_cost", "max_wall_time_s", "prices"})
MODEL_KEYS = (
    *("llm_model_name", *SAMPLING_KEYS, "structured_output", "num_ctx"),
    *("llm_timeout_s", "llm_max_attempts", "llm_max_wait_s", *sorted(CAP_KEYS), "traj_history_last_n"),
)
"""Keys that do nothing where no model is asked; caps end a run before a call."""
NEUTRAL_KEYS = CAP_KEYS | frozenset(
    {
        "keep_trajectories",
        "llm_max_attempts",
        "llm_max_wait_s",
        "llm_timeout_s",
        "logdir",
        "resume_run",
        "rollout_engine",
    }
)
"""Keys that do not change what a run computes: they may differ on resume."""
MEANINGFUL_NULLS = frozenset({"critic_llm_conservative_threshold", "announced_iterations"})
"""Keys whose explicit null says something: no threshold, no announced number of iterations."""
# PyYAML lets out whatever Python raises for a value, e.g. for the date 2001-13-45.
_YAML_ERRORS = (yaml.YAMLError, ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


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


class Config(pydantic.BaseModel):
    """All keys of a config; ``docs/config.md`` explains them. None means: from the task card or the method."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    # The experiment
    gym_env_name: str
    method: str
    llm_model_name: str | None = None
    logdir: str
    protocol: Protocol = "published"
    seed: NotNegative | None = None
    resume_run: Positive | None = None
    num_iterations: Positive | None = None
    num_evaluation_episodes: Positive = 20
    heldout_episodes: NotNegative = 100
    keep_trajectories: Literal["none", "auto", "shown", "all"] = "auto"
    rollout_engine: EngineName = "auto"

    # Environment and policy
    env_kwargs: dict[str, Any] | None = None
    policy: str | None = None
    bias: bool = True
    policy_settings: dict[str, Any] = {}
    warmup_episodes: NotNegative | None = None
    max_traj_length: Positive | None = None
    clip_actions: bool = True

    # What the prompts say
    optimum: Number | None = None
    search_step_size: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    critic_llm_conservative_threshold: Number | None = None
    announced_iterations: Positive | None = None
    traj_history_last_n: NotNegative = 5

    # The model
    temperature: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    max_output_tokens: Positive | None = None
    reasoning_effort: str | None = None
    think: bool | str | None = None
    structured_output: bool = False
    num_ctx: Positive | None = None
    llm_timeout_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 300.0
    llm_max_attempts: Positive = 8
    llm_max_wait_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 600.0

    # Caps and prices
    max_llm_calls: Positive | None = None
    max_tokens: Positive | None = None
    max_cost: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    max_wall_time_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    prices: Prices | None = None

    @pydantic.field_validator("*", mode="before")
    @classmethod
    def _no_truth_value_for_a_number(cls, value: object, info: pydantic.ValidationInfo) -> object:
        # pydantic would take true for 1.
        if isinstance(value, bool) and info.field_name not in ("bias", "clip_actions", "think", "structured_output"):
            raise ValueError("true and false are no values of this key")
        return value

    @property
    def sampling(self) -> dict[str, Any]:
        """The sampling settings that are set."""
        values = {key: getattr(self, key) for key in SAMPLING_KEYS if getattr(self, key) is not None}
        return {**values, "structured_output": True} if self.structured_output else values


def load_config(
    path: str | Path,
    overrides: Sequence[str] = (),
    *,
    seed: int | None = None,
    protocol: str | None = None,
    note: Callable[[str], None] = lambda _: None,
) -> Config:
    """Read, validate and resolve a config file.

    Later ones win: task card and method, the file's keys, its section ``published`` (under that protocol only),
    ``key=value`` overrides, ``seed`` and ``protocol``. A file written for the published code is translated; ``note`` is
    called with a line for each key of it that means nothing here.

    Raises:
        InputError: With one line that names the key, what was found and what is expected.
    """
    path = Path(path)
    values = read_yaml(path)
    if is_published(values):
        values, notes = translate(values, str(path), Config.model_fields)
        for line in notes:
            note(line)
    published = values.pop("published", None)
    if published is None:
        published = {}
    if not isinstance(published, dict):
        raise InputError(f"{path}: 'published' is {published!r}; expected a section of keys")
    check_keys(f"{path}, section 'published'", published, PUBLISHED_KEYS)
    changes: dict[str, Any] = {}
    for text in overrides:
        key, value = parse_override(text)
        changes |= _in_section(key, value, {**values, **changes})
    if seed is not None:
        changes["seed"] = seed
    if protocol is not None:
        changes["protocol"] = protocol
    if {**values, **changes}.get("protocol", "published") == "published":
        values |= published
    return resolve({**values, **changes}, str(path))


def resolve(values: Mapping[str, Any], source: str) -> Config:
    """Validate keys and values and fill in what they leave to the task card and the method."""
    check_keys(source, values)
    try:
        config = Config.model_validate(values)
    except pydantic.ValidationError as error:
        raise InputError(f"{source}: {first_problem(error)}") from None
    if config.max_cost is not None and config.prices is None:
        raise InputError(f"{source}: max_cost is {config.max_cost:g}; it needs prices.input and prices.output")
    if config.method not in METHODS:
        raise unknown("method", config.method, METHODS)
    if config.policy is not None and config.policy not in FAMILIES:
        raise unknown("policy", config.policy, FAMILIES)
    config = _filled(config)
    _check_method(source, config)
    return config


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Name the keys in which two resolved configs differ, but for those that change nothing in a run.

    Runs made before there was a key have its default.
    """
    defaults = {key: field.default for key, field in Config.model_fields.items()}
    old, new = {**defaults, **old}, {**defaults, **new}
    return [key for key in {**old, **new} if key not in NEUTRAL_KEYS and old.get(key) != new.get(key)]


def _filled(config: Config) -> Config:
    task = task_for(config.gym_env_name)
    method = METHODS[config.method]
    iterations = config.num_iterations or method.default_iterations
    defaults: dict[str, Any] = {
        "num_iterations": iterations,
        "announced_iterations": iterations,
        "env_kwargs": dict(task.env_kwargs),
        "policy": task.policy,
        "warmup_episodes": task.warmup_episodes,
        "max_traj_length": task.max_traj_length,
        "optimum": task.optimum,
        "search_step_size": task.search_step_size,
        "critic_llm_conservative_threshold": task.conservative_threshold,
    }
    said = config.model_fields_set & MEANINGFUL_NULLS
    missing = {key: value for key, value in defaults.items() if getattr(config, key) is None and key not in said}
    if config.env_kwargs is not None:
        missing["env_kwargs"] = {**task.env_kwargs, **config.env_kwargs}
    if config.protocol == "controlled":
        # The same for every method, whatever the file says.
        missing |= {"announced_iterations": iterations, "clip_actions": True}
    if not method.asks_model and config.llm_model_name is not None:
        missing["llm_model_name"] = None  # the log names no model that was not asked
    _check_env_kwargs(task, config.env_kwargs or {})
    return config.model_copy(update=missing)


def _check_method(source: str, config: Config) -> None:
    method, policy = METHODS[config.method], str(config.policy)
    if method.asks_model and config.llm_model_name is None:
        raise InputError(f"{source}: key 'llm_model_name' is missing; method {method.name!r} asks a language model")
    if not method.fits(policy):
        fitting = ", ".join(other.name for other in METHODS.values() if not other.asks_model and other.fits(policy))
        raise InputError(
            f"{source}: method {method.name!r} searches {method.searches}, not policy {policy!r}; for that: {fitting}"
        )


def _check_env_kwargs(task: Task, env_kwargs: Mapping[str, Any]) -> None:
    """Refuse arguments that would make the card's description of the environment untrue."""
    for key, value in env_kwargs.items():
        described = task.env_kwargs.get(key)
        if key not in task.free_kwargs and value is not None and value != described:
            raise InputError(
                f"env_kwargs: with {key!r} {value!r} the description of {task.gym_id} in prompts would not be true; "
                f"it holds for {'the default' if described is None else repr(described)}; "
                "to change the environment, add a task card (docs/extending.md)"
            )


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a config file as it is.

    Raises:
        InputError: It is missing, unreadable, not YAML, or no mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"no config file {str(path)!r}{_nearest_file(path)}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read config {str(path)!r}: {error}") from None
    try:
        values = yaml.load(text, Loader=_UniqueKeyLoader)  # noqa: S506 - a SafeLoader
    except _YAML_ERRORS as error:
        raise InputError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise InputError(f"{path}: expected a mapping of keys to values, found {type(values).__name__}")
    return values


class _UniqueKeyLoader(yaml.SafeLoader):
    """Refuses a key that stands twice: PyYAML would silently keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key_node, _ in node.value:
            key = str(key_node.value)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    problem=f"key {key!r} stands twice", problem_mark=key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


def config_folder() -> Path:
    """Return where the configs are: in the working directory, or in the checkout."""
    here = Path("configs")
    return here if here.is_dir() else Path(__file__).parent.parent / "configs"


def _nearest_file(path: Path) -> str:
    known = [str(candidate) for candidate in config_folder().glob("**/*.yaml")]
    siblings = [str(candidate) for candidate in path.parent.glob("*.yaml")] if path.parent.is_dir() else []
    return nearest(str(path), siblings or known)


def parse_override(text: str) -> tuple[str, Any]:
    """Return key and value of a ``--set key=value``."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise InputError(f"--set {text!r}: expected key=value")
    try:
        return key.strip(), yaml.load(value, Loader=_UniqueKeyLoader)  # noqa: S506 - a SafeLoader
    except _YAML_ERRORS:
        raise InputError(f"--set {text!r}: the value is not valid YAML") from None


def _in_section(key: str, value: object, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an override sets: ``prices.input=3`` changes one entry of a section and leaves the others."""
    section, dot, entry = key.partition(".")
    if not dot or section != "prices":
        return {key: value}
    before = values.get(section)
    return {section: {**(before if isinstance(before, dict) else {}), entry: value}}


def check_keys(source: str, values: Mapping[Any, Any], known: Collection[str] = Config.model_fields) -> None:
    """Refuse an unknown key, with the nearest known one."""
    for key in values:
        if key not in known:
            raise InputError(f"{source}: unknown key {str(key)!r}{nearest(str(key), known)}")


def first_problem(error: pydantic.ValidationError) -> str:
    """Say the first thing that is wrong with the values of a config."""
    problem = error.errors()[0]
    key = ".".join(map(str, problem["loc"]))
    if problem["type"] == "missing":
        return f"key {key!r} is missing"
    if problem["type"] == "extra_forbidden":
        known = [f"prices.{name}" for name in Prices.model_fields]
        return f"unknown key {key!r}{nearest(key, known)}"
    message = problem["msg"][0].lower() + problem["msg"][1:]
    return f"{key} is {problem['input']!r}; {message}"
