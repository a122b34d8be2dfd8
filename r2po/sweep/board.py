"""Where all runs of a sweep stand, and the sums that a screen shows."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from r2po.sweep.messages import Progress

WINDOW_S = 300.0
"""Speed is that of the last five minutes."""


STUCK = ("failed", "damaged")
"""States of runs that do not go on by themselves."""


@dataclass(frozen=True)
class Speed:
    """How fast a sweep goes, per second."""

    iterations: float
    calls: float
    episodes: float


@dataclass(frozen=True)
class Total:
    """Sums over all runs.

    Attributes:
        states: Number of runs in each state.
        tokens: Tokens of the replies that say it.
        cost: Money; None if no run has prices.
        to_go: Iterations to go in runs that can go on.
    """

    states: Counter[str]
    calls: int
    tokens: int
    cost: float | None
    episodes: int
    iterations: int
    to_go: int

    @property
    def runs(self) -> int:
        """Number of runs."""
        return self.states.total()

    @property
    def done(self) -> int:
        """Number of complete runs."""
        return self.states["complete"]


@dataclass
class Board:
    """The name and the state of every run; by provider the pace that refusals set, in calls per second, and outages."""

    names: Sequence[str]
    runs: list[Progress]
    throttled: dict[str, float] = field(default_factory=dict)
    outages: dict[str, str] = field(default_factory=dict)
    """Since when there has been no answer, as people say it."""
    is_paused: bool = False
    _past: deque[tuple[float, Total]] = field(default_factory=deque, repr=False)

    def update(self, progress: Progress) -> None:
        """A run says where it stands."""
        self.runs[progress.run] = progress

    def set_state(self, run: int, state: str, now: str = "") -> None:
        """A run is in another state."""
        self.runs[run] = replace(self.runs[run], state=state, now=now)

    @property
    def total(self) -> Total:
        """The sums."""
        costs = [run.cost for run in self.runs if run.cost is not None]
        return Total(
            states=Counter(run.state for run in self.runs),
            calls=sum(run.calls for run in self.runs),
            tokens=sum(run.tokens for run in self.runs),
            cost=math.fsum(costs) if costs else None,
            episodes=sum(run.episodes for run in self.runs),
            iterations=sum(run.iterations for run in self.runs),
            to_go=sum(max(run.planned - run.iterations, 0) for run in self.runs if run.state not in STUCK),
        )

    def speed(self, now: float) -> Speed | None:
        """Remember the sums of this moment, and return the speed since those of some minutes ago; None at first."""
        total = self.total
        self._past.append((now, total))
        while now - self._past[0][0] > WINDOW_S:
            self._past.popleft()
        began, first = self._past[0]
        elapsed = now - began
        if elapsed <= 0:
            return None
        return Speed(
            max(0, total.iterations - first.iterations) / elapsed,  # less, if a run was begun anew
            max(0, total.calls - first.calls) / elapsed,
            max(0, total.episodes - first.episodes) / elapsed,
        )
