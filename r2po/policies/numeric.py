"""What families whose solutions are flat parameter vectors have in common."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from r2po.errors import InputError, UnusableReply
from r2po.policies.base import PolicyFamily, logged
from r2po.policies.policy import Array
from r2po.policies.reply import read_numbers
from r2po.policies.solution import Parameters


@dataclass(frozen=True)
class Range:
    """Every parameter is a real number in [low, high], with ``decimals`` decimals.

    Attributes:
        asked: Whether prompts ask for that number of decimals.
    """

    low: float
    high: float
    decimals: int
    asked: bool = True

    @property
    def words(self) -> str:
        """What each parameter is to be, in words."""
        decimals = f" with {self.decimals} decimal{'' if self.decimals == 1 else 's'}" if self.asked else ""
        return f"a number from {self.low:g} to {self.high:g}{decimals}"

    def __contains__(self, value: float) -> bool:
        """Whether a parameter is what prompts ask for."""
        return self.low <= value <= self.high and (not self.asked or round(value, self.decimals) == value)


@dataclass(frozen=True)
class Choices:
    """Every parameter is one of these integers."""

    options: tuple[int, ...]


class NumericFamily(PolicyFamily[Parameters]):
    """A family whose solutions are ``size`` numbers."""

    kind: ClassVar[Literal["parameters", "program"]] = "parameters"
    trial_form: ClassVar[str] = "{solution}; {result}"
    objective: ClassVar[str] = "f(params)"

    size: int
    """Number of parameters."""

    values: Range | Choices
    """What the prompts ask each parameter to be."""

    @property
    def choices(self) -> tuple[int, ...]:
        """The legal values of a table's entries; empty for real parameters."""
        return self.values.options if isinstance(self.values, Choices) else ()

    def read(self, text: str, /) -> Parameters:
        """Read the parameters from a model's reply; values outside the range are kept as they are."""
        return self.read_beside(text, ())

    def read_beside(self, text: str, shown: Collection[Parameters], /, *, cut: bool = False) -> Parameters:
        """Read the parameters from a reply that may quote ``shown``, and that may have been cut off after them."""
        expected = "" if isinstance(self.values, Choices) else self.values.words
        return read_numbers(text, self.size, self.choices, shown, cut=cut, expected=expected)

    def check(self, params: Parameters, /) -> None:
        """Refuse a parameter that is not what prompts ask for."""
        if isinstance(self.values, Range):
            for index, value in enumerate(params):
                if value not in self.values:
                    raise UnusableReply(f"params[{index}] is {value:g}; expected {self.values.words}")

    def write(self, params: Parameters, /, digits: int = 5) -> str:
        """Write parameters in the format that replies must use: ``params[0]: 1.0, params[1]: -2.5``."""
        return ", ".join(f"params[{index}]: {self.format(value, digits)}" for index, value in enumerate(params))

    def write_briefly(self, params: Parameters, /) -> str:
        """Write parameters as a list: ``params = [1.0, -2.5]``."""
        return f"params = [{', '.join(self.format(value, 3) for value in params)}]"

    def write_compactly(self, params: Parameters, /) -> str:
        """Write parameters as a vector without zeros that say nothing: ``[1, -2.5]``."""
        return f"[{', '.join(_short(self.format(value, 3)) for value in params)}]"

    def record(self, params: Parameters, /) -> dict[str, Any]:
        """Return the parameters as a list."""
        return {"params": list(params)}

    def load(self, record: Mapping[str, Any], /) -> Parameters:
        """Return the parameters of a record."""
        params = logged(record, "params")
        if not isinstance(params, list | tuple) or not all(isinstance(each, int | float) for each in params):
            raise InputError("damaged log: params of a policy are no list of numbers")
        if len(params) != self.size:
            raise InputError(f"damaged log: a policy has {len(params)} params; expected {self.size}")
        return tuple(params)

    def reply_format(self, account: str, /, *, structured: bool) -> str:
        """Ask for one line with all parameters, or for a JSON object with all of them; then for an account."""
        last = self.size - 1
        if structured:
            return (
                "Your reply is one JSON object and nothing else, in this form:\n"
                '{"params": [v, v, ...], "reasoning": "..."}\n'
                f'The list "params" holds all {self.size} parameters, from params[0] to params[{last}]; '
                f'"reasoning" holds {account}.'
            )
        return (
            f"The first line of your reply holds all {self.size} parameters and nothing else, in this form:\n"
            f"params[0]: v, params[1]: v, ..., params[{last}]: v\n"
            f"Below it, write {account}."
        )

    def schema(self) -> dict[str, Any]:
        """Return the schema of ``{"params": [...], "reasoning": "..."}`` with exactly the values that prompts ask for.

        Numbers have their bounds and, as ``multipleOf``, the step between their values; providers send what their
        servers can enforce. ``params`` comes first: as in free text, the answer precedes its explanation.
        """
        if isinstance(self.values, Choices):
            value: dict[str, Any] = {"type": "integer", "enum": list(self.values.options)}
        else:
            value = {"type": "number", "minimum": self.values.low, "maximum": self.values.high}
            if self.values.asked:
                value["multipleOf"] = round(10.0**-self.values.decimals, self.values.decimals)
        params = {"type": "array", "items": value, "minItems": self.size, "maxItems": self.size}
        return {
            "type": "object",
            "properties": {"params": params, "reasoning": {"type": "string"}},
            "required": ["params", "reasoning"],
            "additionalProperties": False,
        }

    def format(self, value: float, digits: int = 5) -> str:
        """Write one parameter as prompts show it; one with other decimals than asked for, with significant digits."""
        if isinstance(self.values, Choices):
            return str(int(value))
        decimals = self.values.decimals
        rounded = round(float(value), decimals)
        return f"{rounded + 0.0:.{decimals}f}" if rounded == value else f"{value + 0.0:.{digits}g}"

    def clip(self, params: Parameters, /) -> Parameters:
        """Return the parameters moved into the range that prompts ask for; tables come back unchanged."""
        if isinstance(self.values, Choices):
            return params
        low, high = self.values.low, self.values.high
        return tuple(min(max(value, low), high) for value in params)

    def on_grid(self, values: Array) -> Parameters:
        """Clip values to the range and round them to its decimals, without negative zeros."""
        assert isinstance(self.values, Range)
        rounded = np.round(np.clip(values, self.values.low, self.values.high), self.values.decimals)
        return tuple(float(value) + 0.0 for value in rounded)


def _short(number: str) -> str:
    """Return a number as written without zeros at the end of its decimals."""
    return number.rstrip("0").rstrip(".") if "." in number and "e" not in number else number
