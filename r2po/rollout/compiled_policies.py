"""Networks, compiled: the outputs for one observation, bit for bit as the policy itself computes them.

``observation`` is (d,) float64, ``hidden`` is scratch of at least the number of hidden units, outputs are (m,). All
arrays are float64 and C-contiguous. Taking arrays out of a tuple costs more than a small network does: an inner loop
unpacks the network once and calls ``write_outputs``.
"""

from __future__ import annotations

import math

from r2po.policies.forms import Network
from r2po.rollout.compilation import inlined
from r2po.rollout.compiled_engine import Floats


@inlined
def act_continuous(network: Network, observation: Floats, hidden: Floats, action: Floats) -> None:
    """Write the network's output for one observation to ``action``."""
    scale, limit, hidden_weights, hidden_biases, weights, biases, gain, low, high = network
    write_outputs(
        scale, limit, hidden_weights, hidden_biases, weights, biases, gain, low, high, observation, hidden, action
    )


@inlined
def write_outputs(
    scale: float,
    limit: float,
    hidden_weights: Floats,
    hidden_biases: Floats,
    weights: Floats,
    biases: Floats,
    gain: float,
    low: Floats,
    high: Floats,
    observation: Floats,
    hidden: Floats,
    outputs: Floats,
) -> None:
    """Write the output of the network with these fields."""
    if len(hidden_biases) > 0:
        _write_hidden(scale, limit, hidden_weights, hidden_biases, observation, hidden)
        _write_sums(hidden, weights, biases, outputs)
    else:
        _write_sums(observation, weights, biases, outputs)
    for output in range(len(biases)):
        value = gain * outputs[output]
        if value < low[output]:
            value = low[output]
        if value > high[output]:
            value = high[output]
        outputs[output] = value


@inlined
def find_highest(scores: Floats) -> int:
    """Return the index of the first of the highest scores; as in numpy, not a number is the highest score."""
    best = 0
    for index in range(1, len(scores)):
        if scores[index] > scores[best] or (math.isnan(scores[index]) and not math.isnan(scores[best])):
            best = index
    return best


@inlined
def _write_hidden(
    scale: float, limit: float, weights: Floats, biases: Floats, observation: Floats, hidden: Floats
) -> None:
    for unit in range(len(biases)):
        total = clip(observation[0] / scale, limit) * weights[0, unit]
        for index in range(1, len(observation)):
            total += clip(observation[index] / scale, limit) * weights[index, unit]
        hidden[unit] = math.tanh(total + biases[unit])


@inlined
def _write_sums(inputs: Floats, weights: Floats, biases: Floats, sums: Floats) -> None:
    """Sum the weighted inputs in their order, then add the bias."""
    for output in range(len(biases)):
        total = inputs[0] * weights[0, output]
        for index in range(1, len(weights)):
            total += inputs[index] * weights[index, output]
        sums[output] = total + biases[output]


@inlined
def clip(value: float, limit: float) -> float:
    """Bound a value on both sides; not a number stays."""
    if value < -limit:
        return -limit
    return limit if value > limit else value
