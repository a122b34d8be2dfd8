"""The policies of the plugin: push right where a weighted sum of the observations is above zero."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from r2po.policies import FunctionPolicy, NumericFamily, Parameters, Policy, PolicyConfig, Range
from r2po.policies.base import DEFAULTS
from r2po.tasks.spaces import Spaces

SOURCE = '''class Policy:
    """A line that divides the observations into two halves."""

    def act(self, obs):
        """Return the number of the action for an observation."""
        total = {bias!r}
        for weight, value in zip({weights!r}, obs):
            total += weight * float(value)
        return int(total > 0)'''


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
        return Half([float(each) for each in params])

    def form(self, observation_names: Sequence[str], action_names: Sequence[str], /) -> str:
        terms = " + ".join(f"params[{index}] * s[{index}]" for index in range(len(observation_names)))
        return f"{action_names[1]} where {terms} + params[{self.size - 1}] > 0, else {action_names[0]}."


class Half(FunctionPolicy):
    """One of them."""

    def __init__(self, params: Sequence[float]) -> None:
        *self._weights, self._bias = params
        super().__init__(self._act)

    def as_python(self) -> str:
        return SOURCE.format(weights=self._weights, bias=self._bias)

    def _act(self, observations: NDArray[np.float64]) -> NDArray[np.int64]:
        total: NDArray[np.float64] = np.full(len(observations), self._bias)
        for column, weight in enumerate(self._weights):
            total = total + weight * observations[:, column]
        return (total > 0).astype(np.int64)
