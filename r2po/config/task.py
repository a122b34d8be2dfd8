"""Which task card a config stands for: one that it names, one of the package, or none."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from r2po.config.config import Config
from r2po.errors import InputError
from r2po.methods import METHODS
from r2po.places import expanded
from r2po.policies import FAMILIES
from r2po.tasks import TASKS, Task, card_of, carded, read_card
from r2po.tasks.bare import bare_card, check_card, is_registered, slug, unknown_environment
from r2po.tasks.task import TODO

SUFFIXES = (".yaml", ".yml")


def is_card(value: object) -> bool:
    """Whether the value of ``task`` is a card or a path; the published code's key of that name chose the method."""
    return isinstance(value, Mapping | Task) or (isinstance(value, str) and (value.endswith(SUFFIXES) or "/" in value))


def beside(values: Mapping[str, Any], folder: Path, source: str) -> dict[str, Any]:
    """Return the values of a config in a folder with the path of its card seen from the working directory."""
    card = values.get("task")
    if not isinstance(card, str) or not is_card(card):
        return dict(values)
    return {**values, "task": str(folder / expanded(card, f"{source}: task"))}


def with_card(values: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Return values of a config with the card itself in place of its path, and the environment's id from it.

    Raises:
        InputError: The card cannot be read, or the config names another environment.
    """
    given = values.get("task")
    if given is None:
        return dict(values)
    if not is_card(given):
        raise InputError(f"{source}: task is {given!r}; expected the path of a task card, a file that ends in .yaml")
    where = _where(given, source)
    card = given if isinstance(given, Task) else card_of(given, where) if isinstance(given, Mapping) else _read(given)
    named = values.get("gym_env_name", card.gym_id)
    if named != card.gym_id:
        raise InputError(
            f"{source}: gym_env_name is {named!r}, but the task card ({where}) is for {card.gym_id!r}; leave "
            "out one of the two"
        )
    return {**values, "gym_env_name": card.gym_id, "task": card}


def check_own_card(config: Config, given: object, source: str) -> None:
    """Refuse a card that a config brings if it is for no environment, or has the name of another one's.

    The plugins that the config needs are there by now: they may register the environment.

    Args:
        config: The config, with the card.
        given: What ``task`` was in it: a path, or the card itself.
        source: Its file, for messages.

    Raises:
        InputError: It is.
    """
    if config.task is not None:
        check_card(config.task, _where(given, source))


def _where(given: object, source: str) -> str:
    return given if isinstance(given, str) else f"{source}: task"


def _read(text: str) -> Task:
    return read_card(Path(expanded(text, "task")))


def with_any_card(source: str, config: Config) -> Config:
    """Return a config whose environment has a card; if there is none, one that tells only what Gymnasium knows.

    Raises:
        InputError: There is no such environment, its method cannot do without a description, or a number is missing.
    """
    if config.task is None and carded(config.gym_env_name) is None:
        if not is_registered(config.gym_env_name):
            raise unknown_environment(config.gym_env_name)
        _check_undescribed(source, config)
        kwargs = config.env_kwargs or {}
        card = bare_card(config.gym_env_name, kwargs, cap=config.max_traj_length, optimum=config.optimum)
        config = config.model_copy(update={"task": card})
    FAMILIES.find(config.card.policy)
    _check_finished(source, config)
    return config


def _check_undescribed(source: str, config: Config) -> None:
    """Refuse a method that tells the model of the environment, where there is nothing to tell."""
    gym_id = config.gym_env_name
    if not METHODS[config.method].tells_of_task(config.policy):
        return
    base = slug(gym_id, versioned=False)
    alike = [task.gym_id for task in TASKS.values() if slug(task.gym_id, versioned=False) == base]
    there = f" ({alike[0]!r} has one)" if alike else ""
    others = ", ".join(method.name for method in METHODS.values() if not method.tells_of_task(None))
    raise InputError(
        f"{source}: {_teller(config)} describes the environment to the model, and {gym_id!r} has no task card{there}; "
        f"r2po new-task {gym_id} drafts one; without a card, numbers can be searched by: {others}"
    )


def _check_finished(source: str, config: Config) -> None:
    """Refuse a card that leaves open what this config needs."""
    card, method = config.card, METHODS[config.method]
    for key in ("max_traj_length", "optimum"):
        if getattr(config, key) is None and getattr(card, key) is None:
            known = "its task card leaves it open" if card.is_described else "Gymnasium does not tell it"
            raise InputError(f"{source}: {key} is missing; {known} for {card.gym_id!r}: set it in the config")
    if not method.tells_of_task(config.policy):
        return
    todo = list(card.unfinished)
    threshold = "critic_llm_conservative_threshold"
    if method.revision_rule and card.conservative_threshold is None and threshold not in config.model_fields_set:
        todo.append("conservative_threshold")
    if todo:
        raise InputError(
            f"{source}: the task card of {card.name} is not finished: {TODO} in {', '.join(todo)}; {_teller(config)} "
            "describes the environment to the model"
        )


def _teller(config: Config) -> str:
    """Say which part of a config makes that prompts describe the environment."""
    if METHODS[config.method].tells_of_task(None):
        return f"method {config.method!r}"
    return f"method {config.method!r} with policy {config.policy!r}"
