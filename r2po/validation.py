"""What the sections of configs have in common, and how it is said that a value is not what it should be."""

from __future__ import annotations

from collections.abc import Collection
from typing import get_args

import pydantic

_LONGEST_VALUE = 40


class Section(pydantic.BaseModel):
    """Keys of a config and their values. Unknown keys are refused; true and false pass for no number."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    @pydantic.field_validator("*", mode="before")
    @classmethod
    def _no_truth_value_for_a_number(cls, value: object, info: pydantic.ValidationInfo) -> object:
        # pydantic would take true for 1.
        kind = cls.model_fields[str(info.field_name)].annotation
        if isinstance(value, bool) and kind is not bool and bool not in get_args(kind):
            raise ValueError("this key takes neither true nor false")
        return value


def first_problem(error: pydantic.ValidationError, sections: Collection[str] = ()) -> str:
    """Say the first thing that is wrong: ``reward is missing``, ``seed is -1; input should be ...``.

    Args:
        error: What pydantic says.
        sections: Classes of sections that may stand beside a word; pydantic names them in keys.
    """
    problem = error.errors()[0]
    parts = [str(part) for part in problem["loc"] if part not in sections]
    key, found = ".".join(parts), " ".join(repr(problem["input"]).split())
    if problem["type"] == "missing":
        return f"{key} is missing"
    found = found if len(found) <= _LONGEST_VALUE else f"{found[: _LONGEST_VALUE - 3]}..."
    if problem["type"] == "model_type":  # pydantic names the class
        beside = [
            each["ctx"]["expected"]
            for each in error.errors()
            if each["type"] == "literal_error" and list(each["loc"][:-1]) == parts
        ]
        return f"{key} is {found}; expected {' or '.join(['a section of keys', *beside])}"
    if problem["type"] == "list_type" and isinstance(problem["input"], str):
        return f"{key} is {found}; expected a list: [{found[1:-1]}]"
    return f"{key} is {found}; {problem['msg'][0].lower()}{problem['msg'][1:]}"
