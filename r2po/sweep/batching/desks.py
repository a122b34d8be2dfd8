"""The servers that a sweep in batches asks: each must have batches, which is found out before anything begins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from r2po.config import Config
from r2po.errors import InputError
from r2po.experiment.resolve import by_model, contact, provider_of
from r2po.llm.providers.batches.batches import batches_of
from r2po.methods import METHODS
from r2po.sweep.batching.desk import Desk
from r2po.sweep.plan import PlannedRun

TIMEOUT_S = 600.0
"""A request about a whole batch may take so long, whatever the config says of a call."""


class Desks:
    """Where the calls of runs are collected, by run and role; ``environ`` holds keys and base URLs.

    Raises:
        InputError: A server that is asked has no batches.
    """

    def __init__(self, runs: Sequence[PlannedRun], environ: Mapping[str, str]) -> None:
        self._configs = {run.index: run.config for run in runs}
        self._desks = desks_of(runs, environ)
        for desk in self.all:
            desk.batches.check()

    @property
    def all(self) -> list[Desk]:
        """All of them."""
        return list(self._desks.values())

    def of(self, run: int, role: str) -> Desk:
        """Return where the calls of a role of a run are collected."""
        return self._desks[contact(self._configs[run].for_role(role))]


def desks_of(runs: Sequence[PlannedRun], environ: Mapping[str, str]) -> dict[tuple[object, ...], Desk]:
    """Return a desk for each model that runs ask, by what makes its provider; nobody is contacted.

    Raises:
        InputError: The protocol of a model has no batches.
    """
    asking = [run.config for run in runs if METHODS[run.config.method].asks_model]
    asked = {contact(each): each for config in asking for each in by_model(config).values()}
    return {key: _desk(config, environ) for key, config in asked.items()}


def _desk(config: Config, environ: Mapping[str, str]) -> Desk:
    name = str(config.llm_model_name)
    patient = config.model_copy(update={"llm_timeout_s": max(TIMEOUT_S, config.llm_timeout_s)})
    batches = batches_of(provider_of(patient, environ))
    if batches is None:
        raise InputError(
            f"--batch needs models with batches, and {name!r} has none; OpenAI, Anthropic and Gemini have them, and "
            "servers that speak their protocols may"
        )
    return Desk(batches, name)
