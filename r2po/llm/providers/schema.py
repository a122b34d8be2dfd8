"""The schema of an answer as servers take it: with bounds, or with each value listed for those that ignore bounds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

MOST_VALUES = 500
"""A longer list makes some servers slow, or is more than they take."""

_Replace = Callable[[dict[str, Any]], dict[str, Any]]


def bounded(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema whose numbers have bounds only: not every server that enforces these knows ``multipleOf``."""
    return _object(schema, lambda number: {key: value for key, value in number.items() if key != "multipleOf"})


def listed(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema that lists the values of each number, where they are few enough; else it has their bounds."""
    return bounded(_object(schema, _listed))


def in_log(schema: Mapping[str, Any]) -> str:
    """Return what stands in the log for a schema that was sent."""
    items = schema["properties"].get("params", {}).get("items", {})
    is_listed = items.get("type") == "number" and "enum" in items
    return "json_schema with listed values" if is_listed else "json_schema"


def _listed(number: dict[str, Any]) -> dict[str, Any]:
    low, high, step = (number.get(key) for key in ("minimum", "maximum", "multipleOf"))
    if low is None or high is None or not step or (high - low) / step >= MOST_VALUES:
        return number
    per_unit = round(1 / step)
    values = [value / per_unit for value in range(round(low * per_unit), round(high * per_unit) + 1)]
    return {"type": number["type"], "enum": values}


def _object(schema: Mapping[str, Any], replace: _Replace) -> dict[str, Any]:
    return {key: _replaced(value, replace) for key, value in schema.items()}


def _replaced(schema: Any, replace: _Replace) -> Any:
    """Return a part of a schema with each of its descriptions of a real number replaced."""
    if isinstance(schema, Mapping):
        new = _object(schema, replace)
        return replace(new) if new.get("type") == "number" else new
    return [_replaced(each, replace) for each in schema] if isinstance(schema, list) else schema
