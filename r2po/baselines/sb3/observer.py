"""The events that a suite reports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from r2po.baselines.sb3.plan import Plan


class SuiteObserver:
    """Ignores every event: the base of the screens."""

    def started(self, plans: Sequence[Plan], done: int) -> None:
        """The suite starts; ``done`` of its trials are complete."""

    def note(self, text: str) -> None:
        """Something worth one line happened."""

    def trial_started(self, plan: Plan) -> None:
        """A trial starts."""

    def evaluated(self, plan: Plan, record: dict[str, Any]) -> None:
        """The model was evaluated; ``record`` is the line in the log."""

    def trial_finished(self, plan: Plan, result: dict[str, Any]) -> None:
        """A trial is complete."""

    def algorithm_finished(self, name: str, summary: dict[str, Any]) -> None:
        """All trials of an algorithm are complete."""

    def close(self) -> None:
        """The suite is over, complete or not: leave the terminal as it was."""
