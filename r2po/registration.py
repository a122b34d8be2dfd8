"""``r2po.register``: the one call by which code of one's own adds what configs can name."""

from __future__ import annotations

from typing import Any, TypeVar

from r2po.errors import InputError
from r2po.llm.registry import PROVIDERS, ProviderKind
from r2po.methods import METHODS, Method
from r2po.policies import FAMILIES, PolicyFamily
from r2po.tasks import TASKS, Task
from r2po.trackers import TRACKERS, Tracker

Registered = TypeVar("Registered", bound=Task | Method | ProviderKind | Tracker | type[PolicyFamily[Any]])

KINDS = "a Task, a Method, a class of policies (PolicyFamily), a ProviderKind or a Tracker"


def register(thing: Registered) -> Registered:
    """Register something of one's own, so that configs and options can name it, and return it.

    Its type decides where it goes: a ``Task`` (``read_card(path)`` makes one of a card), a ``Method``, a class derived
    from ``PolicyFamily``, a ``ProviderKind`` or a ``Tracker``. A reward has no registry: it is a text in a task's card
    (``reward_source``), since prompts show it and it runs behind the wall around code.

    Registering the very same thing again changes nothing.

    Raises:
        InputError: It is nothing of these, or another thing of its kind has its name.
    """
    if isinstance(thing, Task):
        TASKS.register(thing)
    elif isinstance(thing, Method):
        METHODS.register(thing)
    elif isinstance(thing, ProviderKind):
        PROVIDERS.register(thing)
    elif isinstance(thing, Tracker):
        TRACKERS.register(thing)
    elif isinstance(thing, type) and issubclass(thing, PolicyFamily):
        if not isinstance(getattr(thing, "name", None), str):
            raise InputError(f"cannot register {thing.__name__}: a class of policies needs a text as its 'name'")
        FAMILIES.register(thing)
    else:
        raise InputError(f"cannot register {_told(thing)}; expected {KINDS}{_hint(thing)}")
    return thing


def _told(thing: object) -> str:
    name = getattr(thing, "__name__", None)
    return f"the {type(thing).__name__} {name!r}" if isinstance(name, str) else f"an object of {type(thing).__name__}"


def _hint(thing: object) -> str:
    if isinstance(thing, PolicyFamily):
        return f"; of policies, register the class: {type(thing).__name__}"
    if isinstance(thing, str) or hasattr(thing, "__fspath__"):
        return "; of a task card, register(read_card(path)) with r2po.tasks.read_card"
    if callable(thing):
        return "; a function is part of a Method or, as a reward, a text in a task's card (reward_source)"
    return ""
