"""How sets of parameters are written: the grammar of blocks and of values.

A block is a run of assignments (``params[i]: v`` or ``params[i] = v``, in any order) with nothing but punctuation,
markup, comments and white space between them, or one list (``params = [v, v, ...]``), or a JSON object with a list
``params``. Model text is matched against this grammar only: it is never evaluated.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from r2po.errors import UnusableReply

_MARKUP = r"[*_`\s]*"
_ASSIGNMENT = re.compile(
    rf"[\"']?\bparams{_MARKUP}\[\s*(?P<index>\d{{1,9}})\s*\][*_`\"'\s]*[:=|]{_MARKUP}[\"']?"
    r"(?P<value>[^\s,;*`|<>\"'\[\](){}]+)"
    rf"|\bparams[\"']?{_MARKUP}[:=]{_MARKUP}(?:(?:\w+\.)?(?:array|asarray|tensor|list|tuple)\s*\(\s*)?"
    r"\[(?P<list>[^\[\]]*)\]",
    re.IGNORECASE,
)
_COMMENT = re.compile(r"(?:#|//)[^\n]*|\([^()\n]*\)|<!--[^\n]*?-->|[ \t][-\u2013\u2014][ \t]+[A-Za-z][^\n]*[ \t][^\n]*")
_BETWEEN = re.compile(r"(?:[\s,;*_`>|.\-\u2022\u2013\u2014\"'{}\[\]()]|\n\s*\(?\d{1,4}[.):]|\band\b)*")
_STARTS_NUMBERED = re.compile(r"\A\s*\(?\d{1,4}[.)]")
# What stands behind a number in this way belongs to the value, which then is not a number: 2 * pi is not 2.
_FURTHER = re.compile(
    r"""
    (?: (?:[ \t]+\*\*[ \t]*|\*\*)(?=[\d.(])                           # powers and products; not the end of *italics*
    | (?:[ \t]+\*[ \t]*|\*)(?=[\w.(\\\u03c0-])
    | [ \t]*[\^\u00d7\u00b7\u22c5\u00f7%\u2030\u00b0\u00b1\u2192]
    | [ \t]*/(?!/)[ \t]*(?=[\w.(]) | [ \t]*\+[ \t]*(?=[\w.(]) | [ \t]*(?:->|=>)
    | [ \t]*-[ \t]*(?=\(?[-+]?\.?\d)
    | [ \t]+-[ \t]*(?=[A-Za-z_]\w*[ \t]*(?:[,;|\n]|\Z))               # minus a name; several words are a comment
    | ,(?=\d) | [ \t]+(?=\d)                                          # 3,5 and 1 000
    | [ \t]+(?=[eE][+-]?\d)
    | [ \t]+(?=(?:pi|\u03c0|e|tau|x|times|percent|plus|minus|over|to|or|hundred|thousand|million|billion)\b)
    )[^,;|\n]*
    """,
    re.VERBOSE,
)
_LIST_COMMENT = re.compile(r"(?:#|//)[^\n]*")
_MINUS = str.maketrans({"\N{MINUS SIGN}": "-", "\N{NO-BREAK SPACE}": " "})
_DASH_AS_MINUS = re.compile(r"(?<![\w)])[\u2013\u2014](?=\.?\d)")
_RULE = re.compile(r"[\s|:+-]+")


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
    """

    start: int = 0
    end: int = 0
    values: dict[int, str] = field(default_factory=dict)
    contradictions: list[int] = field(default_factory=list)
    last: int = 0
    broken_by: str = ""
    next: int = 0

    def assign(self, index: int, value: str) -> None:
        """Add an assignment."""
        self.last = index
        if self.values.setdefault(index, value) != value and number(self.values[index]) != number(value):
            self.contradictions.append(index)

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


def read_blocks(text: str, size: int) -> tuple[str, list[Block]]:
    """Return a text with its dashes as minus signs, and its blocks, in the order of the text.

    Raises:
        UnusableReply: It begins as a JSON object but is none: what is in its strings is no answer.
    """
    text = _DASH_AS_MINUS.sub("-", text.translate(_MINUS))
    blocks, rest = _json_blocks(text)
    rest = _with_tables_as_assignments(rest) if "|" in rest else rest
    return text, sorted([*blocks, *_text_blocks(rest, size)], key=lambda block: block.start)


# ---- JSON ----


class _Object(list[tuple[str, Any]]):
    """The entries of a JSON object, in order: a repeated key may contradict itself."""


# Numbers are kept as they are written, to be read like those in free text; models put real line breaks into strings.
_DECODER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str, object_pairs_hook=_Object, strict=False)
_OPENING = re.compile(r"\{\s*\"")
_FIRST_ENTRY = re.compile(r"\{\s*\"params\"\s*:\s*\[(?P<list>[^\[\]{}]*)\]\s*[,}]")
_FENCE = re.compile(r"\A\s*(?:```\w*\s*)?")


def _json_blocks(text: str) -> tuple[list[Block], str]:
    """Return the blocks of the JSON objects in a text, and the text with blanks in their place."""
    blocks: list[Block] = []
    rest = [*text] if _OPENING.search(text) else []
    at = 0
    while opening := _OPENING.search(text, at):
        try:
            value, at = _DECODER.raw_decode(text, opening.start())
        except RecursionError:
            break
        except ValueError as error:
            fence = _FENCE.match(text)
            if fence and opening.start() == fence.end():
                return [_first_entry(text, opening.start(), error)], ""
            break  # what follows is no JSON either, and not worth the time to find out at each brace
        block = _block_of(value)
        if block is not None:
            block.start, block.end = opening.start(), at
            blocks.append(block)
            rest[opening.start() : at] = " " * (at - opening.start())
    return blocks, "".join(rest) if blocks else text


def _first_entry(text: str, start: int, error: Exception) -> Block:
    """Return the block of a damaged or cut object whose first entry is ``params``: it is plain what that says."""
    entry = _FIRST_ENTRY.match(text, start)
    if entry is None:
        raise UnusableReply(f"it begins as a JSON object, but is none: {str(error)[:100]}")
    block = _list_block(entry)
    block.start = start
    return block


def _block_of(value: _Object) -> Block | None:
    """Return the block of a JSON object with a list ``params``, which may be written as a string; else None."""
    lists = []
    for key, items in value:
        if key == "params" and isinstance(items, str) and items.strip().startswith("["):
            try:
                items = _DECODER.decode(items.strip())
            except (ValueError, RecursionError):
                continue
        if key == "params" and type(items) is list:
            lists.append(items)
    block = Block()
    for items in lists:
        for index, item in enumerate(items):
            block.assign(index, item if isinstance(item, str) else json.dumps(item))
    return block if lists else None


# ---- Free text ----


def _with_tables_as_assignments(text: str) -> str:
    """Write rows of values below rows of names as assignments, in lines as long as they were, or longer."""
    lines = text.split("\n")
    names: list[str] = []
    for number_, line in enumerate(lines):
        cells = [cell.strip(' \t*_`"') for cell in line.strip().strip("|").split("|")]
        if names and len(cells) == len(names) and not _RULE.fullmatch(line):
            written = ", ".join(f"{name}: {cell}" for name, cell in zip(names, cells, strict=True))
            lines[number_] = written.ljust(len(line))
        if not _RULE.fullmatch(line):
            is_header = len(cells) > 1 and all(cell.casefold().startswith("params[") for cell in cells)
            names = cells if is_header and not any(":" in cell or "=" in cell for cell in cells) else []
    return "\n".join(lines)


def _text_blocks(text: str, size: int) -> Iterator[Block]:
    block: Block | None = None
    for match in _ASSIGNMENT.finditer(text):
        if match["list"] is not None:
            if block is not None:
                yield block
            yield _list_block(match)
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

    Prose ends it. Once it is complete, a blank line, a code fence and a new line that repeats an index end it too: that
    is reasoning about the answer. A new line with another index still belongs to it, and makes it unusable.
    """
    if len(between) > _LONGEST_GAP or not _BETWEEN.fullmatch(_COMMENT.sub(" ", between)):
        block.broken_by, block.next = between.strip(), index
        return True
    if block.missing(size):
        return False
    return between.count("\n") > 1 or "```" in between or ("\n" in between and index in block.values)


_LONGEST_GAP = 2000
"""Comments between two assignments are shorter; what is longer is prose."""


def _list_block(match: re.Match[str]) -> Block:
    items = [item.strip(" \t\r\n*_`\"'") for item in _LIST_COMMENT.sub("", match["list"]).split(",")]
    if items and not items[-1]:
        items.pop()
    block = Block(match.start(), match.end())
    for index, item in enumerate(items):
        block.assign(index, item)
    return block
