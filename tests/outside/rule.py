"""A family of policies from outside the package, whose candidates are texts such as ``s[4] > 0.5: 2 else 0``."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from r2po.errors import UnusableReply
from r2po.policies import FAMILIES, FunctionPolicy, Policy, PolicyConfig, Program, ProgramFamily
from r2po.policies.base import DEFAULTS
from r2po.tasks.spaces import Spaces

RULE = re.compile(r"s\[(\d)\] > (-?\d+\.\d+): (\d) else (\d)")


class Rule(ProgramFamily):
    """One comparison decides between two actions."""

    name = "rule"

    def __init__(self, spaces: Spaces, config: PolicyConfig = DEFAULTS) -> None:
        self.spaces = spaces

    def sample(self, rng: np.random.Generator) -> Program:
        feature, low, high = rng.integers(self.spaces.observation_size), *rng.integers(self.spaces.action_size, size=2)
        return Program(f"s[{feature}] > {rng.normal():.2f}: {high} else {low}")

    def bind(self, program: Program, /) -> Policy:
        found = RULE.fullmatch(program.source)
        assert found is not None
        feature, threshold, above, below = int(found[1]), float(found[2]), int(found[3]), int(found[4])

        def act(observations: NDArray[np.float64]) -> NDArray[np.int64]:
            return np.where(observations[:, feature] > threshold, above, below)

        return FunctionPolicy(act)

    def form(self, _observation_names: Sequence[str], _action_names: Sequence[str], /) -> str:
        return "The policy is a rule: s[i] > threshold: action else action."

    def reply_format(self, _account: str, /, *, structured: bool) -> str:
        return "Give the rule on the first line of your reply."

    def read(self, text: str, /) -> Program:
        found = RULE.search(text)
        if found is None:
            raise UnusableReply("there is no rule")
        return Program(found[0])


FAMILIES.register(Rule)
