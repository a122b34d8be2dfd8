"""Which set of parameters in a model's reply is the answer.

A reply should have one. What is thought does not count (``thoughts.py``). Where several different sets are left, the
answer is the one that stands alone on the first line, as prompts ask; else the one that the prompt has not shown
already: models quote trials. If that leaves a choice, the reply is refused, since any choice would be a guess.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Sequence

from r2po.errors import UnusableReply
from r2po.policies.assignments import Block, number, read_blocks
from r2po.policies.solution import Parameters
from r2po.policies.thoughts import spoken

_CUT = "\N{HORIZONTAL ELLIPSIS}"
"""Put where a reply was cut off: what it touches is incomplete, and no number."""

LARGEST_PARAMETER = 1e12
"""Beyond any use, and small enough for sums and squares of actions to stay finite."""

_TWO_SETS = (
    "it gives two different sets of parameters: put the final parameters on the first line, and no other set anywhere"
)
_MAX_NAMED = 8
_MAX_SHOWN = 40
_BLANK = re.compile(r"[\s*_`>\-|,;.]*(?:```\w*\s*)?")
_LABEL = re.compile(r"\s*(?:#{1,6}\s.*|[^\n]{0,80}:[*_`\s]*|[*_`]+[^\n*_`]{0,80}[*_`]+|\S+(?: \S+){0,2})\s*")
_AFTER = re.compile(r"[ \t*_`.,;|>)\]}\"']*(?:(?:#|//)[^\n]*|\([^()\n]*\)[ \t.]*)?(?:\n|\Z)")


def read_text(text: str) -> str:
    """Return a reply of any content without what is marked as thought.

    Raises:
        UnusableReply: Nothing is left.
    """
    said = next((part.strip() for part in spoken(text, any_tag=False) if part.strip()), "")
    if not said:
        raise UnusableReply("it was empty")
    return said


def read_numbers(
    text: str, size: int, choices: Sequence[int] = (), shown: Collection[Parameters] = (), *, cut: bool = False
) -> Parameters:
    """Read parameters from a model's reply.

    Args:
        text: The reply.
        size: Number of parameters.
        choices: The legal values of a table's entries; none for real numbers.
        shown: What the prompt shows of earlier trials, which the reply may quote.
        cut: Whether the reply ends before it was finished: a set counts if something follows it.

    Raises:
        UnusableReply: No set is complete; several are, and none is plainly the answer; or the answer has extra or
            contradicting indices, a value that is not a finite number, or an illegal action.
    """
    text = text + _CUT if cut else text
    found: list[Block] = []
    for part in spoken(text):
        said, blocks = read_blocks(part, size)
        blocks = [block for block in blocks if not block.is_echo]
        complete = [block for block in blocks if not block.missing(size)]
        if complete:
            return _checked(_answer(complete, said, size, shown), size, choices)
        found = found or blocks
    raise UnusableReply(_what_is_missing(found, size))


def _answer(complete: list[Block], text: str, size: int, shown: Collection[Parameters]) -> Block:
    """Return the set that is the answer."""
    distinct = {_identity(block, size): block for block in reversed(complete)}
    first = complete[0]
    if len(distinct) == 1 or _stands_alone(first, text, with_labels=False):
        return first
    known = {tuple(_rounded(value) for value in params) for params in shown}
    new = [block for identity, block in distinct.items() if identity not in known]
    if len(new) == 1:
        return new[0]
    first = next(block for block in complete if not new or block in new)
    if _stands_alone(first, text, with_labels=True):
        return first
    raise UnusableReply(_TWO_SETS)


def _identity(block: Block, size: int) -> tuple[float | str, ...]:
    """Return what makes two sets the same; numbers count as prompts show them."""
    values = [block.values[index] for index in range(size)]
    return tuple(written if number(written) is None else _rounded(float(written)) for written in values)


def _rounded(value: float) -> float:
    return float(f"{value:.3g}") + 0.0


def _stands_alone(block: Block, text: str, *, with_labels: bool) -> bool:
    """Whether nothing but blank lines and fences, or also headings and labels, stands before a set and beside it."""
    if not _AFTER.match(text, block.end):
        return False
    lines = text[: block.start].split("\n")
    return all(
        _BLANK.fullmatch(line) or (with_labels and line is not lines[-1] and _LABEL.fullmatch(line)) for line in lines
    )


def _what_is_missing(blocks: list[Block], size: int) -> str:
    """Say why no set is complete: what is given nowhere, or what stands between its parts."""
    if not blocks:
        return f"no parameters found; expected params[0] to params[{size - 1}]"
    given = {index for block in blocks for index in block.values}
    missing = [index for index in range(size) if index not in given]
    broken = next((block for block in blocks if block.broken_by), None)
    if missing or broken is None:
        nearest = min(blocks, key=lambda block: len(block.missing(size)))
        return f"missing {_names(missing or nearest.missing(size))}"
    text = " ".join(broken.broken_by.split())
    text = text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}..."
    return f"{text!r} stands between params[{broken.last}] and params[{broken.next}]; nothing may stand there"


def _checked(block: Block, size: int, choices: Sequence[int]) -> Parameters:
    extra = sorted(index for index in block.values if index >= size)
    if extra:
        raise UnusableReply(f"{_names(extra)} given, but there are only params[0] to params[{size - 1}]")
    if block.contradictions:
        raise UnusableReply(f"contradicting values for {_names(block.contradictions)}")
    return tuple(_value(index, block.values[index], choices) for index in range(size))


def _value(index: int, written: str, choices: Sequence[int]) -> float:
    value = number(written)
    if value is None or not math.isfinite(value):
        raise UnusableReply(f"params[{index}] is {written[:_MAX_SHOWN]!r}, not a finite number")
    if abs(value) > LARGEST_PARAMETER:
        raise UnusableReply(f"params[{index}] is {written[:_MAX_SHOWN]}; at most {LARGEST_PARAMETER:g} is of any use")
    if choices:
        if value not in choices:
            legal = ", ".join(map(str, choices))
            raise UnusableReply(f"params[{index}] is {written[:_MAX_SHOWN]}, not one of {legal}")
        return int(value)
    return value + 0.0  # no negative zero


def _names(indices: list[int]) -> str:
    shown = ", ".join(f"params[{index}]" for index in indices[:_MAX_NAMED])
    return shown if len(indices) <= _MAX_NAMED else f"{shown} and {len(indices) - _MAX_NAMED} more"
