"""The records of a run directory: what each file holds, and how it is checked when it is read.

docs/run-log.md explains every field. Records are plain dictionaries with these types; what nothing computes with may be
anything. Fields that are not named here are kept, so that a version of r2po can read what a newer one added. A run
reads back whatever it wrote; analyses read it by stricter types: ``Outcome``, ``Candidates``, ``HeldoutFigures``.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Annotated, Any, TypeVar

import numpy as np
import pydantic
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, GetCoreSchemaHandler, GetPydanticSchema, InstanceOf, TypeAdapter, with_config
from typing_extensions import NotRequired, TypedDict

from r2po.runlog.chain import Chain
from r2po.runlog.facts import MethodFacts, PluginFacts, PromptFacts, ServerFacts, TaskFacts, TuningFacts
from r2po.runlog.jsonl import DamagedLog, complete_lines
from r2po.validation import first_problem

SCHEMA_VERSION = 5
"""5: a candidate may have failed, and an iteration may have kept none. 4: files have checksums. 3: run.yaml says what
the method and the task are. 2: long replies are packed, and prompts by bz2."""
SEALED_SINCE = 4
"""The first schema with checksums."""
LARGEST = 1e100  # far beyond any return; the squares of larger numbers would overflow

Finite = Annotated[float, Field(ge=-LARGEST, le=LARGEST, allow_inf_nan=False)]
Seconds = Annotated[float, Field(ge=0, le=LARGEST, allow_inf_nan=False)]


def _as_one(kind: Any, handler: GetCoreSchemaHandler) -> Any:
    """Return the schema of a union whose problems are told as one: pydantic would name its branches."""
    message = f"Input should be a valid number of at most {LARGEST:g} in size"
    return {**handler(kind), "custom_error_type": "number", "custom_error_message": message}


Number = Annotated[Annotated[int, Field(ge=-(2**62), le=2**62)] | Finite, GetPydanticSchema(_as_one)]
"""A whole number stays one: tables have them."""
AnyNumber = Annotated[bool | int | float, GetPydanticSchema(_as_one)]
"""Whatever a policy family may have written."""
Count = Annotated[int, Field(ge=0, le=2**62)]
Text = InstanceOf[str]
"""May hold half a surrogate pair, as replies do."""

_STRICT = ConfigDict(strict=True, extra="allow")


@with_config(_STRICT)
class Description(TypedDict):
    """``run.yaml``."""

    schema: Any
    seed: int
    protocol: str
    model: str
    critic_model: NotRequired[str | None]
    stand_in: bool
    replay_of: NotRequired[str | None]
    servers: NotRequired[dict[str, ServerFacts]]
    method: NotRequired[MethodFacts]
    task: NotRequired[TaskFacts]
    prompts: NotRequired[PromptFacts | None]
    plugins: NotRequired[list[PluginFacts]]
    created: NotRequired[Any]
    rollout_engine: NotRequired[Any]
    isolation: NotRequired[dict[str, Any]]
    versions: NotRequired[Any]
    code_revision: NotRequired[Any]
    config: dict[str, Any]


@with_config(_STRICT)
class WarmupRecord(TypedDict):
    """A line of ``warmup.jsonl``."""

    trial: int
    params: NotRequired[list[AnyNumber]]
    source: NotRequired[Text]
    reward: float
    length: Count
    end: str


@with_config(_STRICT)
class FailureRecord(TypedDict):
    """Why a policy does not work."""

    kind: str
    text: Text


@with_config(_STRICT)
class CandidateRecord(TypedDict):
    """A candidate in a line of ``iterations.jsonl``; Stable-Baselines3's have no parameters.

    It has returns, or a failure.
    """

    stage: str
    call: NotRequired[Any]
    params: NotRequired[list[AnyNumber]]
    source: NotRequired[Text]
    raw_params: NotRequired[Any]
    reward: NotRequired[Any]
    returns: NotRequired[Annotated[list[float], Field(min_length=1)]]
    failure: NotRequired[FailureRecord]
    lengths: NotRequired[list[Count]]
    ends: NotRequired[list[str]]
    successes: NotRequired[list[bool]]
    shown: NotRequired[Any]


@with_config(_STRICT)
class EvaluationRecord(TypedDict):
    """A line of ``evaluations.jsonl``: what an evaluation of a program gave. It has returns, or a failure."""

    name: str
    sha256: str
    cpu_s: NotRequired[Seconds | None]
    returns: NotRequired[Annotated[list[float], Field(min_length=1)]]
    failure: NotRequired[FailureRecord]
    lengths: list[Count]
    ends: NotRequired[list[str]]
    successes: NotRequired[list[bool]]


@with_config(_STRICT)
class Times(TypedDict):
    """When an iteration ended, and how long it took."""

    ended: NotRequired[str]
    elapsed_s: NotRequired[Seconds | None]
    llm_s: Seconds
    rollout_s: NotRequired[Seconds | None]


@with_config(_STRICT)
class IterationRecord(TypedDict):
    """A line of ``iterations.jsonl``; without a reward if the policy that the method kept does not work."""

    iteration: int
    reward: float | None
    success: NotRequired[float]
    best_reward: NotRequired[Any]
    accepted: Count | None
    episodes: Count
    steps: Count
    llm_calls: Count
    times: Times
    prompts: NotRequired[PromptFacts]
    sums: NotRequired[dict[str, str]]
    notes: NotRequired[dict[str, Any]]
    tuning: NotRequired[TuningFacts]
    candidates: list[CandidateRecord]


class Unread(TypedDict):
    """A candidate whose content is checked when it is asked for."""


@with_config(ConfigDict(strict=True))
class Outcome(TypedDict):
    """A line of ``iterations.jsonl`` without the content of its candidates, which is most of it."""

    iteration: int
    reward: Finite | None
    success: NotRequired[Finite]
    best_reward: NotRequired[Any]
    accepted: Count | None
    episodes: Count
    steps: Count
    llm_calls: Count
    times: Times
    prompts: NotRequired[PromptFacts]
    sums: NotRequired[dict[str, str]]
    candidates: list[Unread]


@with_config(ConfigDict(strict=True))
class CandidateFigures(TypedDict):
    """What analyses need of a candidate."""

    stage: str
    params: NotRequired[list[Number]]
    source: NotRequired[Text]
    returns: NotRequired[Annotated[list[Finite], Field(min_length=1)]]
    successes: NotRequired[list[bool]]
    failure: NotRequired[FailureRecord]


@with_config(ConfigDict(strict=True))
class Candidates(TypedDict):
    """The candidates of a line of ``iterations.jsonl``, and nothing else of it."""

    candidates: list[CandidateFigures]


@with_config(ConfigDict(strict=True))
class HeldoutFigures(TypedDict):
    """What analyses need of ``result.json``."""

    differing_prompts: NotRequired[Count | None]
    iterations: int
    heldout_reward: Finite | None
    heldout_std: Finite | None
    heldout_episodes: Count
    heldout_success: NotRequired[Finite]


@with_config(_STRICT)
class Result(TypedDict):
    """``result.json``; Stable-Baselines3's lacks what is about a language model."""

    environment: NotRequired[Any]
    method: NotRequired[Any]
    model: NotRequired[Any]
    critic_model: NotRequired[Any]
    stand_in: NotRequired[Any]
    replay_of: NotRequired[Any]
    differing_prompts: NotRequired[Any]
    protocol: NotRequired[Any]
    seed: NotRequired[Any]
    iterations: int
    best_reward: NotRequired[float | None]
    best_iteration: NotRequired[int | None]
    best_success: NotRequired[float]
    best_params: NotRequired[Any]
    best_source: NotRequired[Any]
    heldout_reward: float | None
    heldout_std: float | None
    heldout_episodes: Count
    heldout_success: NotRequired[float]
    heldout_failure: NotRequired[FailureRecord]
    deterministic: NotRequired[bool]
    mean_reward: NotRequired[float | None]
    final_reward: NotRequired[float | None]
    episodes: NotRequired[Count]
    steps: NotRequired[Count]
    llm_calls: NotRequired[Count]
    refused_replies: NotRequired[Count]
    failed_attempts: NotRequired[Count]
    cost: NotRequired[float | None]
    tokens: NotRequired[Any]
    accounting: NotRequired[dict[str, dict[str, Any]]]
    times: NotRequired[Any]
    sums: NotRequired[dict[str, str]]


