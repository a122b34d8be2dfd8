"""Policies that are texts, from outside the package, through everything that a run and its log are for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from r2po.analysis.logs.load import load_log_directory
from r2po.cli import main
from r2po.commands.watch import watch
from r2po.errors import InputError
from r2po.methods import METHODS
from r2po.policies import Program
from r2po.runlog import RunDirectory
from tests.builders import PROMPTED
from tests.texts import Killed, Moves, Writer, make_text_config, moves, run_texts

pytestmark = pytest.mark.usefixtures("moves")
__all__ = ["moves"]


def log_of(run: Path) -> dict[str, Any]:
    """Return what two runs that are the same have in common."""
    directory = RunDirectory(run)
    iterations = [{**record, "times": None, "sums": None} for record in directory.read_iterations()]
    return {"warmup": directory.read_warmup(), "iterations": iterations}


@pytest.mark.parametrize("method", PROMPTED)
def test_every_method_runs_with_texts(method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = Writer()
    result = run_texts(make_text_config(method, tmp_path), writer, monkeypatch)
    log = log_of(tmp_path / "run_1")
    candidates = [candidate for record in log["iterations"] for candidate in record["candidates"]]
    assert {type(trial["source"]) for trial in [*log["warmup"], *candidates]} == {str}
    assert not any("params" in json.dumps(record) for record in [*log["warmup"], *candidates])
    assert result["best_source"] in [candidate["source"] for candidate in candidates]
    assert "best_params" not in result
    assert Moves.open_sessions == []
    # Nothing is rolled out twice but one episode of the best policy; the rest: warm-up, evaluations, fresh, held-out.
    fresh = 4 * 20 if METHODS[method].needs_reevaluation({}) else 0
    episodes = 2 + 4 * METHODS[method].evaluations_per_iteration({}) * 3 + fresh + 2 + 1
    assert len(Moves.begun) == episodes
    for prompt in [request.prompt for request in writer.requests]:
        assert "params" not in prompt
        assert "parameter" not in prompt
        assert "The policy is a line of moves" in prompt
        assert "CartPole" in prompt


def test_the_prompts_of_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = Writer()
    run_texts(make_text_config("r2po", tmp_path, num_iterations=1), writer, monkeypatch)
    first, second = RunDirectory(tmp_path / "run_1").read_warmup()
    search = next(request.prompt for request in writer.requests if request.role == "search")
    critic = next(request.prompt for request in writer.requests if request.role == "critic")
    history = (
        "# Reply format\nThe first line of your reply is the line of moves and nothing else.\n\n"
        "# History\n{caption}"
        f"Trial 0: rollout reward: {first['reward']:.2f}\n{first['source']}\n"
        f"Trial 1: rollout reward: {second['reward']:.2f}\n{second['source']}\n\n"
    )
    assert search.startswith(
        "You are a skilled optimizer of policies for reinforcement learning. Find the policy that "
    )
    assert "\n\n# How to search\n- You have 1 iterations." in search
    assert "you propose a policy, it is tried in the environment, and you see its episodic return, f(policy)." in search
    shown = history.replace("{caption}", "Policies tried earlier, and their results in short:\n")
    assert f"\n\n{shown}# Now\nThis is iteration 1 of 1. Answer with the next policy in the reply format" in search
    (proposal, _) = RunDirectory(tmp_path / "run_1").read_iterations()[0]["candidates"]
    shown = history.replace("{caption}", "Earlier policies and their results, in short and for context:\n")
    assert f"{shown}# The policy to revise\nProposed policy:\n{proposal['source']}\nMean return: " in critic


@pytest.mark.parametrize("method", ["props", "r2po", "critic_only"])
def test_a_run_that_was_killed_goes_on_as_if_nothing_had_happened(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Writer()
    expected = run_texts(make_text_config(method, tmp_path / "whole"), whole, monkeypatch)
    log = log_of(tmp_path / "whole" / "run_1")
    for killed_at in range(1, len(whole.requests) + 1):
        config = make_text_config(method, tmp_path / str(killed_at))
        killed, rest = Writer(killed_at), Writer()
        with pytest.raises(Killed):
            run_texts(config, killed, monkeypatch)
        assert Moves.open_sessions == []
        result = run_texts(config, rest, monkeypatch, resume=1)
        asked = [request.prompt for request in [*killed.requests[:-1], *rest.requests]]
        assert asked == [request.prompt for request in whole.requests]
        assert log_of(tmp_path / str(killed_at) / "run_1") == log
        assert (result["best_source"], result["heldout_reward"]) == (
            expected["best_source"],
            expected["heldout_reward"],
        )


@pytest.mark.parametrize("by_position", [False, True])
def test_a_run_with_texts_is_replayed(by_position: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_texts(make_text_config("r2po", tmp_path / "first"), Writer(), monkeypatch)
    first = tmp_path / "first" / "run_1"
    again = make_text_config("r2po", tmp_path / "again", llm_model_name=f"replay/{first}")
    result = run_texts(again, Writer(killed_at=1), monkeypatch, replay_by_position=by_position)
    assert log_of(tmp_path / "again" / "run_1") == log_of(first)
    assert result["differing_prompts"] == 0


def test_the_history_shows_what_the_log_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for keep in ("auto", "none"):
        writer = Writer()
        config = make_text_config("critic_only", tmp_path / keep, keep_trajectories=keep)
        run_texts(config, writer, monkeypatch)
        shown = ["Trial 2: [" in request.prompt for request in writer.requests if request.iteration > 1]
        assert all(shown) if keep == "auto" else not any(shown)


def test_the_best_text_is_watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_texts(make_text_config("props", tmp_path), Writer(), monkeypatch)
    run, picture = RunDirectory(tmp_path / "run_1"), tmp_path / "best.gif"
    heldout = watch(run, 0, str(picture))
    assert "mean return" in heldout
    assert picture.stat().st_size > 0
    assert Moves.begun[-1][0] == run.read_result()["best_source"]
    assert Moves.open_sessions == []


@pytest.mark.usefixtures("blank_figures")
def test_runs_with_texts_are_analysed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed in (1, 2):
        run_texts(make_text_config("r2po", tmp_path, seed=seed), Writer(), monkeypatch)
    loaded = load_log_directory(tmp_path)
    assert [len(run.rewards) for run in loaded.runs] == [4, 4]
    assert not loaded.problems
    first = loaded.runs[0].read_iterations()[0]
    assert [candidate.params for candidate in first.candidates] == [None, None]
    assert not first.problem
    assert main(["eval", "--logdir", str(tmp_path)]) == 0
    assert "R2PO" in capsys.readouterr().out


def test_an_optimizer_of_numbers_refuses_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="has no parameters that a numerical optimizer could search"):
        run_texts(make_text_config("random_search", tmp_path, llm_model_name=None), Writer(), monkeypatch)
    assert list(tmp_path.iterdir()) == []


def test_a_program_has_a_digest() -> None:
    assert Program("left").sha256 == "360f84035942243c6a36537ae2f8673485e6c04455a0a85a0db19690f2541480"
    assert Program("left") == Program("left") != Program("right")
