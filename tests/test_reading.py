"""YAML and numbers as users write them."""

from __future__ import annotations

import pytest

from r2po.reading import WHOLE_NUMBER, read_text


@pytest.mark.parametrize(
    ("text", "value"),
    [("010", 10), ("08", 8), ("8", 8), ("-3", -3), ("1e-3", 0.001), ("1.5", 1.5), ("true", True), ("'010'", "010")],
)
def test_numbers_are_decimal(text: str, value: object) -> None:
    read = read_text(f"key: {text}")["key"]
    assert (read, type(read)) == (value, type(value))


@pytest.mark.parametrize(
    ("text", "is_one"), [("010", True), ("12", True), ("0x10", False), ("1.5", False), ("", False)]
)
def test_a_whole_number_of_an_option_is_that_of_a_config(text: str, is_one: bool) -> None:
    assert bool(WHOLE_NUMBER.fullmatch(text)) == is_one
