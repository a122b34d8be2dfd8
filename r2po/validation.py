"""What the sections of configs have in common."""

from __future__ import annotations

from typing import get_args

import pydantic


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
