"""Linear policies: ``a = argmax(s W + b)`` for discrete actions, ``a = s W + b`` for continuous ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from r2po.errors import InputError
from r2po.policies.base import DEFAULTS, NoSettings, PolicyConfig
from r2po.policies.forms import NetworkPolicy, make_network
from r2po.policies.numeric import NumericFamily, Range
from r2po.policies.solution import Parameters
from r2po.tasks.spaces import Spaces

WARMUP_STD = 3.0


class Linear(NumericFamily):
    """One weight per observation dimension and action dimension, and optionally a bias per action dimension.

    Flat layout (R2PO): row-major (observation dimensions + 1) x action dimensions; the bias is the last row.
    """

    name = "linear"

    def __init__(self, spaces: Spaces, config: PolicyConfig = DEFAULTS) -> None:
        config.read(NoSettings)
        if spaces.discrete_observation:
            raise InputError(
                "policy 'linear' needs an observation vector; this environment has numbered states: 'tabular'"
            )
        self.spaces = spaces
        self.bias = config.bias
        self.rows = spaces.observation_size + config.bias
        self.columns = spaces.action_size
        self.size = self.rows * self.columns
        self.values = Range(-6.0, 6.0, 1)

    def sample(self, rng: np.random.Generator) -> Parameters:
        """Draw every weight and bias from Normal(0, 3), rounded to 1 decimal, not clipped (ProPS, R2PO)."""
        return tuple(float(value) + 0.0 for value in np.round(rng.normal(0.0, WARMUP_STD, self.size), 1))

    def bind(self, params: Parameters, /) -> NetworkPolicy:
        """Return the policy; float64 throughout, summed in the order of the observation dimensions, then the bias."""
        matrix = np.array(params, dtype=np.float64).reshape(self.rows, self.columns)
        dimensions = self.spaces.observation_size
        network = make_network(matrix[:dimensions], matrix[dimensions] if self.bias else None)
        return NetworkPolicy(network, self.spaces.first_action if self.spaces.discrete_action else None)

    def form(self, observation_names: Sequence[str], action_names: Sequence[str], /) -> str:
        """Name every parameter by its row and column."""
        rows = [f"weights of s[{i}], {name}" for i, name in enumerate(observation_names)]
        rows += ["biases b"] if self.bias else []
        lines = [f"- {self._row(row)}: {text}" for row, text in enumerate(rows)]
        bias = " + b" if self.bias else ""
        if self.spaces.discrete_action:
            scores = "one score per action" if self.columns > 1 else "one score"
            rule = f"The policy computes {scores}, score = s W{bias}, and takes the action with the highest score."
            columns = "actions " + ", ".join(
                f"{self.spaces.first_action + i} ({name})" for i, name in enumerate(action_names)
            )
        else:
            rule = f"The policy is linear: action = s W{bias}."
            columns = "action dimensions " + ", ".join(f"a[{i}] ({name})" for i, name in enumerate(action_names))
        layout = f"W has one row per state dimension and one column for each of the {columns}."
        if self.columns == 1:
            layout = f"W has one row per state dimension and a single column, for {action_names[0]}."
        return "\n".join([rule, layout, "The parameters row by row, in column order:", *lines])

    def form_briefly(self, _observation_names: Sequence[str], _action_names: Sequence[str], /) -> str:
        """Name every parameter by its dimension and action; the environment's section names these."""
        if self.spaces.discrete_action:
            first, bias = self.spaces.first_action, " + b[a]" if self.bias else ""
            rule = f"The policy takes the action a with the highest score, s W[:, a]{bias}. The parameters:"
            actions = [str(first + column) for column in range(self.columns)]
            ends = f"action{'' if self.columns == 1 else 's'} {', '.join(actions)}"
        else:
            rule = f"The policy is linear: a = s W{' + b' if self.bias else ''}. The parameters:"
            ends = ", ".join(f"a[{column}]" for column in range(self.columns))
        weights = "weight" if self.columns == 1 else "weights"
        rows = [f"{weights} W of s[{row}] for {ends}" for row in range(self.spaces.observation_size)]
        rows += [f"{'bias' if self.columns == 1 else 'biases'} b of {ends}"] if self.bias else []
        return "\n".join([rule, *(f"- {self._each(row)}: {text}" for row, text in enumerate(rows))])

    def _each(self, row: int) -> str:
        return ", ".join(f"params[{row * self.columns + column}]" for column in range(self.columns))

    def _row(self, row: int) -> str:
        first = row * self.columns
        return f"params[{first}]" if self.columns == 1 else f"params[{first}] to params[{first + self.columns - 1}]"
