"""A policy behind the wall, as its parent sees it."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from hashlib import blake2b
from typing import ClassVar

from r2po.isolation import constants, protocol
from r2po.isolation.channel import Channel
from r2po.isolation.constants import Constant
from r2po.isolation.protocol import Signature
from r2po.isolation.wall import InForce, Isolation


class Box(Channel):
    """A policy in a worker process of its own; its arguments are those of ``Channel``."""

    who: ClassVar[str] = "the policy"
    turn: ClassVar[str] = "one step"
    _episodes = 0

    def load(self, source: str, seeds: Sequence[int], signature: Signature) -> None:
        """Make the policy of every episode.

        Args:
            source: Python code that defines the class ``Policy``.
            seeds: A seed for each episode. The policy gets numbers that are made from them, not the seeds themselves.
            signature: What ``act`` takes and returns.

        Raises:
            PolicyFailed: The source does not work.
        """
        self._episodes = len(seeds)
        self._load(protocol.LOAD, source, [_derived(seed) for seed in seeds], signature)

    def act(self, slots: Sequence[int], observations: bytes) -> array[float] | array[int]:
        """Take one step in some episodes.

        Args:
            slots: Which episodes, by the places of their seeds.
            observations: A row of float64, or an int64, for each.

        Returns:
            The actions one after the other: float64, or int64 if they are discrete.

        Raises:
            PolicyFailed: The policy failed, now or before.
        """
        signature = self._signature
        assert signature is not None, "load comes first"
        if len(observations) != len(slots) * signature.observation_bytes or not all(
            0 <= s < self._episodes for s in slots
        ):
            raise ValueError("observations and slots do not fit what was loaded")
        message = protocol.frame(protocol.ACT, protocol.pack_act(list(slots), observations))
        length = len(slots) * signature.action_bytes
        return self._checked(self._ask(message, protocol.ACTIONS, range(length, length + 1)), signature)

    def constants(self, source: str, signature: Signature) -> tuple[Constant, ...]:
        """Return the constants that a source declares, in its order; none if it has no ``PARAMS``.

        Its code does not run. Afterwards, ``load`` may follow, once or several times.

        Raises:
            PolicyFailed: The source does not work, or its ``PARAMS`` are not what they should be.
        """
        self._load(protocol.LOAD_CONSTANTS, source, (), signature)
        content = self._ask(protocol.frame(protocol.DECLARE), protocol.DECLARED, range(1, constants.MOST_BYTES + 1))
        try:
            return constants.unpack(content, source)
        except ValueError:
            self._fail("protocol", self._no_reply)

    def _checked(self, content: bytes, signature: Signature) -> array[float] | array[int]:
        if signature.discrete:
            numbers = array("q", content)
            first = signature.first_action
            if not all(first <= number < first + signature.action_size for number in numbers):
                self._fail("protocol", self._no_reply)
            return numbers
        values = array("d", content)
        if not all(map(math.isfinite, values)):
            self._fail("protocol", self._no_reply)
        return values


def in_force(isolation: Isolation = "auto") -> InForce:
    """Start a worker and return the wall that it has.

    Raises:
        NoWallError: The wall is not to be had here.
        WorkerNotReadyError: The worker did not start.
    """
    with Box(isolation) as box:
        return box.in_force


def _derived(seed: int) -> int:
    """Return what a policy's generators are seeded with: it is not to know the seed of its environment."""
    return int.from_bytes(blake2b(str(seed).encode(), digest_size=8, person=b"r2po policy").digest(), "little")
