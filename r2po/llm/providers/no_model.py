"""The provider of runs whose method asks no language model."""

from __future__ import annotations

from typing import NoReturn

from r2po.llm.types import Provider, Request
from r2po.runlog.facts import NO_MODEL


class NoModel(Provider):
    """Needs no key, contacts nobody, and is never asked."""

    name = NO_MODEL

    def complete(self, request: Request) -> NoReturn:
        """Refuse: only a method that declares calls may ask."""
        raise AssertionError(f"iteration {request.iteration}: a method without calls asked a model")
