"""The reply grammar of numbers: how parameters are read from a model's text.

The answer is the first block of the reply that defines every parameter. A block is a run of assignments
(``params[i]: v`` or ``params[i] = v``, in any order) with nothing but punctuation, markup and white space between them,
or one list (``params = [v, v, ...]``, ``"params": [v, v, ...]``). If the whole reply is a JSON object, only its
``params`` count. Model text is matched against this grammar only: it is never evaluated.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from r2po.errors import UnusableReply
from r2po.policies.solution import Parameters

_THINKING = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.DOTALL | re.IGNORECASE)
_ORPHAN_END = re.compile(r"\A.*</think(?:ing)?>", re.DOTALL | re.IGNORECASE)
_MARKUP = r"[*_`\s]*"
# Text that follows a number in this way belongs to the value, which then is not a number: 2 * 3 is not 2.
_FURTHER = r"(?:\*\*|[ \t]*(?:[-+*/^]|->|=>|\u2192)[ \t]*)\(?[-+]?\.?\d[^\s,;]*"
_ASSIGNMENT = re.compile(
    rf"\bparams{_MARKUP}\[\s*(?P<index>\d{{1,9}})\s*\]{_MARKUP}[:=]{_MARKUP}"
    rf"(?P<value>[^\s,;*`|<>\"'\[\](){{}}]+(?:{_FURTHER})?)"
    rf"|\bparams[\"']?{_MARKUP}[:=]{_MARKUP}\[(?P<list>[^\[\]]*)\]",
    re.IGNORECASE,
)
_BETWEEN = re.compile(r"[\s,;*_`>|.\-\u2022\u2013\u2014]*")  # with bullets and long dashes
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?")
_LONGEST_NUMBER = 400
"""Every float fits in fewer characters; a longer run of digits is not worth the time to parse it."""
_MAX_NAMED = 8

LARGEST_PARAMETER = 1e12
"""Beyond any use, and small enough for sums and squares of actions to stay finite."""


def without_thinking(text: str) -> str:
    """Return a reply without its ``<think>`` blocks."""
    # Some servers cut the opening tag off together with the first tokens.
    return _ORPHAN_END.sub("", _THINKING.sub("", text))


def read_text(text: str) -> str:
    """Return a reply of any content without its ``<think>`` blocks.

    Raises:
        UnusableReply: Nothing is left.
    """
    said = without_thinking(text).strip()
    if not said:
        raise UnusableReply("it was empty")
    return said


@dataclass
class _Block:
    """Assignments in the order they were read."""

    values: dict[int, str] = field(default_factory=dict)
    contradictions: list[int] = field(default_factory=list)
    end: int = 0

    def assign(self, index: int, value: str) -> None:
        if index in self.values and _number(self.values[index]) != _number(value):
            self.contradictions.append(index)
        self.values.setdefault(index, value)

    def missing(self, size: int) -> list[int]:
        return [index for index in range(size) if index not in self.values]


def read_numbers(text: str, size: int, choices: Sequence[int] = ()) -> Parameters:
    """Read parameters from a model's reply.

    Args:
        text: The reply; ``<think>`` blocks are dropped.
        size: Number of parameters.
        choices: The legal values of a table's entries; none for real numbers.

    Raises:
        UnusableReply: No block defines all parameters; or the first one that does has extra or contradicting
            indices, a value that is not a finite number, or an illegal action.
    """
    nearest: _Block | None = None
    answer = without_thinking(text)
    for block in _json_blocks(answer) or _blocks(answer.replace("\N{MINUS SIGN}", "-"), size):
        if set(block.values.values()) == {"v"}:  # an echo of the format that the prompt asks for
            continue
        if not block.missing(size):
            return _checked(block, size, choices)
        if nearest is None or len(block.missing(size)) < len(nearest.missing(size)):
            nearest = block
    if nearest is None:
        raise UnusableReply(f"no parameters found; expected params[0] to params[{size - 1}]")
    raise UnusableReply(f"missing {_names(nearest.missing(size))}")


class _Object(list[tuple[str, Any]]):
    """The entries of a JSON object, in order: a repeated key may contradict itself."""


def _json_blocks(text: str) -> list[_Block]:
    """Return the block of a reply that is a JSON object with a list ``params``; none for other replies."""
    try:
        # Numbers are kept as they are written, to be read like those in free text.
        value = json.loads(
            _unfenced(text), parse_int=str, parse_float=str, parse_constant=str, object_pairs_hook=_Object
        )
    except (ValueError, RecursionError):
        return []
    entries = value if isinstance(value, _Object) else _Object()
    lists = [items for key, items in entries if key == "params" and type(items) is list]
    block = _Block()
    for items in lists:
        for index, item in enumerate(items):
            block.assign(index, item if isinstance(item, str) else json.dumps(item))
    return [block] if lists else []


def _unfenced(text: str) -> str:
    """Return a reply without a code fence around all of it."""
    text = text.strip()
    if text.startswith("```") and text.endswith("```"):
        return text[3:-3].strip().removeprefix("json")
    return text


def _blocks(text: str, size: int) -> Iterator[_Block]:
    block = _Block()
    for match in _ASSIGNMENT.finditer(text):
        if match["list"] is not None:
            if block.values:
                yield block
            yield _list_block(match["list"])
            block = _Block()
            continue
        if block.values and _ends(block, text[block.end : match.start()], int(match["index"]), size):
            yield block
            block = _Block()
        # A full stop may close a sentence that ends with the last value.
        block.assign(int(match["index"]), match["value"].rstrip(".") or match["value"])
        block.end = match.end()
    if block.values:
        yield block


def _ends(block: _Block, between: str, index: int, size: int) -> bool:
    """Whether a block ends before ``between`` and the assignment to ``index`` that follows it.

    Prose ends it. Once it is complete, a blank line, a code fence and a new line that repeats an index end it too: that
    is reasoning about the answer. A new line with another index still belongs to it, and makes it unusable.
    """
    if not _BETWEEN.fullmatch(between):
        return True
    if block.missing(size):
        return False
    return between.count("\n") > 1 or "```" in between or ("\n" in between and index in block.values)


def _list_block(body: str) -> _Block:
    items = [item.strip(" \t\r\n*_`") for item in body.split(",")]
    if items and not items[-1]:
        items.pop()
    block = _Block()
    for index, item in enumerate(items):
        block.assign(index, item)
    return block


def _checked(block: _Block, size: int, choices: Sequence[int]) -> Parameters:
    extra = sorted(index for index in block.values if index >= size)
    if extra:
        raise UnusableReply(f"{_names(extra)} given, but there are only params[0] to params[{size - 1}]")
    if block.contradictions:
        raise UnusableReply(f"contradicting values for {_names(block.contradictions)}")
    return tuple(_value(index, block.values[index], choices) for index in range(size))


def _value(index: int, written: str, choices: Sequence[int]) -> float:
    number = _number(written)
    if number is None or not math.isfinite(number):
        raise UnusableReply(f"params[{index}] is {written[:40]!r}, not a finite number")
    if abs(number) > LARGEST_PARAMETER:
        raise UnusableReply(f"params[{index}] is {written[:40]}; at most {LARGEST_PARAMETER:g} is of any use")
    if choices:
        if number not in choices:
            legal = ", ".join(map(str, choices))
            raise UnusableReply(f"params[{index}] is {written[:40]}, not one of {legal}")
        return int(number)
    return number + 0.0  # no negative zero


def _number(written: str) -> float | None:
    return float(written) if len(written) <= _LONGEST_NUMBER and _NUMBER.fullmatch(written) else None


def _names(indices: list[int]) -> str:
    shown = ", ".join(f"params[{index}]" for index in indices[:_MAX_NAMED])
    return shown if len(indices) <= _MAX_NAMED else f"{shown} and {len(indices) - _MAX_NAMED} more"
