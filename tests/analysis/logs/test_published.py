"""Logs of the published code: what is read, and what is missing or torn is noted and never fatal."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from r2po.analysis.logs.load import load_log_directory
from r2po.analysis.logs.replies import RunReplies
from r2po.analysis.logs.run_data import RunData
from r2po.errors import InputError
from tests.analysis.published_format import (
    HEADER,
    SUFFIXES,
    first_params,
    folder_name,
    second_params,
    write_episode,
    write_published_run,
)

TWO_CALLS = tuple(method for method in SUFFIXES if method not in ("props", "propsp", "critic_only"))


def only_run(logdir: Path) -> RunData:
    (run,) = load_log_directory(logdir).runs
    return run


def test_rows(tmp_path: Path) -> None:
    logdir = tmp_path / "cartpole_props"
    write_published_run(logdir, 4, [3.0, 7.5, 7.5, 5.0])
    run = only_run(logdir)
    assert (run.name, run.origin, run.environment, run.method, run.variant) == (
        "run_4",
        "published",
        "cartpole",
        "props",
        "",
    )
    assert (run.model, run.protocol, run.seed, run.stand_in) == ("not recorded", "published code", None, False)
    np.testing.assert_array_equal(run.rewards, [3.0, 7.5, 7.5, 5.0])
    np.testing.assert_array_equal(run.episodes, [13, 16, 19, 22])
    np.testing.assert_array_equal(run.steps, [100, 200, 300, 400])
    np.testing.assert_array_equal(run.llm_s, [2.0, 2.0, 2.0, 2.0])
    assert run.best_iteration == 2
    assert run.complete
    assert run.notes == ()
    assert run.metric("mean_reward") == 5.75
    assert run.metric("heldout_reward") is None


@pytest.mark.parametrize("method", SUFFIXES)
@pytest.mark.parametrize("environment", ["cartpole", "mountaincarcontinuous", "inverted_double_pendulum"])
def test_folder_names(method: str, environment: str, tmp_path: Path) -> None:
    logdir = tmp_path / folder_name(environment, method)
    write_published_run(logdir, 1, [1.0], method=method)
    run = only_run(logdir)
    assert (run.environment, run.method) == (environment.replace("_", ""), method)
    assert run.variant == ""


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("pong_tau_c_sensitivity_half", ("pong", "r2po", "tau_c half")),
        ("mountaincarcon_props", ("mountaincarcontinuous", "props", "")),
        ("swimmer_propsp_random_projection_qr", ("swimmer", "propsp", "random_projection_qr")),
        ("something_else", ("something_else", "unknown", "")),
    ],
)
def test_odd_folder_names(name: str, expected: tuple[str, str, str], tmp_path: Path) -> None:
    write_published_run(tmp_path / name, 1, [1.0])
    run = only_run(tmp_path / name)
    assert (run.environment, run.method, run.variant) == expected
    assert bool(run.notes) == (run.method == "unknown")


@pytest.mark.parametrize("method", TWO_CALLS)
@pytest.mark.parametrize("tabular", [False, True])
def test_both_candidates(method: str, tabular: bool, tmp_path: Path) -> None:
    logdir = tmp_path / folder_name("cartpole", method)
    run_folder = write_published_run(logdir, 1, [], method=method)
    (run_folder / "overall_log.txt").write_text(f"{HEADER}\n1, 0.1, 0.2, 10, 100, 5.0\n")
    write_episode(run_folder / "episode_0", 5.0, method, tabular=tabular)
    (iteration,) = only_run(logdir).iterations
    first, second = iteration.candidates
    assert (iteration.number, iteration.accepted, iteration.problem) == (1, 1, "")
    assert (first.reward, second.reward) == (4.0, 5.0)
    np.testing.assert_array_equal(first.params, first_params(tabular))
    np.testing.assert_array_equal(second.params, second_params(tabular))
    np.testing.assert_array_equal(first.returns, [3.0, 4.0, 5.0])
    np.testing.assert_array_equal(second.returns, [4.0, 5.0, 6.0])


def test_rejected_revision_of_a_table_is_not_taken_for_the_proposal(tmp_path: Path) -> None:
    """Where the original won, ThreeTraj's parameters.txt still holds the revision."""
    logdir = tmp_path / "maze_three_traj"
    run_folder = write_published_run(logdir, 1, [], method="three_traj")
    (run_folder / "overall_log.txt").write_text(f"{HEADER}\n1, 0.1, 0.2, 10, 100, 4.0\n")
    write_episode(run_folder / "episode_0", 5.0, "three_traj", tabular=True)
    outcome = run_folder / "episode_0" / "reflection_outcome.txt"
    outcome.write_text(outcome.read_text().replace("revision_won", "original_won"))
    (iteration,) = only_run(logdir).iterations
    assert iteration.accepted == 0
    np.testing.assert_array_equal(iteration.candidates[0].params, first_params(True))
    np.testing.assert_array_equal(iteration.candidates[1].params, second_params(True))


