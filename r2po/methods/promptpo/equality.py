"""Which programs are the same but for comments and layout."""

from __future__ import annotations

import io
import tokenize
from collections.abc import Sequence

_LAYOUT = {tokenize.COMMENT, tokenize.NL, tokenize.ENCODING, tokenize.ENDMARKER}
_BLOCKS = {tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}


def canonical(source: str) -> str:
    """Return a source's tokens without comments and layout; the source itself if Python cannot tell them apart.

    Nothing is parsed: that is for the worker, since a hostile source may crash the parser.
    """
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    except (tokenize.TokenError, SyntaxError, ValueError, RecursionError, MemoryError):
        return source
    told = (token for token in tokens if token.type not in _LAYOUT)
    return "\n".join(f"{token.type} {'' if token.type in _BLOCKS else token.string}" for token in told)


def first_of_equals(sources: Sequence[str]) -> list[int]:
    """Return for each source the place of the first one that equals it: its own, if there is none before."""
    seen: dict[str, int] = {}
    return [seen.setdefault(canonical(source), place) for place, source in enumerate(sources)]
