"""What became of proposals, counted by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from r2po.analysis.evaluation.text import revisions_text
from r2po.analysis.logs.load import load_log_directory
from r2po.analysis.logs.revisions import (
    FIGURES,
    Revisions,
    figures,
    is_unchanged,
    logged_revisions,
    proposal_rewards,
    revisions_of,
    told,
)
from r2po.methods import METHODS
from r2po.prompts.numbers import number
from r2po.runlog.facts import Pair, pair
from tests.analysis.made_logs import write_lines, write_run

CRITIC = pair("proposal", "revision", "critic")


def line(number: int, *tried: tuple[str, list[float] | None, Any], accepted: int | None = 1) -> dict[str, Any]:
    """Return a line of the log: stage, returns (None: it failed), and parameters or source of each candidate."""
    candidates: list[dict[str, Any]] = []
    for stage, returns, solution in tried:
        outcome = {"failure": {"kind": "error", "text": "no"}} if returns is None else {"returns": returns}
        candidates.append({"stage": stage, **outcome, "source" if isinstance(solution, str) else "params": solution})
    kept = None if accepted is None else candidates[accepted]
    return {
        "iteration": number,
        "reward": None if kept is None else float(np.mean(kept["returns"])),
        "accepted": accepted,
        "candidates": candidates,
        "episodes": 10 + 4 * number,
        "steps": 100 * number,
        "llm_calls": 2 * number,
        "times": {"ended": "2025-01-01T00:00:00+00:00", "elapsed_s": 2.0, "llm_s": 1.0},
    }


def both(number: int, before: list[float] | None, after: list[float] | None, *solutions: Any) -> dict[str, Any]:
    first, second = solutions or ([0.0], [1.0])
    accepted = None if after is None and before is None else 0 if after is None else 1
    return line(number, ("proposal", before, first), ("revision", after, second), accepted=accepted)


LINES = [
    both(1, [1.0, 3.0], [4.0, 6.0]),  # better by 3
    both(2, [5.0, 5.0], [4.0, 4.0]),  # worse by 1
    both(3, [2.0, 2.0], [1.0, 3.0]),  # the same mean
    both(4, [0.0, 0.0], [9.0, 9.0], [7.0, 7.0], [7.0, 7.0]),  # the same policy on luckier episodes
    both(5, [0.0, 0.0], [10.0, 12.0]),  # better by 11
    both(6, [1.0, 1.0], None),  # the revision does not work
    both(7, None, None),
]


def test_the_counts_and_sizes_of_a_run() -> None:
    found = logged_revisions(LINES, CRITIC)
    assert figures(found) == {
        "revisions": 5,
        "revisions_better": 2,
        "revisions_same": 2,
        "revisions_unchanged": 1,
        "revisions_worse": 1,
        "revision_mean_gain": 7.0,
        "revision_largest_gain": 11.0,
        "revision_mean_loss": 1.0,
        "revision_largest_loss": 1.0,
    }
    assert told(found, CRITIC, number) == {
        "revisions": "2 of 5 better than proposal, 2 the same (1 = proposal), 1 worse; 2 not compared",
        "gains": "mean 7, largest 11",
        "losses": "mean 1, largest 1",
    }


def test_means_that_differ_by_rounding_alone_are_the_same() -> None:
    # The same returns in another order: their sums differ in the last bit.
    returns = [0.1, 0.2, 0.3, -1e3, 1e3, 0.7]
    (change,) = logged_revisions([both(1, returns, sorted(returns))], CRITIC).changes
    assert np.mean(returns) != np.mean(sorted(returns))
    assert change == 0


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ([1, 0], [1, 0], True),
        ([1.0, 0.5], [1.0, 0.25], False),
        ("return 0", "return 0", True),
        ("return 0", "return 1", False),
    ],
)
def test_which_revisions_are_the_proposal(first: Any, second: Any, expected: bool) -> None:
    record = both(1, [1.0], [2.0], first, second)
    assert is_unchanged(record, CRITIC) is expected
    assert logged_revisions([record], CRITIC).unchanged == expected


def test_a_policy_that_failed_is_not_called_the_proposal() -> None:
    assert not is_unchanged(both(1, [1.0], None, [7.0], [7.0]), CRITIC)


@pytest.mark.parametrize(("method", "about"), [("r2po", "revisions"), ("pure_search", "second tries")])
def test_second_tries_of_a_search_are_no_revisions(method: str, about: str) -> None:
    stages = METHODS.find(method).pair
    assert stages is not None
    record = line(1, (stages["proposal"], [1.0], [0.0]), (stages["revision"], [3.0], [1.0]))
    words = told(logged_revisions([record], stages), stages, number)
    assert words == {
        about: f"1 of 1 better than {stages['proposal']}, 0 the same, 0 worse",
        "gains": "mean 2, largest 2",
    }


def test_nothing_is_said_where_nothing_is_known() -> None:
    assert told(Revisions(3, (), 0), CRITIC, number) == {}
    assert figures(None) == dict.fromkeys(FIGURES)


def write(logdir: Path, number: int, records: list[dict[str, Any]], both: Pair | None, **more: Any) -> None:
    facts = METHODS.find("r2po").facts({}) | {"pair": both}
    path = write_run(logdir, number, [0.0] * len(records), description={"method": facts}, **more)
    write_lines(path, records)


def test_the_analysis_of_logs_counts_what_the_screen_counts(tmp_path: Path) -> None:
    write(tmp_path, 1, LINES, CRITIC)
    write(tmp_path, 2, LINES[:2], CRITIC)
    runs = load_log_directory(tmp_path).runs
    assert revisions_of(runs[:1]) == logged_revisions(LINES, CRITIC)
    assert revisions_text(runs[:1]) == [
        "revisions: 2 of 5 better than proposal, 2 the same (1 = proposal), 1 worse; 2 not compared; "
        "gains: mean 7, largest 11; losses: mean 1, largest 1"
    ]
    (over_both,) = revisions_text(runs)
    assert over_both.startswith("revisions of all 2 runs: 3 of 7 better than proposal")
    rewards = proposal_rewards(runs[0])
    assert rewards is not None
    np.testing.assert_array_equal(rewards, [2, 5, 2, 0, 0, 1])  # also where the revision failed


def test_methods_without_a_critic_have_no_proposals_to_draw(tmp_path: Path) -> None:
    write(tmp_path, 1, LINES, pair("proposal", "revision", "search"))
    write(tmp_path / "other", 1, LINES, None)
    (run,) = load_log_directory(tmp_path).runs
    (other,) = load_log_directory(tmp_path / "other").runs
    assert proposal_rewards(run) is proposal_rewards(other) is None
    assert revisions_of([other]) is None
    assert revisions_text([other]) == []
