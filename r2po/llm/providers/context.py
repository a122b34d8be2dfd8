"""How many tokens a prompt can have, and how the count of a server shows that it cut the prompt."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Collection
from contextlib import suppress

from r2po.errors import InputError
from r2po.llm.types import AttemptFailed

TOO_LONG = re.compile(
    r"exceed\w*\W+(?:\w+\W+){0,4}context|context (?:length|window|size)\W+(?:\w+\W+){0,2}exceed"
    r"|maximum context length",
    re.IGNORECASE,
)
"""How servers say that a prompt is longer than the context."""
SERVE_LONGER = "serve the model with a longer context"
LONGER_MODEL = "use a model with a longer context"
LESS_IN_PROMPTS = "show less in prompts (rollout_window, history_window)"
TOO_LONG_ADVICE = f"{SERVE_LONGER}, or {LESS_IN_PROMPTS}"

_NEAR_HALF = 8  # what a server keeps of a cut prompt is half of its context, and a few tokens that begin each prompt

_WORDS = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*")
_DIGITS = re.compile(r"\d{1,3}")
_MARKS = re.compile(r"(?:[^\w\s]|_)+(?=[\d\s]|$)")  # one before a word may belong to it


def estimate_tokens(prompt: str) -> int:
    """Return about the most tokens that a prompt can have with any common tokenizer.

    Prose has four or more letters per token, but prompts here are mostly numbers, and several tokenizers give every
    digit, sign, point and blank before a number a token of its own: ``" -0.12"`` is six. So three letters count as one
    token, and every other byte as one, except a blank before a letter, which belongs to the word. Too long a context
    costs memory; too short a one costs part of the prompt.
    """
    letters = len(re.findall(r"[A-Za-z]", prompt))
    blanks = len(re.findall(r" (?=[A-Za-z])", prompt))
    others = len(prompt.encode("utf-8", "replace")) - letters - blanks
    return max(-(-letters // 3) + others, fewest_tokens(prompt))  # words may be shorter than three letters


def fewest_tokens(prompt: str) -> int:
    """Return the fewest tokens that a prompt can have with any common tokenizer.

    No token reaches from one word into the next, or from a word into a number; three digits at most share one; and a
    sign or a point before a digit is never part of the number. Blanks and line breaks may cost nothing.
    """
    return sum(len(pattern.findall(prompt)) for pattern in (_WORDS, _DIGITS, _MARKS))


class AskedOnce:
    """A number that a server may tell. It is asked when the number is first needed, and never again."""

    def __init__(self, ask: Callable[[], int | None]) -> None:
        self._ask = ask
        self._told: int | None = None
        self._was_asked = False
        self._asking = threading.Lock()

    def __call__(self) -> int | None:
        """Return the number; None if the server does not tell, whatever its reason."""
        with self._asking:
            if not self._was_asked:
                self._was_asked = True
                with suppress(InputError, AttemptFailed):
                    self._told = self._ask() or None
            return self._told


def cut_to(counted: int, prompt: str, contexts: Collection[int]) -> int | None:
    """Return which of the contexts that may be in force a prompt was cut to, given the server's count; None if none.

    A count that is small for any other reason is no fault: a server leaves out a beginning that it has in its cache.
    """
    shortest, fewest = min(contexts), fewest_tokens(prompt)
    if counted >= shortest or fewest > shortest:
        return shortest
    halved = [context for context in contexts if abs(counted - context // 2) <= _NEAR_HALF]
    return halved[0] if halved and counted < fewest else None
