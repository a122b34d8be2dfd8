"""One iteration of a method, with scripted replies and chosen returns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from r2po.methods import METHODS, Step
from r2po.policies import Parameters
from r2po.rollout import Rollouts
from r2po.trial import Candidate
from tests.builders import make_brief, make_rollouts, open_client
from tests.scripted import Scripted

PROPOSAL: Parameters = (1, 2, 3, 0, 1, 2, 3, 0, 1)
REVISION: Parameters = (1, 2, 3, 0, 1, 2, 3, 0, 0)
BRIEF = make_brief("maze")


class Evaluations:
    """Gives chosen returns, and remembers what was rolled out."""

    def __init__(self, *returns: Sequence[float]) -> None:
        self.returns = list(returns)
        self.made: list[tuple[Parameters, int]] = []

    def __call__(self, params: Parameters, candidate: int) -> Rollouts:
        self.made.append((params, candidate))
        return make_rollouts(self.returns.pop(0))


def iterate(
    method: str, provider: Scripted, evaluations: Evaluations, folder: Path, **changes: Any
) -> tuple[Candidate, Step]:
    """Run one iteration of a method."""
    with open_client(provider, folder) as client:
        step = Step(
            **{
                "brief": BRIEF,
                "history": [],
                "iteration": 4,
                "asker": client,
                "roll_out": evaluations,
                "clip": False,
                **changes,
            }
        )
        return METHODS[method].iterate(step), step
