"""What every policy family provides."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar, TypeVar

import numpy as np
import pydantic

from r2po.errors import InputError, unknown
from r2po.policies.forms import Array, NetworkPolicy
from r2po.tasks.spaces import Spaces

SettingsModel = TypeVar("SettingsModel", bound=pydantic.BaseModel)

Parameters = tuple[float, ...]
"""A flat parameter vector; the numbers of a table are ints."""

Policy = Callable[[Array], Array]
"""Maps a batch of observations, (B, d) or (B,) state numbers, to actions, (B, a) or (B,) action numbers.

A state's action must not depend on the batch it stands in.
"""


@dataclass(frozen=True)
class Interval:
    """Every parameter is a real number in [low, high], asked for with ``decimals`` decimals."""

    low: float
    high: float
    decimals: int


@dataclass(frozen=True)
class Choices:
    """Every parameter is one of these integers."""

    options: tuple[int, ...]


@dataclass(frozen=True)
class Options:
    """What a config says about its policy family.

    Attributes:
        bias: Whether a linear policy has a bias row.
        seed: The run's seed, for families with frozen random parts.
        settings: The config key ``policy_settings``.
    """

    bias: bool = True
    seed: int = 0
    settings: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    def read(self, model: type[SettingsModel]) -> SettingsModel:
        """Validate the settings.

        Raises:
            InputError: An unknown setting or an impossible value.
        """
        for key in self.settings:
            if key not in model.model_fields:
                raise unknown("key in policy_settings", str(key), model.model_fields or ["none for this policy"])
        try:
            return model.model_validate(dict(self.settings))
        except pydantic.ValidationError as error:
            problem = error.errors()[0]
            key = ".".join(map(str, problem["loc"]))
            raise InputError(f"policy_settings: {key} is {problem['input']!r}; {problem['msg']}") from None


DEFAULTS = Options()


class NoSettings(pydantic.BaseModel):
    """For families that have none."""


def clipped(policy: Policy, spaces: Spaces) -> Policy:
    """Return the policy with continuous actions moved into the environment's bounds; discrete ones stay as they are."""
    if spaces.discrete_action:
        return policy
    low, high = np.array(spaces.action_low), np.array(spaces.action_high)
    if isinstance(policy, NetworkPolicy):
        return policy.bounded(low, high)
    return lambda observations: np.clip(policy(observations), low, high)


class PolicyFamily(ABC):
    """A parametrised set of policies over the spaces of one environment."""

    name: ClassVar[str]

    size: int
    """Number of parameters."""

    values: Interval | Choices
    """What the prompts ask each parameter to be."""

    always_clips: ClassVar[bool] = False
    """Whether parameters are clipped to the interval under every protocol."""

    @abstractmethod
    def __init__(self, spaces: Spaces, options: Options = DEFAULTS) -> None:
        """Make the family over these spaces."""

    @abstractmethod
    def sample(self, rng: np.random.Generator) -> Parameters:
        """Draw the parameters of a warm-up policy."""

    @abstractmethod
    def bind(self, params: Parameters) -> Policy:
        """Return the policy with these parameters."""

    @abstractmethod
    def form(self, observation_names: Sequence[str], action_names: Sequence[str], /) -> str:
        """Say in words how the parameters map an observation to an action, written from the layout itself."""

    def format(self, value: float) -> str:
        """Write one parameter as prompts show it."""
        if isinstance(self.values, Choices):
            return str(int(value))
        decimals = self.values.decimals
        rounded = round(float(value), decimals)
        return f"{rounded + 0.0:.{decimals}f}" if rounded == value else f"{value + 0.0:.6g}"

    def clip(self, params: Parameters) -> Parameters:
        """Return the parameters moved into the interval that prompts ask for; tables come back unchanged."""
        if isinstance(self.values, Choices):
            return params
        low, high = self.values.low, self.values.high
        return tuple(min(max(value, low), high) for value in params)

    def on_grid(self, values: Array) -> Parameters:
        """Clip values to the interval and round them to its decimals, without negative zeros."""
        assert isinstance(self.values, Interval)
        rounded = np.round(np.clip(values, self.values.low, self.values.high), self.values.decimals)
        return tuple(float(value) + 0.0 for value in rounded)
