"""From a config file to a validated config, resolved against the task card and the method."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pydantic

from r2po.config.config import MEANINGFUL_NULLS, PUBLISHED_KEYS, Config, CriticSettings
from r2po.config.published import is_published, translate
from r2po.errors import InputError, nearest
from r2po.llm.accounting import Prices
from r2po.llm.providers.replay import PREFIX
from r2po.llm.types import CRITIC
from r2po.methods import METHODS, Method
from r2po.places import check_text, expanded
from r2po.policies import FAMILIES
from r2po.prompts import HistoryWindow, RolloutWindow
from r2po.reading import YAML_ERRORS, read_text
from r2po.tasks import Task, task_for
from r2po.validation import Section, first_problem

SectionModel = TypeVar("SectionModel", bound=Section)

PATH_KEYS = ("logdir", "reference_logdir", "zoo_hyperparams_dir")
MODEL_NAMES = ("llm_model_name", "critic_llm_model_name")

SB3_KEYS = frozenset(
    {"algorithms", "algorithm_hyperparams", "budget_mode", "budget_target", "num_trials", "use_periodic_eval"}
)
"""Keys that only configs of Stable-Baselines3 have."""

OPEN_SECTIONS = ("env_kwargs", "policy_settings")
"""Sections whose keys are those of an environment or a policy."""

_SECTIONS: dict[str, type[pydantic.BaseModel]] = {
    "prices": Prices,
    "critic": CriticSettings,
    "critic.prices": Prices,
    "rollout_window": RolloutWindow,
    "history_window": HistoryWindow,
}


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
    if _is_sb3(values):
        raise InputError(f"{path} is a config of Stable-Baselines3: run it with sb3_baselines.py --config {path}")
    if is_published(values):
        values, notes = translate(values, str(path), Config.model_fields)
        for line in notes:
            note(line)
    published = values.pop("published", None)
    if published is None:
        published = {}
    if not isinstance(published, dict):
        raise InputError(f"{path}: 'published' is {published!r}; expected a section of keys")
    _check_keys(f"{path}, section 'published'", published, PUBLISHED_KEYS)
    changes: dict[str, Any] = {}
    for text in overrides:
        key, value = parse_override(text)
        keys = key.split(".") if key.rpartition(".")[0] in _SECTIONS or key.split(".")[0] in OPEN_SECTIONS else [key]
        changes[keys[0]] = with_entry({**values, **changes}, keys, value)[keys[0]]
    if seed is not None:
        changes["seed"] = seed
    if protocol is not None:
        changes["protocol"] = protocol
    if {**values, **changes}.get("protocol", "published") == "published":
        values |= published
    return resolve({**values, **changes}, str(path))


def is_sb3_config(path: str | Path) -> bool:
    """Whether a file configures Stable-Baselines3, which another command runs."""
    return _is_sb3(read_yaml(Path(path)))


def _is_sb3(values: Mapping[str, Any]) -> bool:
    return "method" not in values and not is_published(values) and not SB3_KEYS.isdisjoint(values)


def resolve(values: Mapping[str, Any], source: str) -> Config:
    """Validate keys and values and fill in what they leave to the task card and the method."""
    config = validated(Config, values, source)
    METHODS.find(config.method)
    if config.policy is not None:
        FAMILIES.find(config.policy)
    config = _filled(config)
    _check_method(source, config)
    missing = config.missing_prices
    if config.max_cost is not None and missing:
        raise InputError(f"{source}: max_cost is {config.max_cost:g}; it needs {missing}.input and {missing}.output")
    return config


def _filled(config: Config) -> Config:
    task = task_for(config.gym_env_name)
    method = METHODS[config.method]
    defaults: dict[str, Any] = {
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
    controlled = config.protocol == "controlled"  # the same for every method, whatever the file says
    if controlled:
        missing["clip_actions"] = True
    if not method.asks_model and config.llm_model_name is not None:
        missing["llm_model_name"] = None  # the log names no model that was not asked
    missing |= {key: value for key, value in _critic(config, method).items() if key in config.model_fields_set}
    _check_env_kwargs(task, config.env_kwargs or {})
    filled = config.model_copy(update=missing)
    # Last: the method may count its evaluations by any other key.
    iterations = config.num_iterations or method.default_iterations(dict(filled))
    announced = config.announced_iterations
    if controlled or (announced is None and "announced_iterations" not in said):
        announced = iterations
    return filled.model_copy(update={"num_iterations": iterations, "announced_iterations": announced})


def _critic(config: Config, method: Method) -> dict[str, Any]:
    """Return the critic's keys where they differ from the search's, so that one setting is logged in one way."""
    has_critic = CRITIC in method.roles
    name, settings = config.critic_llm_model_name, config.critic.own if config.critic else {}
    own = {key: value for key, value in settings.items() if value != getattr(config, key)}
    return {
        "critic_llm_model_name": name if has_critic and name != config.llm_model_name else None,
        "critic": CriticSettings(**own) if has_critic and own else None,
    }


def _check_method(source: str, config: Config) -> None:
    method, policy = METHODS[config.method], str(config.policy)
    method.facts(dict(config))  # before there is a run directory: refuses what its functions of the config return
    if method.asks_model and config.llm_model_name is None:
        raise InputError(f"{source}: key 'llm_model_name' is missing; method {method.name!r} asks a language model")
    for key in ("llm_model_name", "critic_llm_model_name"):
        if (name := getattr(config, key)) is not None and not name.strip():
            raise InputError(f"{source}: {key} is {name!r}; expected the name of a model (r2po list shows their forms)")
    if (config.critic_llm_model_name or "").startswith(PREFIX):
        raise InputError(
            f"{source}: critic_llm_model_name is {config.critic_llm_model_name!r}; a replay answers for every role: "
            "set llm_model_name to it"
        )
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
        InputError: It is missing, unreadable, not YAML, or not a mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"no config file {str(path)!r}{_nearest_file(path)}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read config {str(path)!r}: {error}") from None
    try:
        values = read_text(text)
    except YAML_ERRORS as error:
        raise InputError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise InputError(f"{path}: expected a mapping of keys to values, found {type(values).__name__}")
    return values


def config_folder() -> Path:
    """Return where the configs are: in the working directory, or in the checkout."""
    here = Path("configs")
    return here if here.is_dir() else Path(__file__).parents[2] / "configs"


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
        return key.strip(), read_text(value)
    except YAML_ERRORS:
        raise InputError(f"--set {text!r}: the value is not valid YAML") from None


def with_entry(values: Mapping[str, Any], keys: Sequence[str], new: object) -> dict[str, Any]:
    """Return a mapping with one entry set, at any depth: ``prices.input=3`` leaves the other prices as they are."""
    key, *rest = keys
    if not rest:
        return {**values, key: new}
    below = values.get(key)
    return {**values, key: with_entry(below if isinstance(below, dict) else {}, rest, new)}


def validated(model: type[SectionModel], values: Mapping[str, Any], source: str) -> SectionModel:
    """Return the config of a file's keys and values.

    Raises:
        InputError: With one line that names the key, what was found and what is expected.
    """
    _check_keys(source, values, model.model_fields)
    _check_texts(source, values)
    paths = {key: values[key] for key in (*PATH_KEYS, *MODEL_NAMES) if isinstance(values.get(key), str)}
    try:
        return model.model_validate({**values, **{key: _path(source, key, text) for key, text in paths.items()}})
    except pydantic.ValidationError as error:
        raise InputError(f"{source}: {_problem(error)}") from None


def _path(source: str, key: str, text: str) -> str:
    """Return a path with what stands for a part of it filled in; so is that of a replay in a model's name."""
    if key in PATH_KEYS:
        return expanded(text, f"{source}: {key}")
    return PREFIX + expanded(text.removeprefix(PREFIX), f"{source}: {key}") if text.startswith(PREFIX) else text


def _check_texts(source: str, value: object, key: str = "") -> None:
    """Refuse texts that cannot be written, at any depth."""
    if isinstance(value, str):
        check_text(value, f"{source}: {key}")
    entries = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for name, entry in entries:
        check_text(str(name), f"{source}: a key")
        _check_texts(source, entry, f"{key}.{name}" if key else str(name))


def _check_keys(source: str, values: Mapping[Any, Any], known: Collection[str]) -> None:
    """Refuse an unknown key, with the nearest known one."""
    for key in values:
        if key not in known:
            raise InputError(f"{source}: unknown key {str(key)!r}{nearest(str(key), known)}")


def _problem(error: pydantic.ValidationError) -> str:
    """Say the first thing that is wrong with the values of a config."""
    problem = error.errors()[0]
    key = ".".join(map(str, problem["loc"]))
    if problem["type"] == "missing":
        return f"key {key!r} is missing"
    if problem["type"] == "extra_forbidden":
        section = key.rpartition(".")[0]
        known = [f"{section}.{name}" for name in _SECTIONS[section].model_fields]
        return f"unknown key {key!r}{nearest(key, known)}"
    return first_problem(error)
