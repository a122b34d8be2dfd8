"""The forms that bound policies take: a table or a network. Engines with compiled loops run them from their numbers.

Any other policy runs in the reference engine.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from r2po.policies.policy import Array, StatelessPolicy

# numpy.tanh depends on the machine's vector instructions, and results must not. Compiled loops call the C library's
# tanh, as Python does.
_TANH = np.frompyfunc(math.tanh, 1, 1)


class Network(NamedTuple):
    """``low <= gain * (h R + b) <= high``, where h is the observation s, or ``tanh(clip(s / scale, +-limit) W + c)``.

    d observation dimensions, h hidden units (0: none), m outputs; n = h or d. All arrays are float64 and C-contiguous.
    Parts that a policy lacks are neutral and change no bit: scale and gain 1, infinite limits, biases of -0.

    Attributes:
        scale: Divides the observation before the hidden layer.
        limit: Bounds the scaled observation on both sides.
        hidden_weights: (d, h) W.
        hidden_biases: (h,) c.
        weights: (n, m) R.
        biases: (m,) b.
        gain: Multiplies the output.
        low: (m,) lower bounds of the output.
        high: (m,) upper bounds of the output.
    """

    scale: float
    limit: float
    hidden_weights: NDArray[np.float64]
    hidden_biases: NDArray[np.float64]
    weights: NDArray[np.float64]
    biases: NDArray[np.float64]
    gain: float
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    def outputs(self, observations: Array) -> Array:
        """Return the (B, m) outputs for (B, d) observations."""
        inputs = self.features(observations) if len(self.hidden_biases) else observations
        outputs = self.gain * (in_order(inputs, self.weights) + self.biases)
        bounded: Array = np.minimum(np.maximum(outputs, self.low), self.high)
        return bounded

    def features(self, observations: Array) -> Array:
        """Return the (B, h) values of the hidden units for (B, d) observations."""
        scaled = np.clip(observations / self.scale, -self.limit, self.limit)
        sums = in_order(scaled, self.hidden_weights) + self.hidden_biases
        return np.asarray(_TANH(sums), dtype=np.float64)


def make_network(
    weights: Array,
    biases: Array | None,
    *,
    hidden_weights: Array | None = None,
    hidden_biases: Array | None = None,
    scale: float = 1.0,
    limit: float = math.inf,
    gain: float = 1.0,
) -> Network:
    """Return a network; parts that are not given are neutral."""
    outputs = weights.shape[1]
    return Network(
        scale=float(scale),
        limit=float(limit),
        hidden_weights=_floats(np.empty((0, 0)) if hidden_weights is None else hidden_weights),
        hidden_biases=_floats(np.empty(0) if hidden_biases is None else hidden_biases),
        weights=_floats(weights),
        biases=_floats(np.full(outputs, -0.0) if biases is None else biases),
        gain=float(gain),
        low=np.full(outputs, -np.inf),
        high=np.full(outputs, np.inf),
    )


def in_order(rows: Array, matrix: Array) -> Array:
    """Return the matrix product of (B, n) and (n, m), each entry summed in the order of n.

    No BLAS product: its last bits depend on the size of the batch.
    """
    total: Array = rows[:, :1] * matrix[0]
    for index in range(1, len(matrix)):
        total += rows[:, index : index + 1] * matrix[index]
    return total


@dataclass(frozen=True, eq=False)
class NetworkPolicy(StatelessPolicy):
    """The policy of a network: its outputs are the action, or scores of the actions ``first_action``, ...

    ``first_action`` is None for continuous actions. The first of equal highest scores wins.
    """

    network: Network
    first_action: int | None

    def __call__(self, observations: Array) -> Array:
        """Return (B, m) actions, or (B,) action numbers, for (B, d) observations."""
        outputs = self.network.outputs(observations)
        if self.first_action is None:
            return outputs
        actions: Array = outputs.argmax(axis=1) + self.first_action
        return actions

    def bounded(self, low: Array, high: Array) -> NetworkPolicy:
        """Return the policy with its continuous actions moved into these bounds."""
        return NetworkPolicy(self.network._replace(low=_floats(low), high=_floats(high)), self.first_action)


@dataclass(frozen=True, eq=False)
class TablePolicy(StatelessPolicy):
    """The policy that looks up the action of a state: ``actions`` is (states,) int64."""

    actions: NDArray[np.int64]

    def __call__(self, observations: Array) -> Array:
        """Return (B,) action numbers for (B,) state numbers."""
        actions: Array = self.actions[observations.astype(np.int64, copy=False)]
        return actions


CompiledForm: TypeAlias = NetworkPolicy | TablePolicy
"""What compiled loops can run."""


def _floats(values: Array) -> NDArray[np.float64]:
    return np.ascontiguousarray(values, dtype=np.float64)
