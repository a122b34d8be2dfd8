"""Methods. Adding one is a file here and a line in ``METHODS``."""

from __future__ import annotations

from r2po.methods import (
    actor_second_pass,
    always_critic,
    ars,
    cma_es,
    critic_only,
    evolution_strategy,
    props,
    propsp,
    pure_search,
    r2po,
    random_search,
    reptraj,
    three_traj,
)
from r2po.methods.method import Method
from r2po.methods.step import Step, keep_best

__all__ = ["METHODS", "Method", "Step", "keep_best"]

METHODS: dict[str, Method] = {
    module.METHOD.name: module.METHOD
    for module in (
        props,
        propsp,
        r2po,
        reptraj,
        three_traj,
        always_critic,
        critic_only,
        pure_search,
        actor_second_pass,
        random_search,
        evolution_strategy,
        cma_es,
        ars,
    )
}
