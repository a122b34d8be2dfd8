"""Policy families.

Adding one is a file here and its name in the loop below; from outside the package, ``FAMILIES.register(family)``.
"""

from __future__ import annotations

from typing import Any

from r2po.plugins import load_installed
from r2po.policies.base import DEFAULTS, PolicyConfig, PolicyFamily, clipped
from r2po.policies.code import Code
from r2po.policies.linear import Linear
from r2po.policies.numeric import Choices, NumericFamily, Range
from r2po.policies.policy import FunctionPolicy, Policy, Session
from r2po.policies.program import ProgramFamily
from r2po.policies.projected_mlp import ProjectedMLP
from r2po.policies.random_features import RandomFeatures
from r2po.policies.solution import Parameters, Program, Solution
from r2po.policies.tabular import Tabular
from r2po.registry import Registry
from r2po.tasks.spaces import Spaces

__all__ = [
    "FAMILIES",
    "Choices",
    "FunctionPolicy",
    "NumericFamily",
    "Parameters",
    "Policy",
    "PolicyConfig",
    "PolicyFamily",
    "Program",
    "ProgramFamily",
    "Range",
    "Session",
    "Solution",
    "clipped",
    "make_policy",
]

FAMILIES: Registry[type[PolicyFamily[Any]]] = Registry("policy", further=load_installed)
for _family in (Linear, Tabular, RandomFeatures, ProjectedMLP, Code):
    FAMILIES.register(_family)


def make_policy(name: str, spaces: Spaces, config: PolicyConfig = DEFAULTS) -> PolicyFamily[Any]:
    """Return the policy family called ``name`` over these spaces.

    Raises:
        InputError: No such family, it does not fit the spaces, or its settings are wrong.
    """
    return FAMILIES.find(name)(spaces, config)
