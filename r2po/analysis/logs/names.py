"""Names of environments and methods as people and folders write them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from r2po.analysis.logs.built_in import BUILT_IN, SB3_ALGORITHMS
from r2po.errors import InputError, unknown
from r2po.runlog.facts import MethodFacts, TaskFacts
from r2po.tasks import TASKS

PUBLISHED_ORDER = (
    "nim",
    "pong",
    "swimmer",
    "mountaincarcontinuous",
    "mountaincar",
    "inverteddoublependulum",
    "invertedpendulum",
    "frozenlake",
    "cartpole",
    "maze",
)
"""The environments in the order of the published tables."""

ALIASES: Mapping[str, str] = MappingProxyType({"mountaincarcon": "mountaincarcontinuous"})
"""Names of the published code that are not ours."""

_SAME = ("actor_second_pass", "always_critic", "critic_only", "pure_search", "three_traj", "propsp", "props", "sb3")
_FOLDERS: Mapping[str, str] = MappingProxyType(
    {
        "reflective_prompted_policy_optimization": "r2po",
        "tau_c_sensitivity": "r2po",
        "reflective": "reptraj",
        **{name: name for name in _SAME},
    }
)
"""How the published code's folders call methods; a name that another one begins with stands after that one."""

_FOLDER = re.compile(rf"(?P<environment>.+?)_(?P<method>{'|'.join(_FOLDERS)})(?:_(?P<rest>.+))?")


class FolderName(NamedTuple):
    """What the name of one of the published code's log directories says."""

    environment: str
    method: str
    variant: str


def read_folder_name(name: str) -> FolderName | None:
    """Return what a folder's name says in the published code's scheme; None if it does not follow it.

    ``cartpole_tau_c_sensitivity_half`` is R2PO on CartPole with the variant "tau_c half". Whatever else follows the
    method's name is a variant under that name.
    """
    match = _FOLDER.fullmatch(name)
    if match is None:
        return None
    rest = match["rest"] or ""
    if match["method"] == "tau_c_sensitivity":
        variant = f"tau_c {rest}".rstrip()
    else:
        # The folder of one environment's baselines has this ending, which says how often it was run.
        variant = "" if match["method"] == "sb3" else rest
    return FolderName(environment_key(match["environment"]), _FOLDERS[match["method"]], variant)


def environment_key(name: str) -> str:
    """Return the short name of an environment given by key, label or Gymnasium id; others come back as they are."""
    return _environments().get(_folded(name), name)


def method_key(name: str) -> str:
    """Return the key of a method given by key or label; others come back as they are."""
    return _methods().get(_folded(name), name)


def environment_order(key: str) -> tuple[int, str]:
    """Sort environments as the published tables do; others follow by name."""
    return (PUBLISHED_ORDER.index(key) if key in PUBLISHED_ORDER else len(PUBLISHED_ORDER), key)


def parse_environment(name: str, found: Iterable[TaskFacts] = ()) -> str:
    """Return the key of the environment that an option names by key, label or Gymnasium id, built in or found in logs.

    Raises:
        InputError: There is no such environment.
    """
    return _parsed("environment", name, _environments(), found, TASKS)


def parse_method(name: str, found: Iterable[MethodFacts] = ()) -> str:
    """Return the key of the method that an option names by key or label, built in or found in logs.

    Raises:
        InputError: There is no such method.
    """
    if name.upper().removeprefix("SB3-") in SB3_ALGORITHMS:
        raise InputError(f"{name!r} is an algorithm of Stable-Baselines3; as a method, all of them are called 'sb3'")
    return _parsed("method", name, _methods(), found, BUILT_IN)


def _parsed(
    kind: str,
    name: str,
    built_in: Mapping[str, str],
    found: Iterable[TaskFacts] | Iterable[MethodFacts],
    keys: Iterable[str],
) -> str:
    labels = {each["name"]: each["label"] for each in found if each["name"]}
    names = {_folded(text): key for key, label in labels.items() for text in (label, key)} | dict(built_in)
    if _folded(name) not in names:
        raise unknown(kind, name, dict.fromkeys([*keys, *labels]))
    return names[_folded(name)]


def _environments() -> dict[str, str]:
    names = {_folded(text): task.name for task in TASKS.values() for text in (task.label, task.gym_id, task.name)}
    return names | dict(ALIASES)


def _methods() -> dict[str, str]:
    names = {_folded(text): key for key, facts in BUILT_IN.items() for text in (key, facts["label"])}
    return names | {"propsplus": "propsp"}


def _folded(name: str) -> str:
    return re.sub(r"[^a-z0-9+]", "", name.casefold())
