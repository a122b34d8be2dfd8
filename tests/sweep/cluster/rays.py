"""A stand-in for Ray: what it says of actors that are gone, or that it cannot reach for the moment."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

Answer = Callable[[], Any]
"""What stands for a task or a call of an actor: it is done when it is asked for."""


class RayError(Exception):
    pass


class RayTaskError(RayError):
    pass


class RayActorError(RayError):
    pass


class ActorDiedError(RayActorError):
    pass


class ActorUnavailableError(RayActorError):
    pass


class GetTimeoutError(RayError):
    pass


class Ray:
    """Runs nothing: answers as it is told to.

    Args:
        answers: What functions and methods of actors return, by name, given the arguments.
    """

    exceptions = SimpleNamespace(
        RayError=RayError,
        RayTaskError=RayTaskError,
        RayActorError=RayActorError,
        ActorUnavailableError=ActorUnavailableError,
        GetTimeoutError=GetTimeoutError,
    )

    def __init__(self, **answers: Callable[..., Any]) -> None:
        self.answers = answers

    def init(self, **_: Any) -> None:
        pass

    def get_runtime_context(self) -> Any:
        return SimpleNamespace(get_node_id=lambda: "here", gcs_address="127.0.0.1:1")

    def nodes(self) -> list[dict[str, Any]]:
        return [{"Alive": True, "NodeID": "far", "NodeManagerAddress": "10.0.0.2", "Resources": {"CPU": 2.0}}]

    def remote(self, *given: Any, **_: Any) -> Any:
        return _Remote(self, given[0]) if given else lambda thing: _Remote(self, thing)

    def wait(self, tasks: list[Answer], **_: Any) -> tuple[list[Answer], list[Answer]]:
        return tasks, []

    def get(self, answer: Answer, timeout: float | None = None) -> Any:
        return answer()

    def call(self, name: str, *args: Any) -> Answer:
        """Return the answer to a call."""
        return lambda: self.answers[name](*args)


class _Remote:
    """A function or class that is called elsewhere."""

    def __init__(self, ray: Ray, thing: Any) -> None:
        self._ray, self._thing = ray, thing

    def options(self, **_: Any) -> _Remote:
        return self

    def remote(self, *args: Any) -> Any:
        return Actor(self._ray) if isinstance(self._thing, type) else self._ray.call(self._thing.__name__, *args)


class Actor:
    """Any actor."""

    def __init__(self, ray: Ray) -> None:
        self._ray = ray

    def __getattr__(self, name: str) -> Any:
        return SimpleNamespace(remote=lambda *args: self._ray.call(name, *args))
