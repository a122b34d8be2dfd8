"""Registries find things by name, and take more of them from outside."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from r2po.errors import InputError
from r2po.registry import Registry


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
