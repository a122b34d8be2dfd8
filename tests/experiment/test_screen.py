"""What the screen says of proposals and revisions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from r2po.experiment.live_view import LiveView
from r2po.experiment.screen import Lines, Screen
from r2po.experiment.summary import _story
from tests.builders import answer, make_config, open_experiment
from tests.scripted import Scripted

LEFT, RIGHT = [0.0] * 8 + [1.0, 0.0], [0.0] * 8 + [0.0, 1.0]
"""Two policies for CartPole that push to one side only."""
SMALL = {
    "protocol": "controlled",
    "num_evaluation_episodes": 2,
    "warmup_episodes": 1,
    "heldout_episodes": 0,
    "reevaluation_episodes": 0,
}


def watch(screen: Screen, replies: Sequence[Sequence[float]], folder: Path, method: str = "r2po") -> None:
    """Make a run of two replies an iteration, or of one, and show it on a screen."""
    count = len(replies) if method == "props" else len(replies) // 2
    config = make_config("cartpole", method, num_iterations=count, **SMALL)
    with open_experiment(config, Scripted(map(answer, replies)), folder) as experiment:
        experiment.observer = screen
        screen.finished(experiment.directory, experiment.run())


def test_a_revision_that_is_the_proposal_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    watch(Lines(), [LEFT, LEFT, LEFT, RIGHT], tmp_path)
    shown = capsys.readouterr().out
    first, second = [line.split("  ") for line in shown.splitlines() if line.startswith("iteration ")]
    (reward,) = [part.removeprefix("proposal ") for part in first if part.startswith("proposal ")]
    assert f"revision = proposal ({reward})" in first
    assert not any("=" in part for part in second)
    summed_up = {line.split()[0]: line.split(maxsplit=1)[1] for line in shown.splitlines() if line.startswith("  ")}
    assert "the same (1 = proposal)" in summed_up["revisions"]
    assert " of 2 better than proposal, " in summed_up["revisions"]
    # Both push to one side, but not from the same states to the same end: one of them is the longer one.
    assert ("gains" in summed_up) + ("losses" in summed_up) == 1


def test_the_live_table_tells_it_in_the_column_of_revisions(tmp_path: Path) -> None:
    view = LiveView()
    watch(view, [LEFT, LEFT, LEFT, RIGHT], tmp_path)
    assert [row["revision"] == "= proposal" for row in view._rows] == [True, False]


def test_methods_without_a_critic_have_no_story(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    watch(Lines(), [LEFT, LEFT], tmp_path, "props")
    shown = capsys.readouterr().out
    assert "held-out" in shown
    assert not {"revisions", "gains", "losses"} & set(shown.split())
    assert " = " not in shown


def test_a_value_that_was_moved_to_its_bound_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outside = [9.5, *LEFT[1:]]
    watch(Lines(), [outside, RIGHT, LEFT, RIGHT], tmp_path)
    told = [line for line in capsys.readouterr().out.splitlines() if "moved to its" in line]
    assert told == ["iteration 1: proposal moved to its bounds: params[0] from 9.5 to 6"]


def test_moved_values_may_make_a_revision_the_proposal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    watch(Lines(), [[9.5, *LEFT[1:]], [6.0, *LEFT[1:]]], tmp_path)
    assert "revision = proposal (" in capsys.readouterr().out


def test_programs_repairs_and_tuning_are_counted() -> None:
    works, fails = {"source": "x", "returns": [1.0]}, {"source": "", "failure": {"kind": "error", "text": "no"}}
    stages: dict[str, Any] = {
        "candidate_1": works,
        "candidate_2": fails,
        "candidate_2_repair_1": fails,
        "candidate_2_repair_2": works,
        "candidate_3": fails,
        "candidate_1_tuned": works,
    }
    record: Any = {"candidates": [{"stage": stage, **outcome} for stage, outcome in stages.items()]}
    rounds: Any = [{**record, "notes": {"tuning": {"of": "candidate_1", "kept": kept}}} for kept in (True, False)]
    assert _story(rounds, None) == {
        "programs": "6 tried, 4 failed",
        "repairs": "4 tried, 2 worked",
        "tuning": "better constants in 1 of 2 rounds",
    }
    one: Any = {"candidates": record["candidates"][:1], "notes": {"tuning": "a plugin's own"}}
    assert _story([one], None) == {"programs": "1 tried, 0 failed"}
    numbers: Any = {"candidates": [{"stage": "proposal", "params": [1.0], "returns": [1.0]}]}
    assert _story([numbers], None) == {}
