"""How sets of parameters are written: the grammar of blocks and of values.

A block is a run of assignments (``params[i]: v`` or ``params[i] = v``, in any order) with nothing but punctuation,
markup, comments and white space between them, or one list (``params = [v, v, ...]``), or a JSON object with a list
``params``. Model text is matched against this grammar only: it is never evaluated.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from r2po.errors import UnusableReply

_MARKUP = r"[*_`\s]*"
_ASSIGNMENT = re.compile(
    rf"[\"']?\bparams{_MARKUP}\[\s*(?P<index>\d{{1,9}})\s*\][*_`\"'$\s]*(?::?=|[:|]){_MARKUP}[\"'$]?"
    r"(?P<value>(?!params\b)[^\s,;*`|<>\"'$\[\](){}]+)"
    rf"|\bparams[\"']?{_MARKUP}[:=]{_MARKUP}(?:(?:[a-z]\w{{0,20}}\.)?(?:array|asarray|tensor|list|tuple)\s*\(\s*)?"
    r"(?:\[(?P<list>[^\[\]]*)\]|\((?=\s*[-+.\d])(?P<tuple>[^()\[\]]*)\))",
    re.IGNORECASE,
)
_COMMENT = re.compile(r"(?:#|//)[^\n]*|\([^()\n]*\)|<!--[^\n]*?-->|[ \t][-\u2013\u2014][ \t]+[A-Za-z][^\n]*[ \t][^\n]*")
_BETWEEN = re.compile(r"(?:[\s,;*_`>|.\-\u2022\u2013\u2014\"'{}\[\]()&$]|\n\s*\(?\d{1,4}[.):]|\band\b|\\[;,! \\])*")
# What stands behind a number in this way belongs to the value, which then is not a number: 2 * pi is not 2.
_FURTHER = re.compile(
    r"""
    (?: (?:[ \t]+\*\*[ \t]*|\*\*)(?=[\d.(])                           # powers and products; not the end of *italics*
    | (?:[ \t]+\*[ \t]*|\*)(?=[\w.(\\\u03c0-])
    | [ \t]*\$?(?:[\^\u00d7\u00b7\u22c5\u00f7%\u2030\u00b0\u00b1\u2192~]|\\[A-Za-z])
    | [ \t]*(?:\([^()\n]*\)[ \t]*)?= | \((?=[-+]?[\d.])                 # 0.5 (+0.1) = 0.6 and 2(3)
    | [*_`"'$]{1,3}[ \t]*(?:[\u2192\u00d7=^]|->|to[ \t]+[*_`$]{0,2}[-+]?\.?\d)    # **0.5** to **0.8**
    | [ \t]*(?:\.\.+|[\u2026\u2013\u2014])[ \t]*(?=[-+]?\.?\d)           # 0.5 ... 0.8
    | [ \t]+(?:and|\w{1,20}[ \t]+to)[ \t]+(?=[-+]?\.?\d)              # 0.5 and 0.8, 0.5 changed to 0.8
    | [ \t]*/(?!/)[ \t]*(?=[\w.(]) | [ \t]*\+[ \t]*(?=[\w.(]) | [ \t]*(?:->|=>)
    | [ \t]*-[ \t]*(?=\(?[-+]?\.?\d)
    | [ \t]+-[ \t]*(?=[A-Za-z_]\w*[ \t]*(?:[,;|\n]|\Z))               # minus a name; several words are a comment
    | ,(?=\d) | \{,\} | [ \t]*\+/- | [ \t]+(?=\d)                   # 3,5 and 2 +/- 1 and 1 000
    | ,[ \t]*(?=[-+]?[\d.]{1,20}[ \t]*(?:[,;|\n]|\Z))                  # 0.5, 0.8
    | [ \t]+(?=[eE][+-]?\d)
    | [ \t]+(?=(?:pi|\u03c0|e|tau|x|times|percent|plus|minus|over|to|or|hundred|thousand|million|billion)\b)
    )[^,;|\n]*
    """,
    re.VERBOSE,
)
# Likewise behind a list: [1, 2] * 3 is not [1, 2].
_LIST_FURTHER = re.compile(
    r"[ \t]*(?:\)[ \t]*)?(?:[*/+-][ \t]*(?=[-+]?[\d.\[])|[*/+][ \t]*(?=\()|(?<=[ \t])\*[ \t]*(?=\w)|[+/][ \t]*(?=\w)"
    r"|\*\*(?=\d)|[\u00d7\u00b7\u22c5\u00f7@\u2192]|->|=>)[^;|\n]*"
)
_LIST_COMMENT = re.compile(r"(?:#|//)[^\n]*")


@dataclass
class Block:
    """Assignments in the order they were read.

    Attributes:
        start: Where it begins in the text.
        end: Where it ends.
        values: By index, as they are written.
        contradictions: Indices with two values.
        last: Index that was assigned last.
        broken_by: What stands between it and the next assignment, if that is why it ends.
        next: Index that is assigned next, if that is so.
        is_closed: Whether a bracket closes it.
    """

    start: int = 0
    end: int = 0
    values: dict[int, str] = field(default_factory=dict)
    contradictions: list[int] = field(default_factory=list)
    last: int = 0
    broken_by: str = ""
    next: int = 0
    is_closed: bool = False

    def assign(self, index: int, value: str) -> None:
        """Add an assignment."""
        self.last = index
        if self.values.setdefault(index, value) != value and number(self.values[index]) != number(value):
            self.contradictions.append(index)

    def is_complete(self, size: int) -> bool:
        """Whether it has all indices below ``size``; stops at the first that it lacks."""
        return all(index in self.values for index in range(size))

    def missing(self, size: int) -> list[int]:
        """Return the indices below ``size`` that it lacks."""
        return [index for index in range(size) if index not in self.values]

    @property
    def is_echo(self) -> bool:
        """Whether it repeats the format that the prompt asks for."""
        return bool(self.values) and {*self.values.values()} <= {"v", "..."}


_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?")
_LONGEST_NUMBER = 400
"""Every float fits in fewer characters; a longer run of digits is not worth the time to parse it."""


def number(written: str) -> float | None:
    """Return a number; None for anything else."""
    return float(written) if len(written) <= _LONGEST_NUMBER and _NUMBER.fullmatch(written) else None


def read_blocks(text: str, size: int) -> list[Block]:
    """Return the blocks of a ``plain`` text, in order.

    Raises:
        UnusableReply: It is a JSON object that is damaged: what is in its strings is no answer.
    """
    blocks, rest = _json_blocks(text, size)
    return sorted([*blocks, *_text_blocks(rest, size)], key=lambda block: block.start)


# ---- JSON ----


class _Object(list[tuple[str, Any]]):
    """The entries of a JSON object, in order: a repeated key may contradict itself."""


# Numbers are kept as they are written, to be read like those in free text; models put real line breaks into strings.
_DECODER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str, object_pairs_hook=_Object, strict=False)
_OPENING = re.compile(r"\{\s*\"")
_FIRST_ENTRY = re.compile(r"\{\s*\"params\"\s*:\s*\[(?P<list>[^\[\]{}]*)\]\s*[,}]")
_FIRST_PARAMETER = re.compile(r"\{\s*\"params\[")
_KEY = re.compile(r"params\s*\[\s*(\d{1,9})\s*\]", re.IGNORECASE)


def _json_blocks(text: str, size: int) -> tuple[list[Block], str]:
    """Return the blocks of the JSON objects in a text, and the text with blanks in their place.

    Their strings are searched no further: they hold reasons, not answers.
    """
    blocks: list[Block] = []
    rest: list[str] = []
    end = 0
    while opening := _OPENING.search(text, end):
        start = opening.start()
        try:
            value, stop = _DECODER.raw_decode(text, start)
        except RecursionError:
            break
        except ValueError as error:
            if text[text.rfind("\n", 0, start) + 1 : start].strip() or _FIRST_PARAMETER.match(text, start):
                break  # a brace in prose or code; what follows is no JSON either, or not worth the time to find out
            before = "".join([*rest, text[end:start]])
            return [*blocks, *_first_entry(text, start, before, error)], before
        block = _block_of(value, size)
        if block is not None:
            block.start, block.end, block.is_closed = start, stop, True
            blocks.append(block)
        rest += [text[end:start], " " * (stop - start)]
        end = stop
    return blocks, "".join([*rest, text[end:]])


def _first_entry(text: str, start: int, before: str, error: Exception) -> list[Block]:
    """Return the block of a damaged or cut object whose first entry is ``params``: it is plain what that says."""
    entry = _FIRST_ENTRY.match(text, start)
    if entry is not None:
        return [_list_block(entry["list"], start, entry.end("list"))]
    if "params" not in before.casefold():
        raise UnusableReply(f"it begins as a JSON object, but is none: {str(error)[:100]}")
    return []


def _block_of(value: _Object, size: int) -> Block | None:
    """Return the block of a JSON object: of its own parameters or else of those in the objects within it, if any.

    Several sets contradict each other.
    """
    block = Block()
    found = _assign_entries(block, value, size)
    waiting: list[Any] = [] if found else [value]
    while waiting:
        each = waiting.pop()
        for item in [item for _, item in each] if isinstance(each, _Object) else each:
            if isinstance(item, _Object):
                found = _assign_entries(block, item, size) or found
            if isinstance(item, list):
                waiting.append(item)
    return block if found else None


def _assign_entries(block: Block, entries: _Object, size: int) -> bool:
    """Assign the parameters of an object; return whether it has any, or an empty list."""
    found = False
    for key, item in entries:
        if index := _KEY.fullmatch(key.strip()):
            block.assign(int(index[1]), _written(item))
            found = True
        elif key.strip().casefold() == "params":
            for number_, each in _items(item, size):
                block.assign(number_, _written(each))
                found = True
            found = found or item == []
    return found


def _items(given: Any, size: int) -> Iterable[tuple[int, Any]]:
    """Return the values of a list by index, which may be written as a string."""
    if isinstance(given, str):
        text = given.strip()
        text = text if "[" in text else f"[{text}]"
        try:
            given = _DECODER.decode(text)
        except (ValueError, RecursionError):
            return [pair for block in _text_blocks(text, size) for pair in block.values.items()]
    return enumerate(given) if type(given) is list else []


def _written(item: Any) -> str:
    return item if isinstance(item, str) else json.dumps(item)


# ---- Free text ----


def _text_blocks(text: str, size: int) -> Iterator[Block]:
    block: Block | None = None
    for match in _ASSIGNMENT.finditer(text):
        if match["index"] is None:
            if block is not None:
                yield block
            yield _list_block(match["list"] or match["tuple"] or "", match.start(), match.end(), text)
            block = None
            continue
        index, value, end = _assignment(match, text)
        if block is not None and _ends(block, text[block.end : match.start()], index, size):
            yield block
            block = None
        if block is None:
            block = Block(match.start())
        block.assign(index, value)
        block.end = end
    if block is not None:
        yield block


def _assignment(match: re.Match[str], text: str) -> tuple[int, str, int]:
    """Return index, value and end of an assignment; what changes a number belongs to the value."""
    value, end = match["value"], match.end()
    further = _FURTHER.match(text, end)
    if further is not None and number(value) is not None:
        return int(match["index"]), f"{value}{further[0]}".rstrip(), further.end()
    # A full stop may close a sentence that ends with the last value.
    return int(match["index"]), value.rstrip(".") or value, end


def _ends(block: Block, between: str, index: int, size: int) -> bool:
    """Whether a block ends before ``between`` and the assignment to ``index`` that follows it.

    Prose ends it, and a blank line or a code fence before an index that it has: it was a remark. Once it is complete,
    any blank line or fence and a new line that repeats an index end it too: that is reasoning about the answer. A new
    line with another index still belongs to it, and makes it unusable.
    """
    if len(between) > _LONGEST_GAP or not _BETWEEN.fullmatch(_COMMENT.sub(" ", between)):
        block.broken_by, block.next = between.strip(), index
        return True
    apart, repeats = between.count("\n") > 1 or "```" in between, index in block.values
    if apart and repeats:
        return True
    return (apart or (repeats and "\n" in between)) and block.is_complete(size)


_LONGEST_GAP = 2000
"""Comments between two assignments are shorter; what is longer is prose."""


def _list_block(written: str, start: int, end: int, text: str = "") -> Block:
    """Return the block of a list; what changes its values belongs to the last of them."""
    items = [item.strip(" \t\r\n*_`\"'") for item in _LIST_COMMENT.sub("", written).split(",")]
    if items and not items[-1]:
        items.pop()
    further = _LIST_FURTHER.match(text, end)
    if further is not None and items:
        items[-1] += f"]{further[0]}".rstrip()
    block = Block(start, end, is_closed=True)
    for index, item in enumerate(items):
        block.assign(index, item)
    return block
