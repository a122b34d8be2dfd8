"""What stands in the log of a candidate and of a warm-up trial."""

from __future__ import annotations

from typing import cast

from r2po.policies import Parameters
from r2po.rollout import Rollout
from r2po.runlog.records import CandidateRecord, WarmupRecord
from r2po.trial import Candidate


def candidate_record(candidate: Candidate) -> CandidateRecord:
    """Return the entry of a candidate in a line of ``iterations.jsonl``."""
    rollouts = candidate.rollouts
    clipped = candidate.raw_params != candidate.params
    record = {
        "stage": candidate.stage,
        "call": candidate.call,
        "params": list(candidate.params),
        **({"raw_params": list(candidate.raw_params)} if clipped else {}),
        "reward": candidate.reward,
        "returns": rollouts.returns.tolist(),
        "lengths": rollouts.lengths.tolist(),
        "ends": list(rollouts.ends),
        "shown": sorted(candidate.shown),
    }
    return cast("CandidateRecord", record)


def warmup_record(trial: int, params: Parameters, rollout: Rollout) -> WarmupRecord:
    """Return the line of a warm-up trial, numbered from 1, in ``warmup.jsonl``."""
    return {
        "trial": trial,
        "params": list(params),
        "reward": rollout.total,
        "length": rollout.length,
        "end": rollout.end,
    }
