"""What prompts leave out on request, for models with a short context; unless asked to, they leave out nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from r2po.config import load_config
from r2po.errors import InputError
from r2po.experiment.setting import Setting
from r2po.prompts import Brief, HistoryWindow, RolloutWindow, median_package, raw_rollout, three_rollouts
from r2po.prompts.history import write_history
from r2po.prompts.rollouts import by_length, raw_steps, transitions
from r2po.prompts.windows import shown_trials
from r2po.rollout import Rollout, Rollouts
from r2po.trial import Candidate, Trial
from tests.builders import CONFIGS


def trial(reward: float) -> Trial:
    return Trial((reward,), (reward,), reward, warmup=False)


def rollout(length: int) -> Rollout:
    return Rollout(
        observations=np.arange(length + 1, dtype=float)[:, None],
        actions=np.ones(length, dtype=np.int64),
        rewards=np.ones(length),
        seed=0,
        end="terminated",
    )


def brief(**windows: Any) -> Brief:
    config = load_config(CONFIGS / "cartpole/cartpole_reptraj.yaml", ["llm_model_name=embedded/search"])
    return replace(Setting(config, 1).brief, **windows)


# ---- Trials ----


@given(st.lists(st.integers(0, 5), max_size=12), st.integers(0, 4), st.integers(0, 4).map(lambda count: count or 1))
def test_the_best_and_the_latest_trials_are_shown_in_their_order(rewards: list[int], best: int, last: int) -> None:
    history = [trial(reward) for reward in rewards]
    shown = [index for index, _ in shown_trials(history, HistoryWindow(best=best, last=last))]
    assert shown == sorted(set(shown))
    latest = set(range(max(len(rewards) - last, 0), len(rewards)))
    assert latest <= set(shown)
    hidden = [rewards[index] for index in range(len(rewards)) if index not in shown]
    assert all(other <= rewards[index] for other in hidden for index in set(shown) - latest)
    assert len(shown) == min(len(rewards), best + last)


def test_a_prompt_says_what_it_leaves_out_and_keeps_the_numbers() -> None:
    size = len(brief().policy.sample(np.random.default_rng(0)))
    history = [replace(trial(reward), shown=(0.0,) * size) for reward in (5.0, 1.0, 9.0, 2.0, 3.0, 4.0)]
    lines = write_history(history, brief(history_window=HistoryWindow(best=2, last=2)), "rewards").splitlines()
    assert lines[0] == "(Of 6 trials, only the 2 best of those before and the 2 latest are shown.)"
    assert [line.split(":")[0] for line in lines[1:]] == ["Trial 0", "Trial 2", "Trial 4", "Trial 5"]
    wide = HistoryWindow(best=3, last=3)
    assert write_history(history, brief(history_window=wide), "rewards").count("Trial") == 6
    whole = write_history(history[:4], brief(), "rewards")
    assert write_history(history[:4], brief(history_window=HistoryWindow(best=1, last=3)), "rewards") == whole


# ---- Steps ----


def test_raw_steps_are_cut_in_the_middle_and_keep_their_numbers() -> None:
    assert raw_steps(rollout(6), 1, 2, numbered=True) == [
        "0: 0 | 1 | 1",
        "... (3 steps left out) ...",
        "4: 4 | 1 | 1",
        "5: 5 | 1 | 1",
    ]
    assert raw_steps(rollout(3), 1, 2) == raw_steps(rollout(3)) == ["0 | 1 | 1", "1 | 1 | 1", "2 | 1 | 1"]


@pytest.mark.parametrize("evidence", [median_package, raw_rollout, three_rollouts])
def test_critics_see_the_first_and_the_last_steps(evidence: Any) -> None:
    config = load_config(CONFIGS / "cartpole/cartpole_reptraj.yaml", ["llm_model_name=embedded/search"])
    setting = Setting(config, 1)
    rollouts = Rollouts.of([rollout_of(setting, length) for length in (60, 60, 60)])
    zeros = setting.policy.sample(np.random.default_rng(0))
    candidate = Candidate("proposal", zeros, zeros, "", rollouts)
    whole = evidence(candidate, setting.brief)
    cut = evidence(candidate, replace(setting.brief, rollout_window=RolloutWindow(first=2, last=3)))
    assert "... (55 steps left out) ..." in cut
    assert len(cut) < len(whole)
    wide = replace(setting.brief, rollout_window=RolloutWindow(first=30, last=30))
    assert evidence(candidate, wide) == whole


def rollout_of(setting: Setting, length: int) -> Rollout:
    zeros = setting.policy.sample(np.random.default_rng(0))
    played = setting.roll_out(zeros, 1)
    return replace(
        played,
        observations=np.resize(played.observations, (length + 1, *played.observations.shape[1:])),
        actions=np.resize(played.actions, (length, *played.actions.shape[1:])),
        rewards=np.resize(played.rewards, length),
    )


def test_transitions_are_as_before_without_a_window() -> None:
    assert transitions(rollout(3), by_length(9)) == ["0->1->1", "1->1->2", "2->1->[ended]"]


# ---- Config ----


def test_windows_are_keys_of_a_config() -> None:
    overrides = ["rollout_window.first=3", "rollout_window.last=4", "history_window={best: 1, last: 2}"]
    config = load_config(CARTPOLE, overrides)
    assert config.rollout_window == RolloutWindow(first=3, last=4)
    assert config.history_window == HistoryWindow(best=1, last=2)
    assert config.model_dump(mode="json")["rollout_window"] == {"first": 3, "last": 4}


CARTPOLE = CONFIGS / "cartpole/cartpole_reflective_prompted_policy_optimization.yaml"


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("rollout_window={first: 0, last: 0}", "rollout_window.* expected at least one step"),
        ("history_window={best: -1, last: 1}", "history_window.best is -1; input should be greater"),
        ("history_window={best: 1}", "'history_window.last' is missing"),
        ("history_window={best: 1, last: 1, latest: 2}", r"unknown key 'history_window.latest' \(did you mean"),
        ("rollout_window=5", "rollout_window is 5; expected a section of keys"),
    ],
)
def test_what_a_window_cannot_be(override: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        load_config(CARTPOLE, [override])
