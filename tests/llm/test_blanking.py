"""Blanking: what stays, and what is found in any text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from r2po.llm.redaction import Redaction, secrets_of
from tests.llm.test_redaction import KEY, WORD_KEY


def redaction(key: str = KEY) -> Redaction:
    return Redaction(secrets_of(key, "", ""))


@given(st.text(max_size=400))
def test_a_text_without_a_key_stays_one_short_line(text: str) -> None:
    line = redaction().message(text)
    assert line == Redaction([]).message(text)
    assert len(line) <= 300
    assert line.isprintable()


@given(st.text(alphabet="sk-/very+ \\%&", max_size=60), st.text(alphabet="sk-/very+ \\%&", max_size=60))
def test_a_key_is_found_in_any_text(before: str, after: str) -> None:
    assert KEY not in redaction().message(before + KEY + after)


def test_masked_and_short_parts_stay() -> None:
    assert redaction().message("key sk-/****mnop= and sk-/very is wrong") == "key sk-/****mnop= and sk-/very is wrong"


def test_recorded_replies_keep_what_may_be_a_word() -> None:
    assert redaction(WORD_KEY).reply(f"the {WORD_KEY} swims") == "the swordfsh swims"
    assert redaction().reply(f"the {KEY} swims") == "the [key] swims"
    assert redaction(WORD_KEY).message(f"the {WORD_KEY} swims") == "the [key] swims"


def test_a_password_of_blanks_blanks_nothing() -> None:
    assert Redaction(secrets_of("", "%20%20%20%20%20", "")).message("a  b %20 c") == "a b %20 c"
