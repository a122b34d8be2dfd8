"""What families whose solutions are texts have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from r2po.policies.base import PolicyFamily, logged
from r2po.policies.solution import Program


class ProgramFamily(PolicyFamily[Program]):
    """A family whose solutions are programs. Prompts always describe the environment that a program is written for."""

    kind: ClassVar[Literal["parameters", "program"]] = "program"
    trial_form: ClassVar[str] = "{result}\n{solution}"
    objective: ClassVar[str] = "f(policy)"

    def write(self, program: Program, /, digits: int = 5) -> str:  # noqa: ARG002 - a program is written as it is
        """Return the source."""
        return program.source

    def record(self, program: Program, /) -> dict[str, Any]:
        """Return the source."""
        return {"source": program.source}

    def load(self, record: Mapping[str, Any], /) -> Program:
        """Return the program of a record."""
        return Program(logged(record, "source"))
