"""A (1+λ) evolution strategy for tables."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from r2po.methods.method import Method, style
from r2po.methods.search.black_box import Search, next_candidate
from r2po.methods.step import Step
from r2po.policies import Choices, NumericFamily, Parameters
from r2po.trial import Candidate

CHILDREN = 4
"""λ: children of one parent. With 200 evaluations, few children leave many generations (50)."""


def evolution_strategy(step: Step) -> Candidate:
    """One child of the best table so far, with another action in a state or a few; always kept."""
    return next_candidate(step, one_plus_lambda)


def one_plus_lambda(policy: NumericFamily, start: Parameters | None, random: np.random.Generator) -> Search:
    """Mutate the parent λ times; the best child replaces it unless it is worse.

    The first parent is the best warm-up table, evaluated like any other, since its one rollout was no fair measure;
    without a warm-up, a random table.
    """
    assert isinstance(policy.values, Choices)
    parent = start or policy.sample(random)
    best = yield parent
    while True:
        children: list[tuple[Parameters, float]] = []
        for _ in range(CHILDREN):
            child = mutated(parent, policy.values.options, random)
            children.append((child, (yield child)))
        child, reward = max(children, key=lambda scored: scored[1])
        if reward >= best:
            parent, best = child, reward


def mutated(table: Parameters, options: tuple[int, ...], random: np.random.Generator) -> Parameters:
    """Change each of n states with probability 1/n, drawn again until one changes, to another action at random."""
    changes: NDArray[np.bool_] = np.zeros(len(table), dtype=bool)
    while not changes.any():
        changes = random.random(len(table)) < 1 / len(table)
    others = [[option for option in options if option != action] for action in table]
    return tuple(
        int(random.choice(other)) if change else action
        for action, other, change in zip(table, others, changes, strict=True)
    )


METHOD = Method(
    "evolution_strategy",
    "(1+λ)-ES",
    evolution_strategy,
    calls=0,
    style=style("#650551", (6, 1.5, 1, 1.5), "h"),
    searches="tables",
)
