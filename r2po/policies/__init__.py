"""Policy families. Adding one is a file here and a line in ``FAMILIES``."""

from __future__ import annotations

from collections.abc import Callable

from r2po.errors import unknown
from r2po.policies.base import Choices, Interval, Parameters, Policy, PolicyFamily, clipped
from r2po.policies.linear import Linear
from r2po.policies.tabular import Tabular
from r2po.tasks.spaces import Spaces

__all__ = ["FAMILIES", "Choices", "Interval", "Parameters", "Policy", "PolicyFamily", "clipped", "make_policy"]

FAMILIES: dict[str, Callable[..., PolicyFamily]] = {
    Linear.name: Linear,
    Tabular.name: Tabular,
}


def make_policy(name: str, spaces: Spaces, *, bias: bool = True) -> PolicyFamily:
    """Return the policy family called ``name`` over these spaces.

    Raises:
        InputError: No such family, or it does not fit the spaces.
    """
    if name not in FAMILIES:
        raise unknown("policy", name, FAMILIES)
    return Linear(spaces, bias=bias) if name == Linear.name else FAMILIES[name](spaces)
