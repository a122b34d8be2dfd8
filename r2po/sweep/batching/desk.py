"""Where calls of one kind are collected for batches: those to a model of a server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from r2po.llm.providers.batches.batches import Batches


@dataclass(frozen=True)
class Desk:
    """Where calls of a kind are collected.

    Attributes:
        batches: Those of the server that is asked.
        model: The model.
    """

    batches: Batches
    model: str

    @property
    def place(self) -> tuple[str, str]:
        """What batches say of it."""
        return self.batches.address, self.model


class AllDesks(Protocol):
    """The desks of a sweep."""

    @property
    def all(self) -> list[Desk]:
        """All of them."""

    def of(self, run: int, role: str) -> Desk:
        """Return where the calls of a role of a run are collected."""