def test_replies_and_prompts(tmp_path: Path) -> None:
    logdir = tmp_path / folder_name("cartpole", "r2po")
    write_published_run(logdir, 1, [5.0], method="r2po")
    replies = RunReplies(only_run(logdir))
    search, critic = replies.of(1)
    assert (search.role, critic.role) == ("search", "critic")
    assert search.text.startswith("params[0]: 0.0")
    assert search.text.endswith("That is all.")
    assert critic.text.startswith("params[0]: 1.0")
    assert "look at params[0]: 9" in critic.prompt
    assert replies.critic(1) == critic
    assert replies.of(2) == ()
    assert replies.critic(2) is None


def cut(text: str) -> Callable[[Path], object]:
    def append(run: Path) -> None:
        log = run / "overall_log.txt"
        log.write_text(log.read_text() + text)

    return append


DAMAGE: dict[str, tuple[Callable[[Path], object], int, str]] = {
    "torn last row": (cut("4, 0.1, 0.2, 1"), 3, "line 5, the last one, has no end"),
    "torn in the last number": (cut("4, 0.1, 0.2, 30, 400, 12"), 3, "line 5, the last one, has no end"),
    "torn row in the middle": (cut("4, 0.1\n5, 0.1, 8.0, 30, 500, 9.0\n"), 4, "line 5 is cut off"),
    "no number": (cut("4, 0.1, 0.2, 30, 400, abc\n"), 3, "line 5 is cut off"),
    "a row twice": (cut("3, 0.1, 8.0, 30, 400, 4.0\n"), 3, "another row of iteration 3"),
    "half-written iteration": (lambda run: (run / "episode_3").mkdir(), 3, "episode_3 is half written"),
    "missing folder": (
        lambda run: shutil.rmtree(run / "episode_2"),
        3,
        "1 of 3 iterations have no folder",
    ),
    "foreign files": (lambda run: (run / "notes.txt").write_text("hello"), 3, ""),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_noted_and_the_rest_is_read(name: str, tmp_path: Path) -> None:
    damage, count, expected = DAMAGE[name]
    logdir = tmp_path / "cartpole_props"
    damage(write_published_run(logdir, 1, [3.0, 7.0, 5.0]))
    run = only_run(logdir)
    assert run.num_iterations == count
    assert len(run.iterations) == count
    assert any(expected in note for note in run.notes) or not expected
    assert bool(run.notes) == bool(expected)
    assert run.rewards[1] == 7.0


@pytest.mark.parametrize("text", ["", HEADER, f"{HEADER}\n", f"{HEADER}\n1, 0.1", "\x00\xff garbage"])
def test_a_run_without_a_row_is_left_out(text: str, tmp_path: Path) -> None:
    logdir = tmp_path / "cartpole_props"
    write_published_run(logdir, 1, [3.0])
    run = write_published_run(logdir, 2, [3.0])
    (run / "overall_log.txt").write_bytes(text.encode("latin-1"))
    logs = load_log_directory(logdir)
    assert [each.name for each in logs.runs] == ["run_1"]
    assert logs.problems == ("run_2: overall_log.txt has no complete row",)


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e300"])
def test_a_number_that_is_not_finite_is_named(value: str, tmp_path: Path) -> None:
    logdir = tmp_path / "cartpole_props"
    cut(f"2, 0.1, 0.2, 30, 400, {value}\n")(write_published_run(logdir, 1, [3.0]))
    with pytest.raises(InputError, match=f"overall_log.txt, line 3: {value} is not a finite number"):
        load_log_directory(logdir)


def test_a_whole_last_row_without_a_line_end_counts_if_the_rollouts_agree(tmp_path: Path) -> None:
    logdir = tmp_path / "cartpole_props"
    run = write_published_run(logdir, 1, [3.0, 7.25])
    log = run / "overall_log.txt"
    log.write_text(log.read_text().rstrip("\n"))
    assert only_run(logdir).rewards.tolist() == [3.0, 7.25]
    log.write_text(log.read_text()[:-1])
    assert only_run(logdir).rewards.tolist() == [3.0]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("reflection_outcome.txt", None),
        ("reflection_outcome.txt", ""),
        ("reflection_outcome.txt", "initial_reward=4.0000\nrevised_rew"),
        ("reflection_outcome.txt", "initial_reward=nan\nrevised_reward=5.0000\nwinner=revision_won\n"),
        ("reflection_outcome.txt", "initial_reward=4.0000\nrevised_reward=5.0000\nwinner=nobody\n"),
    ],
)
def test_an_iteration_whose_outcome_is_damaged_keeps_its_accepted_reward(
    file: str, text: str | None, tmp_path: Path
) -> None:
    logdir = tmp_path / "cartpole_reflective"
    run = write_published_run(logdir, 1, [5.0, 6.0], method="reptraj")
    path = run / "episode_0" / file
    path.unlink() if text is None else path.write_text(text)
    first, second = only_run(logdir).iterations
    (candidate,) = first.candidates
    assert candidate.reward == 5.0
    assert first.problem == "episode_0 does not hold all candidates"
    assert len(second.candidates) == 2


