"""``--set key=v1,v2``."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from r2po.errors import InputError
from r2po.sweep.variants import expand, split


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("1,2", ["1", "2"]),
        ("[a,b]", ["[a,b]"]),
        ("[a,b],[c]", ["[a,b]", "[c]"]),
        ("{x: 1, y: [2, 3]}, null", ["{x: 1, y: [2, 3]}", "null"]),
        ("'a,b',c", ["'a,b'", "c"]),
        ("", [""]),
    ],
)
def test_commas_inside_brackets_and_quotes_belong_to_the_value(text: str, parts: list[str]) -> None:
    assert split(text) == parts


@given(
    st.lists(
        st.text(st.characters(codec="ascii", exclude_characters=",[]{}()'\" \t\n\r\x0b\x0c\x1c\x1d\x1e\x1f")),
        min_size=1,
    )
)
def test_what_was_joined_is_split(parts: list[str]) -> None:
    assert split(",".join(parts)) == parts


def test_one_variant_for_each_combination_named_by_what_varies() -> None:
    variants = expand(["temperature=0,0.5", "method=props,r2po", "bias=true"])
    assert [variant.name for variant in variants] == [
        "temperature=0,method=props",
        "temperature=0,method=r2po",
        "temperature=0.5,method=props",
        "temperature=0.5,method=r2po",
    ]
    assert variants[1].overrides == ("temperature=0", "method=r2po", "bias=true")


def test_a_single_value_makes_no_variant() -> None:
    (variant,) = expand(["env_kwargs=[a, b]", "temperature=0"])
    assert variant.name == ""
    assert expand([])[0].overrides == ()


def test_names_of_variants_are_names_of_folders() -> None:
    names = [variant.name for variant in expand(["llm_model_name=ollama/a:1b,../b c"])]
    assert names == ["llm_model_name=ollama-a-1b", "llm_model_name=..-b-c"]


@pytest.mark.parametrize("settings", [["a"], ["=1"], ["a=1,,2"], ["a=1", "a=2"]])
def test_settings_that_cannot_be_meant(settings: list[str]) -> None:
    with pytest.raises(InputError, match="--set"):
        expand(settings)