T = TypeVar("T")
_adapter: Callable[[Any], TypeAdapter[Any]] = cache(TypeAdapter)


def read_records(kind: type[T], path: Path, chain: Chain) -> list[T]:
    """Read the complete lines of a file; ``chain`` takes their checksums.

    Raises:
        DamagedLog: One is not of this kind.
    """
    lines = enumerate(complete_lines(path, chain), 1)
    return [checked(kind, line, f"damaged log: {path}, line {number}") for number, line in lines]


def checked(kind: type[T], record: Any, source: str) -> T:
    """Return a record whose fields are what they should be.

    Args:
        kind: The type that says so.
        record: A line of JSON as bytes, or the values that a file was parsed to.
        source: What to call it in messages.

    Raises:
        DamagedLog: A field is missing, or is not what it should be.
    """
    adapter: TypeAdapter[T] = _adapter(kind)  # made once for each kind
    try:
        return adapter.validate_json(record) if isinstance(record, bytes) else adapter.validate_python(record)
    except pydantic.ValidationError as error:
        if error.errors()[0]["loc"]:
            raise DamagedLog(f"{source}: {first_problem(error)}") from None
        if isinstance(record, bytes):
            with suppress(ValueError, RecursionError):  # Python's parser also knows half a surrogate pair
                return checked(kind, json.loads(record), source)
        raise DamagedLog(f"{source}: not a JSON object") from None


def heldout_figures(returns: NDArray[np.float64]) -> dict[str, float | None]:
    """Return what ``Result`` says of held-out episodes; a mean needs one of them, a deviation two."""
    return {
        "heldout_reward": float(returns.mean()) if len(returns) else None,
        "heldout_std": float(returns.std(ddof=1)) if len(returns) > 1 else None,
        "heldout_episodes": len(returns),
    }
