"""What a reply says: what is read from it, or why it cannot be used."""

from __future__ import annotations

from collections.abc import Callable

from r2po.errors import InputError, UnusableReply
from r2po.llm.types import Question, Reply, T

CUT_OFF = "it was cut off at the token limit"
FULL = "it was cut off: with its prompt, it filled the context"


def usable(reply: Reply, read: Callable[[str], T], question: Question, of: str) -> T | None:
    """Return what a reply says that was usable when it was recorded.

    Raises:
        InputError: It no longer is.
    """
    value, refusal = understood(reply, getattr(read, "again", read))
    if refusal:
        where = f"iteration {question.iteration}, {question.role}, attempt {question.attempt}"
        raise InputError(f"{of}: the reply on record for {where} was usable and no longer is: {refusal}")
    return value


def understood(reply: Reply, read: Callable[[str], T]) -> tuple[T | None, str]:
    """Return what a reply says, and why it cannot be used; empty if it can.

    A reply that may be incomplete is for readers that can tell what is complete in it: they have a ``read_cut``.
    """
    read_cut: Callable[[str], T] | None = getattr(read, "read_cut", None)
    if reply.unreadable:
        return None, reply.unreadable
    if reply.finish == "length" and read_cut is None:
        return None, _cut_off(reply)
    try:
        return (read_cut if read_cut and reply.finish != "stop" else read)(reply.text), ""
    except UnusableReply as refusal:
        return None, _cut_off(reply) if reply.finish == "length" else str(refusal) or "it cannot be read"


def _cut_off(reply: Reply) -> str:
    return CUT_OFF if reply.filled_context is None else f"{FULL} of {reply.filled_context:,} tokens"
