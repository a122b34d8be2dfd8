"""Blocks: what the page computes with, as text that can stand in a page whatever a model wrote.

Base64 has neither ``<`` nor ``&``, so no content can end the element that it stands in. The same values give the same
bytes, on every machine and at any time.
"""

from __future__ import annotations

import base64
import gzip
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

Values = dict[str, Any]
"""What becomes a block: numbers, texts, lists and mappings. docs/report.md names them."""


SMALLEST, QUICKEST = 9, 1
"""Levels of compression: of what is kept, and of what is sent once, on the same machine."""


def pack(values: Mapping[str, Any], level: int = SMALLEST) -> str:
    """Return values as base64 of gzip of JSON."""
    return base64.b64encode(gzip.compress(to_json(values), level, mtime=0)).decode()


def unpack(block: str) -> Values:
    """Undo ``pack``; what is not finite stays the text that stands for it."""
    values: Values = json.loads(gzip.decompress(base64.b64decode(block)))
    return values


def to_json(values: Mapping[str, Any]) -> bytes:
    """Return JSON in ASCII, since texts of models may hold halves of surrogate pairs."""
    text = json.dumps(_finite(values), separators=(",", ":"), sort_keys=True, ensure_ascii=True, allow_nan=False)
    return text.encode()


def is_finite(value: object) -> bool:
    """Whether a value is a number that a figure can show; a whole number of a log may be beyond all others."""
    try:
        return isinstance(value, int | float) and math.isfinite(value)
    except OverflowError:
        return False


def _finite(value: Any) -> Any:
    """Return a value in which numbers that JSON does not know are texts: ``inf``, ``-inf``, ``nan``."""
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(value)
    if isinstance(value, Mapping):
        return {str(key): _finite(each) for key, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_finite(each) for each in value]
    return value
