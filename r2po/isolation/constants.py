"""The constants of a policy that a numerical search may tune: what its source declares, and the source with others.

The worker reads the declaration with Python's parser. Its parent, which never parses a source, learns where each value
stands in the text, and checks that a number stands there.
"""

from __future__ import annotations

import ast
import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass

NAME = "PARAMS"
"""What a source calls its constants."""
MOST = 20
"""So many of them are allowed."""
NAME_CHARACTERS = 64
LARGEST = 1e100
"""No constant and no bound may be larger in size."""
_EXAMPLE = f'{NAME} = {{"gain": (1.0, 0.0, 5.0)}}'
_FIXED = struct.Struct("<B3d2I?")
MOST_BYTES = 1 + MOST * (_FIXED.size + NAME_CHARACTERS)


class BadConstants(Exception):
    """What a source declares are no constants."""


@dataclass(frozen=True)
class Constant:
    """A constant as a source declares it.

    Attributes:
        name: Its key in ``PARAMS``.
        value: Its value.
        low: The least value that it may take.
        high: The largest one.
        start: Where the value begins in the source, in bytes of UTF-8.
        end: Where it ends.
        whole: Whether it is a whole number, as its bounds are, and stays one.
    """

    name: str
    value: float
    low: float
    high: float
    start: int
    end: int
    whole: bool

    def __post_init__(self) -> None:
        """Check it.

        Raises:
            ValueError: It cannot be one.
        """
        numbers = (self.low, self.value, self.high)
        if not all(math.isfinite(number) and abs(number) <= LARGEST for number in numbers):
            raise ValueError(f"its numbers must be finite and at most {LARGEST:g} in size")
        if not self.low <= self.value <= self.high:
            raise ValueError(f"expected low <= value <= high, found {self.low:g}, {self.value:g}, {self.high:g}")
        if not (self.name.isascii() and self.name.isidentifier() and len(self.name) <= NAME_CHARACTERS):
            raise ValueError(f"a name must be an ASCII identifier of at most {NAME_CHARACTERS} characters")

    def near(self, value: float) -> float:
        """Return the closest value that it may take, with few digits: people and models are to read it."""
        short = round(value) if self.whole else float(f"{value:.6g}")
        return float(min(max(short, self.low), self.high))

    def written(self, value: float) -> str:
        """Return a value as it stands in a source."""
        return str(int(value)) if self.whole else repr(float(value))


def declared(source: str) -> tuple[Constant, ...]:
    """Return the constants that a source declares at module level. For the worker: this parses the source.

    Raises:
        BadConstants: The declaration is not what it should be; the message is for the model that wrote it.
    """
    values = [value for node in ast.parse(source).body if (value := _assigned(node)) is not None]
    if not values:
        return ()
    if len(values) > 1:
        raise BadConstants(f"{NAME} is assigned {len(values)} times at module level; assign it once")
    if not isinstance(values[0], ast.Dict):
        raise BadConstants(f"{NAME} must be written out as a dict, as in {_EXAMPLE}")
    if len(values[0].keys) > MOST:
        raise BadConstants(f"{NAME} has {len(values[0].keys)} entries; at most {MOST} are allowed")
    text = _Text(source)
    pairs = zip(values[0].keys, values[0].values, strict=True)
    constants = tuple(_constant(key, value, text) for key, value in pairs)
    names = [constant.name for constant in constants]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise BadConstants(f"{NAME} names {twice!r} more than once")
    return constants


class _Text:
    """A source, and where the lines of Python's parser begin in it."""

    def __init__(self, source: str) -> None:
        self._bytes = source.encode()
        self._starts = [0]
        for line in self._bytes.split(b"\n"):
            self._starts.append(self._starts[-1] + len(line) + 1)

    def span(self, node: ast.expr) -> tuple[int, int]:
        """Return where an expression begins and ends, in bytes."""
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self._starts[node.lineno - 1] + node.col_offset, self._starts[node.end_lineno - 1] + node.end_col_offset

    def number(self, node: ast.expr) -> float:
        """Return the number that is written there, in decimals and with at most a sign.

        Raises:
            ValueError: Nothing of that kind is.
        """
        start, end = self.span(node)
        return _number(self._bytes[start:end])


