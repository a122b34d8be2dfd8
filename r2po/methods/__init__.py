"""Methods. Adding one is a file here and a line in ``METHODS``."""

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
    )
}
