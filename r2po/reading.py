"""Reads the YAML of configs and of ``--set``: a number is what it looks like.

YAML 1.1, which PyYAML follows, takes 010 for eight, 1:30 for ninety, and 08 and 1e-3 for texts. Here digits are
decimal, whatever their first one is, an exponent makes a number, and nothing else is one.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

_INT, _FLOAT = "tag:yaml.org,2002:int", "tag:yaml.org,2002:float"
_DIGITS = "[0-9]+(?:_[0-9]+)*"
WHOLE_NUMBER = re.compile(rf"[-+]?{_DIGITS}")
"""Decimal digits; underscores may part them."""

_NUMBER = re.compile(
    rf"[-+]?(?:(?:{_DIGITS}\.(?:{_DIGITS})?|\.{_DIGITS})(?:[eE][-+]?[0-9]+)?|{_DIGITS}[eE][-+]?[0-9]+|\.(?:inf|Inf|INF))"
    r"|\.(?:nan|NaN|NAN)"
)

# PyYAML lets through whatever Python raises for a value, e.g. for the date 2001-13-45.
YAML_ERRORS = (yaml.YAMLError, ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


def read_text(text: str) -> Any:
    """Return what a text of YAML says.

    Raises:
        YAML_ERRORS: It is not YAML, or has a key twice.
    """
    return yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader


class _Loader(yaml.SafeLoader):
    """Reads decimal numbers, and refuses a repeated key: PyYAML would silently keep the last."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own
        first: [(tag, pattern) for tag, pattern in resolvers if tag not in (_INT, _FLOAT)]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key_node, _ in node.value:
            key = str(key_node.value)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    problem=f"key {key!r} appears twice", problem_mark=key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


def _whole(loader: _Loader, node: yaml.ScalarNode) -> int:
    return int(loader.construct_scalar(node))


# PyYAML asks for a match at the beginning only.
_Loader.add_implicit_resolver(_INT, re.compile(rf"(?:{WHOLE_NUMBER.pattern})\Z"), list("-+0123456789"))
_Loader.add_implicit_resolver(_FLOAT, re.compile(rf"(?:{_NUMBER.pattern})\Z"), list("-+0123456789."))
_Loader.add_constructor(_INT, _whole)
