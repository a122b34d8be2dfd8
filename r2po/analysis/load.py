"""From a log directory to ``RunData``. Log files are not trusted: what cannot be used is named and left out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import numpy as np
import pydantic
from pydantic import Field

from r2po.analysis.run_data import Heldout, RunData
from r2po.config import NEUTRAL_KEYS
from r2po.errors import InputError, nearest
from r2po.runlog import RunDirectory, list_runs
from r2po.tasks import TASKS

LARGEST = 1e100
"""Far beyond any return; the squares of larger numbers would overflow."""

Finite = Annotated[float, Field(ge=-LARGEST, le=LARGEST, allow_inf_nan=False)]
Seconds = Annotated[float, Field(ge=0, le=LARGEST, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, le=2**62)]


class Unusable(Exception):
    """A run that cannot be summed up; the message says why, in one line."""


@dataclass(frozen=True)
class LogDirectory:
    """The runs of one experiment.

    Attributes:
        path: The folder, as it was given.
        runs: The usable runs by number, at least one.
        problems: One line for each run that is left out.
    """

    path: Path
    runs: tuple[RunData, ...]
    problems: tuple[str, ...]


def load_log_directory(path: str | Path) -> LogDirectory:
    """Read all runs of a log directory.

    Raises:
        InputError: It is missing, is itself a run, or holds no usable run.
    """
    path = Path(path)
    try:
        directories = _find_runs(path)
    except OSError as error:
        raise InputError(f"cannot read {str(path)!r}: {error}") from None
    problems: list[str] = []
    runs = [run for run in (_try_run(directory, problems) for directory in directories) if run is not None]
    if not runs:
        raise InputError(f"no usable run in {str(path)!r}: {'; '.join(problems)}")
    return LogDirectory(path, tuple(runs), tuple(problems))


def load_run(directory: RunDirectory) -> RunData:
    """Read the complete iterations of one run in this project's format.

    Raises:
        Unusable: There is none, or a file is missing, damaged or holds a number that is not finite.
    """
    if not (directory.path / "run.yaml").exists():
        raise Unusable("it has no run.yaml")
    try:
        description = directory.read_description()
        records = directory.read_iterations()
        result = (directory.path / "result.json").read_bytes() if directory.is_complete else None
    except (InputError, OSError, RecursionError) as error:
        raise Unusable(_one_line(str(error)).replace(f"{directory.path}/", "")) from None
    if not records:
        raise Unusable("no complete iteration yet")
    run = _parse(_Description, description, "run.yaml")
    iterations = [_parse(_Iteration, record, f"iterations.jsonl, line {n}") for n, record in enumerate(records, 1)]
    _check_order(iterations)
    return _run_data(directory.path.name, run, iterations, None if result is None else _read_result(result, iterations))


class _Part(pydantic.BaseModel):
    """What analyses read of a record; they ignore the rest. docs/run-log.md explains all fields."""

    model_config = pydantic.ConfigDict(strict=True, frozen=True)


class _Config(_Part):
    gym_env_name: str
    method: str
    num_iterations: int | None
    optimum: Finite | None


class _Description(_Part):
    seed: int
    protocol: str
    model: str
    stand_in: bool
    config: dict[str, Any]


class _Candidate(_Part):
    returns: Annotated[list[Finite], Field(min_length=1)]


class _Times(_Part):
    llm_s: Seconds


class _Iteration(_Part):
    iteration: int
    reward: Finite
    accepted: Count
    candidates: list[_Candidate]
    episodes: Count
    steps: Count
    llm_calls: Count
    times: _Times


class _Result(_Part):
    iterations: int
    heldout_reward: Finite | None
    heldout_std: Finite | None
    heldout_episodes: Count


_Model = TypeVar("_Model", bound=_Part)


def _find_runs(path: Path) -> list[RunDirectory]:
    name = str(path)
    if not path.exists():
        parent = path.parent
        siblings = [str(folder) for folder in parent.iterdir() if folder.is_dir()] if parent.is_dir() else []
        raise InputError(f"no log directory {name!r}{nearest(name, siblings)}")
    if not path.is_dir():
        raise InputError(f"{name!r} is a file; expected a log directory, which holds run_1, run_2, ...")
    runs = list_runs(path)
    if not runs:
        here = path.resolve()
        if any(run.path == here for run in list_runs(here.parent)):
            above = path.parent if path.name == here.name else here.parent
            raise InputError(f"{name!r} is a single run; give the log directory above it: --logdir {above}")
        below = sorted(str(folder) for folder in path.iterdir() if list_runs(folder))
        hint = f"; log directories in it: {', '.join(below)}" if below else ""
        raise InputError(f"{name!r} is no log directory: it holds no run_N{hint}")
    return runs


def _try_run(directory: RunDirectory, problems: list[str]) -> RunData | None:
    try:
        return load_run(directory)
    except Unusable as problem:
        problems.append(f"{directory.path.name}: {problem}")
        return None


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
    found = _one_line(repr(problem["input"]))
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


def _read_result(data: bytes, iterations: list[_Iteration]) -> _Result:
    try:
        result = _Result.model_validate_json(data)
    except pydantic.ValidationError as error:
        raise Unusable(f"result.json: {_first_problem(error)}") from None
    if result.iterations != len(iterations):
        raise Unusable(
            f"result.json counts {result.iterations} iterations, iterations.jsonl has {len(iterations)} complete ones"
        )
    return result


def _run_data(name: str, run: _Description, iterations: list[_Iteration], result: _Result | None) -> RunData:
    config = _parse(_Config, run.config, "run.yaml, config")
    tasks = {task.gym_id: task.name for task in TASKS.values()}
    return RunData(
        name=name,
        environment=tasks.get(config.gym_env_name, config.gym_env_name),
        method=config.method,
        model=run.model,
        stand_in=run.stand_in,
        protocol=run.protocol,
        seed=run.seed,
        target=config.optimum,
        complete=result is not None,
        planned_iterations=config.num_iterations,
        settings={key: value for key, value in run.config.items() if key not in NEUTRAL_KEYS | {"seed"}},
        rewards=np.array([record.reward for record in iterations]),
        returns=tuple(np.array(record.candidates[record.accepted].returns) for record in iterations),
        episodes=np.array([record.episodes for record in iterations], dtype=np.int64),
        steps=np.array([record.steps for record in iterations], dtype=np.int64),
        llm_calls=np.array([record.llm_calls for record in iterations], dtype=np.int64),
        llm_s=np.array([record.times.llm_s for record in iterations]),
        heldout=_heldout(result),
    )


def _heldout(result: _Result | None) -> Heldout | None:
    if result is None or result.heldout_reward is None:
        return None
    return Heldout(result.heldout_reward, result.heldout_std, result.heldout_episodes)


def _one_line(text: str) -> str:
    return " ".join(text.split())
