"""What rolls out: a policy, and a policy at work in a batch of episodes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
"""float64, or int64 for state numbers and discrete actions."""


class Session(ABC):
    """A policy at work in episodes that advance together; an episode's slot is its place among the seeds, from 0."""

    @abstractmethod
    def __call__(self, slots: Sequence[int], observations: Array, /) -> Array:
        """Take one step in some of the episodes.

        An action must not depend on the other episodes of the batch.

        Args:
            slots: B slots, in ascending order, one for each row of ``observations``.
            observations: (B, d) observations or (B,) state numbers.

        Returns:
            (B, a) actions or (B,) action numbers.
        """

    def close(self) -> None:  # noqa: B027 - most hold nothing
        """Free what the session holds. Whoever began the session calls this once, also after an error."""


class Policy(ABC):
    """Chooses actions in episodes."""

    replayable: bool = True
    """Whether an episode can be rolled out again from its seed to get its trajectory."""

    @property
    def cpu_s(self) -> float | None:
        """Seconds of CPU that its closed sessions took in processes of their own; None if they have none."""
        return None

    @abstractmethod
    def begin(self, seeds: Sequence[int], /) -> Session:
        """Begin a session for the episodes that start from these seeds."""

    def bounded(self, low: Array, high: Array) -> Policy:
        """Return the policy with its continuous actions moved into these bounds, both (a,)."""
        return _Bounded(self, low, high)

    def as_python(self) -> str | None:
        """Return it as Python that needs NumPy only and defines a class ``Policy`` with ``act(obs)``, or None.

        Those of ``forms`` do not need it: ``standalone`` writes them.
        """
        return None


class StatelessPolicy(Policy):
    """A policy without memory: a function of the observation."""

    @abstractmethod
    def __call__(self, observations: Array, /) -> Array:
        """Return (B, a) actions, or (B,) action numbers, for (B, d) observations or (B,) state numbers."""

    def begin(self, _seeds: Sequence[int], /) -> Session:
        """Begin a session, which asks the function at every step."""
        return _Stateless(self)


class FunctionPolicy(StatelessPolicy):
    """The policy that a function computes."""

    def __init__(self, function: Callable[[Array], Array]) -> None:
        self._function = function

    def __call__(self, observations: Array, /) -> Array:
        """Return the function's actions."""
        return self._function(observations)


class _Stateless(Session):
    def __init__(self, policy: StatelessPolicy) -> None:
        self._policy = policy

    def __call__(self, _slots: Sequence[int], observations: Array, /) -> Array:
        return self._policy(observations)


class _Bounded(Policy):
    def __init__(self, policy: Policy, low: Array, high: Array) -> None:
        self._policy, self._low, self._high = policy, low, high
        self.replayable = policy.replayable

    @property
    def cpu_s(self) -> float | None:
        return self._policy.cpu_s

    def begin(self, seeds: Sequence[int], /) -> Session:
        return _BoundedSession(self._policy.begin(seeds), self._low, self._high)


class _BoundedSession(Session):
    def __init__(self, session: Session, low: Array, high: Array) -> None:
        self._session, self._low, self._high = session, low, high

    def __call__(self, slots: Sequence[int], observations: Array, /) -> Array:
        return np.clip(self._session(slots, observations), self._low, self._high)

    def close(self) -> None:
        self._session.close()
