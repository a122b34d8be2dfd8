"""Each prompt tells exactly the published facts: those listed in ``facts``, and nothing else."""

from __future__ import annotations

import re

import pytest

from tests.builders import PROMPTED
from tests.prompts.facts import (
    CARTPOLE,
    CASES,
    CRITICS,
    FACTS,
    FEATURES,
    ITERATIONS,
    MAZE,
    MLP,
    OF_FAMILIES,
    OF_TRAINING,
    POINTS,
    SEARCHES,
    Case,
    expected,
    pattern,
    shown,
    without_trials,
)
from tests.prompts.real import Asked, asked, prompt_of

Prompt = tuple[str, str, Case]
"""Method, role and case."""

PROMPTS: tuple[Prompt, ...] = (
    *((method, "search", case) for method in SEARCHES for case in CASES),
    *((method, "critic", case) for method in CRITICS for case in CASES),
    ("props", "search", MLP),
    ("propsp", "search", MLP),
    ("propsp", "search", FEATURES),
)
each_prompt = pytest.mark.parametrize(
    ("method", "role", "case"),
    PROMPTS,
    ids=[f"{method}-{role}-{case.environment}-{case.family}" for method, role, case in PROMPTS],
)

# What follows a heading is data, and checked elsewhere: descriptions of environments, policies, trials and rollouts.
HEADINGS = {
    "# Policy",
    "# Parameters",
    "# How to search",
    "# How to revise",
    "# How to work",
    "# Reply format",
    "# History",
    "# How the latest policies behaved",
    "# The policy to revise",
    "# The latest rollout",
    "# Now",
}
LEADS = {"", "-", "First:", "- First,", "Second:", "Second,", "Third:", "Fourth:"}
DATA = re.compile(
    r"(?:Warm-up trial|Training trial|Trial) \d+: .*"  # a trial, or an excerpt
    r"|params\[0\]: -?\d.*"
    r"|\[?-?\d.*->.*|\.\.\. \(\d+ steps? left out\) \.\.\."
    r"|(?:\d+: )?\[?-?\d.* \| .* \| -?[\d.e-]+"
)


def values_of(case: Case) -> dict[str, str]:
    return {"policy": case.policy} if case.policy else {}


def questions(method: str, role: str, case: Case, **values: int) -> list[Asked]:
    return [
        question for question in asked(case.environment, method, **values_of(case), **values) if question.role == role
    ]


def facts_of(prompt: str, names: set[str], case: Case) -> set[str]:
    """Return those of the facts that show with the case's own numbers, and all others that show with any."""
    return {name for name in names if pattern(name, case).search(prompt)} | (shown(prompt) - names)


def sentences(prompt: str) -> list[str]:
    """Return what a prompt says, without headings, data and the section on the environment."""
    fixed = re.sub(r"^# Environment: .*?(?=^# Policy$)", "", prompt, flags=re.MULTILINE | re.DOTALL)
    fixed = re.sub(r"^# Policy$.*?(?=^# Parameters$)", "", fixed, flags=re.MULTILINE | re.DOTALL)
    lines = [line for line in fixed.splitlines() if line and not DATA.fullmatch(line) and line not in HEADINGS]
    return [sentence for line in lines for sentence in re.split(r"(?<=[.?]) (?=[A-Z])", line)]


# ---- Every fact, and no other ----


@each_prompt
@pytest.mark.sampled(3)
def test_a_prompt_tells_its_facts_and_no_other(method: str, role: str, case: Case) -> None:
    facts = expected(method, role, case)
    for question in questions(method, role, case):
        # A second pass already has a trial.
        told = facts - OF_TRAINING if question.iteration == 1 else facts
        assert facts_of(question.prompt, facts, case) == told, question.iteration


@each_prompt
@pytest.mark.sampled(4)
def test_a_first_prompt_without_warm_up_tells_the_same_but_of_no_trial(method: str, role: str, case: Case) -> None:
    facts = expected(method, role, case)
    prompt = questions(method, role, case, warmup_episodes=0)[0].prompt
    assert facts_of(prompt, facts, case) == without_trials(facts, role)


@each_prompt
def test_nothing_else_stands_in_a_prompt(method: str, role: str, case: Case) -> None:
    prompt = questions(method, role, case)[-1].prompt
    facts = [pattern(name, case) for name in expected(method, role, case)]
    told = {place for fact in facts for match in fact.finditer(prompt) for place in range(*match.span())}
    for sentence in sentences(prompt):
        start = prompt.index(sentence)
        rest = "".join(letter for place, letter in enumerate(sentence, start) if place not in told)
        assert rest.strip() in LEADS, sentence


def test_every_fact_is_told_by_some_prompt() -> None:
    told = [expected(*prompt) for prompt in PROMPTS]
    assert set().union(*told, {"no trials", "no rollout"}) == set(FACTS)


def test_every_method_has_its_list() -> None:
    assert set(SEARCHES) | set(CRITICS) == set(PROMPTED)
    assert {(method, case.policy) for method, _, case in PROMPTS if case.policy} == set(OF_FAMILIES)
    for method in PROMPTED:
        roles = {question.role for question in asked("maze", method)}
        assert roles == {role for role, known in (("search", SEARCHES), ("critic", CRITICS)) if method in known}


# ---- What searches must not know ----

