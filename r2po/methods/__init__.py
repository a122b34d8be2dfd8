"""Methods.

Adding one is a file here and its name in a list below; from outside the package, ``METHODS.register(method)``.
"""

from __future__ import annotations

from r2po.methods import (
    actor_second_pass,
    always_critic,
    critic_only,
    props,
    propsp,
    pure_search,
    r2po,
    reptraj,
    three_traj,
)
from r2po.methods.method import Method, pair, style
from r2po.methods.search import ars, cma_es, evolution_strategy, random_search
from r2po.methods.step import Step, keep_best
from r2po.registry import Registry

__all__ = ["METHODS", "Method", "Step", "keep_best", "pair", "style"]

METHODS: Registry[Method] = Registry("method")
_PROMPTED = (props, propsp, r2po, reptraj, three_traj, always_critic, critic_only, pure_search, actor_second_pass)
_BLACK_BOX = (random_search, evolution_strategy, cma_es, ars)
for _module in (*_PROMPTED, *_BLACK_BOX):
    METHODS.register(_module.METHOD)
