"""Prices that a config leaves to a list: looked up once, when a run begins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from r2po.config import Config, CriticSettings
from r2po.errors import InputError
from r2po.llm.price_list import AUTO, is_listed, look_up
from r2po.llm.prices import Prices
from r2po.llm.providers.replay import PREFIX, recorded_run
from r2po.llm.types import CRITIC, SEARCH
from r2po.methods import METHODS
from r2po.runlog import RunDirectory
from r2po.runlog.jsonl import DamagedLog


def priced(config: Config, directory: RunDirectory | None, note: Callable[[str], None] = lambda _: None) -> Config:
    """Return the config with numbers for prices: those that a run began with, or those of the list.

    A run that goes on keeps its prices, so that a newer list does not change what it cost. A replay has those of the
    run that it repeats, if any. Where no model is asked, there are none.

    Args:
        config: A resolved config.
        directory: The run that it continues; None for a new one.
        note: Called with a line for each model whose prices are looked up.

    Raises:
        InputError: A model is on no list, there is no list, or the run did not begin with prices of a list.
    """
    wanted = _wanted(config)
    if not wanted:
        return config
    if not METHODS[config.method].asks_model:
        return config.model_copy(update={"prices": None})
    name = str(config.llm_model_name).strip()
    if name.startswith(PREFIX):
        return _as_recorded(config, wanted, _recorded(recorded_run(name)))
    if "prices" not in _own(config) and config.for_role(CRITIC).llm_model_name == config.llm_model_name:
        wanted = {SEARCH: config}  # the critic has the search's
    began = directory if directory is not None and directory.is_described else None
    return _with(config, {role: _of_list(role, section, began, note) for role, section in wanted.items()})


def _of_list(role: str, config: Config, began: RunDirectory | None, note: Callable[[str], None]) -> Prices:
    """Return the prices of a list: those that a run began with; for a new one, those of today."""
    recorded = None if began is None else _recorded(began).get(role)
    if began is not None and not began.is_complete:
        _check_listed(role, began, recorded)
    if recorded is not None:
        return recorded
    prices = look_up(str(config.llm_model_name))
    note(f"prices of {config.llm_model_name}, per million tokens: {prices.told}")
    return prices


def _wanted(config: Config) -> dict[str, Config]:
    """Return the configs of the roles whose prices are to be found."""
    asked = {SEARCH: config}
    if CRITIC in METHODS[config.method].roles:
        asked[CRITIC] = config.for_role(CRITIC)
    return {role: section for role, section in asked.items() if section.prices == AUTO}


def _as_recorded(config: Config, wanted: Mapping[str, Config], recorded: Mapping[str, Prices]) -> Config:
    found = {role: recorded.get(role) for role in wanted}
    if CRITIC in found and "prices" not in _own(config) and found[CRITIC] == found.get(SEARCH):
        del found[CRITIC]  # it has the search's anyway
    return _with(config, found)


def _with(config: Config, found: Mapping[str, Prices | None]) -> Config:
    """Return the config with what was found for its roles."""
    changed: dict[str, Any] = {}
    if SEARCH in found:
        changed["prices"] = found[SEARCH]
    if CRITIC in found:
        changed["critic"] = CriticSettings(**{**_own(config), "prices": found[CRITIC]})
    return config.model_copy(update=changed)


def _check_listed(role: str, began: RunDirectory, recorded: Prices | None) -> None:
    """Refuse to go on with a list's prices where a run began with others: what it cost would depend on the day."""
    if recorded is not None and is_listed(recorded):
        return
    key = "critic.prices" if role == CRITIC else "prices"
    had = "none" if recorded is None else recorded.told
    raise InputError(
        f"cannot resume {began.path}: {key} is {AUTO}, but the run did not begin with prices of a list; it began with "
        f"{had}: set {key}.input and {key}.output"
    )


def _own(config: Config) -> dict[str, Any]:
    return config.critic.own if config.critic else {}


def _recorded(directory: RunDirectory) -> Mapping[str, Prices]:
    """Return the prices that a run began with, by role.

    Raises:
        InputError: Its description is damaged.
    """
    config: Mapping[str, Any] = directory.read_description()["config"]
    sections = {SEARCH: config, CRITIC: {**config, **(config.get("critic") or {})}}
    known = {role: section.get("prices") for role, section in sections.items()}
    try:
        return {role: Prices(**prices) for role, prices in known.items() if isinstance(prices, Mapping)}
    except (TypeError, ValueError):
        raise DamagedLog(f"{directory.path}: run.yaml is damaged: its prices cannot be read") from None
