"""Registries find things by name, and take more of them from outside."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from r2po.errors import InputError
from r2po.registry import Registry, Source, registering_for


@dataclass(frozen=True)
class Thing:
    name: str
    size: int = 0


def test_things_are_found_in_the_order_in_which_they_came() -> None:
    registry = Registry("thing", Thing("one"))
    assert registry.register(Thing("another")) == registry.find("another")
    assert list(registry) == ["one", "another"]


def test_the_same_thing_may_be_registered_again_another_of_its_name_may_not() -> None:
    one = Thing("one")
    registry = Registry("thing", one, one)
    with pytest.raises(InputError, match="thing 'one' is registered already"):
        registry.register(Thing("one", size=1))
    assert registry["one"] is one


def test_an_unknown_name_is_answered_with_those_that_are_known() -> None:
    with pytest.raises(InputError, match=r"unknown thing 'onne' \(did you mean 'one'\?\); known: one, two"):
        Registry("thing", Thing("one"), Thing("two")).find("onne")


def test_further_things_are_added_before_a_name_is_called_unknown() -> None:
    asked = []

    def further() -> None:
        asked.append(len(registry))
        registry.register(late)

    late = Thing("late")
    registry = Registry("thing", Thing("one"), further=further)
    assert registry.find("one") == Thing("one")
    assert "late" not in registry  # only asking for it adds it
    assert asked == []
    assert registry.find("late") is late
    with pytest.raises(InputError, match=r"unknown thing 'lata' \(did you mean 'late'\?\); known: one, late"):
        registry.find("lata")


def test_each_thing_says_where_it_comes_from() -> None:
    registry = Registry("thing", Thing("ours"))
    with registering_for(Source("mine")):
        mine = registry.register(Thing("mine"))
        with registering_for(Source("another", late=True)):
            registry.register(Thing("another"))
            registry.register(mine)
    registry.register(Thing("script"))
    found = {name: (registry.source_of(name).name, registry.source_of(name).late) for name in (*registry, "none")}
    nobody = ("", False)
    assert found == {
        "ours": nobody,
        "mine": ("mine", False),
        "another": ("another", True),
        "script": nobody,
        "none": nobody,
    }
