"""Parses values as rl-baselines3-zoo writes them; the zoo itself evaluates them as Python code.

``lin_3e-4`` is a linear schedule; ``dict(net_arch=[64, 64], activation_fn=nn.ReLU)`` and literals are read by a small
grammar, in which the only names are ``dict`` and the classes below.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from r2po.errors import InputError, nearest

_ACTIVATIONS = ("CELU", "ELU", "GELU", "Hardtanh", "Identity", "LeakyReLU", "Mish", "ReLU", "SELU", "SiLU", "Sigmoid")
_OPTIMIZERS = ("Adam", "AdamW", "Adamax", "RMSprop", "SGD")

CLASSES: dict[str, tuple[str, str]] = {
    **{f"nn.{name}": ("torch.nn", name) for name in (*_ACTIVATIONS, "Softplus", "Tanh")},
    **{f"optim.{name}": ("torch.optim", name) for name in _OPTIMIZERS},
    "RMSpropTFLike": ("stable_baselines3.common.sb2_compat.rmsprop_tf_like", "RMSpropTFLike"),
}
"""Module and name of the classes that a value may name, also with ``th.`` or ``torch.`` before it."""


@dataclass(frozen=True)
class ClassName:
    """A class of ``CLASSES``."""

    name: str

    def load(self) -> type[Any]:
        """Import it."""
        module, name = CLASSES[self.name]
        found: type[Any] = getattr(import_module(module), name)
        return found


@dataclass(frozen=True)
class LinearDecay:
    """A schedule that falls linearly from ``initial`` to 0 over the training."""

    initial: float


def parse_value(value: Any, source: str) -> Any:
    """Return a value, as read from YAML, with the expressions in it parsed; errors call it ``source``.

    Raises:
        InputError: A string looks like an expression, but not like one that is allowed.
    """
    if isinstance(value, dict):
        return {key: parse_value(each, source) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [parse_value(each, source) for each in value]
    return _parse_text(value.strip(), source) if isinstance(value, str) else value


def _parse_text(text: str, source: str) -> Any:
    if text.startswith("lin_"):
        try:
            return LinearDecay(float(text.removeprefix("lin_")))
        except ValueError:
            raise InputError(f"{source} is {text!r}; expected a number after lin_, e.g. lin_3e-4") from None
    if text.startswith(("dict(", "[", "{", "(")):
        return _parse_expression(text, source)
    name = _canonical(text)
    if name in CLASSES:
        return ClassName(name)
    if "(" in text or name.startswith(("nn.", "optim.")):
        raise InputError(f"{source} is {text!r}; no such class here{nearest(name, CLASSES)}, and nothing is evaluated")
    return text


def _parse_expression(text: str, source: str) -> Any:
    try:
        tree = ast.parse(text, mode="eval").body
        return _value(tree)
    except (SyntaxError, TypeError, ValueError, RecursionError, MemoryError) as error:
        reason = "not a Python expression" if isinstance(error, SyntaxError) else str(error)
        raise InputError(
            f"{source} is {' '.join(text.split())!r}: {reason}; "
            "expected dict(...), literals, and classes such as nn.ReLU"
        ) from None


def _value(node: ast.expr) -> Any:
    """Return what a node of the grammar stands for; any other raises ``ValueError``."""
    match node:
        case ast.Constant():
            return node.value
        case ast.List() | ast.Tuple():
            return [_value(each) for each in node.elts]
        case ast.Dict():
            keys = [key for key in node.keys if key is not None]
            if len(keys) < len(node.keys):
                raise ValueError("'**' is not allowed")
            return {_value(key): _value(each) for key, each in zip(keys, node.values, strict=True)}
        case ast.UnaryOp(op=ast.USub()) if type(value := _value(node.operand)) in (int, float):
            return -value
        case ast.Call():
            return _call(node)
        case ast.Name() | ast.Attribute():
            name = _canonical(ast.unparse(node))
            if name not in CLASSES:
                raise ValueError(f"no class {ast.unparse(node)!r} here{nearest(name, CLASSES)}")
            return ClassName(name)
    raise ValueError(f"{ast.unparse(node)!r} is not allowed")


def _call(node: ast.Call) -> dict[str, Any]:
    plain = isinstance(node.func, ast.Name) and node.func.id == "dict" and not node.args
    if not plain or any(keyword.arg is None for keyword in node.keywords):
        raise ValueError(f"{ast.unparse(node)!r} is not allowed, only dict(key=value, ...)")
    return {str(keyword.arg): _value(keyword.value) for keyword in node.keywords}


def _canonical(name: str) -> str:
    return name.removeprefix("torch.").removeprefix("th.")
