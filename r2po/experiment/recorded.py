"""What the log holds of a candidate, and what is read back from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, cast

from r2po.isolation.outcomes import Failure
from r2po.llm.store import CallStore
from r2po.policies import PolicyFamily
from r2po.runlog.jsonl import DamagedLog
from r2po.runlog.records import CandidateRecord, IterationRecord
from r2po.trial import Candidate


def candidate_record(policy: PolicyFamily[Any], candidate: Candidate) -> CandidateRecord:
    """Return what the log holds of a candidate: its outcome, or why it has none."""
    raw = policy.record(candidate.raw) if candidate.raw != candidate.solution else {}
    record = {
        "stage": candidate.stage,
        "call": candidate.call,
        **policy.record(candidate.solution),
        **{f"raw_{key}": value for key, value in raw.items()},
        **_outcome(candidate),
        "shown": sorted(candidate.shown),
    }
    return cast("CandidateRecord", record)


def _outcome(candidate: Candidate) -> dict[str, Any]:
    rollouts, lengths = candidate.rollouts, candidate.rollouts.lengths.tolist()
    if candidate.failure is not None:
        return {"failure": asdict(candidate.failure), "lengths": lengths}
    successes = {} if rollouts.successes is None else {"successes": list(rollouts.successes)}
    returns = rollouts.returns.tolist()
    return {
        "reward": candidate.reward,
        "returns": returns,
        "lengths": lengths,
        "ends": list(rollouts.ends),
        **successes,
    }


def kept_candidate(record: IterationRecord) -> int:
    """Return the index of the candidate that an iteration adds to the history: the accepted one.

    Of an iteration that accepted none, the last one that failed.
    """
    if record["accepted"] is not None:
        return record["accepted"]
    return max(index for index, candidate in enumerate(record["candidates"]) if "failure" in candidate)


def failure_line(record: Mapping[str, Any]) -> str:
    """Return the failure of a logged candidate in one line; empty if it works."""
    failure = record.get("failure")
    return Failure(failure["kind"], failure["text"]).line if failure else ""


def as_proposed(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a candidate's record with the solution that was proposed in place of the one that was rolled out."""
    raw = {key.removeprefix("raw_"): value for key, value in record.items() if key.startswith("raw_")}
    return {**record, **raw}


def moved_parameters(record: Mapping[str, Any]) -> str:
    """Say which parameters of a logged candidate were moved before it was tried: ``params[0] from 9.5 to 6``."""
    proposed, tried = record.get("raw_params"), record.get("params")
    if proposed is None or tried is None:
        return ""
    pairs = enumerate(zip(proposed, tried, strict=True))
    changed = [f"params[{index}] from {before:g} to {after:g}" for index, (before, after) in pairs if before != after]
    return ", ".join(changed)


def check_replies(recorded: Sequence[IterationRecord], store: CallStore) -> None:
    """Refuse a log of calls that lacks a reply from which logged parameters come."""
    for record in recorded:
        for candidate in record["candidates"]:
            key = candidate.get("call")
            if key and store.find(str(key), record["iteration"]) is None:
                raise DamagedLog(
                    f"damaged log: {store.path}: the reply that the {candidate['stage']} of iteration "
                    f"{record['iteration']} comes from is lost"
                )
