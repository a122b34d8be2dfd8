from __future__ import annotations

from typing import Any

import pytest

from r2po.llm.providers.payload import count


@pytest.mark.parametrize(
    ("value", "expected"), [(0, 0), (200_000, 200_000), (10**400, None), (-1, None), (True, None), (1.5, None)]
)
def test_what_can_be_no_count_of_tokens_is_unknown(value: Any, expected: int | None) -> None:
    assert count({"usage": {"prompt_tokens": value}}, "usage", "prompt_tokens") == expected
