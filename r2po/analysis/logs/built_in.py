"""Methods and tasks of logs that do not say what they are: older ones of ours, and those of the published code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from r2po.runlog.facts import GREY, MethodFacts, Pair, Style, TaskFacts, pair, style
from r2po.tasks import TASKS

OURS = "r2po"
BASELINES = ("props", "propsp", "sb3")
"""Methods that R2PO is compared with, in the order that decides ties; all algorithms of SB3 count as one."""
SB3_ALGORITHMS = ("DQN", "DDPG", "TD3", "SAC", "A2C", "PPO", "TRPO")

_BOTH, _REVISION = ("search", "critic"), pair("proposal", "revision", "critic")
_ROUNDS = ("search", "feedback", "reflection", "repair")
_TWO, _PASSES = pair("proposal_a", "proposal_b", "search"), pair("first_pass", "second_pass", "search")
_DOTS, _SHORT, _LONG, _DASH_DOT, _DASH_DOTS = (1.2, 1.2), (2.5, 1), (4, 1.5), (6, 1.5, 1, 1.5), (4, 1.2, 1, 1.2, 1, 1.2)


def _method(
    name: str,
    label: str,
    looks: Style,
    roles: Sequence[str] = ("search",),
    both: Pair | None = None,
    searches: str = "",
) -> MethodFacts:
    calls = len(roles) and (2 if both else 1)
    return {
        "name": name,
        "label": label,
        "style": looks,
        "calls_per_iteration": calls,
        "evaluations_per_iteration": max(calls, 1),
        "roles": roles,
        "pair": both,
        "revision_rule": name == "r2po",
        "searches": searches,
        "chooses_by_mean": bool(both) and name != "always_critic",
    }


_METHODS: tuple[MethodFacts, ...] = (
    _method("props", "ProPS", style("#01a68f", _DOTS, "s")),
    _method("propsp", "ProPS+", style("#ab4b46", _LONG, "^")),
    _method("r2po", "R2PO", style("#003c97", (), "o"), _BOTH, _REVISION),
    _method("reptraj", "RepTraj", style("#f58163", _LONG, "v"), _BOTH, _REVISION),
    _method("three_traj", "ThreeTraj", style("#b0a4fe", _DASH_DOT, "D"), _BOTH, _REVISION),
    _method("always_critic", "AlwaysCritic", style("#a28102", _DASH_DOTS, "P"), _BOTH, _REVISION),
    _method("critic_only", "CriticOnly", style("#0170f7", _DOTS, "X"), ("critic",)),
    _method("pure_search", "PureSearch", style("#9d1700", _DASH_DOT, "<"), both=_TWO),
    _method("actor_second_pass", "ActorSecondPass", style("#874282", _SHORT, ">"), both=_PASSES),
    _method("sb3", "SB3", style("#debc2f", _DASH_DOT, "*"), ()),
    _method("random_search", "Random search", style("#b2a0e2", _SHORT, "8"), ()),
    _method("evolution_strategy", "(1+λ)-ES", style("#650551", _DASH_DOT, "h"), (), searches="tables"),
    _method("cma_es", "CMA-ES", style("#a2741d", _DASH_DOT, "p"), (), searches="real parameters"),
    _method("ars", "ARS", style("#7905dd", _DASH_DOTS, "d"), (), searches="real parameters"),
    {
        **_method("promptpo", "PromptPO", style("#d205fb", (3, 1.2), "H"), _ROUNDS, searches="programs"),
        "calls_per_iteration": 11,
        "evaluations_per_iteration": 10,
        "chooses_by_mean": True,
    },
    {
        **_method("promptpo_tuned", "PromptPO tuned", style("#aa99dd", _LONG, "x"), _ROUNDS, searches="programs"),
        "calls_per_iteration": 11,
        "evaluations_per_iteration": 10,
        "chooses_by_mean": True,
    },
)
BUILT_IN: Mapping[str, MethodFacts] = MappingProxyType({facts["name"]: facts for facts in _METHODS})
"""What run.yaml records today of each method, in the order of tables and figures. Frozen: older logs are read by it."""


def method_facts(name: str) -> MethodFacts:
    """Return what is known of a method by its name alone; of one that is not built in, that."""
    return BUILT_IN.get(name) or _method(name, name, GREY, ())


def published_method_facts(name: str) -> MethodFacts:
    """Return the same with the stages that the published code's logs have, which call ActorSecondPass's otherwise."""
    facts = method_facts(name)
    return {**facts, "pair": _TWO} if name == "actor_second_pass" else facts


def needs_reevaluation(facts: MethodFacts) -> bool:
    """Return whether the rewards of a method are the best of several noisy means, and so biased upwards.

    Logs of earlier versions do not say it: what is built in is known by its name, and of other methods those that roll
    out several candidates per iteration count as choosing between them.
    """
    known = BUILT_IN.get(facts["name"], facts)
    several = facts["pair"] is not None or facts["evaluations_per_iteration"] > 1
    return facts.get("chooses_by_mean", known.get("chooses_by_mean", several))


def method_order(name: str) -> tuple[int, str]:
    """Sort methods as the published tables do; others follow by name."""
    return (list(BUILT_IN).index(name) if name in BUILT_IN else len(BUILT_IN), name)


def task_facts(name: str) -> TaskFacts:
    """Return what is known of a task by its name alone; of one without a card, that."""
    if name in TASKS:
        return TASKS[name].facts()
    return TaskFacts(name=name, label=name, policy=None, optimum=None, random_reward=None, conservative_threshold=None)
