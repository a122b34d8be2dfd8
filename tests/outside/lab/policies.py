"""The policies of the plugin: push right where ``p0 place + p1 drift + p2`` is above zero."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from r2po.policies import FunctionPolicy, NumericFamily, Parameters, Policy, PolicyConfig, Range
from r2po.policies.base import DEFAULTS
from r2po.tasks.spaces import Spaces


class Halves(NumericFamily):
    """A line that divides the observations into two halves."""

    name = "halves"

    def __init__(self, spaces: Spaces, config: PolicyConfig = DEFAULTS) -> None:
        self.spaces = spaces
        self.size = spaces.observation_size + 1
        self.values = Range(-6.0, 6.0, 1)

    def sample(self, rng: np.random.Generator) -> Parameters:
        return self.on_grid(rng.normal(0.0, 2.0, self.size))

    def bind(self, params: Parameters, /) -> Policy:
        *weights, bias = params

        def act(observations: NDArray[np.float64]) -> NDArray[np.int64]:
            total: NDArray[np.float64] = np.full(len(observations), bias)
            for column, weight in enumerate(weights):
                total = total + weight * observations[:, column]
            return (total > 0).astype(np.int64)

        return FunctionPolicy(act)

    def form(self, observation_names: Sequence[str], action_names: Sequence[str], /) -> str:
        terms = " + ".join(f"params[{index}] * s[{index}]" for index in range(len(observation_names)))
        return f"{action_names[1]} where {terms} + params[{self.size - 1}] > 0, else {action_names[0]}."
