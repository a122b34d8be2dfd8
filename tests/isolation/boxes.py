"""Policies in boxes, for the tests of this room."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import dedent, indent
from typing import Any

import numpy as np
import pytest

from r2po.isolation.box import Box
from r2po.isolation.limits import Limits
from r2po.isolation.outcomes import Failure, PolicyFailed
from r2po.isolation.protocol import Signature

VECTOR = Signature(4, 2, discrete=False)
CHOICE = Signature(4, 3, discrete=True)

GRAPH = """
def loaded(name):
    for kind in object.__subclasses__():
        if kind.__name__ == "_wrap_close":
            return kind.__init__.__globals__["sys"].modules[name]
"""
"""The head of a policy that goes around the filter of imports."""


def policy(body: str, head: str = "") -> str:
    """Return the source of a policy whose ``act`` has these lines."""
    return f"{dedent(head)}\nclass Policy:\n    def act(self, obs):\n{indent(dedent(body), ' ' * 8)}\n"


def take(
    source: str, signature: Signature = VECTOR, *, seeds: Sequence[int] = (0,), steps: int = 1, **options: Any
) -> list[Any]:
    """Return the actions of some steps of all episodes."""
    observations = np.arange(4.0 * len(seeds)).tobytes()
    slots = range(len(seeds))
    with Box(**options) as box:
        box.load(source, seeds, signature)
        actions = [np.array(box.act(slots, observations)) for _ in range(steps)]
    shape = (len(seeds),) if signature.discrete else (len(seeds), signature.action_size)
    return [action.reshape(shape).tolist() for action in actions]


def fail(source: str, signature: Signature = VECTOR, limits: Limits | None = None, **options: Any) -> Failure:
    """Return how a policy fails."""
    with pytest.raises(PolicyFailed) as caught:
        take(source, signature, limits=limits, **options)
    return caught.value.failure
