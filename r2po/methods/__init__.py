"""Methods.

Adding one is a file here and its name in the registry below; from outside the package, ``METHODS.register(method)``.
"""

from __future__ import annotations

from r2po.methods import ablations, props, r2po
from r2po.methods.method import Method, pair, style
from r2po.methods.promptpo.method import METHOD as PROMPTPO
from r2po.methods.promptpo.tuned import METHOD as PROMPTPO_TUNED
from r2po.methods.search import ars, cma_es, evolution_strategy, random_search
from r2po.methods.step import Step, keep_best
from r2po.plugins import load_installed
from r2po.registry import Registry

__all__ = ["METHODS", "Method", "Step", "keep_best", "pair", "style"]

METHODS: Registry[Method] = Registry(
    "method",
    *props.METHODS,
    r2po.METHOD,
    *ablations.METHODS,
    PROMPTPO,
    PROMPTPO_TUNED,
    further=load_installed,
)
for _optimizer in (random_search, evolution_strategy, cma_es, ars):
    METHODS.register(_optimizer.METHOD)
