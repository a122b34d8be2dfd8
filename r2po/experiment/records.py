"""The records of candidates and warm-up trials in the log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from r2po.policies import PolicyFamily, Solution
from r2po.rollout import Rollout
from r2po.runlog.records import CandidateRecord, WarmupRecord
from r2po.trial import Candidate


def candidate_record(candidate: Candidate, policy: PolicyFamily[Any]) -> CandidateRecord:
    """Return the entry of a candidate in a line of ``iterations.jsonl``."""
    rollouts = candidate.rollouts
    raw = policy.record(candidate.raw) if candidate.raw != candidate.solution else {}
    record = {
        "stage": candidate.stage,
        "call": candidate.call,
        **policy.record(candidate.solution),
        **{f"raw_{key}": value for key, value in raw.items()},
        "reward": candidate.reward,
        "returns": rollouts.returns.tolist(),
        "lengths": rollouts.lengths.tolist(),
        "ends": list(rollouts.ends),
        "shown": sorted(candidate.shown),
    }
    return cast("CandidateRecord", record)


def as_proposed(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a candidate's record with the solution that was proposed in place of the one that was rolled out."""
    raw = {key.removeprefix("raw_"): value for key, value in record.items() if key.startswith("raw_")}
    return {**record, **raw}


def warmup_record(trial: int, solution: Solution, rollout: Rollout, policy: PolicyFamily[Any]) -> WarmupRecord:
    """Return the line of a warm-up trial, numbered from 1, in ``warmup.jsonl``."""
    record = {
        "trial": trial,
        **policy.record(solution),
        "reward": rollout.total,
        "length": rollout.length,
        "end": rollout.end,
    }
    return cast("WarmupRecord", record)
