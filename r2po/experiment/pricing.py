"""Prices that a config leaves to a list: looked up once, when a run begins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from r2po.config import Config, CriticSettings
from r2po.llm.price_list import AUTO, look_up
from r2po.llm.prices import Prices
from r2po.llm.types import CRITIC, SEARCH
from r2po.methods import METHODS
from r2po.runlog import RunDirectory


def priced(config: Config, directory: RunDirectory | None, note: Callable[[str], None] = lambda _: None) -> Config:
    """Return the config with numbers for prices: those that a run began with, or those of the list.

    A run that goes on keeps its prices, so that a newer list does not change what it cost.

    Args:
        config: A resolved config.
        directory: The run that it continues; None for a new one.
        note: Called with a line for each model whose prices are looked up.

    Raises:
        InputError: A model is on no list, or there is no list.
    """
    method = METHODS[config.method]
    critic = config.for_role(CRITIC) if CRITIC in method.roles else config
    if not method.asks_model or AUTO not in (config.prices, critic.prices):
        return config
    recorded = _recorded(directory)
    if config.prices == AUTO:
        found = recorded.get(SEARCH) or _looked_up(config, note)
        config = config.model_copy(update={"prices": found})
    if critic.prices == AUTO and (critic.llm_model_name != config.llm_model_name or "prices" in _own(config)):
        found = recorded.get(CRITIC) or _looked_up(critic, note)
        config = config.model_copy(update={"critic": CriticSettings(**{**_own(config), "prices": found})})
    return config


def _own(config: Config) -> dict[str, Any]:
    return config.critic.own if config.critic else {}


def _looked_up(config: Config, note: Callable[[str], None]) -> Prices:
    prices = look_up(str(config.llm_model_name))
    note(f"prices of {config.llm_model_name}, per million tokens: {prices.told}")
    return prices


def _recorded(directory: RunDirectory | None) -> Mapping[str, Prices]:
    """Return the prices that a run began with, by role."""
    if directory is None or not directory.is_described:
        return {}
    config: Mapping[str, Any] = directory.read_description()["config"]
    sections = {SEARCH: config, CRITIC: {**config, **(config.get("critic") or {})}}
    return {role: Prices(**section["prices"]) for role, section in sections.items() if section.get("prices")}
