"""Runs the reward function of a card, behind the wall: a card is data, and may come from anybody."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from r2po.commands.episodes import Episode
from r2po.isolation.box import Box
from r2po.isolation.outcomes import PolicyFailed
from r2po.isolation.protocol import Signature
from r2po.isolation.wall import Isolation
from r2po.tasks import Task
from r2po.tasks.spaces import Spaces

# Observation, action, next observation, whether it was the end, hidden fields: one step is one "observation" of a
# "policy" whose "action" is the reward.
_RUNNER = """
import math
import numpy as np

{source}


class Policy:
    def act(self, step):
        numbers = [float(number) for number in step]
        obs, rest = numbers[:{seen}], numbers[{seen}:]
        action, rest = rest[:{acted}], rest[{acted}:]
        next_obs, (terminated, *fields) = rest[:{seen}], rest[{seen}:]
        hidden = dict(zip({names}, fields))
        if {numbered}:
            obs, next_obs = int(obs[0]), int(next_obs[0])
        if {discrete}:
            action = int(action[0])
        return [reward(obs, action, next_obs, terminated == 1.0{extra})]
"""


def reward_difference(task: Task, spaces: Spaces, episodes: Sequence[Episode], isolation: Isolation = "auto") -> str:
    """Return in one line where the card's function and the environment part; "" if they do nowhere.

    Raises:
        NoWallError: The wall is not to be had here.
        WorkerNotReadyError: The process behind it did not start.
    """
    seen = 1 if spaces.discrete_observation else spaces.observation_size
    acted = 1 if spaces.discrete_action else spaces.action_size
    names = [f"{name}_{time}" for time in ("before", "after") for name in task.hidden]
    source = _RUNNER.format(
        source=task.reward_source,
        seen=seen,
        acted=acted,
        names=names,
        numbered=spaces.discrete_observation,
        discrete=spaces.discrete_action,
        extra=", hidden" if names else "",
    )
    with Box(isolation) as box:
        try:
            box.load(source, [0], Signature(2 * seen + acted + 1 + len(names), 1, discrete=False))
            return _first_difference(box, task, episodes, names)
        except PolicyFailed as failed:
            return f"the card's reward_source fails: {failed.failure.text.splitlines()[-1]}"


def _first_difference(box: Box, task: Task, episodes: Sequence[Episode], names: Sequence[str]) -> str:
    for episode in episodes:
        for step, (numbers, reward) in enumerate(zip(_records(episode, names), episode.rewards, strict=True), start=1):
            found = box.act([0], numbers)[0]
            if not math.isclose(found, reward, rel_tol=0.0, abs_tol=task.reward_tolerance):
                return (
                    f"in step {step} of the episode with seed {episode.seed}, the card's reward_source gives "
                    f"{found!r}, the environment {reward!r}"
                )
    return ""


def _records(episode: Episode, names: Sequence[str]) -> list[bytes]:
    """Return each step as float64 numbers."""
    records = []
    for index, action in enumerate(episode.actions):
        before, after = episode.observations[index], episode.observations[index + 1]
        fields = [episode.hidden[index][name] for name in names]
        parts = [before, action, after, float(episode.terminated[index]), fields]
        records.append(b"".join(np.asarray(part, np.float64).tobytes() for part in parts))
    return records
