"""Plain policies with constants as anyone would write them first, for three environments; none has been tuned."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

SUMMARIZE = '''def summarize(observations):
    return f"{len(observations) - 1} steps"'''

_WAVE = '''from math import sin

PARAMS = {
    "amplitude": (1.0, 0.1, 1.0),
    "frequency": (0.15, 0.02, 0.5),
    "phase": (%s, -3.1, 3.1),
    "stiffness": (0.0, -1.0, 1.0),
}


class Policy:
    """A wave that runs through the two joints."""

    def __init__(self):
        self.time = 0

    def act(self, obs):
        self.time += 1
        turn = PARAMS["frequency"][0] * self.time
        wave = [sin(turn), sin(turn + PARAMS["phase"][0])]
        return [
            PARAMS["amplitude"][0] * part - PARAMS["stiffness"][0] * angle for part, angle in zip(wave, obs[1:3])
        ]'''

_SWITCH = '''PARAMS = {
    "first": (0.5, 0.1, 1.5),
    "second": (0.5, 0.1, 1.5),
    "torque": (1.0, 0.1, 1.0),
}


class Policy:
    """Each joint turns until an angle is reached, and then back."""

    def __init__(self):
        self.signs = [1.0, -1.0]

    def act(self, obs):
        for joint, limit in enumerate([PARAMS["first"][0], PARAMS["second"][0]]):
            if abs(obs[1 + joint]) > limit:
                self.signs[joint] = -1.0 if obs[1 + joint] > 0 else 1.0
        return [PARAMS["torque"][0] * sign for sign in self.signs]'''

_LEGS = '''from math import sin

PARAMS = {
    "amplitude": (1.0, 0.1, 1.0),
    "frequency": (0.3, 0.1, 1.0),
    "shin": (%s, -3.1, 3.1),
    "foot": (%s, -3.1, 3.1),
    "front": (%s, -3.1, 3.1),
    "upright": (0.0, -1.0, 1.0),
}


class Policy:
    """Thigh, shin and foot of both legs swing one after the other; a pitch of the body is held against."""

    def __init__(self):
        self.time = 0

    def act(self, obs):
        self.time += 1
        turn = PARAMS["frequency"][0] * self.time
        phases = [0.0, PARAMS["shin"][0], PARAMS["foot"][0]]
        phases += [PARAMS["front"][0] + phase for phase in phases]
        return [
            PARAMS["amplitude"][0] * sin(turn + phase) - PARAMS["upright"][0] * obs[1] for phase in phases
        ]'''

_BALANCE = '''from math import atan2

PARAMS = {
    "place": (%s, -2.0, 2.0),
    "speed": (%s, -2.0, 2.0),
    "lower": (%s, -10.0, 10.0),
    "lower_speed": (%s, -3.0, 3.0),
    "upper": (%s, -10.0, 10.0),
    "upper_speed": (%s, -3.0, 3.0),
}


class Policy:
    """A weighted sum of where everything is and how fast it moves."""

    def act(self, obs):
        lower, upper = atan2(obs[1], obs[3]), atan2(obs[2], obs[4])
        return [
            PARAMS["place"][0] * obs[0]
            + PARAMS["speed"][0] * obs[5]
            + PARAMS["lower"][0] * lower
            + PARAMS["lower_speed"][0] * obs[6]
            + PARAMS["upper"][0] * upper
            + PARAMS["upper_speed"][0] * obs[7]
        ]'''

GAITS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "Swimmer-v5": (_WAVE % "1.5", _WAVE % "-1.5", _SWITCH),
        "HalfCheetah-v5": (
            _LEGS % ("0.8", "1.6", "3.1"),
            _LEGS % ("-0.8", "-1.6", "3.1"),
            _LEGS % ("1.5", "3.0", "0.0"),
        ),
        "InvertedDoublePendulum-v5": (
            _BALANCE % ("0.1", "0.2", "3.0", "0.5", "2.0", "0.4"),
            _BALANCE % ("0.0", "0.0", "5.0", "1.0", "-5.0", "-1.0"),
            _BALANCE % ("0.0", "0.0", "1.0", "0.0", "1.0", "0.0"),
        ),
    }
)
"""The three replies to a round's prompt, by Gymnasium's id of the environment."""
