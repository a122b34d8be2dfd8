"""Black-box search: numerical optimizers as methods, which ask no language model.

An optimizer is a generator: it yields parameters and is sent their mean return. Every iteration starts it anew and
sends it the recorded returns, which brings it back to where it was: it has no state but the log, and a resumed run
continues as if nothing had happened. (For the 200 iterations of a run, CMA-ES takes about a second more for this.)
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Protocol

import numpy as np

from r2po.errors import InputError
from r2po.methods.asking import Answer
from r2po.methods.step import Step
from r2po.policies import NumericFamily, Parameters
from r2po.seeding import derive_seed
from r2po.trial import Candidate, Trial

Search = Generator[Parameters, float, None]
"""Yields parameters, is sent their mean return, and never ends."""


class Optimizer(Protocol):
    """Starts a search."""

    def __call__(self, policy: NumericFamily, start: Parameters | None, random: np.random.Generator, /) -> Search:
        """Search the policies of a family.

        Args:
            policy: The family; it says what values its parameters may take.
            start: The best warm-up policy, within the interval; None if there was no warm-up. Its reward comes
                from one rollout and is not passed on: an optimizer that wants to rely on it evaluates the policy.
            random: All randomness that the search may use.
        """


def next_candidate(step: Step, optimizer: Optimizer) -> Candidate:
    """Evaluate what an optimizer asks for next, after everything in the history.

    Raises:
        InputError: The policies have no parameters, or the history was not made by this optimizer.
    """
    policy = step.brief.policy
    if not isinstance(policy, NumericFamily):
        raise InputError(f"policy {policy.name!r} has no parameters that a numerical optimizer could search")
    random = np.random.default_rng(derive_seed(step.seed, "search"))
    search = optimizer(policy, _best_of_warmup(step, policy), random)
    params = next(search)
    for iteration, trial in enumerate((trial for trial in step.history if not trial.warmup), 1):
        _check(iteration, trial, params)
        params = search.send(trial.reward)
    search.close()
    return step.evaluate(Answer(params), "proposal")


def _best_of_warmup(step: Step, policy: NumericFamily) -> Parameters | None:
    warmup = [trial for trial in step.history if trial.warmup]
    best = max(warmup, key=lambda trial: trial.reward, default=None)
    if best is None:
        return None
    assert isinstance(best.solution, tuple)
    return policy.clip(best.solution)


def _check(iteration: int, trial: Trial, params: Parameters) -> None:
    if trial.solution != params:
        raise InputError(
            f"cannot continue: with the packages installed here, the search tries other parameters in iteration "
            f"{iteration} than the run has on record; install the versions that its run.yaml names"
        )
