"""Registries: what a config or an option can name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol, TypeVar

from r2po.errors import InputError, unknown


class Named(Protocol):
    """Anything with a name."""

    @property
    def name(self) -> str:
        """What configs call it."""


T = TypeVar("T", bound=Named)


class Registry(Mapping[str, T]):
    """Things of one kind by name, in the order in which they were registered.

    Args:
        kind: What messages call one of them, e.g. ``"method"``.
        items: The first ones.
    """

    def __init__(self, kind: str, *items: T) -> None:
        self.kind = kind
        self._items: dict[str, T] = {}
        for item in items:
            self.register(item)

    def register(self, item: T) -> T:
        """Add a thing under its own name and return it; the very same thing may be added again.

        Raises:
            InputError: Another one has this name.
        """
        if self._items.setdefault(item.name, item) is not item:
            raise InputError(f"{self.kind} {item.name!r} is registered already; choose another name")
        return item

    def find(self, name: str) -> T:
        """Return the thing called ``name``.

        Raises:
            InputError: There is none; names the nearest one and all others.
        """
        if name not in self._items:
            raise unknown(self.kind, name, self._items)
        return self._items[name]

    def __getitem__(self, name: str) -> T:
        return self._items[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)
