"""A session over a worker fits the reference engine, and gives the returns that the same code gives in this process."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from r2po.isolation.box import Box
from r2po.isolation.protocol import Signature
from r2po.policies import Policy, Session
from r2po.policies.policy import Array, FunctionPolicy
from r2po.rollout import EvaluationFailed, GymnasiumEngine
from r2po.tasks.spaces import Spaces, read_spaces
from tests.isolation.boxes import policy
from tests.isolation.test_life import is_alive


class CodePolicy(Policy):
    """A policy that is a text of Python code."""

    replayable = False

    def __init__(self, source: str, spaces: Spaces) -> None:
        self._source, self._spaces = source, spaces
        self.pids: list[int] = []

    def begin(self, seeds: Sequence[int], /) -> Session:
        spaces = self._spaces
        size = None if spaces.discrete_observation else spaces.observation_size
        signature = Signature(size, spaces.action_size, spaces.discrete_action, spaces.first_action)
        box = Box()
        self.pids.append(box.pid)
        try:
            box.load(self._source, seeds, signature)
        except BaseException:
            box.close()
            raise
        return CodeSession(box, spaces)


class CodeSession(Session):
    def __init__(self, box: Box, spaces: Spaces) -> None:
        self._box, self._spaces = box, spaces

    def __call__(self, slots: Sequence[int], observations: Array, /) -> Array:
        actions = self._box.act(slots, np.ascontiguousarray(observations).tobytes())
        if self._spaces.discrete_action:
            return np.frombuffer(actions, np.int64)
        return np.frombuffer(actions, np.float64).reshape(len(slots), self._spaces.action_size)

    def close(self) -> None:
        self._box.close()


def engine(gym_id: str, max_steps: int) -> tuple[GymnasiumEngine, Spaces]:
    spaces = read_spaces(gym_id, {})
    return GymnasiumEngine(gym_id, {}, spaces, max_steps=max_steps), spaces


def test_discrete_actions() -> None:
    reference, spaces = engine("CartPole-v1", 300)
    code = CodePolicy(policy("return int(obs[2] + 0.3 * obs[3] > 0)"), spaces)
    function = FunctionPolicy(lambda rows: (rows[:, 2] + 0.3 * rows[:, 3] > 0).astype(np.int64))
    seeds = range(100, 125)  # more than one batch
    assert reference.evaluate(code, seeds).returns.tolist() == reference.evaluate(function, seeds).returns.tolist()
    assert len(code.pids) == 2
    assert not any(map(is_alive, code.pids))
    reference.close()


def test_state_numbers() -> None:
    reference, spaces = engine("FrozenLake-v1", 50)
    code = CodePolicy(policy("return (obs * 7 + 1) % 4"), spaces)
    function = FunctionPolicy(lambda states: (states * 7 + 1) % 4)
    assert (
        reference.evaluate(code, range(20)).lengths.tolist() == reference.evaluate(function, range(20)).lengths.tolist()
    )
    reference.close()


def test_vectors_and_a_memory() -> None:
    reference, spaces = engine("Swimmer-v5", 50)
    head = "import math"
    body = """
    self.time = getattr(self, "time", 0) + 1
    return [math.sin(0.3 * self.time), math.cos(0.3 * self.time)]
    """
    together = reference.evaluate(CodePolicy(policy(body, head), spaces), range(4))
    alone = reference.evaluate(CodePolicy(policy(body, head), spaces), [3])
    assert together.returns[3] == alone.returns[0]
    assert together[3].actions[0].tolist() == [np.sin(0.3), np.cos(0.3)]
    reference.close()


def test_a_policy_that_fails_leaves_no_worker() -> None:
    reference, spaces = engine("CartPole-v1", 300)
    code = CodePolicy(policy("self.time = getattr(self, 'time', 0) + 1\nreturn 1 // (self.time < 5)"), spaces)
    with pytest.raises(EvaluationFailed, match=r"In step 5 of an episode:\nline 5, in act") as caught:
        reference.evaluate(code, range(3))
    assert caught.value.failure.kind == "error"
    assert not any(map(is_alive, code.pids))
    with pytest.raises(EvaluationFailed, match="syntax"):
        reference.evaluate(CodePolicy("class", spaces), range(3))
    reference.close()
