"""Reading a program from a model's reply.

The source is found by its text alone: Python's parser can crash on a hostile source, so only the worker behind the wall
parses it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from textwrap import dedent

from r2po.errors import UnusableReply
from r2po.isolation.limits import SOURCE_BYTES
from r2po.policies.thoughts import spoken

_FENCE = re.compile(r"(?P<quote>[ \t>]*)(?P<marks>`{3,}|~{3,})(?P<info>[^`\n]*)")
_CLASS = re.compile(r"^class[ \t]+[^\W\d]\w*[ \t]*(?:[(:\[]|$)", re.MULTILINE)
_ACT = re.compile(r"\bact\b")
_FUNCTION = re.compile(r"^def[ \t]+summarize[ \t]*\(", re.MULTILINE)
_CODE_LINE = re.compile(
    r"\s|#|@|\"|'|\)|\]|\}|(?:import|from|def|class|if|for|while|with|async|del|assert|raise)\s|(?:try|else|finally):"
    r"|(?:elif|except)\b|pass$|[^\W\d][\w.]*\s*(?:[-+*/|&]?=|\(|\[|,|:\s*[\w.\[\], |]+=)"
)
"""How a line of code begins; sentences do not."""


def read_source(text: str) -> str:
    """Return the source in a reply: the last block that defines a class with ``act``, or the reply itself.

    Models draft and then correct themselves, so the last one counts. What is marked as thought does not count.

    Raises:
        UnusableReply: There is none, or it is too long.
    """
    return _read(text, _CLASS, _ACT, "a class Policy with a method act(self, obs)")


def read_function(text: str) -> str:
    """Return the source in a reply that defines a function ``summarize``; which one counts is as in ``read_source``.

    Raises:
        UnusableReply: There is none, or it is too long.
    """
    return _read(text, _FUNCTION, _FUNCTION, "a function summarize")


def _read(text: str, begins: re.Pattern[str], has: re.Pattern[str], what: str) -> str:
    plain = text.replace("\r\n", "\n").replace("\r", "\n").replace("\ufeff", "")  # a mark of encoding is no letter
    for said in spoken(plain, any_tag=False):
        blocks = list(_blocks(said))
        sources = [block for block in blocks if begins.search(block) and has.search(block)]
        if not sources and not blocks and has.search(said) and _is_code(said, begins):
            sources = [said]
        if sources:
            return _checked(normalised(sources[-1]))
    raise UnusableReply(f"it holds no code block that defines {what}")


def normalised(source: str) -> str:
    """Return a source with ordinary line ends and without blank lines around it and blanks at the ends of lines."""
    lines = [line.rstrip(" \t\f") for line in source.replace("\r\n", "\n").replace("\r", "\n").split("\n")]
    return "\n".join(lines).strip("\n")


def _checked(source: str) -> str:
    size = len(source.encode("utf-8", "replace"))
    if size > SOURCE_BYTES:
        raise UnusableReply(f"its code has {size:,} bytes; at most {SOURCE_BYTES:,} are allowed")
    return source


def _is_code(text: str, begins: re.Pattern[str]) -> bool:
    """Whether a text without fences is a program from its first line to that where its class or function begins."""
    lines = text.strip().split("\n")
    first = next((number for number, line in enumerate(lines) if begins.match(line)), None)
    if first is None:
        return False
    return all(not line or _CODE_LINE.match(line) for line in _without_texts(lines[: first + 1]))


def _without_texts(lines: list[str]) -> Iterator[str]:
    """Leave out what stands inside of texts of several lines, such as the first docstring."""
    mark = ""
    for line in lines:
        if not mark:
            yield line
        for found in re.findall("\"\"\"|'''", line):
            if not mark:
                mark = found
            elif mark == found:
                mark = ""


def _blocks(text: str) -> Iterator[str]:
    """Yield the content of fenced blocks, also of those in lists and quotations; the last may lack its end."""
    marks, quote = "", ""
    lines: list[str] = []
    for line in text.split("\n"):
        fence = _FENCE.match(line)
        if not marks:
            if fence and not fence["info"].rstrip().endswith("\\"):
                marks, quote, lines = fence["marks"], fence["quote"], []
        elif fence and fence["marks"].startswith(marks) and not fence["info"].strip():
            yield _content(lines, quote)
            marks = ""
        else:
            lines.append(line)
    if marks:
        yield _content(lines, quote)


def _content(lines: list[str], quote: str) -> str:
    """Return the lines of a block without the marks of a quotation, and without the indentation that all share."""
    if ">" in quote:
        depth = quote.count(">")
        lines = [re.sub(rf"^(?:[ \t]*>){{0,{depth}}} ?", "", line) for line in lines]
    return dedent("\n".join(lines).expandtabs(8) if "\t" in quote else "\n".join(lines))
