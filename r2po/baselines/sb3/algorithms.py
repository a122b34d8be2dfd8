"""The algorithms, and whether they can be run here."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

from r2po.errors import InputError
from r2po.installation import install
from r2po.registry import Registry

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm

PACKAGES = {"torch": "torch", "stable_baselines3": "stable-baselines3", "sb3_contrib": "sb3-contrib"}
"""The packages to install, by the module that each provides."""


@dataclass(frozen=True)
class Algorithm:
    """One algorithm with its implementation's default policy, a multi-layer perceptron.

    It takes ``discrete`` actions, ``continuous`` ones or both; ``name`` is also that of its class in ``module``.
    """

    name: str
    module: str
    discrete: bool
    continuous: bool

    @property
    def implementation(self) -> type[BaseAlgorithm]:
        """Its class; imports PyTorch."""
        found: type[BaseAlgorithm] = getattr(import_module(self.module), self.name)
        return found


ALGORITHMS: Registry[Algorithm] = Registry(
    "algorithm",
    Algorithm("DQN", "stable_baselines3", discrete=True, continuous=False),
    Algorithm("DDPG", "stable_baselines3", discrete=False, continuous=True),
    Algorithm("TD3", "stable_baselines3", discrete=False, continuous=True),
    Algorithm("SAC", "stable_baselines3", discrete=False, continuous=True),
    Algorithm("A2C", "stable_baselines3", discrete=True, continuous=True),
    Algorithm("PPO", "stable_baselines3", discrete=True, continuous=True),
    Algorithm("TRPO", "sb3_contrib", discrete=True, continuous=True),
)


def choose_algorithms(names: tuple[str, ...] | None, gym_id: str, *, discrete: bool) -> tuple[Algorithm, ...]:
    """Return the algorithms of these names, in any case, in their order; all that fit the actions for None.

    Raises:
        InputError: There is no such algorithm, or it cannot take the environment's actions.
    """
    fitting = [each for each in ALGORITHMS.values() if (each.discrete if discrete else each.continuous)]
    if names is None:
        return tuple(fitting)
    chosen = [ALGORITHMS.find(name.upper()) for name in dict.fromkeys(names)]
    for each in chosen:
        if each not in fitting:
            kinds = ("discrete", "continuous") if discrete else ("continuous", "discrete")
            raise InputError(
                f"{each.name} does not fit {gym_id}: its actions are {kinds[0]}, {each.name} takes {kinds[1]} ones; "
                f"expected {', '.join(other.name for other in fitting)}"
            )
    return tuple(chosen)


def check_installed() -> None:
    """Check that the packages of the extra ``sb3`` are installed, without loading them.

    Raises:
        InputError: Some are not; says how to get them.
    """
    missing = [name for module, name in PACKAGES.items() if find_spec(module) is None]
    if missing:
        raise InputError(
            f"the Stable-Baselines3 baselines need {', '.join(missing)}, not installed here: {install('sb3')}"
        )
