"""Which section stands in the prompts of which method, and which does not: an ablation may differ in nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from r2po.llm.providers.embedded import EmbeddedSearch
from r2po.methods import METHODS
from r2po.prompts import Brief, critic_only_prompt, critic_prompt, raw_rollout, three_rollouts
from r2po.prompts.history import write_excerpts
from r2po.rollout import Rollout, Rollouts
from r2po.runlog.events import read_calls
from r2po.trial import Candidate, Trial
from tests.builders import PROMPTED, answer, make_brief, make_config, make_rollout, open_experiment
from tests.methods.one_iteration import PROPOSAL, REVISION, Evaluations, iterate
from tests.prompts.test_prompts import described_facts, step_of
from tests.scripted import Scripted

# ---- The matrix: method and role -> sections ----

SECTIONS = {
    # What it is about
    "numerical optimizer": "You are a numerical optimizer. You maximize an unknown function",
    "policy optimizer": "You optimize the policy of a reinforcement-learning agent.",
    "reviser": "You revise the policy of a reinforcement-learning agent.",
    "improver": "You improve the policy of a reinforcement-learning agent.",
    "description": "# Environment: ",
    "policy form": "# Policy\nThe policy ",
    "cap": "A rollout is stopped after",
    "f is the return": "f(params) is the episodic return",
    # Parameters
    "range": "Each is a real number from -6.0 to 6.0 with 1 decimal.",
    "legal integers": "Each is one of the integers",
    "legal actions": "Legal actions of every entry: ",
    "both signs": "Search positive and negative values",
    "exploration step size": "Use an exploration step size of about",
    "step advice": "Use steps of about",
    "no repeats": "Do not propose parameters again",
    "reply format": "The first line of your reply holds all",
    # Aims and advice
    "optimum": "The optimum of f is around",
    "explore": "As long as the best value is below it, keep exploring.",
    "target": "- Target: a mean return of ",
    "iteration": "This is iteration 3 of 3.",
    "statistics first": "Work from the aggregate statistics first",
    "point of failure": "find the point of failure",
    "compare": "Compare the worst, the median and the best rollout",
    "may be chance": "A failure that only the worst one shows may be chance.",
    "draft": "First draft new parameters. Then criticise the draft",
    "keep what works": "Keep what works",
    "few edits": "change few parameters, each for a reason",
    "rule": "Revision rule: if the mean return is",
    "trust means": "trust means more than single rollouts",
    # History
    "history": "# History, oldest first\nTrial 1",
    "kinds apart": "Trial 1 (warm-up, 1 rollout): params[0]",
    "kinds not apart": "Trial 1: params[0]",
    "kinds explained": "value of a warm-up trial comes from a single rollout",
    "rollouts in the history": "  its first rollout: ",
    "excerpts": "# How the latest policies behaved",
    # The candidate and what is seen of it
    "proposal": "Proposed parameters: params[0]",
    "mean return": "\nMean return: ",
    "statistics": "Statistics of the 3 rollouts:",
    "reached": "reached the target of",
    "median rollout whole": "Median rollout: rollout ",
    "worst": "Worst rollout (rollout ",
    "best": "Best rollout (rollout ",
    "raw rollout": "state | action | reward:",
    "latest rollout": "# The latest rollout",
}

SEARCH = {
    "numerical optimizer",
    "no repeats",
    "reply format",
    "optimum",
    "explore",
    "iteration",
    "history",
}
NUMERIC = SEARCH | {"kinds not apart"}
DESCRIBED = NUMERIC - {"numerical optimizer"} | {
    "policy optimizer",
    "description",
    "policy form",
    "cap",
    "f is the return",
}
KINDS_APART = {"kinds apart", "kinds explained"}
ABOUT_BEHAVIOUR = {"description", "policy form", "cap", "target", "reply format", "history"}
CRITIC = ABOUT_BEHAVIOUR | {"reviser", "keep what works", "proposal", "mean return"}
RAW_CRITIC = CRITIC | {"kinds not apart", "excerpts", "raw rollout", "point of failure", "no repeats"}

PRESENT: dict[tuple[str, str], set[str]] = {
    ("props", "search"): NUMERIC,
    ("pure_search", "search"): NUMERIC,
    ("actor_second_pass", "search"): NUMERIC,
    ("reptraj", "search"): NUMERIC,
    ("always_critic", "search"): NUMERIC,
    ("propsp", "search"): DESCRIBED,
    ("r2po", "search"): SEARCH | KINDS_APART,
    ("three_traj", "search"): SEARCH | KINDS_APART | {"trust means"},
    ("r2po", "critic"): CRITIC
    | KINDS_APART
    | {"statistics first", "few edits", "statistics", "reached", "median rollout whole", "rule"},
    ("reptraj", "critic"): RAW_CRITIC,
    ("always_critic", "critic"): RAW_CRITIC,
    ("three_traj", "critic"): CRITIC
    | KINDS_APART
    | {"compare", "may be chance", "few edits", "worst", "best", "no repeats"},
    ("critic_only", "critic"): ABOUT_BEHAVIOUR
    | {"improver", "draft", "kinds not apart", "excerpts", "raw rollout", "latest rollout", "no repeats"},
}


def expected_sections(method: str, role: str, *, tabular: bool) -> set[str]:
    """Return the sections of a prompt, those on parameters included: they depend on the policy, not on the method."""
    chosen = set(PRESENT[method, role])
    if role == "critic":
        return chosen | {"legal actions" if tabular else "step advice"}
    if tabular:
        return chosen | {"legal integers"} | ({"rollouts in the history"} if method == "propsp" else set())
    return chosen | {"range", "both signs", "exploration step size"}


def prompts_of(environment: str, method: str, folder: Path, **values: Any) -> dict[str, str]:
    """Run three iterations and return the last prompt of each role."""
    settings = {"num_iterations": 3, "num_evaluation_episodes": 3, "warmup_episodes": 2, "heldout_episodes": 0}
    config = make_config(environment, method, **{**settings, "max_traj_length": 30, **values})
    with open_experiment(config, EmbeddedSearch(), folder) as experiment:
        experiment.run()
        return {call.role: call.prompt for call in read_calls(experiment.directory.path)}


@pytest.mark.parametrize("environment", ["cartpole", "mountaincarcontinuous", "swimmer", "maze", "nim"])
@pytest.mark.parametrize("method", PROMPTED)
def test_a_prompt_has_its_sections_and_no_others(environment: str, method: str, tmp_path: Path) -> None:
    prompts = prompts_of(environment, method, tmp_path)
    assert {(method, role) for role in prompts} == {key for key in PRESENT if key[0] == method}
    for role, prompt in prompts.items():
        present = {name for name, text in SECTIONS.items() if text in prompt}
        assert present == expected_sections(method, role, tabular=environment in ("maze", "nim")), role


def test_every_section_stands_in_some_prompt() -> None:
    used = {
        section
        for method, role in PRESENT
        for tabular in (False, True)
        for section in expected_sections(method, role, tabular=tabular)
    }
    assert used == set(SECTIONS)


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
            brief.policy.write(PROPOSAL),
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


def test_the_searches_of_r2po_and_three_traj_differ_in_one_line(tmp_path: Path) -> None:
    one, other = (
        prompts_of("cartpole", method, tmp_path / method, num_iterations=1)["search"].splitlines()
        for method in ("r2po", "three_traj")
    )
    assert [line for line in other if line not in one] == [
        "- A single rollout can be lucky: trust means more than single rollouts."
    ]
    assert [line for line in one if line not in other] == []


# ---- What the critics of RepTraj and AlwaysCritic see ----


def candidate_of(*rollouts: Rollout) -> Candidate:
    return Candidate("proposal", PROPOSAL, PROPOSAL, "key", Rollouts.of(rollouts))


MAZE = make_brief("maze")


def test_the_raw_rollout_is_the_one_closest_to_the_mean_with_every_reward() -> None:
    # Returns 1, 2, 9, 0, 30: mean 8.4, median 2.
    rollouts = [[1.0], [2.0], [4.5, -0.25, 4.75], [0.0], [30.0]]
    candidate = candidate_of(*(make_rollout(rewards) for rewards in rollouts))
    assert raw_rollout(candidate, MAZE) == (
        "One of its rollouts, the one whose return is closest to the mean. Each line is state | action | reward:\n"
        "0 | 0 | 4.5\n"
        "1 | 0 | -0.25\n"
        "2 | 0 | 4.75\n"
        "[episode terminated by the environment]"
    )
    assert candidate.shown == {2}


def test_a_raw_rollout_is_never_cut() -> None:
    candidate = candidate_of(make_rollout([0.0] * 1000, "cap"))
    lines = raw_rollout(candidate, MAZE).splitlines()
    assert len(lines) == 1002
    assert lines[500] == "499 | 0 | 0"


def test_vectors_in_a_raw_rollout() -> None:
    rollout = Rollout(
        0,
        np.array([[0.12345, -2.0], [1e-5, -0.0], [9.0, 9.0]]),
        np.array([[1.0, -0.5], [0.0, 0.25]]),
        np.array([-0.012345, 1.0]),
        "truncated",
    )
    assert raw_rollout(candidate_of(rollout), MAZE).splitlines()[1:] == [
        "[0.123, -2] | [1, -0.5] | -0.0123",
        "[1e-05, 0] | [0, 0.25] | 1",
        "[episode truncated by the environment's own step limit]",
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
    assert "Mean return: 11.5781\n" in prompt
    assert "0 | 0 | 7.06\n" in prompt


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
    steps[-1] += " [episode terminated by the environment]"
    if length > 8:
        left_out = f"... ({length - 8} step{'' if length == 9 else 's'} left out) ..."
        steps = [*steps[:4], left_out, *steps[-4:]]
    assert excerpt_lines(MAZE, history_of(MAZE, [length])) == [f"Trial 1: {'; '.join(steps)}"]


@pytest.mark.parametrize(
    ("count", "trials"),
    [(0, []), (1, [5]), (2, [4, 5]), (5, [1, 2, 3, 4, 5]), (100, [1, 2, 3, 4, 5])],
)
def test_the_last_trials_have_excerpts_warm_up_included(count: int, trials: list[int]) -> None:
    brief = make_brief("maze", traj_history_last_n=count)
    lines = excerpt_lines(brief, history_of(brief, [1, 2, 3, 4, 5], warmup=4))
    assert [line.split(":")[0] for line in lines] == [f"Trial {trial}" for trial in trials]
    assert [line.count("->0->") for line in lines] == trials
    assert not any("0.0625" in line or "warm" in line for line in lines)


def test_without_excerpts_there_is_no_headline_either() -> None:
    brief = make_brief("maze", traj_history_last_n=0)
    history = history_of(brief, [3, 3])
    assert write_excerpts(history, 0) == ""
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
    assert head == "Each line is state->action->next state:"
    return {block.splitlines()[0]: block.splitlines()[1:] for block in blocks}


def test_three_traj_sees_worst_median_and_best_with_index_and_return() -> None:
    # Two worst, two best: the lowest index counts. Median of 5, 1, 9, 9, 1: 5.
    candidate = candidate_of(*(make_rollout([value]) for value in (5.0, 1.0, 9.0, 9.0, 1.0)))
    assert list(three_parts(candidate)) == [
        "Worst rollout (rollout 1 of 0 to 4), return 1:",
        "Median rollout (rollout 0 of 0 to 4), return 5:",
        "Best rollout (rollout 2 of 0 to 4), return 9:",
    ]
    assert candidate.shown == {0, 1, 2}


def test_three_traj_with_equal_returns_shows_the_same_rollout_three_times() -> None:
    candidate = candidate_of(make_rollout([1.0]), make_rollout([0.5, 0.5]))
    assert [headline.split("(")[1] for headline in three_parts(candidate)] == ["rollout 0 of 0 to 1), return 1:"] * 3


@pytest.mark.parametrize(("length", "left_out"), [(1, 0), (49, 0), (50, 0), (51, 1), (52, 2), (900, 850)])
def test_three_traj_cuts_a_rollout_to_its_first_and_last_25_steps(length: int, left_out: int) -> None:
    candidate = candidate_of(make_rollout([1.0] * length, "truncated"))
    for lines in three_parts(candidate).values():
        steps = [line.split(" [")[0] for line in lines if not line.startswith("...")]
        kept = [*range(25), *range(length - 25, length)] if left_out else [*range(length)]
        assert steps == [f"{t}->0->{t + 1}" for t in kept]
        assert lines[-1].endswith(" [episode truncated by the environment's own step limit]")
        cuts = [line for line in lines if line.startswith("...")]
        assert cuts == ([f"... ({left_out} step{'' if left_out == 1 else 's'} left out) ..."] if left_out else [])
        assert not cuts or lines.index(cuts[0]) == 25


def test_three_traj_sees_no_rewards_of_steps_and_no_statistics(tmp_path: Path) -> None:
    provider = Scripted([answer(PROPOSAL), answer(REVISION)])
    iterate("three_traj", provider, Evaluations([0.0625, 1.0, 3.0], [0.5]), tmp_path)
    critic = provider.prompts[1]
    for absent in ("Statistics", "min ", "max ", "length", "reached", " | "):
        assert absent not in critic, absent
    assert "Mean return: 1.35417\n" in critic


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
