"""Runs in this project's format, as ``RunData``. docs/run-log.md explains all fields."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypeVar

import numpy as np
import pydantic
from pydantic import Field

from r2po.analysis.logs.names import environment_key
from r2po.analysis.logs.run_data import CandidateData, Floats, Heldout, IterationData, RunData
from r2po.analysis.logs.unusable import LARGEST, Unusable, one_line
from r2po.errors import InputError
from r2po.runlog import RunDirectory
from r2po.runlog.keys import NEUTRAL_KEYS
from r2po.tasks import TASKS

Finite = Annotated[float, Field(ge=-LARGEST, le=LARGEST, allow_inf_nan=False)]
Seconds = Annotated[float, Field(ge=0, le=LARGEST, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, le=2**62)]


def load_own_run(directory: RunDirectory) -> RunData:
    """Read the complete iterations of one run in this project's format.

    Raises:
        Unusable: There is none, or a file is missing, damaged or holds a number that is not finite.
    """
    try:
        description = directory.read_description()
        lines, notes = _complete_lines(directory.iterations)
        result = (directory.path / "result.json").read_bytes() if directory.is_complete else None
    except (InputError, OSError, RecursionError) as error:
        raise Unusable(one_line(str(error)).replace(f"{directory.path}/", "")) from None
    if not lines:
        raise Unusable("no complete iteration yet")
    run = _parse(_Description, description, "run.yaml")
    iterations = _parse_lines(lines)
    return _run_data(directory.path, run, iterations, _read_result(result, iterations), notes)


class _Part(pydantic.BaseModel):
    """What analyses read of a record; they ignore the rest."""

    model_config = pydantic.ConfigDict(strict=True, frozen=True)


class _Config(_Part):
    gym_env_name: str
    method: str
    num_iterations: int | None
    optimum: Finite | None
    policy: str | None = None
    algorithm: str | None = None
    critic_llm_conservative_threshold: Finite | None = None


class _Description(_Part):
    seed: int
    protocol: str
    model: str
    stand_in: bool
    replay_of: str | None = None
    config: dict[str, Any]


class _Unread(_Part):
    """A candidate whose content is read when it is asked for."""


class _Candidate(_Part):
    stage: str
    params: list[Finite] | None = None
    returns: Annotated[list[Finite], Field(min_length=1)]


class _Times(_Part):
    llm_s: Seconds


class _Iteration(_Part):
    iteration: int
    reward: Finite
    accepted: Count
    candidates: list[_Unread]
    episodes: Count
    steps: Count
    llm_calls: Count
    times: _Times


class _Candidates(_Part):
    candidates: list[_Candidate]


class _Result(_Part):
    iterations: int
    heldout_reward: Finite | None
    heldout_std: Finite | None
    heldout_episodes: Count


_Model = TypeVar("_Model", bound=_Part)


def _complete_lines(path: Path) -> tuple[list[bytes], tuple[str, ...]]:
    """Return the lines that end, and a note on one that does not."""
    if not path.exists():
        return [], ()
    *lines, torn = path.read_bytes().split(b"\n")
    note = f"the last line of {path.name} is torn and not counted"
    return lines, (note,) if torn else ()


def _parse_lines(lines: list[bytes]) -> list[_Iteration]:
    iterations = [_parse_line(line, f"iterations.jsonl, line {number}") for number, line in enumerate(lines, 1)]
    _check_order(iterations)
    return iterations


def _parse_line(line: bytes, source: str) -> _Iteration:
    try:
        return _Iteration.model_validate_json(line)
    except pydantic.ValidationError as error:
        if not error.errors()[0]["loc"]:
            raise Unusable(f"damaged log: {source}: not a JSON object") from None
        raise Unusable(f"{source}: {_first_problem(error)}") from None


def _parse(model: type[_Model], record: Any, source: str) -> _Model:
    try:
        return model.model_validate(record)
    except pydantic.ValidationError as error:
        raise Unusable(f"{source}: {_first_problem(error)}") from None


def _first_problem(error: pydantic.ValidationError) -> str:
    problem = error.errors()[0]
    key = ".".join(map(str, problem["loc"])) or "the record"
    if problem["type"] == "missing":
        return f"{key} is missing"
    found = one_line(repr(problem["input"]))
    message = problem["msg"][0].lower() + problem["msg"][1:]
    return f"{key} is {found if len(found) <= 40 else found[:37] + '...'}; {message}"


def _check_order(iterations: list[_Iteration]) -> None:
    """Check what one record alone cannot show."""
    episodes = 0
    for number, record in enumerate(iterations, 1):
        source = f"iterations.jsonl, line {number}"
        if record.iteration != number:
            raise Unusable(f"{source}: iteration is {record.iteration}; expected {number}")
        if record.accepted >= len(record.candidates):
            raise Unusable(
                f"{source}: accepted is {record.accepted}, but there are {len(record.candidates)} candidates"
            )
        if record.episodes <= episodes:
            raise Unusable(f"{source}: episodes is {record.episodes}; expected more than the {episodes} before")
        episodes = record.episodes


def _read_result(data: bytes | None, iterations: list[_Iteration]) -> _Result | None:
    if data is None:
        return None
    try:
        result = _Result.model_validate_json(data)
    except pydantic.ValidationError as error:
        raise Unusable(f"result.json: {_first_problem(error)}") from None
    if result.iterations != len(iterations):
        raise Unusable(
            f"result.json counts {result.iterations} iterations, iterations.jsonl has {len(iterations)} complete ones"
        )
    return result


def _run_data(
    path: Path, run: _Description, iterations: list[_Iteration], result: _Result | None, notes: tuple[str, ...]
) -> RunData:
    config = _parse(_Config, run.config, "run.yaml, config")
    environment = environment_key(config.gym_env_name)
    outcomes = [(record.reward, record.accepted) for record in iterations]
    return RunData(
        path=path,
        origin="r2po",
        environment=environment,
        method=config.method,
        variant=_variant(environment, config),
        algorithm=config.algorithm,
        model=run.model,
        stand_in=run.stand_in,
        protocol=run.protocol,
        seed=run.seed,
        target=config.optimum,
        complete=result is not None,
        planned_iterations=config.num_iterations,
        settings={key: value for key, value in run.config.items() if key not in NEUTRAL_KEYS | {"seed"}},
        numbers=np.arange(1, len(iterations) + 1),
        rewards=np.array([record.reward for record in iterations]),
        episodes=np.array([record.episodes for record in iterations], dtype=np.int64),
        steps=np.array([record.steps for record in iterations], dtype=np.int64),
        llm_calls=np.array([record.llm_calls for record in iterations], dtype=np.int64),
        llm_s=np.array([record.times.llm_s for record in iterations]),
        heldout=_heldout(result),
        summary={},
        notes=(*notes, *_replay_note(run)),
        read_iterations=partial(_read_iterations, path / "iterations.jsonl", outcomes),
    )


def _replay_note(run: _Description) -> tuple[str, ...]:
    return (f"a replay of {run.replay_of}: the same sample, not another one",) if run.replay_of else ()


def _read_iterations(path: Path, outcomes: list[tuple[float, int]]) -> tuple[IterationData, ...]:
    """Read the candidates of the iterations whose rewards and accepted candidates are given: there may be more by now.

    Where the candidates of an iteration are damaged, only the reward of the accepted one is returned.
    """
    lines = _complete_lines(path)[0]
    return tuple(
        _read_candidates(line, number, *outcome)
        for number, (line, outcome) in enumerate(zip(lines, outcomes, strict=False), 1)
    )


def _read_candidates(line: bytes, number: int, reward: float, accepted: int) -> IterationData:
    try:
        record = _Candidates.model_validate_json(line)
    except pydantic.ValidationError as error:
        problem = f"iterations.jsonl, line {number}: {_first_problem(error)}"
        return IterationData(number, 0, (CandidateData("accepted", reward, None, None),), problem)
    return IterationData(number, accepted, tuple(map(_candidate, record.candidates)))


def _candidate(record: _Candidate) -> CandidateData:
    returns = np.array(record.returns)
    params: Floats | None = None if record.params is None else np.array(record.params, dtype=np.float64)
    return CandidateData(record.stage, float(returns.mean()), params, returns)


def _variant(environment: str, config: _Config) -> str:
    """Say how the setting differs from the method's own on that task, as far as tables keep such runs apart."""
    task = TASKS.get(environment)
    if task is None:
        return ""
    parts = [] if config.policy in (None, task.policy) else [str(config.policy)]
    if config.method == "r2po" and "critic_llm_conservative_threshold" in config.model_fields_set:
        parts += [tau_c_variant(config.critic_llm_conservative_threshold, task.conservative_threshold)]
    return ", ".join(filter(None, parts))


def tau_c_variant(tau_c: float | None, default: float) -> str:
    """Name the setting of tau_c, as the published sensitivity analysis does; empty for the default."""
    if tau_c is None:
        return "tau_c none"
    if tau_c == default:
        return ""
    return "tau_c half" if tau_c == default / 2 else f"tau_c {tau_c:g}"


def _heldout(result: _Result | None) -> Heldout | None:
    if result is None or result.heldout_reward is None:
        return None
    return Heldout(result.heldout_reward, result.heldout_std, result.heldout_episodes)
