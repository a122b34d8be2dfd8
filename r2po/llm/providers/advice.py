"""What the words of a failure are about."""

from __future__ import annotations

import re

from r2po.llm.types import AttemptFailed

# llama.cpp takes the model's text apart, and answers with an error if it cannot.
NO_MATCH = re.compile(r"output that does not match the expected|failed to parse input at pos", re.IGNORECASE)


def mentions_word(failure: AttemptFailed, *words: str) -> bool:
    """Whether a failure names one of these words, and not only a longer one that ends with it ("information")."""
    return any(re.search(rf"(?<![A-Za-z]){re.escape(word)}", failure.reason) for word in words)


def mentions(failure: AttemptFailed, *words: str) -> bool:
    """Whether a failure has one of these words in it."""
    return any(word in failure.reason for word in words)