def test_missing_rollouts_leave_rewards_and_parameters(tmp_path: Path) -> None:
    logdir = tmp_path / "cartpole_reflective"
    run = write_published_run(logdir, 1, [5.0], method="reptraj")
    for name in ("initial_proposal_rollout.txt", "revised_proposal_rollout.txt"):
        (run / "episode_0" / name).unlink()
    (iteration,) = only_run(logdir).iterations
    assert [each.returns for each in iteration.candidates] == [None, None]
    np.testing.assert_array_equal(iteration.candidates[0].params, first_params(False))
    np.testing.assert_array_equal(iteration.candidates[1].params, second_params(False))


def test_a_rollout_whose_end_is_torn_is_not_counted(tmp_path: Path) -> None:
    logdir = tmp_path / "cartpole_props"
    run = write_published_run(logdir, 1, [5.0])
    file = run / "episode_0" / "training_rollout.txt"
    file.write_text(file.read_text()[:-2])
    (iteration,) = only_run(logdir).iterations
    np.testing.assert_array_equal(iteration.candidates[0].returns, [4.0, 5.0])


def test_a_shorter_run_is_unfinished(tmp_path: Path) -> None:
    logdir = tmp_path / "cartpole_props"
    write_published_run(logdir, 1, [5.0, 6.0, 7.0])
    write_published_run(logdir, 2, [5.0, 6.0])
    first, second = load_log_directory(logdir).runs
    assert (first.complete, second.complete) == (True, False)
    assert second.progress == "2 of 3 iterations"


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 400))
def test_a_log_cut_anywhere_gives_its_whole_rows(tmp_path_factory: pytest.TempPathFactory, end: int) -> None:
    logdir = tmp_path_factory.mktemp("cut") / "cartpole_props"
    rewards = [10.5, -3.25, 1e-3, 123456.789]
    run = write_published_run(logdir, 1, rewards)
    log = run / "overall_log.txt"
    data = log.read_bytes()[:end]
    log.write_bytes(data)
    whole = max(0, data.count(b"\n") - 1)
    if whole == 0 and not data.endswith(b"10.5"):
        with pytest.raises(InputError, match="no complete row"):
            load_log_directory(logdir)
        return
    read = only_run(logdir).rewards.tolist()
    # A row that lacks nothing but its line end may count: the rollouts tell the same reward.
    assert read in (rewards[:whole], rewards[: whole + 1])


def test_a_folder_name_that_says_nothing_is_noted_except_for_baselines(tmp_path: Path) -> None:
    note = "the folder's name {!r} names neither an environment nor a method"
    write_published_run(tmp_path / "results", 1, [1.0])
    write_published_run(tmp_path / "nim_sb3" / "ppo", 1, [1.0])
    (run,) = load_log_directory(tmp_path / "results").runs
    assert note.format("results") in run.notes
    (baseline,) = load_log_directory(tmp_path / "nim_sb3" / "ppo").runs
    assert baseline.label == "SB3-PPO"
    assert not any("names neither" in each for each in baseline.notes)
