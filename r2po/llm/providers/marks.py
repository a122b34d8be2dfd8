"""Marks in a prompt at which servers of Anthropic's kind write to their cache, or read from it.

A server keeps what stands before a mark, and finds it again where a later prompt has the same blocks up to a mark, or
up to some 20 blocks before one. So a prompt is cut wherever an earlier one of its role was marked, and is itself marked
once, at the end of what later ones begin with: what comes again is written once and then read, and nothing else is.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from r2po.llm.types import Request

MARK = {"cache_control": {"type": "ephemeral"}}
HELD = 16
"""Where a server looks at the place of the mark only, the mark stays for as many prompts."""


def in_blocks(request: Request) -> str | list[dict[str, Any]]:
    """Return the prompt in blocks, of which the last but one is marked; as it is if it has no place for a mark."""
    return _blocks(request.prompt, request.stable)


def in_held_blocks(request: Request) -> str | list[dict[str, Any]]:
    """Return the same with a mark that moves on only now and then: for servers that look nowhere before it."""
    return _blocks(request.prompt, request.stable[::HELD][-1:])


def _blocks(prompt: str, places: Sequence[int]) -> str | list[dict[str, Any]]:
    """Cut a prompt. Servers refuse blank blocks."""
    blocks: list[dict[str, Any]] = [
        {"type": "text", "text": prompt[start:end]} for start, end in pairwise([0, *places, len(prompt)])
    ]
    if len(blocks) == 1 or not all(block["text"].strip() for block in blocks):
        return prompt
    blocks[-2] |= MARK
    return blocks
