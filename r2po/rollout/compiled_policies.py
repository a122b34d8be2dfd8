"""The forms of policies, compiled: one action for one observation, bit for bit as the policy itself computes it.

``act_continuous(network, observation, hidden, action)``
    Writes the action of a ``Network`` to ``action`` (m,).
``act_discrete(network, first_action, observation, hidden, scores)``
    Returns the action number with the highest score, the first of equal ones; writes the scores to ``scores`` (m,).
``look_up(actions, state)``
    Returns the action number of a table.

``observation`` is (d,) float64, ``hidden`` is scratch of at least the number of hidden units. All arrays are float64 and
C-contiguous. Compiled functions may call these functions, and so may Python.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from r2po.policies.forms import Network
from r2po.rollout.compilation import compiled

Floats = NDArray[np.float64]


@compiled
def act_continuous(network: Network, observation: Floats, hidden: Floats, action: Floats) -> None:
    """Write the network's output for one observation to ``action``."""
    units = len(network.hidden_biases)
    inputs = observation
    if units > 0:
        for unit in range(units):
            total = _clip(observation[0] / network.scale, network.limit) * network.hidden_weights[0, unit]
            for index in range(1, len(observation)):
                scaled = _clip(observation[index] / network.scale, network.limit)
                total += scaled * network.hidden_weights[index, unit]
            hidden[unit] = math.tanh(total + network.hidden_biases[unit])
        inputs = hidden
    for output in range(len(network.biases)):
        total = inputs[0] * network.weights[0, output]
        for index in range(1, len(network.weights)):
            total += inputs[index] * network.weights[index, output]
        value = network.gain * (total + network.biases[output])
        if value < network.low[output]:
            value = network.low[output]
        if value > network.high[output]:
            value = network.high[output]
        action[output] = value


@compiled
def act_discrete(network: Network, first_action: int, observation: Floats, hidden: Floats, scores: Floats) -> int:
    """Return the number of the action with the highest score for one observation."""
    act_continuous(network, observation, hidden, scores)
    best = 0
    for action in range(1, len(network.biases)):
        # As numpy.argmax: not a number is the highest score.
        if scores[action] > scores[best] or (math.isnan(scores[action]) and not math.isnan(scores[best])):
            best = action
    return first_action + best


@compiled
def look_up(actions: NDArray[np.int64], state: int) -> int:
    """Return the action number of a state."""
    action: int = actions[state]
    return action


@compiled
def _clip(value: float, limit: float) -> float:
    return min(max(value, -limit), limit)
