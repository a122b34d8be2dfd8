"""How often the second policy of an iteration was better than the first, and by how much."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from r2po.analysis.logs.iteration_data import CandidateData, candidate_data
from r2po.analysis.logs.run_data import Floats, RunData
from r2po.rounding import levelled, mean
from r2po.runlog.facts import MethodFacts, Pair

Both = tuple[CandidateData, CandidateData]
"""Proposal and revision."""


@dataclass(frozen=True)
class Revisions:
    """What became of the proposals of one or more runs.

    Attributes:
        iterations: How many there are; those in which a policy failed, or that the log does not tell, included.
        changes: By how much the mean return of the second policy is larger, for each iteration in which both worked; 0
            if they are the same policy, whatever their returns: on other episodes the same policy gains by luck only.
        unchanged: In how many of these both are the same policy.
    """

    iterations: int
    changes: tuple[float, ...]
    unchanged: int

    @property
    def gains(self) -> list[float]:
        """By how much the second policy was better, where it was."""
        return [change for change in self.changes if change > 0]

    @property
    def losses(self) -> list[float]:
        """By how much it was worse, where it was."""
        return [-change for change in self.changes if change < 0]

    @property
    def same(self) -> int:
        """In how many iterations it was neither."""
        return len(self.changes) - len(self.gains) - len(self.losses)


def has_critic(facts: MethodFacts) -> bool:
    """Whether a method's second policy comes from a critic, who has seen the first: whether it is a revision."""
    return facts["pair"] is not None and facts["pair"]["role"] == "critic"


def both_of(candidates: Sequence[CandidateData], pair: Pair | None) -> Both | None:
    """Return proposal and revision; None if either is missing. Of several of one stage, the first counts."""
    by_stage = {each.stage: each for each in reversed(candidates)}
    first, second = (by_stage.get(stage) for stage in (pair["proposal"], pair["revision"])) if pair else (None, None)
    return None if first is None or second is None else (first, second)


def mean_returns(both: Both) -> tuple[float, float]:
    """Return the mean returns of proposal and revision: one number if they differ by rounding alone."""
    largest = max((float(np.abs(each.returns).max()) for each in both if each.returns is not None), default=0.0)
    (means,) = levelled([each.reward for each in both], scale=largest)
    return float(means[0]), float(means[1])


def are_equal(both: Both) -> bool:
    """Whether proposal and revision are the same policy; False where the log does not hold them."""
    first, second = both
    if first.params is not None and second.params is not None:
        return np.array_equal(first.params, second.params)
    return first.source is not None and first.source == second.source


def revisions_of(runs: Iterable[RunData]) -> Revisions | None:
    """Return what became of the proposals of runs of one experiment; None if its method has no second policies."""
    known = [run for run in runs if run.num_iterations and run.facts["pair"] is not None]
    if not known:
        return None
    found = [both_of(each.candidates, run.facts["pair"]) for run in known for each in run.iterations]
    return _count(found, sum(run.spent.iterations for run in known))


def logged_revisions(records: Sequence[Mapping[str, Any]], pair: Pair) -> Revisions:
    """Return what became of the proposals of a run, given the lines of its ``iterations.jsonl``."""
    return _count([_logged(record, pair) for record in records], len(records))


def is_unchanged(record: Mapping[str, Any], pair: Pair) -> bool:
    """Whether proposal and revision of a line of ``iterations.jsonl`` are the same policy."""
    both = _logged(record, pair)
    return both is not None and are_equal(both)


def _logged(record: Mapping[str, Any], pair: Pair) -> Both | None:
    return both_of([candidate_data(each) for each in record["candidates"] if "returns" in each], pair)


def _count(found: Iterable[Both | None], iterations: int) -> Revisions:
    compared = [both for both in found if both is not None]
    equal = [are_equal(both) for both in compared]
    means = [mean_returns(both) for both in compared]
    changes = [0.0 if same else after - before for same, (before, after) in zip(equal, means, strict=True)]
    return Revisions(iterations, tuple(changes), sum(equal))


def figures(found: Revisions | None) -> dict[str, float | None]:
    """Return the figures that ``summary.json`` has of revisions; None where there is nothing to tell."""
    gains, losses = (found.gains, found.losses) if found else ([], [])
    return {
        "revisions": len(found.changes) if found else None,
        "revisions_better": len(gains) if found else None,
        "revisions_same": found.same if found else None,
        "revisions_unchanged": found.unchanged if found else None,
        "revisions_worse": len(losses) if found else None,
        "revision_mean_gain": mean(gains) if gains else None,
        "revision_largest_gain": max(gains, default=None),
        "revision_mean_loss": mean(losses) if losses else None,
        "revision_largest_loss": max(losses, default=None),
    }


FIGURES = tuple(figures(None))
"""Their names."""


def told(found: Revisions, pair: Pair, write: Callable[[float], str]) -> dict[str, str]:
    """Say what became of the proposals, by what it is about; ``write`` writes returns. Nothing if none is known."""
    if not found.changes:
        return {}
    about = "revisions" if pair["role"] == "critic" else "second tries"
    equal = f" ({found.unchanged} = {pair['proposal']})" if found.unchanged else ""
    missing = found.iterations - len(found.changes)
    text = (
        f"{len(found.gains)} of {len(found.changes)} better than {pair['proposal']}, {found.same} the same{equal}, "
        f"{len(found.losses)} worse{f'; {missing} not compared' if missing else ''}"
    )
    sizes = {"gains": found.gains, "losses": found.losses}
    means = {name: f"mean {write(mean(each))}, largest {write(max(each))}" for name, each in sizes.items() if each}
    return {about: text, **means}


def proposal_rewards(run: RunData) -> Floats | None:
    """Return (n,) the mean return of each proposal that a critic was shown, nan where it is not on record.

    None if the method has no critic, or no proposal is on record.
    """
    if not has_critic(run.facts):
        return None
    assert run.facts["pair"] is not None
    stage = run.facts["pair"]["proposal"]
    found = [
        next((tried.reward for tried in each.candidates if tried.stage == stage), np.nan) for each in run.iterations
    ]
    rewards = np.array(found)
    return rewards if np.isfinite(rewards).any() else None
