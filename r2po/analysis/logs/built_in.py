"""Methods and tasks of logs that do not say what they are: older ones of ours, and those of the published code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from r2po.runlog.facts import GREY, MethodFacts, Pair, Style, TaskFacts
from r2po.tasks import TASKS

SB3_ALGORITHMS = ("DQN", "DDPG", "TD3", "SAC", "A2C", "PPO", "TRPO")

_REVISION = Pair(proposal="proposal", revision="revision", role="critic")


def _method(
    name: str,
    label: str,
    style: Style,
    roles: Sequence[str] = ("search",),
    pair: Pair | None = None,
    *,
    searches: str = "",
) -> MethodFacts:
    calls = len(roles) and (2 if pair else 1)
    return {
        "name": name,
        "label": label,
        "style": style,
        "calls_per_iteration": calls,
        "evaluations_per_iteration": max(calls, 1),
        "roles": roles,
        "pair": pair,
        "revision_rule": name == "r2po",
        "searches": searches,
    }


def _style(colour: str, dashes: Sequence[float], marker: str) -> Style:
    return {"colour": colour, "dashes": dashes, "marker": marker}


_BOTH = ("search", "critic")
_LONG, _DOTS, _SHORT, _DASH_DOT, _DASH_DOTS = (4, 1.5), (1.2, 1.2), (2.5, 1), (6, 1.5, 1, 1.5), (4, 1.2, 1, 1.2, 1, 1.2)

BUILT_IN: Mapping[str, MethodFacts] = MappingProxyType(
    {
        facts["name"]: facts
        for facts in (
            _method("props", "ProPS", _style("#01a68f", _DOTS, "s")),
            _method("propsp", "ProPS+", _style("#ab4b46", _LONG, "^")),
            _method("r2po", "R2PO", _style("#003c97", (), "o"), _BOTH, _REVISION),
            _method("reptraj", "RepTraj", _style("#f58163", _LONG, "v"), _BOTH, _REVISION),
            _method("three_traj", "ThreeTraj", _style("#b0a4fe", _DASH_DOT, "D"), _BOTH, _REVISION),
            _method("always_critic", "AlwaysCritic", _style("#a28102", _DASH_DOTS, "P"), _BOTH, _REVISION),
            _method("critic_only", "CriticOnly", _style("#0170f7", _DOTS, "X"), ("critic",)),
            _method(
                "pure_search",
                "PureSearch",
                _style("#9d1700", _DASH_DOT, "<"),
                pair=Pair(proposal="proposal_a", revision="proposal_b", role="search"),
            ),
            _method(
                "actor_second_pass",
                "ActorSecondPass",
                _style("#874282", _SHORT, ">"),
                pair=Pair(proposal="first_pass", revision="second_pass", role="search"),
            ),
            _method("sb3", "SB3", _style("#debc2f", _DASH_DOT, "*"), ()),
            _method("random_search", "Random search", _style("#b2a0e2", _SHORT, "8"), ()),
            _method("evolution_strategy", "(1+λ)-ES", _style("#650551", _DASH_DOT, "h"), (), searches="tables"),
            _method("cma_es", "CMA-ES", _style("#a2741d", _DASH_DOT, "p"), (), searches="real parameters"),
            _method("ars", "ARS", _style("#7905dd", _DASH_DOTS, "d"), (), searches="real parameters"),
        )
    }
)
"""What run.yaml records today of each method, in the order of tables and figures. Frozen: older logs are read by it."""

_PUBLISHED_PAIRS = {"actor_second_pass": BUILT_IN["pure_search"]["pair"]}
"""Where the published code's logs call the candidates otherwise."""


def method_facts(name: str) -> MethodFacts:
    """Return what is known of a method by its name alone; of one that is not built in, that."""
    return BUILT_IN.get(name) or _method(name, name, GREY, ())


def published_method_facts(name: str) -> MethodFacts:
    """Return the same with the stages that the published code's logs have."""
    facts = method_facts(name)
    return {**facts, "pair": _PUBLISHED_PAIRS.get(name, facts["pair"])}


def method_order(name: str) -> tuple[int, str]:
    """Sort methods as the published tables do; others follow by name."""
    return (list(BUILT_IN).index(name) if name in BUILT_IN else len(BUILT_IN), name)


def task_facts(name: str) -> TaskFacts:
    """Return what is known of a task by its name alone; of one without a card, that."""
    if name in TASKS:
        return TASKS[name].facts()
    return {
        "name": name,
        "label": name,
        "policy": None,
        "optimum": None,
        "random_reward": None,
        "conservative_threshold": None,
    }
