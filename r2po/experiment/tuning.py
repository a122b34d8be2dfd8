"""The evaluations that tune the constants of a program: in one worker, and logged like all evaluations of programs."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from r2po.experiment.evaluations import Evaluations
from r2po.experiment.setting import Setting
from r2po.isolation.constants import Constant
from r2po.policies import Program
from r2po.policies.code import Code
from r2po.policies.workbench import Workbench
from r2po.rollout import Rollouts
from r2po.runlog.facts import TuningFacts


class Tuning:
    """The tuning of an iteration. What the log holds is not rolled out again; the constants are read each time.

    Args:
        setting: What is rolled out.
        evaluations: Where evaluations are logged.
        iteration: Number of the iteration.
        count: How many evaluations there are at most.
    """

    def __init__(self, setting: Setting, evaluations: Evaluations, iteration: int, count: int) -> None:
        policy = setting.policy
        assert isinstance(policy, Code)
        self._setting, self._evaluations, self._iteration = setting, evaluations, iteration
        self._bench = Workbench(policy.signature, policy.isolation, policy.imports, evaluations=count)
        self._seeds = setting.tuning_seeds(iteration)

    def constants(self, program: Program) -> Sequence[Constant]:
        """Return the constants that a program declares.

        Raises:
            EvaluationFailed: What it declares are none.
        """
        return self._evaluations.read(f"iteration {self._iteration}, constants", program, self._bench.constants)

    def evaluate(self, program: Program, values: Sequence[float], number: int) -> Rollouts:
        """Roll out a program whose constants have these values.

        Raises:
            EvaluationFailed: It does not work.
        """
        policy = self._setting.within_bounds(self._bench.bind(program))
        name = f"iteration {self._iteration}, tuning {number}"
        return self._evaluations.evaluate_bound(name, program, policy, self._seeds, constants=list(values))

    def __enter__(self) -> Tuning:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self._bench.close()


def tuning_facts(lengths: Sequence[NDArray[np.int64]]) -> TuningFacts:
    """Return what evaluations took, given the lengths of the episodes of each."""
    return {
        "evaluations": len(lengths),
        "episodes": sum(map(len, lengths)),
        "steps": int(sum(map(np.sum, lengths))),
    }
