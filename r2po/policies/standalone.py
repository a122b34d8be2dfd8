"""Policies as Python that needs NumPy only, for use where r2po is not installed.

The text defines a class ``Policy`` with a method ``act(obs)``, as programs of the family ``code`` do. Its actions are
those of the policy, to the last bit.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from r2po.policies.forms import Network, NetworkPolicy, TablePolicy
from r2po.policies.policy import Array, Policy

ROW = 100
"""Characters of a line of numbers, where one number does not take more."""


def standalone(policy: Policy) -> str | None:
    """Return a policy as Python; None if it is neither a table nor a network and does not write itself."""
    if isinstance(policy, TablePolicy):
        return _table(policy)
    if isinstance(policy, NetworkPolicy):
        return "\n".join(_network(policy))
    return policy.as_python()


def _table(policy: TablePolicy) -> str:
    return "\n".join([
        "import numpy as np",
        "",
        *_constant("ACTIONS", policy.actions),
        "",
        "",
        "class Policy:",
        '    """A table: the action of each state."""',
        "",
        "    def act(self, obs):",
        '        """Return the number of the action for the number of a state."""',
        "        return int(ACTIONS[int(obs)])",
    ])  # fmt: skip


def _network(policy: NetworkPolicy) -> Iterator[str]:
    network = policy.network
    has_hidden = bool(len(network.hidden_biases))
    has_bounds = bool(np.isfinite([*network.low, *network.high]).any())
    if has_hidden:
        yield from ("import math", "")
    yield from ("import numpy as np", "")
    if has_hidden:
        yield from _constant("HIDDEN_WEIGHTS", network.hidden_weights)
        yield from _constant("HIDDEN_BIASES", network.hidden_biases)
    yield from _constant("WEIGHTS", network.weights)
    if _matters(network.biases):
        yield from _constant("BIASES", network.biases)
    if has_bounds:
        yield from _constant("LOW", network.low)
        yield from _constant("HIGH", network.high)
    what = "A network with one hidden layer" if has_hidden else "A linear policy"
    given = "Return the action" if policy.first_action is None else "Return the number of the action"
    yield from (
        *("", "", "def weighted(values, weights):"),
        '    """Return the sum of the rows of weights times values, added in their order."""',
        *("    total = values[0] * weights[0]", "    for value, row in zip(values[1:], weights[1:]):"),
        *("        total = total + value * row", "    return total"),
        *("", "", "class Policy:", f'    """{what}."""', "", "    def act(self, obs):"),
        f'        """{given} for {_inputs(network)} numbers."""',
        "        values = np.asarray(obs, dtype=np.float64)",
    )
    yield from _steps(policy, has_hidden=has_hidden, has_bounds=has_bounds)


def _steps(policy: NetworkPolicy, *, has_hidden: bool, has_bounds: bool) -> Iterator[str]:
    """Yield the lines that compute the action, without what changes nothing."""
    network = policy.network
    if has_hidden:
        if network.scale != 1.0:
            yield f"        values = values / {network.scale!r}"
        if math.isfinite(network.limit):
            yield f"        values = np.clip(values, {-network.limit!r}, {network.limit!r})"
        yield "        sums = weighted(values, HIDDEN_WEIGHTS) + HIDDEN_BIASES"
        yield "        values = np.array([math.tanh(each) for each in sums])"
    yield f"        outputs = weighted(values, WEIGHTS){' + BIASES' if _matters(network.biases) else ''}"
    if network.gain != 1.0:
        yield f"        outputs = {network.gain!r} * outputs"
    if has_bounds:
        yield "        outputs = np.minimum(np.maximum(outputs, LOW), HIGH)"
    if policy.first_action is None:
        yield "        return outputs"
    else:
        first = f" + {policy.first_action}" if policy.first_action else ""
        yield f"        return int(outputs.argmax()){first}"


def _inputs(network: Network) -> int:
    return len(network.hidden_weights if len(network.hidden_biases) else network.weights)


def _matters(biases: Array) -> bool:
    """Whether biases change any bit: those that a policy lacks are -0."""
    return not bool(np.all((biases == 0) & np.signbit(biases)))


def _constant(name: str, values: Array) -> Iterator[str]:
    """Yield the lines of an array, from which exactly its numbers are read."""
    yield f"{name} = np.array(["
    if values.ndim == 2:
        yield from (f"    [{', '.join(map(_literal, row))}]," for row in values.tolist())
    else:
        yield from _wrapped(list(map(_literal, values.tolist())))
    yield "])"


def _wrapped(literals: list[str]) -> Iterator[str]:
    line = ""
    for literal in literals:
        if line and len(line) + len(literal) > ROW:
            yield f"    {line.rstrip()}"
            line = ""
        line += f"{literal}, "
    yield f"    {line.rstrip()}"


def _literal(value: float) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return "np.nan" if math.isnan(value) else "np.inf" if value > 0 else "-np.inf"
    return repr(value)
