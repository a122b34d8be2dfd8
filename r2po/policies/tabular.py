"""Tabular policies: one action per state."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from r2po.errors import InputError
from r2po.policies.base import DEFAULTS, NoSettings, PolicyConfig
from r2po.policies.forms import TablePolicy
from r2po.policies.numeric import Choices, NumericFamily
from r2po.policies.solution import Parameters
from r2po.tasks.spaces import Spaces

MAX_STATES = 120


class Tabular(NumericFamily):
    """``params[s]`` is the action taken in state ``s``."""

    name = "tabular"

    def __init__(self, spaces: Spaces, config: PolicyConfig = DEFAULTS) -> None:
        config.read(NoSettings)
        if not (spaces.discrete_observation and spaces.discrete_action):
            raise InputError("policy 'tabular' needs numbered states and discrete actions; use 'linear' here")
        if spaces.observation_size > MAX_STATES:
            raise InputError(
                f"policy 'tabular' takes at most {MAX_STATES} states; this environment has {spaces.observation_size}"
            )
        first = spaces.first_action
        self.spaces = spaces
        self.size = spaces.observation_size
        self.values = Choices(tuple(range(first, first + spaces.action_size)))

    def sample(self, rng: np.random.Generator) -> Parameters:
        """Draw a uniform random legal action per state."""
        return tuple(int(value) for value in rng.choice(self.choices, self.size))

    def bind(self, params: Parameters, /) -> TablePolicy:
        """Return the policy that looks up its actions."""
        return TablePolicy(np.array(params, dtype=np.int64))

    def form(self, _observation_names: Sequence[str], _action_names: Sequence[str], /) -> str:
        """Say what index and value of a parameter mean."""
        return (
            "The policy is a table with one entry per state: "
            f"params[s] is the action taken in state s, for s = 0 to {self.size - 1}."
        )
