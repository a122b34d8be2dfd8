"""Which set of parameters in a model's reply is the answer.

A reply should have one. What is thought does not count (``thoughts.py``). Where several different sets are left, the
answer is the one that stands alone on the first line, as prompts ask; else the one that the prompt has not shown
already: models quote trials. If that leaves a choice, or nothing but a quotation in a sentence, the reply is refused,
since anything else would be a guess.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Sequence

from r2po.errors import UnusableReply
from r2po.policies.assignments import Block, number, read_blocks
from r2po.policies.plain import plain
from r2po.policies.solution import Parameters
from r2po.policies.thoughts import spoken

_CUT = "\N{SYMBOL FOR END OF TEXT}"
"""Put where a reply was cut off: what it touches is incomplete, and no number."""

LARGEST_PARAMETER = 1e12
"""Beyond any use, and small enough for sums and squares of actions to stay finite."""

_TWO_SETS = (
    "it gives two different sets of parameters: put the final parameters on the first line, and no other set anywhere"
)
_QUOTATION = (
    "its only set of parameters is one that the prompt shows, inside a sentence: put the final parameters on the first "
    "line, alone"
)
_THOUGHT = "its parameters stand among its thoughts: put the final parameters below them, outside of all tags"
_MAYBE_CUT = "it may have been cut off at params[{}], where it ends: write a line below it"
_NAMED = re.compile(r"\bparams\s?\[\s?(?P<index>\d{1,9})\s?\](?P<rest>[^,;|\n]{0,40})", re.IGNORECASE)
_NOTHING = ("", "v", "...", _CUT)
_MAX_NAMED = 8
_MAX_SHOWN = 40
_BLANK = re.compile(r"(?:\s*\d{1,3}[.)]\s)?[\s*_`>\-|,;.]*(?:```\w*\s*)?")
_NO_WORD = re.compile(r"[\W_]+")
_LABEL_WORDS = frozenset({
    "all", "and", "answer", "are", "as", "below", "chosen", "final", "first", "follow", "following", "follows",
    "for", "format", "here", "i", "improved", "in", "is", "it", "iteration", "json", "line", "my", "new",
    "next", "optimized", "output", "parameter", "parameters", "params", "policy", "proposal", "propose",
    "proposed", "python", "recommended", "reply", "requested", "response", "result", "revised", "s", "set",
    "solution", "suggested", "text", "the", "these", "this", "try", "updated", "vector", "what", "will", "with",
    "your",
})  # fmt: skip
"""A label above the first line says nothing but that the answer follows: not "Draft:" or "Trial 3"."""
_LONGEST_LABEL = 100
_CHANGED = re.compile(
    r"^[ \t]*params\[[ \t]*(?P<index>\d{1,9})[ \t]*\][ \t]*(?P<by>[-+*/]?)=[ \t]*(?P<value>[^\s;#]+)[ \t;]*(?:#.*)?$",
    re.IGNORECASE | re.MULTILINE,
)
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
    text: str,
    size: int,
    choices: Sequence[int] = (),
    shown: Collection[Parameters] = (),
    *,
    cut: bool = False,
    expected: str = "",
) -> Parameters:
    """Read parameters from a model's reply.

    Args:
        text: The reply.
        size: Number of parameters.
        choices: The legal values of a table's entries; none for real numbers.
        shown: What the prompt shows of earlier trials, which the reply may quote.
        cut: Whether the reply ends before it was finished: a set counts if it is closed by a bracket or a line break.
        expected: What each parameter is to be, in words, for complaints; empty if nothing is to be said of it.

    Raises:
        UnusableReply: No set is complete; several are, and none is plainly the answer; or the answer has extra or
            contradicting indices, a value that is not a finite number, or an illegal action.
    """
    text = text + _CUT if cut else text
    found: list[Block] = []
    parts = spoken(text)
    for part in parts:
        said = plain(part)
        blocks = [block for block in read_blocks(said, size) if not block.is_echo]
        complete = [block for block in blocks if block.is_complete(size)]
        if complete:
            answer = _answer(complete, said, size, shown)
            _check_later_lines(answer, said)
            params = _checked(answer, size, choices, expected)
            if cut and not (answer.is_closed or "\n" in said[answer.end :]):
                raise UnusableReply(_MAYBE_CUT.format(answer.last))
            return params
        found = found or blocks
    said = "\n".join(parts)
    if "params" not in said and "params" in text:
        raise UnusableReply(_THOUGHT)
    raise UnusableReply(_what_is_missing(found, size, said))


def _answer(complete: list[Block], text: str, size: int, shown: Collection[Parameters]) -> Block:
    """Return the set that is the answer."""
    distinct = {_identity(block, size): block for block in reversed(complete)}
    known = {tuple(_rounded(value) for value in params) for params in shown}
    new = [block for identity, block in distinct.items() if identity not in known]
    first = complete[0]
    if _stands_alone(first, text, with_labels=False):
        if first in new or not any(_has_own_lines(block, text) for block in new):
            return first
        raise UnusableReply(_TWO_SETS)  # a trial, and below it a new set: either may be meant
    if len(new) == 1:
        return new[0]
    if len(distinct) == 1:
        if not any(_has_own_lines(block, text) for block in complete):
            raise UnusableReply(_QUOTATION)
        return first
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
    *lines, beside = text[: block.start].split("\n")
    return bool(_BLANK.fullmatch(beside)) and all(
        _BLANK.fullmatch(line) or (with_labels and _is_label(line)) for line in lines
    )


def _is_label(line: str) -> bool:
    words = {*_NO_WORD.split(line.casefold())} - {""} if len(line) <= _LONGEST_LABEL else {line}
    return bool(words) and words <= _LABEL_WORDS


def _has_own_lines(block: Block, text: str) -> bool:
    """Whether a set does not stand in a sentence: beside it is nothing, or what ends with a colon before it."""
    before = text[max(block.start - _LONGEST_LABEL, 0) : block.start].rpartition("\n")[2]
    return bool(_AFTER.match(text, block.end)) and bool(
        _BLANK.fullmatch(before) or before.rstrip(" \t*_`").endswith(":")
    )


def _check_later_lines(answer: Block, text: str) -> None:
    """Refuse a set that is changed by what follows it: models write programs."""
    for line in _CHANGED.finditer(text, answer.end):
        was, value = answer.values.get(int(line["index"]), ""), number(line["value"])
        if line["by"] or (value is not None and value != number(was)):
            raise UnusableReply(
                f"params[{int(line['index'])}] is changed by a line below the set: give its final value"
            )


def _what_is_missing(blocks: list[Block], size: int, text: str) -> str:
    """Say why no set is complete: what is given nowhere, or otherwise, or what stands between its parts."""
    given = {index for block in blocks for index in block.values}
    missing = [index for index in range(size) if index not in given]
    for named in _NAMED.finditer(text):
        if int(named["index"]) in missing and named["rest"].strip(" *_`:=") not in _NOTHING:
            return f"{' '.join(named[0].split())!r} cannot be read; write params[i]: v, with a number in the place of v"
    if not blocks:
        return f"no parameters found; expected params[0] to params[{size - 1}]"
    broken = next((block for block in blocks if block.broken_by), None)
    if missing or broken is None:
        nearest = min(blocks, key=lambda block: len(block.missing(size)))
        return f"missing {_names(missing or nearest.missing(size))}"
    text = " ".join(broken.broken_by.split())
    text = text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}..."
    return f"{text!r} stands between params[{broken.last}] and params[{broken.next}]; nothing may stand there"


def _checked(block: Block, size: int, choices: Sequence[int], expected: str) -> Parameters:
    extra = sorted(index for index in block.values if index >= size)
    if extra:
        raise UnusableReply(f"{_names(extra)} given, but there are only params[0] to params[{size - 1}]")
    if block.contradictions:
        raise UnusableReply(f"contradicting values for {_names(block.contradictions)}")
    return tuple(_value(index, block.values[index], choices, expected) for index in range(size))


def _value(index: int, written: str, choices: Sequence[int], expected: str) -> float:
    if written.endswith(_CUT):
        raise UnusableReply(_MAYBE_CUT.format(index))
    value = number(written)
    if value is None or not math.isfinite(value):
        raise UnusableReply(f"params[{index}] is {written[:_MAX_SHOWN]!r}, not a finite number")
    if abs(value) > LARGEST_PARAMETER:
        what = f"expected {expected}" if expected else f"at most {LARGEST_PARAMETER:g} is of any use"
        raise UnusableReply(f"params[{index}] is {written[:_MAX_SHOWN]}; {what}")
    if choices:
        if value not in choices:
            legal = ", ".join(map(str, choices))
            raise UnusableReply(f"params[{index}] is {written[:_MAX_SHOWN]}, not one of {legal}")
        return int(value)
    return value + 0.0  # no negative zero


def _names(indices: list[int]) -> str:
    shown = ", ".join(f"params[{index}]" for index in indices[:_MAX_NAMED])
    return shown if len(indices) <= _MAX_NAMED else f"{shown} and {len(indices) - _MAX_NAMED} more"
