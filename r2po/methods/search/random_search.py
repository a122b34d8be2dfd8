"""Random search: what comes of guessing at the same budget."""

from __future__ import annotations

import numpy as np

from r2po.methods.method import Method, style
from r2po.methods.search.black_box import Search, next_candidate
from r2po.methods.step import Step
from r2po.policies import NumericFamily, Parameters, Range
from r2po.trial import Candidate


def random_search(step: Step) -> Candidate:
    """One policy, drawn uniformly from all that may be asked for; always kept."""
    return next_candidate(step, uniform_policies)


def uniform_policies(policy: NumericFamily, _start: Parameters | None, random: np.random.Generator) -> Search:
    """Draw every parameter uniformly: a real number of the interval, or one of the choices."""
    values = policy.values
    while True:
        if isinstance(values, Range):
            yield tuple(random.uniform(values.low, values.high, policy.size).tolist())
        else:
            yield tuple(random.choice(values.options, policy.size).tolist())


METHOD = Method(
    "random_search",
    "Random search",
    random_search,
    calls=0,
    style=style("#b2a0e2", (2.5, 1), "8"),
)
