"""The programs that ``embedded/code`` knows how to write. Each says in a comment from which numbers it was made."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

MARK = "# From a template: "
FAULTS = {1: "no fence", 3: "syntax", 5: "error", 7: "number", 9: "loop"}
"""Faults made on purpose, by the place of a sample among ten."""
_CRASH_STEP, _LOOP_STEP = 30, 5
_MOST_CONSTANTS, _REACH = 20, 3.0
"""How many constants a program may declare, and how far they reach from 0 at least."""


@dataclass(frozen=True)
class Form:
    """What a policy gets and returns.

    Attributes:
        inputs: Numbers of an observation; None if it is the number of a state.
        states: How many states there are, if they are numbered.
        outputs: Numbers of an action, or how many actions there are to choose from.
        first_action: Number of the first action to choose from; None if an action is a vector.
        declares: Whether programs declare their numbers as constants that may be tuned.
    """

    inputs: int | None
    states: int
    outputs: int
    first_action: int | None
    declares: bool = False

    @property
    def kinds(self) -> tuple[str, ...]:
        """The templates for it, the better ones more often."""
        if self.inputs is None:
            return ("constant", "table", "table", "table", "walk")
        if self.first_action is None:
            return ("constant", "linear", "linear", "sine", "sine", "walk")
        return ("constant", "linear", "linear", "linear", "sine", "walk")


@dataclass(frozen=True)
class Plan:
    """A template and its numbers."""

    kind: str
    numbers: tuple[float, ...]

    def write(self) -> str:
        """Return it as one line."""
        return json.dumps([self.kind, *self.numbers])

    @classmethod
    def read(cls, text: str) -> Plan | None:
        """Read what ``write`` returned; None if it is not that."""
        try:
            kind, *numbers = json.loads(text)
        except ValueError:
            return None
        return cls(kind, tuple(numbers)) if kind in _BODIES else None


def new_plan(form: Form, rng: np.random.Generator) -> Plan:
    """Draw a template and its numbers."""
    kind = str(rng.choice(form.kinds))
    count = {
        "constant": 1 if form.first_action is not None else form.outputs,
        "linear": form.outputs * ((form.inputs or 0) + 1),
        "table": form.states,
        "sine": 1 + 2 * form.outputs,
        "walk": 1,
    }[kind]
    numbers = rng.normal(0.0, 1.0, count)
    if kind == "walk":
        numbers = rng.uniform(0.05, 0.5, count)
    return Plan(kind, tuple(np.round(numbers, 2).tolist()))


def mutated(plan: Plan, rng: np.random.Generator) -> Plan:
    """Change some of a plan's numbers."""
    numbers = np.array(plan.numbers)
    changed = rng.random(len(numbers)) < rng.choice([0.2, 0.5, 1.0])
    changed[rng.integers(len(numbers))] = True
    moved = numbers + np.where(changed, rng.normal(0.0, rng.choice([0.1, 0.5, 1.5]), len(numbers)), 0.0)
    return Plan(plan.kind, tuple(np.round(moved, 2).tolist()))


def write_program(plan: Plan, form: Form, fault: str = "") -> str:
    """Return the source of a program, with a fault if one is named."""
    body = _BODIES[plan.kind]
    lines = [f"{MARK}{plan.write()}", "import math", "import random", "", "import numpy as np", "", ""]
    lines += [*_numbers(plan, form), *_helper(form), "", ""]
    lines += [
        "class Policy:" if fault != "syntax" else "class Policy",
        "    def __init__(self):",
        "        self.time = 0",
    ]
    lines += ["        self.action = None", "", "    def act(self, obs):", "        self.time += 1"]
    lines += [f"        {line}" for line in [*_fault_lines(fault, form), *body]]
    return "\n".join(lines)


def _numbers(plan: Plan, form: Form) -> list[str]:
    """Return the lines that define the numbers: as constants, if they are asked for and are not too many."""
    if not form.declares or len(plan.numbers) > _MOST_CONSTANTS:
        return [f"NUMBERS = {list(plan.numbers)}"]
    reach = [max(_REACH, abs(number)) for number in plan.numbers]
    entries = [f'"n{k}": ({plan.numbers[k]}, {-reach[k]}, {reach[k]})' for k in range(len(reach))]
    return [f"PARAMS = {{{', '.join(entries)}}}", "NUMBERS = [value for value, low, high in PARAMS.values()]"]


def _helper(form: Form) -> list[str]:
    """Return the constants, and the function that makes an action of one score for each output."""
    constants = [f"OUTPUTS = {form.outputs}", "", "", "def choose(scores):"]
    if form.first_action is None:
        return [*constants, "    return np.tanh(np.asarray(scores, float))"]
    return [*constants, f"    return int(np.argmax(scores)) + {form.first_action}"]


def _fault_lines(fault: str, form: Form) -> list[str]:
    wrong = "float('nan')" if form.first_action is not None else "[float('nan')] * OUTPUTS"
    return {
        "error": [f"if self.time == {_CRASH_STEP}:", "    return self.actions[obs]"],
        "number": [f"return {wrong}"],
        "loop": [f"while self.time == {_LOOP_STEP}:", "    pass"],
    }.get(fault, [])


_BODIES: dict[str, list[Any]] = {
    "constant": [
        "scores = NUMBERS if len(NUMBERS) == OUTPUTS else [-abs(k - NUMBERS[0] * OUTPUTS) for k in range(OUTPUTS)]",
        "return choose(scores)",
    ],
    "linear": [
        "weights = np.reshape(NUMBERS, (OUTPUTS, -1))",
        "return choose(weights[:, :-1] @ obs + 0.05 * weights[:, -1])",
    ],
    "table": [
        "chosen = int(abs(NUMBERS[obs]) * 100) % OUTPUTS",
        "return choose([k == chosen for k in range(OUTPUTS)])",
    ],
    "sine": [
        "turn = NUMBERS[0] * self.time",
        "waves = zip(NUMBERS[1::2], NUMBERS[2::2])",
        "return choose([size * math.sin(turn + phase) for size, phase in waves])",
    ],
    "walk": [
        "if self.action is None or random.random() < abs(NUMBERS[0]):",
        "    self.action = choose([random.gauss(0.0, 1.0) for _ in range(OUTPUTS)])",
        "return self.action",
    ],
}
