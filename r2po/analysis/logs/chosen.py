"""The methods that a command is asked for: which, and in which order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from r2po.analysis.logs.built_in import BUILT_IN, SB3_ALGORITHMS, method_facts
from r2po.analysis.logs.experiments import ExperimentLogs, experiment_order
from r2po.analysis.logs.names import parse_method
from r2po.errors import InputError, nearest
from r2po.runlog.facts import MethodFacts


class Chosen(NamedTuple):
    """What a command compares.

    Attributes:
        experiments: Those of the methods, in their order, and folders without runs, which a command names.
        methods: The methods, as asked for.
    """

    experiments: list[ExperimentLogs]
    methods: tuple[MethodFacts, ...]


def with_policy(facts: MethodFacts, policy: str) -> MethodFacts:
    """Return the facts of a method with policies of another family, as a method of its own: ``r2po:code``."""
    return {**facts, "name": f"{facts['name']}:{policy}", "label": f"{facts['label']} ({policy})"}


def choose_methods(experiments: Sequence[ExperimentLogs], names: Sequence[str]) -> Chosen:
    """Return the experiments of some methods, in the order of these.

    Args:
        experiments: What was found.
        names: Keys or labels of methods, built in or found; followed by ``:code``, or another family of policies that
            is not the environment's own, the same method with such policies. All if empty.

    Raises:
        InputError: There is no such method, or one is named twice.
    """
    if not names:
        return Chosen(list(experiments), ())
    found = {each.method: each.facts for each in experiments if each.runs}
    keys = [_key(name, experiments) for name in names]
    for key, name in zip(keys, names, strict=True):
        if keys.count(key) > 1:
            raise InputError(f"--methods names {name!r} twice")
    methods = []
    for method, policy in keys:
        facts = found.get(method) or method_facts(method)
        methods.append(with_policy(facts, policy) if policy else facts)
    places = dict(zip(keys, enumerate(methods), strict=True))
    members = [each for each in experiments if not each.runs]
    for each in experiments:
        own = (each.method, each.variant)
        if each.runs and each.variant and own in places:
            place, facts = places[own]
            members.append(replace(each, variant="", facts=facts, place=place))
        elif each.runs and (each.method, "") in places:
            members.append(replace(each, place=places[each.method, ""][0]))
    return Chosen(sorted(members, key=experiment_order), tuple(methods))


def _key(name: str, experiments: Sequence[ExperimentLogs]) -> tuple[str, str]:
    """Return the key of a method and the family of its policies; the latter is empty for the environment's own."""
    facts = [each.facts for each in experiments if each.runs]
    try:
        return parse_method(name, facts), ""
    except InputError:
        if name.upper().removeprefix("SB3-") in SB3_ALGORITHMS:
            raise
        base, _, policy = name.rpartition(":")
    variants = {each.variant for each in experiments if each.runs} | {"code"}
    try:
        if base and policy in variants:
            return parse_method(base, facts), policy
    except InputError:
        pass
    names = list(dict.fromkeys(each["name"] for each in facts))
    hint = nearest(name, [*names, *BUILT_IN])
    raise InputError(f"--methods: no method {name!r}{hint}; in these logs: {', '.join(names) or 'none'}")
