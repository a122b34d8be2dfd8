"""The stand-in that writes programs reads nothing but prompts, answers all of them, and is wrong now and then."""

from __future__ import annotations

from pathlib import Path

import pytest

from r2po.errors import UnusableReply
from r2po.isolation.box import Box
from r2po.isolation.constants import MOST, declared
from r2po.isolation.limits import Limits
from r2po.isolation.outcomes import Failure, PolicyFailed
from r2po.isolation.protocol import Signature
from r2po.isolation.summaries import Summaries
from r2po.llm.providers.embedded_code import EmbeddedCode
from r2po.llm.types import AttemptFailed
from r2po.policies.source import read_function, read_source
from r2po.prompts import search_prompt
from r2po.prompts.brief import Brief
from r2po.prompts.rounds import Round, Rounds, feedback_prompt, reflection_prompt, repair_prompt, round_prompt
from r2po.trial import Trial
from tests.builders import make_brief
from tests.scripted import make_request

SHORT = Limits(step_s=0.4)


def brief_of(environment: str) -> Brief:
    return make_brief(environment, "promptpo", llm_model_name="embedded/code")


def prompt_of(environment: str, *rounds: Round) -> str:
    return round_prompt(brief_of(environment), Rounds(rounds, 0, None), iteration=len(rounds) + 1, candidates=10)


def reply(prompt: str, sample: int = 0, attempt: int = 1) -> str:
    return EmbeddedCode().complete(make_request(prompt, sample=sample, attempt=attempt)).text


def fate(source: str, signature: Signature, observation: bytes) -> str:
    """Return how a program fares in 35 steps."""
    try:
        with Box(limits=SHORT) as box:
            box.load(source, [1], signature)
            for _ in range(35):
                box.act([0], observation)
    except PolicyFailed as failed:
        return failed.failure.kind
    return "works"


@pytest.mark.parametrize(
    ("environment", "signature"),
    [
        ("cartpole", Signature(4, 2, discrete=True)),
        pytest.param("swimmer", Signature(8, 2, discrete=False), marks=pytest.mark.slow),
        pytest.param("nim", Signature(None, 3, discrete=True, first_action=1), marks=pytest.mark.slow),
    ],
)
def test_of_ten_samples_most_work_and_the_others_are_wrong_on_purpose(environment: str, signature: Signature) -> None:
    prompt, fates = prompt_of(environment), []
    for sample in range(10):
        try:
            source = read_source(reply(prompt, sample))
        except UnusableReply:
            fates.append("unusable")
            # What could not be read is right when it is asked for again.
            source = read_source(reply(f"{prompt}\n\nYour previous reply could not be used.", sample, 2))
            assert fate(source, signature, bytes(signature.observation_bytes)) == "works"
            continue
        fates.append(fate(source, signature, bytes(signature.observation_bytes)))
    assert sorted(fates) in (
        ["action", "error", "syntax", "unusable", *["works"] * 6],
        ["action", "error", "syntax", "time", "unusable", *["works"] * 5],
    )


def test_numbers_are_declared_as_constants_where_these_are_tuned() -> None:
    brief, rounds = brief_of("cartpole"), Rounds((), 0, None)
    prompt = round_prompt(brief, rounds, iteration=1, candidates=10, tuned=True)
    sources = [read_source(text) for text in _readable(prompt)]
    found = [declared(source) for source in sources if "class Policy:" in source]
    assert len(found) >= 6
    assert all(0 < len(constants) <= MOST for constants in found)
    assert "PARAMS" not in "".join(map(read_source, _readable(prompt_of("cartpole"))))


def test_the_same_request_has_the_same_answer_and_samples_differ() -> None:
    prompt = prompt_of("cartpole")
    assert [reply(prompt, sample) for sample in range(10)] == [reply(prompt, sample) for sample in range(10)]
    assert len({reply(prompt, sample) for sample in range(10)}) > 7


def test_a_repair_keeps_the_program_without_its_mistake() -> None:
    prompt, brief = prompt_of("cartpole"), brief_of("cartpole")
    source = next(source for source in map(read_source, _readable(prompt)) if "return self.actions[obs]" in source)
    repaired = [
        read_source(reply(repair_prompt(brief, prompt, source, Failure("error", f"KeyError: {number}"))))
        for number in range(12)
    ]
    assert {each.splitlines()[0] for each in repaired} == {source.splitlines()[0]}
    broken = sum("return self.actions[obs]" in each for each in repaired)
    assert 0 < broken < 6  # some repairs fail too


def _readable(prompt: str) -> list[str]:
    replies = [reply(prompt, sample) for sample in range(10)]
    return [each for each in replies if "```" in each]


def test_the_function_that_summarizes_works_at_the_latest_when_it_was_repaired() -> None:
    for only in (True, False):
        prompt = feedback_prompt(brief_of("cartpole"), observations_only=only, modules=())
        repair = repair_prompt(brief_of("cartpole"), prompt, "def summarize(): pass", Failure("error", "TypeError"))
        with Summaries() as box:
            box.load(read_function(reply(repair)), Signature(4, 2, discrete=True))
            parts = [bytes(2 * 32)] if only else [bytes(2 * 32), bytes(8), bytes(8)]
            assert box.summarize(*parts).startswith("1 steps; from [0. 0. 0. 0.]")


def test_a_reflection_is_some_sentences() -> None:
    rounds = [Round(1, "x = 1", (3.0,)), Round(2, "x = 2", (1.0,))]
    text = reply(reflection_prompt(brief_of("cartpole"), Rounds(rounds, 0, None)))
    assert "mean return of 1.0. An earlier one reached 3.0." in text
    assert "```" not in text


def test_better_programs_are_built_upon() -> None:
    good = '# From a template: ["linear", 0, 0, -1, -1, 0, 0, 0, 1, 1, 0]\nclass Policy: ...'
    bad = '# From a template: ["constant", 0.5]\nclass Policy: ...'
    prompt = prompt_of("cartpole", Round(1, bad, (9.0,)), Round(2, good, (400.0,)), Round(3, bad, (8.0,)))
    built = [each for each in _readable(prompt) if "One of the best programs with some of its numbers changed." in each]
    assert len(built) >= 4
    assert sum('["linear"' in each for each in built) >= len(built) - 2


def test_searches_of_other_methods_are_answered(tmp_path: Path) -> None:
    from r2po.experiment.setting import Setting
    from tests.builders import make_config, open_experiment

    config = make_config("cartpole", "r2po", policy="code", llm_model_name="embedded/code", num_iterations=3,
                         num_evaluation_episodes=2, heldout_episodes=0, max_traj_length=40)  # fmt: skip
    with open_experiment(config, EmbeddedCode(), tmp_path) as experiment:
        assert isinstance(experiment.setting, Setting)
        assert "class Policy" in search_prompt(_Situation(experiment.setting.brief))
        assert experiment.run()["iterations"] == 3


class _Situation:
    """Before the first iteration."""

    def __init__(self, brief: Brief) -> None:
        self.brief, self.iteration = brief, 1
        self.history: list[Trial] = []


def test_a_prompt_for_numbers_is_refused() -> None:
    with pytest.raises(
        AttemptFailed, match="embedded/code cannot read this prompt: it does not ask for a class Policy"
    ):
        reply("params[0]: v")
