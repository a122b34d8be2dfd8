"""Registries: what a config or an option can name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Protocol, TypeVar

from r2po.errors import InputError, unknown


class Named(Protocol):
    """Anything with a name."""

    @property
    def name(self) -> str:
        """What configs call it."""


T = TypeVar("T", bound=Named)


@dataclass(frozen=True)
class Source:
    """Where a registered thing comes from.

    Attributes:
        name: The plugin that registered it; empty for what this package or a user's own script did.
        late: Whether that was loaded only because something unknown was asked for.
    """

    name: str = ""
    late: bool = False


_NOWHERE = Source()
_source: ContextVar[Source] = ContextVar("source", default=_NOWHERE)


@contextmanager
def registering_for(source: Source) -> Iterator[None]:
    """Say where the things come from that are registered in this block."""
    token = _source.set(source)
    try:
        yield
    finally:
        _source.reset(token)


class Registry(Mapping[str, T]):
    """Things of one kind by name, in the order in which they were registered.

    Args:
        kind: What messages call one of them, e.g. ``"method"``.
        items: The first ones.
        further: Called before a name is called unknown: registers more of them, if there are more.
    """

    def __init__(self, kind: str, *items: T, further: Callable[[], object] = lambda: None) -> None:
        self.kind = kind
        self.add_further = further
        self._items: dict[str, T] = {}
        self._sources: dict[str, Source] = {}
        for item in items:
            self.register(item)

    def register(self, item: T) -> T:
        """Add a thing under its own name and return it; the very same thing may be added again.

        Raises:
            InputError: Another one has this name.
        """
        if self._items.setdefault(item.name, item) is not item:
            raise InputError(f"{self.kind} {item.name!r} is registered already; choose another name")
        self._sources.setdefault(item.name, _source.get())
        return item

    def source_of(self, name: str) -> Source:
        """Return where the thing called ``name`` comes from."""
        return self._sources.get(name, _NOWHERE)

    def find(self, name: str) -> T:
        """Return the thing called ``name``, with further ones added if it is not among those that are there.

        Raises:
            InputError: There is none; names the nearest one and all others.
        """
        if name not in self._items:
            self.add_further()
        if name not in self._items:
            raise unknown(self.kind, name, self._items)
        return self._items[name]

    def __getitem__(self, name: str) -> T:
        return self._items[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)
