"""How few and how many tokens a prompt can have, and what a count says of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from r2po.llm.providers.context import cut_to, estimate_tokens, fewest_tokens


@pytest.mark.parametrize(
    ("prompt", "fewest"),
    [
        ("", 0),
        (" -0.12", 4),
        ("the policy failed", 3),
        ("don't stop_now", 3),
        ("1234567", 3),
        ("params[0]: 1.5, x", 9),
        ("(a), _b", 3),  # a mark before a word may belong to it
        ("  \n\n  ", 0),
        ("大きい τ", 2),
    ],
)
def test_the_fewest_tokens_with_known_answers(prompt: str, fewest: int) -> None:
    assert fewest_tokens(prompt) == fewest


@given(st.text(alphabet="ab 01.-,:\n[]") | st.text(max_size=200))
def test_the_fewest_tokens_are_no_more_than_the_most(prompt: str) -> None:
    assert fewest_tokens(prompt) <= estimate_tokens(prompt)


def test_the_context_that_is_blamed_is_the_one_in_force() -> None:
    prompt = "word " * 6000
    assert cut_to(4098, prompt, {32768, 8192}) == 8192
    assert cut_to(16386, "word " * 20_000, {32768}) == 32768
    assert cut_to(9000, "word " * 9000, {32768}) is None