BLACK_BOX = [method for method in SEARCHES if method != "propsp"]
UNTOLD = set(
    re.findall(
        r"\S+",
        "reinforcement environment agent policy policies state action reward episode episodic return rollout noise "
        "random mean average warm-up training median lucky best learn cartpole pole cart maze wall goal",
    )
)
ALLOWED = {
    "r2po": {"policies", "reward", "rollout", "mean"},
    "three_traj": {"policies", "policy", "reward", "rollout", "random", "mean", "warm-up", "training", "lucky"},
}
"""By their labels and captions."""


@pytest.mark.parametrize("environment", ["cartpole", "maze"])
@pytest.mark.parametrize("method", BLACK_BOX)
def test_a_black_box_search_has_no_word_of_what_it_searches(method: str, environment: str) -> None:
    for question in asked(environment, method):
        if question.role == "search":
            words = re.findall(r"[a-z-]+", question.prompt.casefold())
            assert set(words) & UNTOLD <= ALLOWED.get(method, set())


@pytest.mark.parametrize("method", BLACK_BOX)
def test_no_search_is_told_in_which_order_the_history_stands(method: str) -> None:
    assert "oldest" not in prompt_of("maze", method, "search")


@pytest.mark.parametrize("environment", ["cartpole", "maze"])
@pytest.mark.parametrize("method", ["reptraj", "always_critic", "pure_search", "actor_second_pass"])
def test_the_numeric_searches_are_one_and_the_same(method: str, environment: str) -> None:
    assert prompt_of(environment, method, "search", 1) == prompt_of(environment, "props", "search", 1)


@pytest.mark.parametrize("environment", ["cartpole", "maze"])
def test_both_samples_of_pure_search_have_the_same_prompt(environment: str) -> None:
    prompts = [question.prompt for question in asked(environment, "pure_search")]
    assert prompts[::2] == prompts[1::2]


@pytest.mark.parametrize("environment", ["cartpole", "maze"])
def test_a_second_pass_has_the_same_t_and_one_trial_more(environment: str) -> None:
    prompts = [question.prompt.splitlines() for question in asked(environment, "actor_second_pass")]
    for first, second in zip(prompts[::2], prompts[1::2], strict=True):
        added = [line for line in second if line not in first]
        assert len(second) == len(first) + 1
        assert len(added) == 1
        assert pattern("lines: value of f").fullmatch(added[0])


@pytest.mark.parametrize("environment", ["cartpole", "maze"])
def test_three_trajs_search_has_one_block_more_than_numeric_searches(environment: str) -> None:
    one, other = (
        prompt_of(environment, method, "search", 1, warmup_episodes=0).splitlines()
        for method in ("props", "three_traj")
    )
    assert one == other
    later = prompt_of(environment, "three_traj", "search")
    fixed = [line for line in later.splitlines() if line not in one and not DATA.fullmatch(line)]
    assert len([line for line in fixed if "iteration 3 of" not in line]) == len(POINTS)


# ---- t and N ----


@each_prompt
def test_only_searches_know_t_and_n(method: str, role: str, case: Case) -> None:
    for question in questions(method, role, case):
        if role == "search":
            assert f"iteration {question.iteration} of {ITERATIONS}." in question.prompt
        else:
            assert "iteration" not in question.prompt
            assert str(ITERATIONS) not in " ".join(sentences(question.prompt))


@pytest.mark.parametrize(
    ("method", "case", "places"),
    [("props", CARTPOLE, 3), ("r2po", MAZE, 3), ("propsp", MAZE, 3), ("props", MLP, 2), ("propsp", MLP, 1)],
)
def test_n_stands_in_its_places(method: str, case: Case, places: int) -> None:
    prompt = questions(method, "search", case)[-1].prompt
    assert " ".join(sentences(prompt)).count(str(ITERATIONS)) == places


# ---- tau_c ----


@pytest.mark.parametrize(
    ("case", "rule", "told"),
    [
        (CARTPOLE, None, "rule: preference"),
        (CARTPOLE, "order", "rule: order"),
        (MAZE, None, "rule: order"),
        (MAZE, "preference", "rule: preference"),
    ],
)
@pytest.mark.parametrize("tau", ["0.425", None])
def test_the_revision_rule(case: Case, rule: str | None, told: str, tau: str | None) -> None:
    values = {"critic_llm_conservative_threshold": tau and float(tau), "revision_rule": rule}
    prompts = [
        prompt_of(case.environment, "r2po", "critic", 1, **values),
        prompt_of(case.environment, "r2po", "critic", 1, critic_llm_conservative_threshold=None),
    ]
    usual = expected("r2po", "critic", case) - {"rule: preference", "rule: order"} - OF_TRAINING
    assert shown(prompts[0]) == (usual if tau is None else usual | {told})
    left = [line for line in prompts[0].splitlines() if not line.startswith("- Revision rule:")]
    assert left == prompts[1].splitlines()
    assert prompts[0].count("0.425") == (0 if tau is None else 1)


@pytest.mark.parametrize("method", [method for method in PROMPTED if method != "r2po"])
def test_no_other_method_has_a_revision_rule(method: str) -> None:
    for question in asked("cartpole", method, critic_llm_conservative_threshold=123.25):
        assert "123.25" not in question.prompt
