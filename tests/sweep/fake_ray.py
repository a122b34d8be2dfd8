"""A stand-in for Ray: a task is over at once, an actor answers at once. It is for what the backend decides itself."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from r2po.sweep.messages import Ended
from r2po.sweep.ray_backend import Clerk, make_run_on_node


@dataclass(eq=False)
class Reference:
    """Where the result of a task is."""

    value: Any


class _Actor:
    def __init__(self, actor: Clerk) -> None:
        self._actor = actor

    def __getattr__(self, name: str) -> Any:
        return _Remote(lambda *args: asyncio.run(getattr(self._actor, name)(*args)))


class _Remote:
    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call

    def options(self, **_: Any) -> _Remote:
        return self

    def remote(self, *args: Any) -> Any:
        result = self._call(*args)
        return _Actor(result) if isinstance(result, Clerk) else Reference(result)


@dataclass
class FakeRay:
    """Takes the place of the module.

    Attributes:
        endings: How runs end, one after the other; complete if nothing is said.
        started: The runs that were started, in order.
    """

    endings: dict[int, deque[Ended]] = field(default_factory=lambda: defaultdict(deque))
    started: list[int] = field(default_factory=list)

    class exceptions:  # noqa: N801 - as Ray calls it
        """As in Ray."""

        class RayError(Exception):
            """As in Ray."""

    def init(self, **_: Any) -> None:
        """Connect to nothing."""

    shutdown = init

    def remote(self, what: Any) -> _Remote:
        """Return what makes an actor or a task."""
        return _Remote(self._make_run if what is make_run_on_node else what)

    def _make_run(self, run: Any, *_: Any) -> Ended:
        self.started.append(run.index)
        endings = self.endings[run.index]
        return endings.popleft() if endings else Ended(run.index)

    def get(self, reference: Reference) -> Any:
        """Return a result."""
        return reference.value

    def wait(self, references: Sequence[Reference], **_: Any) -> tuple[Sequence[Reference], Sequence[Reference]]:
        """Return those that are over."""
        return references, []
