"""Whether the numbers of a run's files agree with each other, which no line alone can show."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from r2po.rounding import RELATIVE
from r2po.runlog.jsonl import DamagedLog
from r2po.runlog.records import EvaluationRecord, WarmupRecord

Records = Sequence[Mapping[str, Any]]


def check_warmup(records: Sequence[WarmupRecord], path: Path) -> None:
    """Refuse lines that are not in order.

    Raises:
        DamagedLog: A trial is lost, doubled or at another's place.
    """
    for number, record in enumerate(records, 1):
        _expect(record["trial"] == number, path, number, f"trial is {record['trial']}; expected {number}")


def check_evaluations(records: Sequence[EvaluationRecord], path: Path) -> None:
    """Refuse evaluations that are no outcome.

    Raises:
        DamagedLog: One has neither returns nor a failure, or a rollout lacks its length or its end.
    """
    for number, record in enumerate(records, 1):
        rollouts = _episodes_of(record, path, number)
        for key in ("lengths", "ends") if "returns" in record else ():
            found = len(cast("Mapping[str, Any]", record).get(key, ()))
            _expect(found == rollouts, path, number, f"there are {rollouts} returns, but {found} {key}")


def check_iterations(records: Records, path: Path) -> None:
    """Refuse lines that are not in order, or contradict themselves or those before; their candidates may be left out.

    Raises:
        DamagedLog: Names the number, and the one that it contradicts.
    """
    episodes = calls = 0
    best: Mapping[str, Any] | None = None
    largest = -math.inf
    for number, record in enumerate(records, 1):
        found, candidates = record["iteration"], record["candidates"]
        _expect(found == number, path, number, f"iteration is {found}; expected {number}")
        accepted, reward = record["accepted"], record["reward"]
        told = f"accepted is {accepted}, but reward is {reward}; expected both or neither"
        _expect((accepted is None) == (reward is None), path, number, told)
        told = f"accepted is {accepted}, but there are {len(candidates)} candidates"
        _expect((accepted or 0) < len(candidates), path, number, told)
        # Policies that cannot be loaded cost no episode.
        least, word = (episodes + 1, "more than") if accepted is not None else (episodes, "at least")
        told = f"episodes is {record['episodes']}; expected {word} the {episodes} before"
        _expect(record["episodes"] >= least, path, number, told)
        told = f"llm_calls is {record['llm_calls']}; expected at least the {calls} before"
        _expect(record["llm_calls"] >= calls, path, number, told)
        episodes, calls = record["episodes"], record["llm_calls"]
        if reward is not None:
            best = record if best is None or _success_then_reward(record) > _success_then_reward(best) else best
            largest = max(largest, reward)
        said = record.get("best_reward")
        # The best policy is the one with the largest reward, or with the most successes: that depends on the method.
        _expect(
            not isinstance(said, int | float)
            or agree(said, largest)
            or (best is not None and agree(said, best["reward"])),
            path,
            number,
            f"best_reward is {said}, but the best reward up to here is {None if best is None else largest}",
        )
        contradiction = contradicted(reward, candidates[accepted]) if reward is not None else ""
        _expect(not contradiction, path, number, contradiction)


def _success_then_reward(record: Mapping[str, Any]) -> tuple[float, float]:
    return record.get("success", 0.0), record["reward"]


def contradicted(reward: float, accepted: Mapping[str, Any]) -> str:
    """Say that the reward of an iteration is not the mean return of its accepted candidate; empty if it is."""
    if "failure" in accepted:
        return f"reward is {reward}, but the accepted candidate failed"
    if "returns" not in accepted:  # left out
        return ""
    with np.errstate(all="ignore"):
        mean, scale = float(np.mean(accepted["returns"])), float(np.max(np.abs(accepted["returns"])))
    return "" if agree(reward, mean, scale) else f"reward is {reward}, but the mean of the accepted returns is {mean}"


def check_counts(records: Records, warmup: Sequence[WarmupRecord], path: Path) -> None:
    """Refuse counts that are not those of the rollouts in the log.

    Raises:
        DamagedLog: One is not, or a rollout lacks its length.
    """
    episodes, steps = len(warmup), sum(trial["length"] for trial in warmup)
    for number, record in enumerate(records, 1):
        for candidate in record["candidates"]:
            rollouts = _episodes_of(candidate, path, number)
            for key in ("lengths", "ends", "successes") if "returns" in candidate else ():
                if key == "successes" and key not in candidate:
                    continue
                found = len(candidate.get(key, ()))
                _expect(found == rollouts, path, number, f"a candidate has {rollouts} returns, but {found} {key}")
            episodes, steps = episodes + rollouts, steps + sum(candidate["lengths"])
        if "tuning" in record:
            episodes, steps = episodes + record["tuning"]["episodes"], steps + record["tuning"]["steps"]
        for key, expected in (("episodes", episodes), ("steps", steps)):
            told = f"{key} is {record[key]}, but its rollouts and those before are {expected}"
            _expect(record[key] == expected, path, number, told)


def _episodes_of(candidate: Mapping[str, Any], path: Path, number: int) -> int:
    """Return how many episodes a candidate began; it has returns, or a failure."""
    told = "a candidate has neither returns nor a failure" if "failure" not in candidate else "a failure has returns"
    _expect(("returns" in candidate) != ("failure" in candidate), path, number, told)
    return len(candidate["returns"] if "returns" in candidate else candidate["lengths"])


def check_result(result: Mapping[str, Any], iterations: Records) -> None:
    """Refuse a result that contradicts the iterations that it sums up.

    Raises:
        DamagedLog: Names the number, and the one that it contradicts.
    """
    if result["iterations"] != len(iterations):
        raise DamagedLog(
            f"result.json counts {result['iterations']} iterations, iterations.jsonl has {len(iterations)} complete "
            "ones"
        )
    if not iterations:
        return
    rewards = [record["reward"] for record in iterations if record["reward"] is not None]
    last, scale = iterations[-1], max(map(abs, rewards), default=0.0)
    by_success = (
        max((record for record in iterations if record["reward"] is not None), key=_success_then_reward)
        if ("best_success" in result and rewards)
        else None
    )
    top = by_success["reward"] if by_success else max(rewards, default=None)
    expected = {
        "best_reward": top,
        "mean_reward": sum(rewards) / len(rewards) if rewards else None,
        "final_reward": last["reward"],
        # A trial of Stable-Baselines3 may go on after its last evaluation.
        **({} if "algorithm" in result else {key: last[key] for key in ("episodes", "steps")}),
    }
    best = result.get("best_iteration")
    if isinstance(best, int) and not (
        1 <= best <= len(iterations) and top is not None and _agree_or_none(iterations[best - 1]["reward"], top, 1.0)
    ):
        raise DamagedLog(f"result.json says best_iteration {best}, whose reward is not the best in iterations.jsonl")
    for key, value in expected.items():
        said = result.get(key)
        if isinstance(said, int | float) and not _agree_or_none(value, said, scale):
            raise DamagedLog(f"result.json says {key} {said}, iterations.jsonl {value}")


def _agree_or_none(found: float | None, said: float, scale: float) -> bool:
    return found is not None and agree(said, found, scale)


def agree(one: float, other: float, scale: float = 1.0) -> bool:
    """Whether two numbers are the same but for rounding; what is no number says nothing.

    ``scale`` is the largest of the numbers that they are means of: of a mean near 0, only rounding may be left.
    """
    try:
        slack = RELATIVE * max(scale, 1.0) if math.isfinite(scale) else RELATIVE
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=slack) or math.isnan(one) or math.isnan(other)
    except OverflowError:  # a whole number beyond all floats
        return False


def _expect(holds: bool, path: Path, number: int, told: str) -> None:
    if not holds:
        raise DamagedLog(f"damaged log: {path}, line {number}: {told}")
