"""The stand-in: deterministic, reads nothing but its prompt, answers every prompt there is, and really optimizes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from r2po.llm.providers.embedded import EmbeddedSearch
from r2po.llm.types import AttemptFailed
from r2po.methods import Step
from r2po.policies import Parameters
from r2po.prompts import Brief, critic_prompt, median_package, search_prompt
from r2po.tasks import PUBLISHED
from r2po.trial import Candidate, Trial
from tests.builders import make_brief, make_rollouts, numeric
from tests.scripted import make_request


def trial(brief: Brief, params: Parameters, reward: float) -> Trial:
    return Trial(params, params, reward, warmup=False)


def step_of(brief: Brief, history: list[Trial]) -> Step:
    def unused(*_: object) -> object:
        raise AssertionError("prompts are only written here")

    return Step(brief, history, len(history) + 1, unused, unused, clip=False)  # type: ignore[arg-type]


def search(brief: Brief, history: list[Trial]) -> str:
    return search_prompt(step_of(brief, history), lines="kinds")


def critic(brief: Brief, history: list[Trial], params: Parameters, returns: list[float]) -> str:
    proposal = Candidate("proposal", params, params, "key", make_rollouts(returns))
    return critic_prompt(step_of(brief, history), proposal, evidence=median_package, lines="kinds", revision_rule=True)


def ask(prompt: str, brief: Brief, **changes: int) -> Parameters:
    return numeric(brief.policy).read(EmbeddedSearch().complete(make_request(prompt, **changes)).text)  # type: ignore[arg-type]


@pytest.mark.parametrize("environment", PUBLISHED)
@pytest.mark.parametrize("described", [False, True])
def test_it_answers_the_prompts_of_every_environment(environment: str, described: bool) -> None:
    brief = make_brief(environment)
    rng = np.random.default_rng(0)
    history: list[Trial] = []
    for iteration in range(6):
        proposed = ask(search_prompt(step_of(brief, history), described=described), brief)
        revised = ask(critic(brief, history, proposed, [iteration, 1.0]), brief)
        for params in (proposed, revised):
            if not brief.policy.choices:
                assert all(-6 <= value <= 6 and value == round(value, 1) for value in params)
        history.append(trial(brief, brief.policy.sample(rng), float(rng.normal())))


def test_the_same_request_gets_the_same_answer() -> None:
    brief = make_brief("cartpole")
    prompt = search(brief, [trial(brief, (1.0,) * 10, 5.0), trial(brief, (2.0,) * 10, 6.0)])
    assert ask(prompt, brief) == ask(prompt, brief)
    others = [ask(prompt, brief, sample=1), ask(prompt, brief, attempt=2), ask(f"{prompt} ", brief)]
    assert all(other != ask(prompt, brief) for other in others)


def test_it_draws_on_what_the_history_shows_to_be_good() -> None:
    brief = make_brief("cartpole")
    good, bad = (5.0, -5.0) * 5, (-5.0, 5.0) * 5
    history = [trial(brief, (*bad[:-1], index / 10), -1e-05 * index) for index in range(20)]
    history += [trial(brief, (*good[:-1], index / 10), 1.5e6 + index) for index in range(8)]
    near = 0
    for sample in range(100):
        params = np.array(ask(search(brief, history), brief, sample=sample))
        near += int(np.abs(params - good).sum() < np.abs(params - bad).sum())
    assert near > 60


def test_it_leaves_a_policy_alone_that_is_good_enough() -> None:
    brief = make_brief("maze")  # tau_c and target 0.9
    params = (1, 0, 0, 1, 0, 0, 2, 2, 0)
    assert ask(critic(brief, [], params, [0.95, 0.97]), brief) == params
    worse = [ask(critic(brief, [], params, [0.5, 0.75]), brief, sample=sample) for sample in range(10)]
    assert any(revised != params for revised in worse)


def test_a_prompt_that_it_cannot_read() -> None:
    with pytest.raises(AttemptFailed, match="does not say how many parameters") as caught:
        EmbeddedSearch().complete(make_request("What is the weather like?"))
    assert not caught.value.retryable


def maximize(brief: Brief, value: Callable[[Parameters], float], iterations: int) -> float:
    """Return the best value after a number of search prompts."""
    history: list[Trial] = []
    for _ in range(iterations):
        params = ask(search(brief, history), brief)
        history.append(trial(brief, params, value(params)))
    return max(entry.reward for entry in history)


def random_best(brief: Brief, value: Callable[[Parameters], float], draws: int, seed: int) -> float:
    rng = np.random.default_rng(seed)
    return max(value(tuple(np.round(rng.uniform(-6, 6, numeric(brief.policy).size), 1))) for _ in range(draws))


def test_a_hundred_of_its_points_beat_a_thousand_random_ones() -> None:
    brief = replace(make_brief("cartpole"), optimum=0.0)
    peak = np.linspace(-4, 4, 10)

    def value(params: Parameters) -> float:
        return -float(((np.array(params) - peak) ** 2).sum())

    assert maximize(brief, value, 100) > random_best(brief, value, 1000, seed=0)


def test_it_finds_a_good_table() -> None:
    brief = make_brief("nim")
    target = (1, 1, 1, 2, 3, 1, 1, 2, 3, 1, 1)

    def value(params: Parameters) -> float:
        return sum(one == other for one, other in zip(params, target, strict=True)) / 11

    assert maximize(brief, value, 100) >= 10 / 11
