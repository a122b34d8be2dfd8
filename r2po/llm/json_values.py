"""JSON values that servers send: read whatever they are, and with texts that can be stored."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

NOT_JSON = object()
"""What is returned in place of a value that cannot be read."""


def loads(body: bytes, clean: Callable[[str], str] = str) -> Any:
    """Return the JSON value in an answer, each of its texts cleaned; ``NOT_JSON`` if it is none."""
    return cleaned(lambda: json.loads(body.decode("utf-8-sig")), clean)


def cleaned(read: Callable[[], Any], clean: Callable[[str], str]) -> Any:
    """Return what ``read`` returns, likewise."""
    try:
        return _replaced(read(), lambda text: clean(_encodable(text)))
    except (ValueError, RecursionError):  # ValueError: not UTF-8, not JSON, an integer of thousands of digits
        return NOT_JSON


def _encodable(text: str) -> str:
    r"""Replace half surrogates, which JSON can escape (``\ud800``) but no file can store."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _replaced(value: Any, replace: Callable[[str], str]) -> Any:
    """Return a JSON value with each of its strings replaced."""
    if isinstance(value, str):
        return replace(value)
    if isinstance(value, list):
        return [_replaced(each, replace) for each in value]
    if isinstance(value, dict):
        return {replace(key): _replaced(each, replace) for key, each in value.items()}
    return value
