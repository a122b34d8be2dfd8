"""The search for better constants of a program, once its structure is chosen: CMA-ES, which asks no model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from r2po.isolation.constants import Constant, rewritten
from r2po.methods.asking import Answer
from r2po.methods.promptpo.options import Options
from r2po.methods.search.cma_es import search_interval
from r2po.methods.step import Step, Tuning
from r2po.policies import Program, Range
from r2po.rollout import EvaluationFailed, Rollouts
from r2po.seeding import derive_seed
from r2po.trial import Candidate

_UNIT = Range(0.0, 1.0, decimals=6, asked=False)
"""What is searched: each constant as a share of the way from its least to its largest value."""
_SUCCESS = 1e9
"""What success counts beside a return: more than any. The search ranks values, so their size does not matter."""
TUNED = "_tuned"
"""In the stage of a tuned program, after that of the one that it was made from."""


def with_tuned_constants(step: Step, best: Candidate, options: Options, left: int | None) -> Candidate:
    """Return a round's best program with better constants, if any are found; else as it is.

    Args:
        step: The iteration.
        best: The program.
        options: The search's options.
        left: Evaluations that are left; None if there is no limit.
    """
    count = options.tune_evaluations
    if left is not None:  # one of them is for the tuned program
        count = min(count, (left - 1) * step.brief.num_evaluation_episodes // options.tune_episodes)
    if count < 1:
        return best
    assert step.open_tuning is not None
    with step.open_tuning(count) as tuning:
        about, source = _tune(step, tuning, best, count)
    candidate = best
    if source:
        tuned = step.evaluate(Answer(Program(source), best.call), f"{best.stage}{TUNED}")
        if tuned.failure is None and tuned.score > best.score:
            candidate = tuned
    step.note("tuning", {"of": best.stage, **about, "kept": candidate is not best})
    return candidate


def _tune(step: Step, tuning: Tuning, best: Candidate, count: int) -> tuple[dict[str, Any], str]:
    """Return what is noted, and the source with the best constants found; an empty one if they are the old ones."""
    program = best.solution
    assert isinstance(program, Program)
    try:
        constants = tuning.constants(program)
    except EvaluationFailed as failed:
        return {"refused": failed.failure.line}, ""
    about = {"from": {each.name: each.value for each in constants}}
    if all(each.low == each.high for each in constants):
        return about, ""
    values = _Tuner(step, tuning, program, constants).search(count, _worth(best.rollouts))
    if values is None or values == [each.value for each in constants]:
        return about, ""
    about["to"] = {each.name: value for each, value in zip(constants, values, strict=True)}
    return about, rewritten(program.source, constants, values)


class _Tuner:
    """A search for the constants of one program."""

    def __init__(self, step: Step, tuning: Tuning, program: Program, constants: Sequence[Constant]) -> None:
        self._step, self._tuning, self._program = step, tuning, program
        self._constants = constants
        self._free = [each for each in constants if each.low < each.high]

    def search(self, count: int, worth: float) -> list[float] | None:
        """Return the best values that ``count`` evaluations find; None if none of them worked.

        Args:
            count: How many evaluations.
            worth: What the program is worth as it is, to say how bad a failure is.
        """
        random = np.random.default_rng(derive_seed(self._step.seed, "iteration", self._step.iteration, "tuning"))
        start = [(each.value - each.low) / (each.high - each.low) for each in self._free]
        start += [0.5] * (2 - len(start))  # CMA-ES needs two numbers; the second of them then does nothing
        search = search_interval(_UNIT, len(start), tuple(start), random)
        best, largest, least = None, -math.inf, worth
        point = next(search)
        for _ in range(count):
            values = self._values(point)
            found = self._evaluated(values)
            if found > largest:
                best, largest = values, found
            # A failure is worse than whatever was seen; that is all which counts.
            found = least - 1.0 if found == -math.inf else found
            least = min(least, found)
            point = search.send(found)
        search.close()
        return best

    def _values(self, point: Sequence[float]) -> list[float]:
        shares = dict(zip((each.name for each in self._free), point, strict=False))
        return [each.near(each.low + shares.get(each.name, 0.0) * (each.high - each.low)) for each in self._constants]

    def _evaluated(self, values: Sequence[float]) -> float:
        """Return what the program is worth with these constants; -inf if it fails."""
        program = Program(rewritten(self._program.source, self._constants, values))
        try:
            return _worth(self._step.try_constants(self._tuning, program, values))
        except EvaluationFailed:
            return -math.inf


def _worth(rollouts: Rollouts) -> float:
    """Return what is compared, as one number: success if the task tells it, then the mean return."""
    success = 0.0 if rollouts.successes is None else float(np.mean(rollouts.successes))
    worth = _SUCCESS * success + rollouts.mean
    return worth if math.isfinite(worth) else -math.inf
