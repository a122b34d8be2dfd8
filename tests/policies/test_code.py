"""Policies that are code, with a worker behind the wall."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from r2po.errors import InputError, UnusableReply
from r2po.policies import FAMILIES, PolicyConfig, Program, make_policy
from r2po.policies.code import Code
from r2po.rollout import EvaluationFailed, GymnasiumEngine
from r2po.tasks.spaces import read_spaces
from tests.isolation.boxes import policy


def family(gym_id: str = "CartPole-v1", **settings: Any) -> Code:
    made = make_policy("code", read_spaces(gym_id, {}), PolicyConfig(settings=settings))
    assert isinstance(made, Code)
    return made


def engine(gym_id: str, max_steps: int, **options: Any) -> GymnasiumEngine:
    return GymnasiumEngine(gym_id, {}, read_spaces(gym_id, {}), max_steps=max_steps, **options)


@pytest.mark.parametrize("gym_id", ["CartPole-v1", "MountainCarContinuous-v0", "FrozenLake-v1", "Swimmer-v5"])
def test_random_programs_act_at_random_within_the_bounds(gym_id: str) -> None:
    code, reference = family(gym_id), engine(gym_id, 40)
    program = code.sample(np.random.default_rng(3))
    assert program == code.sample(np.random.default_rng(3)) != code.sample(np.random.default_rng(4))
    rollouts = reference.evaluate(code.bind(program), [1, 2, 3])
    actions = np.concatenate([rollout.actions for rollout in rollouts])
    spaces = read_spaces(gym_id, {})
    if spaces.discrete_action:
        assert len(set(actions.tolist())) == spaces.action_size
    else:
        assert (actions >= spaces.action_low).all()
        assert (actions <= spaces.action_high).all()
        assert actions.std() > 0.3
    reference.close()


def test_a_failure_says_how_far_the_episodes_came() -> None:
    reference = engine("CartPole-v1", 300, parallel=2)
    body = "self.time = getattr(self, 'time', 0) + 1\nreturn {}[obs[0]] if self.time == 5 else self.time % 2"
    with pytest.raises(EvaluationFailed, match="error: In step 5 of an episode") as caught:
        reference.evaluate(family().bind(Program(policy(body))), range(5))
    assert caught.value.lengths == (4, 4)  # the others had not begun
    assert caught.value.failure.kind == "error"
    with pytest.raises(EvaluationFailed, match="syntax") as caught:
        reference.evaluate(family().bind(Program("class")), range(5))
    assert caught.value.lengths == ()
    reference.close()


def test_episodes_that_ended_before_a_failure_count_with_their_length() -> None:
    reference = engine("CartPole-v1", 300)
    body = "self.time = getattr(self, 'time', 0) + 1\nreturn 1 if self.time < 12 else None"
    lengths = reference.evaluate(family().bind(Program(policy("return 1"))), range(8)).lengths.tolist()
    assert min(lengths) < 11
    assert max(lengths) > 11 or max(lengths) < 12
    expected = [min(length, 11) for length in lengths]
    if max(lengths) < 12:
        assert reference.evaluate(family().bind(Program(policy(body))), range(8)).lengths.tolist() == lengths
        body = body.replace("12", str(max(lengths)))
        expected = [min(length, max(lengths) - 1) for length in lengths]
    with pytest.raises(EvaluationFailed) as caught:
        reference.evaluate(family().bind(Program(policy(body))), range(8))
    assert list(caught.value.lengths) == expected
    reference.close()


def test_it_replies_as_it_is_asked_to() -> None:
    code = family()
    assert code.read(f"```python\n{policy('return 0')}```") == Program(policy("return 0").strip("\n"))
    with pytest.raises(UnusableReply, match="it was cut off"):
        code.read_beside(f"```python\n{policy('return 0')}", (), cut=True)
    assert code.schema() is None
    assert code.reply_format("why", structured=False) == code.reply_format("why", structured=True)


def test_the_words_are_those_of_the_spaces() -> None:
    words = family().form([], [])
    assert "a NumPy vector of 4 float64 numbers, obs[0] to obs[3]" in words
    assert "returns the action: a whole number from 0 to 1." in words
    words = family("FrozenLake-v1").form([], [])
    assert "obs is the state s: a whole number (int)." in words
    words = family("Swimmer-v5").form([], [])
    assert "a list or vector of 2 finite numbers" in words
    assert "may import abc, array, bisect" in words
    assert "32,000 bytes" in words


def test_further_packages_may_be_imported() -> None:
    source = Program("import yaml\n" + policy("return int(yaml.safe_load('1'))"))
    reference = engine("CartPole-v1", 5)
    with pytest.raises(EvaluationFailed, match="import yaml is not available"):
        reference.evaluate(family().bind(source), [1])
    assert reference.evaluate(family(imports=["yaml"]).bind(source), [1]).lengths.tolist() == [5]
    assert "yaml" in family(imports=["yaml"]).form([], [])
    reference.close()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"imports": ["no_such_package"]}, "the package 'no_such_package' is not installed"),
        ({"imports": ["a b"]}, "'a b' is no name of a package"),
        ({"imports": "yaml"}, "policy_settings: imports is 'yaml'"),
        ({"import": []}, r"unknown key in policy_settings 'import' \(did you mean 'imports'\?\)"),
    ],
)
def test_wrong_settings(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        family(**settings)


def test_there_is_no_warm_up_by_default() -> None:
    assert [name for name, each in FAMILIES.items() if not each.warms_up] == ["code"]
