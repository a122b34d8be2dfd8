"""Which trials and steps prompts show, where they do not show all: for models with a short context."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import pydantic
from pydantic import Field
from typing_extensions import Self

from r2po.trial import Trial
from r2po.validation import Section

_Count = Annotated[int, Field(ge=0)]


class RolloutWindow(Section):
    """Prompts show the first and the last steps of a rollout. A rollout of at most as many steps is shown whole."""

    first: _Count
    last: _Count

    @pydantic.model_validator(mode="after")
    def _shows_something(self) -> Self:
        if self.first + self.last == 0:
            raise ValueError("first and last are both 0; expected at least one step to be shown")
        return self


class HistoryWindow(Section):
    """Prompts show the latest trials and the best of those before. A history of at most as many is shown whole."""

    best: _Count
    last: _Count

    @pydantic.model_validator(mode="after")
    def _shows_something(self) -> Self:
        if self.best + self.last == 0:
            raise ValueError("best and last are both 0; expected at least one trial to be shown")
        return self


def shown_trials(history: Sequence[Trial], window: HistoryWindow | None) -> list[tuple[int, Trial]]:
    """Return the trials that prompts show with their numbers, oldest first; of equally good ones, the latest."""
    numbered = list(enumerate(history))
    if window is None:
        return numbered
    start = max(len(numbered) - window.last, 0)
    by_reward = sorted(numbered[:start], key=lambda each: (each[1].reward, each[0]), reverse=True)
    return sorted([*by_reward[: window.best], *numbered[start:]], key=lambda each: each[0])


def left_out(history: Sequence[Trial], shown: int, window: HistoryWindow | None) -> str:
    """Say which trials a prompt does not show; empty if it shows all."""
    hidden = len(history) - shown
    if window is None or not hidden:
        return ""
    latest, best = f"the {window.last} latest", f"the {window.best} best"
    which = f"{best} of those before and {latest}" if window.best and window.last else latest if window.last else best
    return f"(Of {len(history)} trials, only {which} are shown.)"


def may_leave_out(history: Sequence[Trial], window: HistoryWindow | None) -> bool:
    """Whether the next prompt leaves out trials, so that its history does not begin with the whole of this one."""
    return window is not None and len(history) >= window.best + window.last


def steps(window: RolloutWindow | None, first: int | None = None, last: int = 0) -> tuple[int | None, int]:
    """Return how many steps to show from the beginning and from the end of a rollout, given the usual numbers.

    None stands for the whole rollout.
    """
    if window is None:
        return first, last
    return (window.first, window.last) if first is None else (min(first, window.first), min(last, window.last))
