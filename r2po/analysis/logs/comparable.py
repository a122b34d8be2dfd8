"""Which experiments are compared with each other: one for each cell, in cohorts."""

from __future__ import annotations

from collections.abc import Sequence

from r2po.analysis.logs.built_in import BUILT_IN
from r2po.analysis.logs.evenness import uneven_runs
from r2po.analysis.logs.experiments import Cohort, ExperimentLogs, experiment_order
from r2po.analysis.logs.published import PROTOCOL
from r2po.runlog.facts import NO_MODEL, MethodFacts


def others(experiments: Sequence[ExperimentLogs]) -> list[MethodFacts]:
    """Return the methods of runs of ours that are not built in, by name: tables show them beside their own ones."""
    found = {each.method: each.facts for each in experiments if each.runs and each.runs[0].origin == "r2po"}
    return [found[name] for name in sorted(found.keys() - BUILT_IN.keys())]


def choose(experiments: Sequence[ExperimentLogs]) -> tuple[list[ExperimentLogs], list[str]]:
    """Choose the experiments that tables compare: with runs, in the method's own setting, one for each cell.

    Returns:
        They, and a line for each folder that is left out or odd.
    """
    chosen: dict[tuple[Cohort | None, str, str, str, str | None], ExperimentLogs] = {}
    lines = []
    for each in experiments:
        lines += [f"{each.path}: {line}" for line in (*each.problems, *each.notes)]
        if not each.runs or each.variant:
            continue
        lines += uneven_runs(each)
        key = (each.cohort, each.protocol, each.environment, each.method, each.algorithm)
        other = chosen.setdefault(key, each)
        if other is not each:
            kept, left = (each, other) if len(each.runs) > len(other.runs) else (other, each)
            chosen[key] = kept
            too = f"{kept.path} is {each.cell} too"
            lines.append(f"{left.path}: left out, {too}; keep them under different --logs-root")
    return list(chosen.values()), lines


def cohorts(experiments: Sequence[ExperimentLogs]) -> list[tuple[Cohort | None, list[ExperimentLogs]]]:
    """Part experiments by model and protocol; each part has the baselines without a language model beside it.

    Where a baseline was run under several protocols, a part takes the one that is closest to its own. What no part
    takes stands apart, by protocol.

    Returns:
        The parts, those of stand-ins last; a single one with the cohort None if there is no language model at all and
        one protocol.
    """
    without = [each for each in experiments if each.cohort is None]
    parts: dict[Cohort, list[ExperimentLogs]] = {}
    for each in experiments:
        if each.cohort is not None:
            parts.setdefault(each.cohort, []).append(each)
    protocols = {each.protocol for each in without}
    if not parts and len(protocols) <= 1:
        return [(None, without)] if without else []
    for cohort, members in parts.items():
        members += _closest(without, cohort.protocol)
    taken = {id(each) for members in parts.values() for each in members}
    for each in without:
        if id(each) not in taken:
            parts.setdefault(Cohort(stand_in=False, model=NO_MODEL, protocol=each.protocol), []).append(each)
    return [(cohort, sorted(parts[cohort], key=experiment_order)) for cohort in sorted(parts)]


def _closest(experiments: Sequence[ExperimentLogs], protocol: str) -> list[ExperimentLogs]:
    """Return one of each baseline on each environment: under this protocol, else under the one most like it."""
    chosen: dict[tuple[str, str, str | None], ExperimentLogs] = {}
    for each in sorted(experiments, key=lambda each: _distance(each.protocol, protocol)):
        chosen.setdefault((each.environment, each.method, each.algorithm), each)
    return list(chosen.values())


def _distance(one: str, other: str) -> int:
    # The published protocol is that of the published code, with its errors set right.
    return 0 if one == other else 1 if {one, other} == {PROTOCOL, "published"} else 2
