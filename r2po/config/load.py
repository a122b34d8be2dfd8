"""From a config file to a validated config, resolved against the task card and the method."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pydantic

from r2po.config.complete import check_method, filled
from r2po.config.config import PUBLISHED_KEYS, Config, CriticSettings, HistorySettings
from r2po.config.needs import check_needs
from r2po.config.published import is_published, translate
from r2po.config.task import beside, check_own_card, with_any_card, with_card
from r2po.errors import InputError, nearest
from r2po.installation import call, shipped_configs
from r2po.llm.accounting import Prices
from r2po.llm.providers.replay import PREFIX
from r2po.methods import METHODS
from r2po.places import check_text, expanded
from r2po.policies import FAMILIES
from r2po.prompts import HistoryWindow, RolloutWindow
from r2po.prompts.wording import resolved
from r2po.reading import YAML_ERRORS, read_text
from r2po.trackers import known_trackers
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
    "history": HistorySettings,
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
    changes = [parse_override(text) for text in overrides]
    changes += [(key, value) for key, value in (("seed", seed), ("protocol", protocol)) if value is not None]
    path = Path(path)
    return config_of(read_yaml(path), str(path), changes, folder=path.parent, note=note)


def config_of(
    values: Mapping[str, Any],
    source: str,
    overrides: Sequence[tuple[str, Any]] = (),
    *,
    folder: Path = Path(),
    note: Callable[[str], None] = lambda _: None,
) -> Config:
    """Validate and resolve what a config file says, or would say.

    Args:
        values: Its keys and values.
        source: What messages call it.
        overrides: Keys with the values that they have instead; ``prices.input`` is an entry of a section. Their paths
            are relative to the working directory.
        folder: What paths in ``values`` are relative to.
        note: Called with a line for each key of the published code that means nothing here.

    Raises:
        InputError: With one line that names the key, what was found and what is expected.
    """
    if _is_sb3(values):
        raise InputError(
            f"{source} is a config of Stable-Baselines3: run it with {call('sb3_baselines')} --config {source}"
        )
    if is_published(values):
        values, notes = translate(values, source, Config.model_fields)
        for line in notes:
            note(line)
    values = beside(values, folder, source)
    published = values.pop("published", None)
    if published is None:
        published = {}
    if not isinstance(published, dict):
        raise InputError(f"{source}: 'published' is {published!r}; expected a section of keys")
    _check_keys(f"{source}, section 'published'", published, PUBLISHED_KEYS)
    changes: dict[str, Any] = {}
    for key, value in overrides:
        keys = key.split(".") if key.rpartition(".")[0] in _SECTIONS or key.split(".")[0] in OPEN_SECTIONS else [key]
        changes[keys[0]] = with_entry({**values, **changes}, keys, value)[keys[0]]
    _resolve_prompts(*((changes, Path(), "--set") if "prompts" in changes else (values, folder, source)))
    if {**values, **changes}.get("protocol", "published") == "published":
        values |= published
    return resolve({**values, **changes}, source)


def _resolve_prompts(values: dict[str, Any], base: Path, source: str) -> None:
    """Make a path of templates one that is seen from the working directory."""
    if isinstance(values.get("prompts"), str):
        values["prompts"] = resolved(values["prompts"], base, source)


def is_sb3_config(path: str | Path) -> bool:
    """Whether a file configures Stable-Baselines3, which another command runs."""
    return _is_sb3(read_yaml(Path(path)))


def _is_sb3(values: Mapping[str, Any]) -> bool:
    return "method" not in values and not is_published(values) and not SB3_KEYS.isdisjoint(values)


def resolve(values: Mapping[str, Any], source: str) -> Config:
    """Validate keys and values and fill in what they leave to the task card and the method.

    The path of a task card is seen from the working directory.
    """
    config = validated(Config, with_card(values, source), source)
    check_needs(config, source)
    check_own_card(config, values.get("task"), source)
    METHODS.find(config.method)
    known_trackers(config.track)
    if config.policy is not None:
        FAMILIES.find(config.policy)
    config = filled(with_any_card(source, config))
    check_method(source, config)
    missing = config.missing_prices
    if config.max_cost is not None and missing:
        raise InputError(f"{source}: max_cost is {config.max_cost:g}; it needs {missing}.input and {missing}.output")
    return config


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a config file as it is.

    Raises:
        InputError: It is missing, unreadable, not YAML, or not a mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"no config file {str(path)!r}{_remedy(path)}") from None
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
    """Return where the configs are: ``configs/`` in the working directory, or those that come with the package."""
    here = Path("configs")
    return here if here.is_dir() else shipped_configs()


def _remedy(path: Path) -> str:
    """Return what to do about a config that is not there: the nearest name, or how to get one that comes with r2po."""
    known = [str(candidate) for candidate in path.parent.glob("*.yaml")] if path.parent.is_dir() else []
    if known:
        return nearest(str(path), known)
    here = Path("configs")
    shipped = [str(here / each.relative_to(shipped_configs())) for each in shipped_configs().glob("*/*.yaml")]
    if here.is_dir():
        return nearest(str(path), [str(each) for each in here.glob("**/*.yaml")])
    name = next((name for name in (str(path), str(here / path)) if name in shipped), None)
    if name is None:
        return nearest(str(path), shipped)
    return f"; it comes with r2po: `r2po init DIR` makes DIR/{name}"


def parse_override(text: str, option: str = "--set") -> tuple[str, Any]:
    """Return key and value of a ``--set key=value``, or of another option of this form."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise InputError(f"{option} {text!r}: expected key=value")
    try:
        return key.strip(), read_text(value)
    except YAML_ERRORS:
        raise InputError(f"{option} {text!r}: the value is not valid YAML") from None


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
        name = " ".join(str(name).split())  # a line break in a key would be one in the message
        _check_texts(source, entry, f"{key}.{name}" if key else name)


def _check_keys(source: str, values: Mapping[Any, Any], known: Collection[str]) -> None:
    """Refuse an unknown key, with the nearest known one."""
    for key in values:
        if key not in known:
            raise InputError(f"{source}: unknown key {str(key)!r}{nearest(str(key), known)}")


def _problem(error: pydantic.ValidationError) -> str:
    """Say the first thing that is wrong with the values of a config."""
    problem = error.errors()[0]
    classes = {kind.__name__ for kind in _SECTIONS.values()}  # pydantic names those that may stand beside a word
    key = ".".join(str(part) for part in problem["loc"] if part not in classes)
    if problem["type"] == "missing":
        return f"key {key!r} is missing"
    if problem["type"] == "extra_forbidden":
        section = key.rpartition(".")[0]
        known = [f"{section}.{name}" for name in _SECTIONS[section].model_fields]
        return f"unknown key {key!r}{nearest(key, known)}"
    return first_problem(error, classes)
