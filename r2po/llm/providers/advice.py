"""Which keys of the config a failure is about, judging by its words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from r2po.llm.providers.context import TOO_LONG, TOO_LONG_ADVICE
from r2po.llm.types import AttemptFailed

# llama.cpp takes the model's text apart, and answers with an error if it cannot.
NO_MATCH = re.compile(r"output that does not match the expected|failed to parse input at pos", re.IGNORECASE)
_SERVER_ERROR = 500


def mentions_word(failure: AttemptFailed, *words: str) -> bool:
    """Whether a failure names one of these words, and not only a longer one that ends with it ("information")."""
    return any(re.search(rf"(?<![A-Za-z]){re.escape(word)}", failure.reason) for word in words)


def mentions(failure: AttemptFailed, *words: str) -> bool:
    """Whether a failure has one of these words in it."""
    return any(word in failure.reason for word in words)


def advised(
    failure: AttemptFailed, configured: Mapping[str, str], filled_in: Mapping[str, str], schema_words: Sequence[str]
) -> AttemptFailed:
    """Return a failure that says which config keys to change, if a refused request is about any.

    Args:
        failure: What the server said.
        configured: The keys that the config sets, and what each is called in the request.
        filled_in: The keys that were given a value without the config, likewise.
        schema_words: What a failure mentions that is about the schema; none if the request had no schema.
    """
    about_schema = mentions_word(failure, *schema_words)
    if failure.status not in (400, 422) and not (failure.status == _SERVER_ERROR and about_schema):
        return failure
    wrong = [key for key, wire in configured.items() if mentions(failure, key, wire)]
    if about_schema:
        wrong.append("structured_output")
    if wrong:
        return failure.with_advice(f"change or remove {' and '.join(wrong)} in the config")
    if TOO_LONG.search(failure.reason):
        return failure.with_advice(TOO_LONG_ADVICE)
    ours = [key for key, wire in filled_in.items() if mentions(failure, key, wire)]
    return failure.with_advice(f"set {' and '.join(ours)} in the config") if ours else failure