def _assigned(node: ast.stmt) -> ast.expr | None:
    """Return what a statement assigns to ``PARAMS``; None if it does not."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    if any(isinstance(target, ast.Name) and target.id == NAME for target in targets):
        return getattr(node, "value", None)
    return None


def _constant(key: ast.expr | None, value: ast.expr, text: _Text) -> Constant:
    if not (isinstance(key, ast.Constant) and isinstance(key.value, str)):
        raise BadConstants(f"the keys of {NAME} must be names in quotes, as in {_EXAMPLE}")
    where = f"{NAME}[{key.value[:NAME_CHARACTERS]!r}]"
    if not isinstance(value, (ast.Tuple, ast.List)) or len(value.elts) != 3:
        raise BadConstants(f"{where} must be (value, low, high), as in {_EXAMPLE}")
    try:
        first, low, high = map(text.number, value.elts)
    except ValueError:
        raise BadConstants(f"{where} must be three numbers written out in decimals, as in {_EXAMPLE}") from None
    whole = all(isinstance(_unsigned(each), int) for each in value.elts)
    try:
        return Constant(key.value, first, low, high, *text.span(value.elts[0]), whole)
    except ValueError as error:
        raise BadConstants(f"{where}: {error}") from None


def _unsigned(node: ast.expr) -> object:
    inner = node.operand if isinstance(node, ast.UnaryOp) else node
    return inner.value if isinstance(inner, ast.Constant) else None


def _number(text: bytes) -> float:
    """Read a number; also one like ``1_000``, and none like ``nan``, which Python takes for names."""
    if not (text[:1] in b"+-.0123456789" and text[-1:] in b".0123456789" and text):
        raise ValueError("no number")
    return float(text)


def pack(constants: Sequence[Constant]) -> bytes:
    """Return the content of ``DECLARED``."""
    parts = [bytes([len(constants)])]
    for each in constants:
        numbers = (each.value, each.low, each.high, each.start, each.end, each.whole)
        parts += [_FIXED.pack(len(each.name), *numbers), each.name.encode("ascii")]
    return b"".join(parts)


def unpack(content: bytes, source: str) -> tuple[Constant, ...]:
    """Read the content of ``DECLARED``, and believe nothing of it.

    Raises:
        ValueError: It is not what a worker says of this source.
    """
    constants = []
    place, text, last = 1, source.encode("utf-8", "replace"), 0
    for _ in range(content[0]):
        try:
            length, value, low, high, start, end, whole = _FIXED.unpack_from(content, place)
        except struct.error:
            raise ValueError("cut off") from None
        name = content[place + _FIXED.size : place + _FIXED.size + length]
        place += _FIXED.size + length
        constant = Constant(name.decode("ascii"), value, low, high, start, end, whole)
        if len(name) != length or not last <= start < end <= len(text) or _number(text[start:end]) != value:
            raise ValueError("no such number in the source")
        if whole and not (low.is_integer() and value.is_integer() and high.is_integer()):
            raise ValueError("no whole numbers")
        constants.append(constant)
        last = end
    if place != len(content) or len(constants) > MOST or len({each.name for each in constants}) < len(constants):
        raise ValueError("not as it was written")
    return tuple(constants)


def rewritten(source: str, constants: Sequence[Constant], values: Sequence[float]) -> str:
    """Return a source with other values of its constants; nothing else of its text changes."""
    text, parts, last = source.encode("utf-8", "replace"), [], 0
    for constant, value in zip(constants, values, strict=True):
        parts += [text[last : constant.start], constant.written(value).encode()]
        last = constant.end
    return b"".join([*parts, text[last:]]).decode()
