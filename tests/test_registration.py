"""``r2po.register``: the type of a thing decides where it goes."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import r2po
from r2po.errors import InputError
from r2po.llm.registry import PROVIDERS, NoModel, ProviderKind
from r2po.methods import METHODS
from r2po.policies import FAMILIES
from r2po.policies.linear import Linear
from r2po.registry import Registry
from r2po.tasks import TASKS, read_card
from r2po.tasks.spaces import read_spaces
from r2po.trackers import TRACKERS

CARDS = Path(r2po.__file__).parent / "tasks/cards"


class Mine(Linear):
    """A family."""

    name = "mine"


REGISTRIES = (TASKS, METHODS, FAMILIES, PROVIDERS, TRACKERS)

THINGS: dict[str, tuple[Registry[Any], Any]] = {
    "task": (TASKS, replace(TASKS["nim"], name="mine")),
    "card": (TASKS, replace(read_card(CARDS / "nim.yaml"), name="another")),
    "method": (METHODS, replace(METHODS["props"], name="mine")),
    "policies": (FAMILIES, Mine),
    "provider": (PROVIDERS, ProviderKind("mine", "Mine", "mine", lambda _: False, lambda *_: NoModel())),
    "tracker": (TRACKERS, replace(TRACKERS["tensorboard"], name="mine")),
}


@pytest.mark.parametrize("what", THINGS)
def test_a_thing_goes_where_its_type_says(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    registry, thing = THINGS[what]
    for each in REGISTRIES:
        monkeypatch.setattr(each, "_items", dict(each))
    assert r2po.register(thing) is thing
    assert r2po.register(thing) is thing  # as when a module is imported twice
    assert registry[thing.name] is thing
    assert [thing.name in each for each in REGISTRIES].count(True) == 1


def test_a_name_that_is_taken_stays_what_it_is() -> None:
    with pytest.raises(InputError, match="method 'props' is registered already; choose another name"):
        r2po.register(replace(METHODS["props"], label="other"))


class Nameless(Linear):
    name = 7  # type: ignore[assignment]


def reward(obs: object) -> float:
    return 0.0


@pytest.mark.parametrize(
    ("thing", "said"),
    [
        (7, "cannot register an object of int; expected a Task, a Method, a class of policies"),
        ("card.yaml", r"object of str; .*; of a task card, register\(read_card\(path\)\)"),
        (Path("card.yaml"), r"of a task card, register\(read_card\(path\)\)"),
        (reward, "the function 'reward'; .* as a reward, a text in a task's card"),
        (Linear(read_spaces("CartPole-v1", {})), "of policies, register the class: Linear"),
        (dict, "the type 'dict'"),
        (Nameless, "cannot register Nameless: a class of policies needs a text as its 'name'"),
        (None, "an object of NoneType"),
    ],
)
def test_what_cannot_be_registered_is_said_in_one_line(thing: Any, said: str) -> None:
    with pytest.raises(InputError, match=said) as raised:
        r2po.register(thing)
    assert "\n" not in str(raised.value)


def test_importing_the_package_stays_light() -> None:
    code = "import sys, r2po; assert not {'numpy', 'gymnasium'} & set(sys.modules); print(r2po.register.__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "register\n"
