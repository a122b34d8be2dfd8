"""The JSON schema of an answer, for servers that can enforce one."""

from __future__ import annotations

from typing import Any

from r2po.policies import Choices, PolicyFamily


def answer_schema(policy: PolicyFamily) -> dict[str, Any]:
    """Return the schema of ``{"params": [...], "reasoning": "..."}`` with exactly the values that prompts ask for.

    ``params`` comes first: as in free text, the answer stands before its explanation.
    """
    if isinstance(policy.values, Choices):
        value: dict[str, Any] = {"type": "integer", "enum": list(policy.values.options)}
    else:
        value = {"type": "number", "minimum": policy.values.low, "maximum": policy.values.high}
    params = {"type": "array", "items": value, "minItems": policy.size, "maxItems": policy.size}
    return {
        "type": "object",
        "properties": {"params": params, "reasoning": {"type": "string"}},
        "required": ["params", "reasoning"],
        "additionalProperties": False,
    }
