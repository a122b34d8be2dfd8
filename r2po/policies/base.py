"""What every policy family provides."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar, Generic, Literal, TypeVar

import numpy as np
import pydantic

from r2po.errors import InputError, UnusableReply, unknown
from r2po.isolation.wall import InForce, Isolation
from r2po.policies.policy import Policy
from r2po.policies.solution import Solution
from r2po.tasks.spaces import Spaces
from r2po.validation import first_problem

SettingsModel = TypeVar("SettingsModel", bound=pydantic.BaseModel)
S = TypeVar("S", bound=Solution)


@dataclass(frozen=True)
class PolicyConfig:
    """What a config says about its policy family.

    Attributes:
        bias: Whether a linear policy has a bias row.
        seed: The run's seed, for families with frozen random parts.
        settings: The config key ``policy_settings``.
        isolation: The wall that is asked for, for families whose policies need one.
    """

    bias: bool = True
    seed: int = 0
    settings: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    isolation: Isolation = "auto"

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
            raise InputError(f"policy_settings: {first_problem(error)}") from None


DEFAULTS = PolicyConfig()


class NoSettings(pydantic.BaseModel):
    """For families that have none."""


def clipped(policy: Policy, spaces: Spaces) -> Policy:
    """Return the policy with continuous actions moved into the environment's bounds; discrete ones stay as they are."""
    if spaces.discrete_action:
        return policy
    return policy.bounded(np.array(spaces.action_low), np.array(spaces.action_high))


def logged(record: Mapping[str, Any], key: str) -> Any:
    """Return a field of a record in the log.

    Raises:
        InputError: The record lacks it.
    """
    if key not in record:
        raise InputError(f"damaged log: {key} of a policy is missing")
    return record[key]


class PolicyFamily(ABC, Generic[S]):
    """The policies over the spaces of one environment, and everything that depends on the kind of their solutions."""

    name: ClassVar[str]

    kind: ClassVar[Literal["parameters", "program"]]
    """What its solutions are; also the folder of the templates written for them."""

    trial_form: ClassVar[str]
    """Format of a trial in the history, with the fields ``solution`` and ``result``, e.g. ``f(params): 12.50``."""

    objective: ClassVar[str]
    """What prompts call the value of a solution where they say nothing of its reward: ``f(params)``."""

    always_clips: ClassVar[bool] = False
    """Whether solutions are clipped under every protocol."""

    walled: ClassVar[bool] = False
    """Whether its policies are code that runs behind a wall."""

    warms_up: ClassVar[bool] = True
    """Whether runs begin with as many random policies as the task card says; a config may always say otherwise."""

    @abstractmethod
    def __init__(self, spaces: Spaces, config: PolicyConfig = DEFAULTS) -> None:
        """Make the family over these spaces."""

    @abstractmethod
    def sample(self, rng: np.random.Generator) -> S:
        """Draw a warm-up policy."""

    @abstractmethod
    def bind(self, solution: S, /) -> Policy:
        """Return the policy that a solution stands for."""

    @abstractmethod
    def form(self, observation_names: Sequence[str], action_names: Sequence[str], /) -> str:
        """Say in words how a solution maps an observation to an action."""

    @abstractmethod
    def reply_format(self, account: str, /, *, structured: bool) -> str:
        """Say in words how a reply must give a solution.

        Args:
            account: What it must explain besides, e.g. "what you changed and why".
            structured: Whether servers enforce the ``schema``.
        """

    @abstractmethod
    def read(self, text: str, /) -> S:
        """Read the solution from a model's reply.

        Raises:
            UnusableReply: The reply holds no usable solution; the model is told the reason.
        """

    def read_beside(self, text: str, _shown: Collection[S], /, *, cut: bool = False) -> S:
        """Read the solution from a reply whose prompt shows some, which the reply may quote.

        Args:
            text: The reply.
            cut: Whether it ends before it was finished. Families that cannot tell whether their solution is complete
                refuse it.

        Raises:
            UnusableReply: As in ``read``.
        """
        if cut:
            raise UnusableReply("it was cut off")
        return self.read(text)

    def check(self, solution: S, /) -> None:
        """Refuse a solution that is not what prompts ask for, where servers are to enforce the ``schema``.

        Raises:
            UnusableReply: It says what was expected.
        """

    @abstractmethod
    def write(self, solution: S, /, digits: int = 5) -> str:
        """Write a solution as replies must give it; ``digits`` is for numbers that are not what prompts ask for."""

    @abstractmethod
    def record(self, solution: S, /) -> dict[str, Any]:
        """Return what the log holds of a solution, as JSON."""

    @abstractmethod
    def load(self, record: Mapping[str, Any], /) -> S:
        """Return the solution of a record; other keys do not matter.

        Raises:
            InputError: The record has no solution of this family.
        """

    def wall(self) -> InForce | None:
        """Return the wall that its policies run behind; None if they need none.

        Raises:
            NoWallError: The wall that is asked for is not to be had here.
            WorkerNotReadyError: No process for a policy could be started.
        """
        return None

    def write_briefly(self, solution: S, /) -> str:
        """Write a solution as histories show it that number their trials."""
        return self.write(solution, 3)

    def write_compactly(self, solution: S, /) -> str:
        """Write a solution as compact prompts show it."""
        return self.write(solution, 3)

    def form_briefly(self, observation_names: Sequence[str], action_names: Sequence[str], /) -> str:
        """Say in words how a solution maps an observation to an action, where prompts are compact."""
        return self.form(observation_names, action_names)

    @property
    def choices(self) -> tuple[int, ...]:
        """The legal values of a table's entries; empty for all other families."""
        return ()

    def schema(self) -> dict[str, Any] | None:
        """Return the JSON schema of an answer, for servers that can enforce one; None if answers are free text."""
        return None

    def clip(self, solution: S, /) -> S:
        """Return the solution moved into the range that prompts ask for, if there is one; else unchanged."""
        return solution
