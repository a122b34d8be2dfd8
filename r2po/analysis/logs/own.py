"""Runs in this project's format, as ``RunData``. docs/run-log.md explains all fields."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
from pydantic import ConfigDict, with_config
from typing_extensions import NotRequired, TypedDict

from r2po.analysis.logs.built_in import method_facts, task_facts
from r2po.analysis.logs.identities import told_identities
from r2po.analysis.logs.iteration_data import CandidateData, IterationData, candidate_data
from r2po.analysis.logs.names import environment_key
from r2po.analysis.logs.plugins import plugins_hash
from r2po.analysis.logs.prompts import privilege, prompts_hash, told_prompts
from r2po.analysis.logs.reevaluated import read_reevaluated
from r2po.analysis.logs.run_data import Floats, Heldout, RunData, Spent, Unusable
from r2po.errors import InputError
from r2po.runlog import RunDirectory
from r2po.runlog.chain import Chain
from r2po.runlog.consistency import check_result, contradicted
from r2po.runlog.facts import MethodFacts, TaskFacts
from r2po.runlog.intact import check_end
from r2po.runlog.jsonl import DamagedLog, complete_lines, sums_of
from r2po.runlog.records import (
    Candidates,
    Finite,
    HeldoutFigures,
    Outcome,
    checked,
)

STUDY_DEFAULT = "tau_c default"
"""Variant of the study's experiment with the method's own tau_c: the critic is told the rule in other words."""


def load_own_run(directory: RunDirectory) -> RunData:
    """Read the complete iterations of one run in this project's format.

    Raises:
        Unusable: There is none, or a file is missing, damaged or holds a number that is not finite.
    """
    path = directory.path
    try:
        description = directory.read_description()
        config = checked(_Config, description["config"], "run.yaml, config")
        outcomes = directory.read_iterations_as(Outcome)
        if not outcomes:
            raise Unusable("no complete iteration yet")
        worked = _worked(outcomes)
        result = _read_result(directory, outcomes) if directory.is_complete else None
        torn = _torn(directory.iterations)
        lost = () if result else _lost_trials(directory, outcomes)
    except (InputError, OSError, RecursionError) as error:
        raise Unusable(str(error).replace(f"{path}/", "")) from None
    task = description.get("task") or task_facts(environment_key(config["gym_env_name"]))
    facts = description.get("method") or method_facts(config["method"])
    replayed = description.get("replay_of")
    differing = result.get("differing_prompts") or 0 if result else 0
    replay = (f"a replay of {replayed}: the same sample, not another one",) if replayed else ()
    idle = len(outcomes) - len(worked)
    failed = (f"in {idle} of {len(outcomes)} iterations no policy worked",) if idle else ()
    accepted = {record["iteration"]: (record["reward"], record["accepted"]) for record in worked}
    logged = [(record["iteration"], record["reward"]) for record in worked]
    reevaluated, unfit = read_reevaluated(directory.reevaluation, logged)
    return RunData(
        path=path,
        origin="r2po",
        task=task,
        facts=facts,
        model=description["model"],
        protocol=description["protocol"],
        numbers=np.array([record["iteration"] for record in worked]),
        rewards=np.array([record["reward"] for record in worked]),
        episodes=np.array([record["episodes"] for record in worked], dtype=np.int64),
        steps=np.array([record["steps"] for record in worked], dtype=np.int64),
        llm_s=np.array([record["times"]["llm_s"] for record in worked]),
        read_iterations=partial(_read_iterations, directory.iterations, accepted),
        variant=_variant(task, facts, config),
        algorithm=config.get("algorithm"),
        stand_in=description["stand_in"],
        seed=description["seed"],
        target=config["optimum"],
        complete=result is not None,
        planned_iterations=_planned(config, len(outcomes), complete=result is not None),
        config=description["config"],
        llm_calls=np.array([record["llm_calls"] for record in worked], dtype=np.int64),
        heldout=_heldout(result),
        notes=(*torn, *lost, *failed, *replay, *unfit),
        critic_model=description.get("critic_model") or "",
        prompts=", ".join(filter(None, (told_prompts(description, outcomes, differing), privilege(description)))),
        prompts_hash=prompts_hash(description, outcomes),
        plugins_hash=plugins_hash(description),
        replay_of=replayed or "",
        spent_in_all=_spent(outcomes),
        reevaluated=reevaluated,
        successes=_successes(worked),
        identities=told_identities(description),
    )


@with_config(ConfigDict(strict=True))
class _Config(TypedDict):
    """What analyses need of a config."""

    gym_env_name: str
    method: str
    num_iterations: int | None
    optimum: Finite | None
    policy: NotRequired[str | None]
    algorithm: NotRequired[str | None]
    critic_llm_conservative_threshold: NotRequired[Finite | None]
    revision_rule: NotRequired[str | None]
    budget: NotRequired[str | None]


def _planned(config: _Config, done: int, *, complete: bool) -> int | None:
    """Return how many iterations were meant; where evaluations end a run, those that it took to spend them."""
    return done if complete and config.get("budget") == "evaluations" else config["num_iterations"]


def _spent(outcomes: Sequence[Outcome]) -> Spent:
    last = outcomes[-1]
    waited = sum(record["times"]["llm_s"] for record in outcomes)
    return Spent(len(outcomes), last["episodes"], last["steps"], last["llm_calls"], waited)


class _Worked(Outcome):
    """An iteration in which a policy worked."""

    reward: Finite  # type: ignore[misc]
    accepted: int  # type: ignore[misc]


def _worked(outcomes: Sequence[Outcome]) -> list[_Worked]:
    """Return the iterations whose policy worked.

    Raises:
        Unusable: There is none.
    """
    worked = [record for record in outcomes if record["reward"] is not None]
    if not worked:
        raise Unusable(f"no policy worked in any of its {len(outcomes)} iterations")
    return cast("list[_Worked]", worked)


def _successes(worked: Sequence[_Worked]) -> Floats | None:
    rates = [record["success"] for record in worked if "success" in record]
    return np.array(rates) if len(rates) == len(worked) else None


def _read_result(directory: RunDirectory, outcomes: Sequence[Outcome]) -> HeldoutFigures:
    result = directory.read_result()
    check_result(result, cast("Sequence[Mapping[str, Any]]", outcomes))
    for log in (directory.warmup, directory.iterations):
        check_end(log, result)
    return checked(HeldoutFigures, result, "result.json is damaged")


def _torn(path: Path) -> tuple[str, ...]:
    """Return a note on a last line that does not end."""
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return () if file.read() == b"\n" else (f"the last line of {path.name} is torn and not counted",)


def _lost_trials(directory: RunDirectory, outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    """Return a note on a warm-up whose last lines are gone, as a power cut may leave it.

    Raises:
        DamagedLog: It was changed otherwise.
    """
    name = directory.warmup.name
    expected, found = outcomes[-1].get("sums", {}).get(name), sums_of(directory.warmup)
    return () if expected in (None, *found) else (f"{name} has lost its last trials; a resumed run makes them again",)


def _read_iterations(path: Path, outcomes: Mapping[int, tuple[float, int]]) -> tuple[IterationData, ...]:
    """Read the candidates of the iterations whose rewards and accepted candidates are given: there may be more by now.

    Where candidates are damaged, or contradict the reward of their iteration, only that reward is returned.
    """
    lines = complete_lines(path, Chain(path))  # whose checksums were checked before
    try:
        return tuple(
            _read_candidates(line, number, *outcomes[number])
            for number, line in enumerate(lines, 1)
            if number in outcomes
        )
    except DamagedLog as error:  # the file can no longer be read
        return tuple(_accepted(number, reward, str(error)) for number, (reward, _) in outcomes.items())


def _read_candidates(line: bytes, number: int, reward: float, accepted: int) -> IterationData:
    try:
        record = checked(Candidates, line, f"iterations.jsonl, line {number}")
    except DamagedLog as error:
        return _accepted(number, reward, str(error))
    contradiction = contradicted(reward, record["candidates"][accepted])
    if contradiction:
        return _accepted(number, reward, f"iterations.jsonl, line {number}: {contradiction}")
    worked = [index for index, each in enumerate(record["candidates"]) if "returns" in each]
    if accepted not in worked:
        return _accepted(number, reward, f"iterations.jsonl, line {number}: the accepted candidate has no returns")
    candidates = tuple(candidate_data(record["candidates"][index]) for index in worked)
    return IterationData(number, worked.index(accepted), candidates)


def _accepted(number: int, reward: float, problem: str) -> IterationData:
    return IterationData(number, 0, (CandidateData("accepted", reward, None, None),), problem)


def _variant(task: TaskFacts, facts: MethodFacts, config: _Config) -> str:
    """Say how the setting differs from the method's own on that task, as far as tables keep such runs apart."""
    if task["policy"] is None:
        return ""
    policy = config.get("policy")
    own = policy in (None, task["policy"]) or facts["searches"] == "programs"
    parts = [] if own else [str(policy)]
    if facts["revision_rule"] and "critic_llm_conservative_threshold" in config:
        tau_c = tau_c_variant(config["critic_llm_conservative_threshold"], task["conservative_threshold"])
        parts += [tau_c or (STUDY_DEFAULT if _is_of_the_study(task, config) else "")]
    return ", ".join(filter(None, parts))


def _is_of_the_study(task: TaskFacts, config: _Config) -> bool:
    """Whether the critic is told the rule as only the study of tau_c tells it: for tables it is an order anyway."""
    return config.get("revision_rule") == "order" and (config.get("policy") or task["policy"]) != "tabular"


def tau_c_variant(tau_c: float | None, default: float | None) -> str:
    """Name the setting of tau_c, as the published sensitivity analysis does; empty for the default."""
    if tau_c is None:
        return "tau_c none"
    if tau_c == default:
        return ""
    return "tau_c half" if default is not None and tau_c == default / 2 else f"tau_c {tau_c:g}"


def _heldout(result: HeldoutFigures | None) -> Heldout | None:
    if result is None or result["heldout_reward"] is None:
        return None
    success = result.get("heldout_success")
    return Heldout(result["heldout_reward"], result["heldout_std"], result["heldout_episodes"], success)
