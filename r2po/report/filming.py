"""Pictures are added to the rollouts of the best policies, within the limit of time, and what has none is counted."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from r2po.experiment.setting import Setting
from r2po.report.films import film_of
from r2po.report.packing import Values


@dataclass
class Filmed:
    """What came of taking pictures.

    Attributes:
        taken: So many rollouts have pictures.
        different: So many came out otherwise than the log says when they were drawn.
        late: For so many there was no time.
        problem: Why no more could be taken; empty if nothing kept them from it.
    """

    taken: int = 0
    different: int = 0
    late: int = 0
    problem: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether nothing is missing."""
        return not (self.different or self.late or self.problem)

    def words(self) -> list[str]:
        """Return what readers must know, in parts of a sentence."""
        parts = [
            f"{self.taken} with pictures by the environment's renderer" if self.taken else "",
            f"{self.different} without pictures, since drawing did not give the logged return"
            if self.different
            else "",
            f"{self.late} without pictures, for which there was no time" if self.late else "",
            self.problem,
        ]
        return [part for part in parts if part]


def film(
    setting: Setting,
    rollouts: dict[int, Values],
    wanted: Sequence[tuple[int, Values]],
    deadline: float,
    tell: Callable[[str], None],
    one_line: Callable[[Exception], str],
) -> Filmed:
    """Add pictures to rollouts.

    Args:
        setting: Where policies are rolled out.
        rollouts: By the place of their candidate; those with pictures get them under ``film``.
        wanted: Candidates, with their places; those without a rollout are passed over.
        deadline: Processor time at which no other one is begun.
        tell: Called with how far it is.
        one_line: What is told of an error.
    """
    done = Filmed()
    present = [(place, candidate) for place, candidate in wanted if place in rollouts]
    for number, (place, candidate) in enumerate(present):
        if time.process_time() > deadline:
            done.late = len(present) - number
            break
        tell(f"taking pictures of the best policies: {number + 1} of {len(present)}")
        try:
            found = _film_of(setting, candidate, rollouts[place]["k"])
        except Exception as error:  # noqa: BLE001 - renderers have errors of their own; what was rolled out stays
            done.problem = f"no more pictures could be taken: {one_line(error)}"
            break
        if found is None:
            done.different += 1
        else:
            rollouts[place]["film"] = found
            done.taken += 1
    return done


def _film_of(setting: Setting, candidate: Values, index: int) -> Values | None:
    seed = setting.seeds(candidate["i"], candidate["j"])[index]
    policy = setting.bind(setting.policy.load({"params": candidate["params"]}))
    return film_of(setting, policy, seed, candidate["returns"][index])
