"""What a list of runs shows of one of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from r2po.report.packing import Values

State = Literal["running", "done", "stopped", "damaged", "unread"]

POINTS = 60
"""So many points of a curve are shown at most."""
_DIGITS = 6


@dataclass(frozen=True)
class Summary:
    """A run as far as a cheap look tells; what it does not tell is None.

    Attributes:
        state: ``running`` if a process holds it, ``done`` if it has a result, ``unread`` if there was no time yet.
        note: What is damaged, or what else readers must know.
        head: Its method, environment, badges and the like, as the head of its page has them.
        model: Name of the model; of an experiment without one, a dash.
        planned: Iterations that it is meant to have.
        numbers: The number of each iteration.
        rewards: Its mean return; not a number where no policy worked.
        best: The best so far, likewise.
        highest: The best of a run of which only that is told, and no iterations.
        episodes: Spent in all.
        calls: Replies in all.
        heldout: Mean return of the best policy on fresh episodes.
        cost: Money.
        target: The return that counts as solved.
        settings: Name and value of each setting.
        seed: Its seed.
        protocol: Its protocol.
        stamp: Names the state of the files that its page shows.
    """

    state: State
    note: str = ""
    head: Values = field(default_factory=dict)
    model: str = ""
    planned: int | None = None
    numbers: Sequence[int] = ()
    rewards: Sequence[float] = ()
    best: Sequence[float] = ()
    highest: float | None = None
    episodes: int | None = None
    calls: int | None = None
    heldout: float | None = None
    cost: float | None = None
    target: float | None = None
    settings: Sequence[Sequence[str]] = ()
    seed: int | None = None
    protocol: str = ""
    stamp: str = ""

    @property
    def is_known(self) -> bool:
        """Whether it is known what was run; else it can be compared with nothing."""
        return self.head.get("method", "?") != "?" or bool(self.settings)

    @property
    def is_stand_in(self) -> bool:
        """Whether an embedded stand-in answered instead of a language model."""
        return any("stand-in" in badge for badge in self.head.get("badges", ()))

    def row(self) -> Values:
        """Return what the page of all runs is given of it."""
        badges: list[str] = self.head.get("badges", [])
        return {
            "state": self.state,
            "note": self.note,
            "method": self.head.get("method") or "?",
            "environment": self.head.get("environment") or "?",
            "model": self.model,
            "stand_in": self.is_stand_in,
            "marks": [each for each in badges if "stand-in" not in each and each != "not complete"],
            "iterations": len(self.numbers),
            "planned": self.planned,
            "best": known(self.best[-1]) if len(self.best) else self.highest,
            "curve": curve(self.best),
            "heldout": self.heldout,
            "cost": self.cost,
            "seed": self.seed,
            "protocol": self.protocol,
            "stamp": self.stamp,
        }

    def core(self) -> Values:
        """Return as much of the block ``core`` as a comparison needs."""
        iterations: list[Values] = [
            {"n": n, "reward": known(reward), "best": known(best)}
            for n, reward, best in zip(self.numbers, self.rewards, self.best, strict=True)
        ]
        if iterations:
            iterations[-1] |= {"episodes": self.episodes, "calls": self.calls}
        return {
            "head": {**self.head, "complete": self.state == "done"},
            "settings": self.settings,
            "target": self.target,
            "iterations": iterations,
            "heldout": None if self.heldout is None else {"reward": self.heldout},
            "cost": self.cost,
        }


def known(value: float) -> float | None:
    """Return a number; None for what is none."""
    return float(value) if math.isfinite(value) else None


def curve(best: Sequence[float]) -> list[Any]:
    """Return the best so far at up to ``POINTS`` iterations, both ends included; None where no policy worked yet."""
    last = len(best) - 1
    many = min(POINTS, len(best))
    places = range(len(best)) if many == len(best) else [round(at * last / (many - 1)) for at in range(many)]
    values = (known(best[place]) for place in places)
    return [None if value is None else float(f"{value:.{_DIGITS}g}") for value in values]
