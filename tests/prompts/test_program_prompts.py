"""Prompts that ask for programs tell what a policy is, and each of their sentences is one of those that are listed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from r2po.prompts.rendering import FAILED, prompt_facts
from tests.builders import PROMPTED, make_brief, make_config
from tests.codes import Coder, make_code_config
from tests.prompts.program_facts import CASES, PROMPTS, Case, filled, sections
from tests.texts import run_texts

ITERATIONS = 1
ZERO = "class Policy:\n    def act(self, obs):\n        return {first}  # {{gain}}"
REWORDED = {
    "The history below may": "The history may",
    "and you are told": "and are told",
    "until all <N> are used up": "until all are used up",
    "then explore, before you exploit.": "then explore, before you exploit. Once it is reached, stay close to what "
    "reached it.",
}
"""What compact prompts for programs say in other words."""

FAILS = "class Policy:\n    def act(self, obs):\n        raise ValueError({{gain}}, {first})"


def asked(
    method: str, case: Case, source: str, logdir: Path, patch: pytest.MonkeyPatch, **values: object
) -> dict[str, str]:
    """Return the prompt of the last iteration for each role."""
    coder = Coder(source.format(first=1 if case.environment == "nim" else 0))
    small = {"num_iterations": ITERATIONS, "num_evaluation_episodes": 2, "heldout_episodes": 0, "max_traj_length": 3}
    model = {"llm_model_name": "writer/code", "policy": "code", "seed": 1, "logdir": str(logdir)}
    run_texts(make_config(case.environment, method, **model, **small, **values), coder, patch)
    return {each.role: each.prompt for each in coder.requests if each.attempt == 1}


@pytest.mark.parametrize(
    ("method", "kind", "case"),
    [(*prompt, case) for prompt in PROMPTS for case in (CASES if prompt[0] == "r2po" else CASES[:1])],
    ids=lambda value: value if isinstance(value, str) else value.environment,
)
def test_a_prompt_tells_what_is_listed_and_nothing_else(
    method: str, kind: str, case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    role, source = ("critic", FAILS) if kind == "failed" else (kind, ZERO)
    found = sections(asked(method, case, source, tmp_path, monkeypatch)[role])
    expected = PROMPTS[method, kind]
    environment = next(name for name in found if name.startswith("Environment: "))
    data = {environment, "History", *([] if role == "search" else ["The policy to revise"])}
    assert set(found) == {*expected, *data}
    for heading, text in expected.items():
        assert found[heading] == filled(text, case, N=ITERATIONS, t=ITERATIONS), heading


@pytest.mark.parametrize(("source", "kinds"), [(ZERO, ("search", "critic")), (FAILS, ("failed",))])
def test_a_compact_prompt_tells_the_same_and_ends_with_the_request(
    source: str, kinds: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = CASES[0]
    prompts = asked("r2po", case, source, tmp_path, monkeypatch, prompts="compact")
    for kind in kinds:
        prompt, published = prompts["critic" if kind == "failed" else kind], PROMPTS["r2po", kind]
        found = sections(prompt)
        assert len(found) == len(re.findall("^# ", prompt, re.MULTILINE)) + 1, "no heading twice"
        assert list(found)[-1] == "Now"
        assert "Reply format" not in found
        assert found["Now"].endswith(filled(published["Reply format"], case))
        assert found["Policy"].endswith(filled(published["Policy"], case))
        section = "How to search" if kind == "search" else "How to revise"
        expected = published[section]
        for old, new in REWORDED.items():
            expected = expected.replace(old, new)
        assert found[section] == filled(expected, case, N=ITERATIONS)


def test_the_prompt_about_a_failure_is_in_the_hash_of_methods_with_a_critic() -> None:
    brief = make_brief("cartpole", policy="code")
    facts = prompt_facts(["search.j2", "critic_median_package.j2"], brief)
    assert facts != prompt_facts(["search.j2"], brief)
    assert facts == prompt_facts(["search.j2", "critic_median_package.j2", FAILED], brief)
    assert prompt_facts(["search.j2"], brief) != prompt_facts(["search.j2", FAILED], brief)


@pytest.mark.parametrize("method", PROMPTED)
def test_a_dry_run_shows_the_prompts(method: str, tmp_path: Path) -> None:
    from r2po.commands.dry_run import preview

    text = preview(make_code_config(method, tmp_path, llm_model_name="ollama/x"), {})
    assert "class Policy:" in text
    assert "calls" in text
