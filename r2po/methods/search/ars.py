"""Augmented random search (Mania, Guy and Recht 2018, arXiv:1803.07055), version V1-t.

Written here because no library fits: Stable-Baselines3's ARS rolls out torch policies of its own, and evosax needs
JAX. V2 differs in normalising observations, which would change the policy class that all methods share.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from r2po.methods.method import Method, style
from r2po.methods.search.black_box import Search, next_candidate
from r2po.methods.step import Step
from r2po.policies import NumericFamily, Parameters, Range
from r2po.trial import Candidate

DIRECTIONS = 4
"""N: directions tried before an update, each both ways."""

TOP_DIRECTIONS = 2
"""b: how many of them, the best ones, make the update."""

EXPLORATION_NOISE = 0.05
"""nu: standard deviation of the perturbations, as a share of the interval's width."""

STEP_SIZE = 0.05
"""alpha, as a share of the interval's width."""


def ars(step: Step) -> Candidate:
    """One perturbed policy of augmented random search; always kept."""
    return next_candidate(step, augmented_random_search)


def augmented_random_search(policy: NumericFamily, start: Parameters | None, random: np.random.Generator) -> Search:
    """Step along the best of random directions, weighted by the difference that they make.

    The first centre is the best warm-up policy; without a warm-up, the centre of the interval.
    """
    values = policy.values
    assert isinstance(values, Range)
    width = values.high - values.low
    centre = np.full(policy.size, (values.low + values.high) / 2) if start is None else np.array(start)
    while True:
        directions = random.standard_normal((DIRECTIONS, policy.size))
        rewards = np.empty((DIRECTIONS, 2))
        for index, direction in enumerate(directions):
            for side, sign in enumerate((1.0, -1.0)):
                perturbed = centre + sign * EXPLORATION_NOISE * width * direction
                rewards[index, side] = yield policy.clip(tuple(perturbed.tolist()))
        centre = np.clip(centre + STEP_SIZE * width * update(directions, rewards), values.low, values.high)


def update(directions: NDArray[np.float64], rewards: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the step, for a step size of 1.

    Args:
        directions: (N, n) perturbations.
        rewards: (N, 2) mean returns of the policies perturbed forwards and backwards.

    Returns:
        (n,), all zero if the best directions make no difference.
    """
    top = np.argsort(-rewards.max(axis=1), kind="stable")[:TOP_DIRECTIONS]
    spread = rewards[top].std()
    if spread == 0:
        return np.zeros(directions.shape[1])
    differences = rewards[top, 0] - rewards[top, 1]
    # Summed in a fixed order: the last bits of a BLAS product depend on the machine.
    step: NDArray[np.float64] = (differences[:, None] * directions[top]).sum(axis=0) / (TOP_DIRECTIONS * spread)
    return step


METHOD = Method(
    "ars",
    "ARS",
    ars,
    calls=0,
    style=style("#7905dd", (4, 1.2, 1, 1.2, 1, 1.2), "d"),
    searches="real parameters",
)
