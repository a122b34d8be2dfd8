"""Policies written by hand as Python source, one for each of the ten environments, and what they reach."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from r2po.isolation.box import Box
from r2po.isolation.protocol import Signature
from r2po.policies import Policy, Session
from r2po.policies.policy import Array
from r2po.rollout import GymnasiumEngine, Rollouts
from r2po.tasks import TASKS
from r2po.tasks.spaces import Spaces, read_spaces

SOURCES: dict[str, str] = {
    "cartpole": """
class Policy:
    def act(self, obs):
        x, v, angle, turn = obs
        return int(angle + 0.3 * turn + 0.05 * x + 0.1 * v > 0)
""",
    "mountaincar": """
class Policy:
    def act(self, obs):
        return 2 if obs[1] >= 0 else 0
""",
    "mountaincarcontinuous": """
class Policy:
    def act(self, obs):
        return [1.0 if obs[1] >= 0 else -1.0]
""",
    "invertedpendulum": """
class Policy:
    def act(self, obs):
        x, angle, v, turn = obs
        return [max(-3.0, min(3.0, 5 * angle + turn + 0.3 * x + 0.5 * v))]
""",
    "inverteddoublependulum": """
import math

class Policy:
    def act(self, obs):
        x, sine1, sine2, cosine1, cosine2, v, turn1, turn2, _ = obs
        first, second = math.atan2(sine1, cosine1), math.atan2(sine2, cosine2)
        force = 0.1 * x + 0.2 * v + 3 * first + 0.5 * turn1 + 2 * second + 0.4 * turn2
        return [max(-1.0, min(1.0, force))]
""",
    "swimmer": """
import math

class Policy:
    def __init__(self):
        self.time = 0

    def act(self, obs):
        self.time += 1
        return [math.sin(0.15 * self.time), math.sin(0.15 * self.time + 1.5)]
""",
    "pong": """
class Policy:
    def act(self, obs):
        paddle, _, ball, _, _ = obs
        away = ball + 5 - paddle
        return 2 if abs(away) < 5 else int(away > 0)
""",
    # By value iteration on the usual map, which the card does not tell: prior knowledge.
    "frozenlake": """
class Policy:
    table = [0, 3, 3, 3, 0, 0, 0, 0, 3, 1, 0, 0, 0, 2, 1, 0]

    def act(self, obs):
        return self.table[obs]
""",
    # Explores within the episode: it tries every way from each cell, and goes back where there is none.
    "maze": """
class Policy:
    def __init__(self):
        self.untried, self.trail, self.last = {}, [], None

    def act(self, obs):
        if self.last and obs != self.last[0]:
            self.trail.append(self.last)
        ways = self.untried.setdefault(obs, [1, 2, 0, 3])
        if ways:
            self.last = (obs, ways.pop(0))
            return self.last[1]
        way, self.last = self.trail.pop()[1], None
        return {0: 1, 1: 0, 2: 3, 3: 2}[way]
""",
    "nim": """
class Policy:
    def act(self, obs):
        return (obs - 1) % 4 or 1
""",
}


@dataclass(frozen=True)
class Reached:
    """What a policy's episodes should return on average.

    Attributes:
        mean: The mean return.
        rounding: By how much the figure itself may be off.
        episodes: How many episodes the fast test plays.
    """

    mean: float
    rounding: float
    episodes: int = 100


REACHED: dict[str, Reached] = {
    "cartpole": Reached(500, 0, 30),
    "mountaincar": Reached(-120.0, 0.05),
    "mountaincarcontinuous": Reached(89, 0.5, 30),
    "invertedpendulum": Reached(1000, 0, 10),
    "inverteddoublependulum": Reached(49, 0.5),
    "swimmer": Reached(-99, 0.5, 5),
    "pong": Reached(3, 0, 30),
    "frozenlake": Reached(0.75, 0.005),
    "maze": Reached(0.944, 0.0005),
    "nim": Reached(1, 0),
}


class BoxedPolicy(Policy):
    """A policy behind the wall."""

    replayable = False

    def __init__(self, source: str, spaces: Spaces) -> None:
        self._source = source
        self._signature = Signature(
            None if spaces.discrete_observation else spaces.observation_size,
            spaces.action_size,
            spaces.discrete_action,
            spaces.first_action,
        )

    def begin(self, seeds: Sequence[int]) -> Session:
        """Start a worker for these episodes."""
        return BoxedSession(self._source, self._signature, seeds)


class BoxedSession(Session):
    """Some episodes of it."""

    def __init__(self, source: str, signature: Signature, seeds: Sequence[int]) -> None:
        self._signature = signature
        self._box = Box()
        self._box.load(source, seeds, signature)

    def __call__(self, slots: Sequence[int], observations: Array) -> Array:
        actions: Array = np.array(self._box.act(slots, observations.tobytes()))
        return actions if self._signature.discrete else actions.reshape(len(slots), -1)

    def close(self) -> None:
        self._box.close()


def roll_out(name: str, episodes: int, source: str | None = None) -> Rollouts:
    """Play episodes 0, 1, ... of a task with its hand-written policy, behind the wall."""
    task = TASKS[name]
    assert task.max_traj_length is not None
    spaces = read_spaces(task.gym_id, task.env_kwargs)
    engine = GymnasiumEngine(
        task.gym_id, task.env_kwargs, spaces, max_steps=task.max_traj_length, parallel=50, reuse=task.reuse
    )
    try:
        return engine.evaluate(BoxedPolicy(source or SOURCES[name], spaces), range(episodes))
    finally:
        engine.close()


def in_process(source: str) -> Any:
    """Return the class ``Policy`` of a source, for this process; these sources are our own."""
    names: dict[str, Any] = {}
    exec(source, names)
    return names["Policy"]
