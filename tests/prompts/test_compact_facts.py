"""Compact prompts tell what published ones tell, nothing else, and each thing once."""

from __future__ import annotations

import re

import pytest

from tests.prompts.compact_facts import ALIKE, COMPACT, FURTHER, pattern, shown
from tests.prompts.facts import CARTPOLE, MAZE, OF_TRAINING, Case, expected, without_trials
from tests.prompts.real import Asked, asked
from tests.prompts.test_published_facts import (
    ALLOWED,
    BLACK_BOX,
    LEADS,
    PROMPTS,
    UNTOLD,
    each_prompt,
    sentences,
    values_of,
)

DATA = re.compile(
    r"(?:Trial \d+(?: \(warm-up\))?: )?f = -?[\d.]+; \[.*\].*"
    r"|Rollout(?:: \d+:.*| as in trial \d+\.)"
    r"|Trial \d+: (?:as trial \d+|-?[\d.]+ .*)"
    r"|(?:\d+: )?-?[\d. -]+ \| -?[\d. -]+(?: \| -?[\d.]+)?"
    r"|\[(?:step cap|ended.*)\]|.*\.\.\. \(\d+ steps? left out\) \.\.\."
)  # fmt: skip
FOLLOWS = {
    "the last one says how it ended:",
    "f is their mean reward; of a warm-up trial, the reward of its one rollout.",
}


def questions(method: str, role: str, case: Case, **values: int) -> list[Asked]:
    found = asked(case.environment, method, prompts="compact", **values_of(case), **values)
    return [question for question in found if question.role == role]


def facts_of(prompt: str, names: set[str], case: Case) -> set[str]:
    found = {name for name in names if pattern(name, case).search(prompt)} | (shown(prompt) - names)
    # Said in the same words as another fact of the prompt.
    return found - (ALIKE - names) - ({"only choices", "choices"} - names)


@each_prompt
@pytest.mark.sampled(3)
def test_a_compact_prompt_tells_the_published_facts_and_no_other(method: str, role: str, case: Case) -> None:
    facts = expected(method, role, case)
    for question in questions(method, role, case):
        told = facts - OF_TRAINING if question.iteration == 1 else facts
        assert facts_of(question.prompt, facts, case) == told, question.iteration


@each_prompt
@pytest.mark.sampled(4)
def test_a_first_compact_prompt_without_warm_up(method: str, role: str, case: Case) -> None:
    facts = expected(method, role, case)
    prompt = questions(method, role, case, warmup_episodes=0)[0].prompt
    assert facts_of(prompt, facts, case) == without_trials(facts, role)


@each_prompt
def test_nothing_else_stands_in_a_compact_prompt(method: str, role: str, case: Case) -> None:
    prompt = questions(method, role, case)[-1].prompt
    facts = [pattern(name, case) for name in [*expected(method, role, case), *FURTHER]]
    told = {place for fact in facts for match in fact.finditer(prompt) for place in range(*match.span())}
    for sentence in sentences(prompt):
        if DATA.fullmatch(sentence):
            continue
        start = prompt.index(sentence)
        rest = "".join(letter for place, letter in enumerate(sentence, start) if place not in told)
        assert rest.strip() in LEADS, sentence


@each_prompt
def test_a_compact_prompt_ends_with_the_request_and_says_nothing_twice(method: str, role: str, case: Case) -> None:
    for question in questions(method, role, case):
        last = question.prompt.split("\n# ")[-1]
        assert last.startswith("Now\n")
        assert "\nThe first line of your reply holds all " in last
        headings = re.findall(r"^# .*", question.prompt, re.MULTILINE)
        assert len(set(headings)) == len(headings)
        lines = [line for line in question.prompt.splitlines() if line.startswith("- ")]
        assert len(set(lines)) == len(lines)
        assert "\n\n\n" not in question.prompt
        assert not re.search(r"[^\n]\n# (?!Policy tried)", question.prompt)


EXPLORING = re.compile(
    r"(?:A value below that|If the rewards are far below that).*explor"
    r".* Once it is reached, stay close to what reached it\.$"
    r"|^- While you explore, "
    r"|, as long as the target is not reached, too little exploration\. "
    r"|hints where to explore\.$"
)
"""All that prompts say of exploring: until the optimum is reached, how, and where."""


@each_prompt
def test_nothing_says_to_explore_once_the_optimum_is_reached(method: str, role: str, case: Case) -> None:
    for question in questions(method, role, case):
        said = [line for line in question.prompt.splitlines() if "explor" in line.casefold()]
        assert all(EXPLORING.search(line) for line in said), said


def test_published_prompts_say_so_without_an_end() -> None:
    said = [line for line in asked("cartpole", "r2po")[0].prompt.splitlines() if "then explore" in line]
    assert said
    assert not any(EXPLORING.search(line) for line in said)


@pytest.mark.parametrize("environment", ["cartpole", "maze"])
@pytest.mark.parametrize("method", BLACK_BOX)
def test_a_compact_black_box_search_has_no_word_of_what_it_searches(method: str, environment: str) -> None:
    for question in asked(environment, method, prompts="compact"):
        if question.role == "search":
            words = re.findall(r"[a-z-]+", question.prompt.casefold())
            assert set(words) & UNTOLD <= ALLOWED.get(method, set()) | ({"warm-up"} if method == "r2po" else set())


@pytest.mark.parametrize("case", [CARTPOLE, MAZE])
@pytest.mark.parametrize("tau", [0.425, None])
@pytest.mark.parametrize("rule", ["preference", "order"])
def test_the_revision_rule(case: Case, rule: str, tau: float | None) -> None:
    values = {"critic_llm_conservative_threshold": tau, "revision_rule": rule}
    prompt = asked(case.environment, "r2po", prompts="compact", **values)[1].prompt
    usual = expected("r2po", "critic", case) - {"rule: preference", "rule: order"} - OF_TRAINING
    told = {name for name in shown(prompt) if name in usual or name.startswith("rule: ")}
    assert told == (usual if tau is None else usual | {f"rule: {rule}"})
    assert prompt.count("0.425") == (0 if tau is None else 1)


def test_every_fact_of_the_published_prompts_has_a_compact_form() -> None:
    assert {name for prompt in PROMPTS for name in expected(*prompt)} <= set(COMPACT)
