"""What the prompts of the ablations share with others, and what their critics see."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from r2po.llm.providers.embedded import EmbeddedSearch
from r2po.methods import METHODS
from r2po.prompts import Brief, critic_only_prompt, critic_prompt, raw_rollout, search_prompt, three_rollouts
from r2po.prompts.history import write_excerpts
from r2po.rollout import Rollout, Rollouts
from r2po.runlog.events import read_calls
from r2po.trial import Candidate, Trial
from tests.builders import PROMPTED, answer, make_brief, make_config, make_rollout, open_experiment
from tests.methods.one_iteration import PROPOSAL, REVISION, Evaluations, iterate
from tests.prompts.test_prompts import described_facts, step_of
from tests.scripted import Scripted


def prompts_of(environment: str, method: str, folder: Path, **values: Any) -> dict[str, str]:
    """Run three iterations and return the last prompt of each role."""
    settings = {"num_iterations": 3, "num_evaluation_episodes": 3, "warmup_episodes": 2, "heldout_episodes": 0}
    config = make_config(environment, method, **{**settings, "max_traj_length": 30, **values})
    with open_experiment(config, EmbeddedSearch(), folder) as experiment:
        experiment.run()
        return {call.role: call.prompt for call in read_calls(experiment.directory.path)}


@pytest.mark.parametrize("environment", ["cartpole", "maze"])
@pytest.mark.parametrize("method", PROMPTED)
def test_a_black_box_search_of_any_method_knows_no_word_of_the_environment(
    environment: str, method: str, tmp_path: Path
) -> None:
    prompts = prompts_of(environment, method, tmp_path)
    for role, prompt in prompts.items():
        told = [fact in prompt for fact in described_facts(environment)]
        assert told == [(role, method) != ("search", method) or method == "propsp"] * len(told)


@pytest.mark.parametrize("method", PROMPTED)
def test_a_null_threshold_takes_the_rule_out_and_no_prompt_but_r2pos_has_one(method: str, tmp_path: Path) -> None:
    prompts = prompts_of("cartpole", method, tmp_path, critic_llm_conservative_threshold=None)
    assert all("Revision rule" not in prompt for prompt in prompts.values())


# ---- Search ----


def history_of(brief: Brief, lengths: list[int], warmup: int = 0) -> list[Trial]:
    """Return trials that carry rollouts of these lengths."""
    return [
        Trial(
            PROPOSAL,
            PROPOSAL,
            index / 8,
            warmup=index < warmup,
            rollout=make_rollout([0.0625] * length),
        )
        for index, length in enumerate(lengths)
    ]


@pytest.mark.parametrize("method", ["reptraj", "always_critic", "pure_search", "actor_second_pass"])
def test_a_numeric_search_is_that_of_props_to_the_byte(method: str, tmp_path: Path) -> None:
    brief = make_brief("maze", announced_iterations=400)
    history = history_of(brief, [3, 20, 1], warmup=2)
    searches = []
    for name in ("props", method):
        (tmp_path / name).mkdir()
        provider = Scripted([answer(PROPOSAL), answer(REVISION)][: METHODS[name].calls_per_iteration({})])
        iterate(name, provider, Evaluations([0.5], [0.5]), tmp_path / name, brief=brief, history=history)
        searches.append(provider.prompts[0].encode())
    assert searches[0] == searches[1]
    assert b"iteration 4 of 400." in searches[0]


def test_the_searches_of_r2po_and_three_traj_differ_in_how_the_history_is_shown(tmp_path: Path) -> None:
    one, other = (
        prompts_of("cartpole", method, tmp_path / method, num_iterations=1)["search"].split("# History\n")
        for method in ("r2po", "three_traj")
    )
    assert one[0] == other[0]
    assert one[1].splitlines()[0] == "Policies tried earlier, and their results in short:"
    head = other[1].split("Warm-up trial 0: ")[0].splitlines()
    assert head[0] == "How to read the history:"
    assert [line[:2] for line in head[1:]] == ["- "] * 4
    assert "Do not copy warm-up policies blindly" in other[1]


def test_three_traj_explains_no_history_that_is_empty() -> None:
    prompt = search_prompt(step_of(make_brief("nim"), []), lines="phases")
    assert "# History\n(no trials yet)\n" in prompt


# ---- What the critics of RepTraj and AlwaysCritic see ----


def candidate_of(*rollouts: Rollout) -> Candidate:
    return Candidate("proposal", PROPOSAL, PROPOSAL, "key", Rollouts.of(rollouts))


MAZE = make_brief("maze")


def test_the_raw_rollout_is_the_one_closest_to_the_mean_with_every_reward() -> None:
    # Returns 1, 2, 9, 0, 30: mean 8.4, median 2.
    rollouts = [[1.0], [2.0], [4.5, -0.25, 4.75], [0.0], [30.0]]
    candidate = candidate_of(*(make_rollout(rewards) for rewards in rollouts))
    assert raw_rollout(candidate, MAZE) == (
        "One rollout, length 3 steps, return 9.00. Each line is step: state | action | reward:\n"
        "0: 0 | 0 | 4.5\n"
        "1: 1 | 0 | -0.25\n"
        "2: 2 | 0 | 4.75"
    )
    assert candidate.shown == {2}


def test_a_raw_rollout_is_never_cut() -> None:
    candidate = candidate_of(make_rollout([0.0] * 1000, "cap"))
    lines = raw_rollout(candidate, MAZE).splitlines()
    assert len(lines) == 1001
    assert lines[500] == "499: 499 | 0 | 0"


def test_vectors_in_a_raw_rollout() -> None:
    rollout = Rollout(
        0,
        np.array([[0.12345, -2.0], [1e-5, -0.0], [9.0, 9.0]]),
        np.array([[1.0, -0.5], [0.0, 0.25]]),
        np.array([-0.012345, 1.0]),
        "truncated",
    )
    assert raw_rollout(candidate_of(rollout), MAZE).splitlines()[1:] == [
        "0: [0.123, -2] | [1, -0.5] | -0.0123",
        "1: [1e-05, 0] | [0, 0.25] | 1",
    ]


def test_the_raw_critic_sees_no_statistics_of_any_kind() -> None:
    # Means, minima and maxima of returns and lengths are all different from what the raw rollout shows.
    rollouts = [make_rollout([7.0625]), make_rollout([3.5, 3.5]), make_rollout([-77.5] * 3), make_rollout([88.25] * 3)]
    prompt = critic_prompt(
        step_of(MAZE, []), candidate_of(*rollouts), evidence=raw_rollout, excerpts=True, no_repeats=True
    )
    for value in ("-232.5", "264.75", "88.25", "-77.5", "median", "statistic", "minimum", "maximum", "rollouts were"):
        assert value not in prompt.casefold(), value
    # Mean 11.578125 -> rollout 0, with a return of 7.0625.
    assert "Mean return: 11.578125\n" in prompt
    assert prompt.endswith("0: 0 | 0 | 7.06")


# ---- Excerpts ----


def excerpt_lines(brief: Brief, history: list[Trial]) -> list[str]:
    texts = [
        critic_prompt(
            step_of(brief, history),
            candidate_of(make_rollout([1.0])),
            evidence=raw_rollout,
            excerpts=True,
            no_repeats=True,
        ),
        critic_only_prompt(step_of(brief, history)),
    ]
    parts = [text.split("as state->action->next state:\n")[1:] for text in texts]
    found = [part[0].split("\n\n")[0].splitlines() if part else [] for part in parts]
    assert found[0] == found[1]
    return found[0]


@pytest.mark.parametrize("length", [1, 2, 7, 8, 9, 10, 400])
def test_an_excerpt_has_the_first_and_the_last_four_steps(length: int) -> None:
    steps = [f"{t}->0->{t + 1}" for t in range(length)]
    steps[-1] = f"{length - 1}->0->{'[step cap]' if length >= 20 else '[ended]'}"
    if length > 8:
        left_out = f"... ({length - 8} step{'' if length == 9 else 's'} left out) ..."
        steps = [*steps[:4], left_out, *steps[-4:]]
    assert excerpt_lines(MAZE, history_of(MAZE, [length])) == [f"Trial 0: {'; '.join(steps)}"]


@pytest.mark.parametrize(
    ("count", "trials"),
    [(0, []), (1, [4]), (2, [3, 4]), (5, [0, 1, 2, 3, 4]), (100, [0, 1, 2, 3, 4])],
)
def test_the_last_trials_have_excerpts_warm_up_included(count: int, trials: list[int]) -> None:
    brief = make_brief("maze", traj_history_last_n=count)
    lines = excerpt_lines(brief, history_of(brief, [1, 2, 3, 4, 5], warmup=4))
    assert [line.split(":")[0] for line in lines] == [f"Trial {trial}" for trial in trials]
    assert [line.count("->0->") for line in lines] == [trial + 1 for trial in trials]
    assert not any("0.0625" in line or "warm" in line for line in lines)


def test_without_excerpts_there_is_no_headline_either() -> None:
    brief = make_brief("maze", traj_history_last_n=0)
    history = history_of(brief, [3, 3])
    assert write_excerpts(history, brief) == ""
    assert "How the latest policies behaved" not in critic_only_prompt(step_of(brief, history))


def test_excerpts_stand_between_the_history_and_the_proposal(tmp_path: Path) -> None:
    prompt = prompts_of("maze", "reptraj", tmp_path)["critic"]
    places = [
        prompt.index(text)
        for text in ("# How to revise", "# Reply format", "# History", "# How the latest", "# The policy to revise")
    ]
    assert places == sorted(places)


# ---- ThreeTraj ----


def three_parts(candidate: Candidate) -> dict[str, list[str]]:
    """Return, by headline, the lines of each of the three rollouts."""
    head, *blocks = three_rollouts(candidate, MAZE).split("\n\n")
    assert head == f"Of {len(candidate.rollouts)} rollouts. Each line is state->action->next state:"
    return {block.splitlines()[0]: block.splitlines()[1:] for block in blocks}


def test_three_traj_sees_worst_median_and_best_with_index_and_return() -> None:
    # Two worst, two best: the lowest index counts. Median of 5, 1, 9, 9, 1: 5.
    candidate = candidate_of(*(make_rollout([value]) for value in (5.0, 1.0, 9.0, 9.0, 1.0)))
    assert list(three_parts(candidate)) == [
        "Worst rollout: rollout 1, return 1.0000",
        "Median rollout: rollout 0, return 5.0000",
        "Best rollout: rollout 2, return 9.0000",
    ]
    assert candidate.shown == {0, 1, 2}


def test_three_traj_with_equal_returns_shows_the_same_rollout_three_times() -> None:
    candidate = candidate_of(make_rollout([1.0]), make_rollout([0.5, 0.5]))
    assert [headline.split(": ")[1] for headline in three_parts(candidate)] == ["rollout 0, return 1.0000"] * 3


@pytest.mark.parametrize(("length", "left_out"), [(1, 0), (49, 0), (50, 0), (51, 1), (52, 2), (900, 850)])
def test_three_traj_cuts_a_rollout_to_its_first_and_last_25_steps(length: int, left_out: int) -> None:
    candidate = candidate_of(make_rollout([1.0] * length, "truncated"))
    for lines in three_parts(candidate).values():
        steps = [line for line in lines if not line.startswith("...")]
        kept = [*range(25), *range(length - 25, length)] if left_out else [*range(length)]
        assert steps[:-1] == [f"{t}->0->{t + 1}" for t in kept[:-1]]
        assert lines[-1] == f"{length - 1}->0->[ended, last reward above 0]"
        cuts = [line for line in lines if line.startswith("...")]
        assert cuts == ([f"... ({left_out} step{'' if left_out == 1 else 's'} left out) ..."] if left_out else [])
        assert not cuts or lines.index(cuts[0]) == 25


def test_three_traj_labels_a_rollout_by_its_last_reward() -> None:
    for rewards, label in (([0.0, 1.0], "above 0"), ([1.0, 0.0], "not above 0"), ([1.0, -1.0], "not above 0")):
        lines = three_rollouts(candidate_of(make_rollout(rewards)), MAZE).splitlines()
        assert lines[-1] == f"1->0->[ended, last reward {label}]"


def test_three_traj_tells_the_number_of_rollouts_for_tables_only() -> None:
    text = three_rollouts(candidate_of(make_rollout([1.0])), make_brief("cartpole"))
    assert text.startswith("Each line is state->action->next state:\n")


def test_three_traj_sees_no_rewards_of_steps_and_no_statistics(tmp_path: Path) -> None:
    provider = Scripted([answer(PROPOSAL), answer(REVISION)])
    iterate("three_traj", provider, Evaluations([0.0625, 1.0, 3.0], [0.5]), tmp_path)
    critic = provider.prompts[1]
    for absent in ("Statistics", "min ", "max ", "length", "reached", " | "):
        assert absent not in critic, absent
    assert "Mean return: 1.3541666666666667\n" in critic


# ---- CriticOnly ----


@pytest.mark.parametrize("environment", ["cartpole", "maze"])
def test_critic_only_is_told_neither_iteration_nor_horizon(environment: str, tmp_path: Path) -> None:
    prompts = [
        prompts_of(environment, "critic_only", tmp_path / str(horizon), announced_iterations=horizon)["critic"]
        for horizon in (3, 377)
    ]
    assert prompts[0] == prompts[1]
    assert "iteration" not in prompts[0]
    assert "377" not in prompts[1]


@pytest.mark.parametrize("last_n", [0, 50])
@pytest.mark.parametrize("method", PROMPTED)
def test_the_number_of_excerpts_matters_where_it_should(method: str, last_n: int, tmp_path: Path) -> None:
    usual, other = (
        prompts_of("maze", method, tmp_path / str(count), num_iterations=1, traj_history_last_n=count)
        for count in (1, last_n)
    )
    assert (usual != other) == METHODS[method].shows_excerpts
