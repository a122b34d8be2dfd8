"""The provider of runs whose method asks no language model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from r2po.llm.types import Request
from r2po.runlog.facts import NO_MODEL


class NoModel:
    """Needs no key, contacts nobody, and is never asked."""

    name = NO_MODEL
    is_stand_in = False

    def check(self) -> None:
        """There is nothing to reach."""

    def restore(self, sent: Mapping[str, Any]) -> None:
        """There is nothing to remember."""

    def complete(self, request: Request) -> NoReturn:
        """Refuse: only a method that declares calls may ask."""
        raise AssertionError(f"iteration {request.iteration}: a method without calls asked a model")
