"""What every section of a config refuses."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from pydantic import Field, ValidationError

from r2po.validation import Section


class Sample(Section):
    number: Annotated[int, Field(ge=0)] | None = None
    ratio: float = 1.0
    switch: bool = False
    think: bool | str | None = None
    settings: dict[str, Any] = Field(default={})


@pytest.mark.parametrize("key", ["number", "ratio", "settings"])
@pytest.mark.parametrize("value", [True, False])
def test_a_truth_value_is_no_number(key: str, value: bool) -> None:
    with pytest.raises(ValidationError, match="takes neither true nor false"):
        Sample.model_validate({key: value})


@pytest.mark.parametrize("key", ["switch", "think"])
@pytest.mark.parametrize("value", [True, False])
def test_a_truth_value_is_taken_where_the_type_names_it(key: str, value: bool) -> None:
    assert getattr(Sample.model_validate({key: value}), key) is value


def test_an_unknown_key_is_refused() -> None:
    with pytest.raises(ValidationError, match="extra"):
        Sample.model_validate({"numbr": 1})
