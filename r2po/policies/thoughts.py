"""Which part of a model's text is said, and which is thought.

Models and servers mark thoughts in many ways, and a list of marks always lags. So nothing counts that stands before the
last closing tag or channel mark, whatever its name. Only if nothing usable follows that mark does the text count that
stands outside of all marked passages: some models give their reasons in tags after the answer.
"""

from __future__ import annotations

import re

_THOUGHTS = frozenset({
    "analysis", "deliberation", "draft", "inner_monologue", "internal", "plan", "reason", "reasoning", "reflection",
    "scratchpad", "think", "thinking", "thought", "thoughts",
})  # fmt: skip
"""Names of tags whose content is thought even if they are not closed."""

_WRAPPERS = frozenset({
    "answer", "b", "blockquote", "body", "br", "center", "code", "dd", "div", "dl", "dt", "em", "final", "final_answer",
    "font", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "html", "i", "json", "kbd", "li", "mark", "ol", "output", "p",
    "parameters", "params", "policy", "pre", "proposal", "reply", "response", "result", "s", "samp", "section", "small",
    "solution", "span", "strong", "sub", "sup", "table", "tbody", "td", "text", "tfoot", "th", "thead", "tool_call",
    "tr", "tt", "u", "ul", "var",
})  # fmt: skip
"""Names of tags around what is said: answers, and the tags of HTML."""

_TAG = re.compile(r"[<\u25c1](/?)([A-Za-z][\w.:-]{0,40})\s?[>\u25b7]|\[(/?)([A-Z][A-Z_]{2,40})\]")
_WRAPPER = re.compile(rf"</?(?:{'|'.join(sorted(_WRAPPERS))})\s?/?>", re.IGNORECASE)
_TOKEN = re.compile(r"<[|\uff5c][^|\uff5c<>\n]{1,60}[|\uff5c]>")
_CHANNEL = re.compile(r"<\|channel\|>\s*(\w+)")
# Channels of gpt-oss whose marks a server has taken for text: "analysisLet me see.assistantfinalThe answer".
_BARE_CHANNEL = re.compile(r"assistant(analysis|commentary|final)")
_BARE_START = re.compile(r"\s*(?:analysis|commentary)(?=[A-Z\"'(])")


def spoken(text: str, *, any_tag: bool = True) -> list[str]:
    """Return the parts of a text that may hold what is said, the likelier one first; none may be left.

    Args:
        text: What a model wrote.
        any_tag: Take every tag for a mark, not only those that are known to hold thoughts: right where tags are no part
            of what is asked for.
    """
    text = _final_channel(text)
    after, outside = _without_tags(text, any_tag=any_tag)
    if any_tag:
        after, outside = _WRAPPER.sub(" ", after), _WRAPPER.sub(" ", outside)
    return [after] if after == outside else [after, outside]


def _final_channel(text: str) -> str:
    """Return what stands in the last channel, if that is the final one or text has no channels; else nothing."""
    tokens, end = list(_TOKEN.finditer(text)), len(text)
    while tokens and not text[tokens[-1].end() : end].strip():
        end = tokens.pop().start()
    text = text[:end]
    channels = _CHANNEL.findall(text)
    if channels and channels[-1] != "final":
        return ""
    text = text[tokens[-1].end() :] if tokens else text
    bare = list(_BARE_CHANNEL.finditer(text))
    if bare:
        return text[bare[-1].end() :] if bare[-1][1] == "final" else ""
    return "" if _BARE_START.match(text) else text


def _without_tags(text: str, *, any_tag: bool) -> tuple[str, str]:
    """Return what follows the last closing tag, and what stands outside of all tags."""
    open_tags: dict[str, list[int]] = {}
    passages: list[tuple[int, int]] = []
    last_end = 0
    for tag in _TAG.finditer(text):
        name = (tag[2] or tag[4]).lower()
        if name in _WRAPPERS or not (any_tag or name in _THOUGHTS):
            continue
        if not (tag[1] or tag[3]):
            open_tags.setdefault(name, []).append(tag.start())
            continue
        # A closing tag without an opening one: servers cut the latter off together with the first tokens.
        start = open_tags[name].pop() if open_tags.get(name) else 0
        passages.append((start, tag.end()))
        last_end = tag.end()
    unclosed = [starts[0] for name, starts in open_tags.items() if starts and name in _THOUGHTS]
    said = min((start for start in unclosed if start >= last_end), default=len(text))
    if unclosed:
        passages.append((min(unclosed), len(text)))
    return text[last_end:said], _outside(text, passages)


def _outside(text: str, passages: list[tuple[int, int]]) -> str:
    """Return a text without some of its passages, which may overlap."""
    kept, end = [], 0
    for start, stop in sorted(passages):
        if start > end:
            kept.append(text[end:start])
        end = max(end, stop)
    return "".join([*kept, text[end:]])
