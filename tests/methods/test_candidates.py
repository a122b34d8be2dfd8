"""Candidates that failed or succeeded, and how methods compare them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from r2po.isolation.outcomes import Failure
from r2po.methods import keep_best
from r2po.policies import Program
from r2po.rollout import Rollouts
from r2po.trial import Candidate
from tests.builders import make_rollout


def tried(returns: Sequence[float], successes: Sequence[bool] | None = None) -> Candidate:
    rollouts = Rollouts.of([make_rollout([value], seed=seed) for seed, value in enumerate(returns)])
    if successes is not None:
        rollouts = Rollouts(
            rollouts.seeds, rollouts.returns, rollouts.lengths, rollouts.ends, rollouts.replay, tuple(successes)
        )
    return Candidate("proposal", Program("x"), Program("x"), "", rollouts)


def failed(*lengths: int) -> Candidate:
    failure = Failure("error", "In step 3 of an episode:\nline 4, in act\nKeyError: 7\n")
    return Candidate("revision", Program("y"), Program("y"), "", Rollouts.unfinished(lengths), failure=failure)


def test_what_works_is_kept_whatever_it_earns() -> None:
    poor = tried([-1e9])
    assert keep_best(poor, failed(2, 2)) is poor
    assert keep_best(failed(2, 2), poor) is poor
    both = failed(), failed(1)
    assert keep_best(*both) is both[1]


def test_a_failure_has_no_outcome_but_counts_its_steps() -> None:
    candidate = failed(2, 5)
    assert (candidate.reward, candidate.success, len(candidate.rollouts)) == (-math.inf, None, 0)
    assert candidate.rollouts.lengths.tolist() == [2, 5]
    assert candidate.failure is not None
    assert candidate.failure.line == "error: KeyError: 7"


def test_scores_go_by_success_first() -> None:
    assert tried([1.0, 3.0]).score == (2.0,)
    assert tried([1.0, 3.0], [True, False]).score == (0.5, 2.0)
    none, one, better = (tried([reward] * 2, [won, False]) for reward, won in ((9.0, False), (1.0, True), (2.0, True)))
    order = [failed(), none, one, better]
    assert sorted(order, key=lambda each: each.score) == order
    assert np.mean([True, False]) == tried([0.0, 0.0], [True, False]).success
