"""A function behind the wall that summarizes episodes, as its parent sees it."""

from __future__ import annotations

from typing import ClassVar

from r2po.isolation import protocol
from r2po.isolation.channel import Channel
from r2po.isolation.limits import SUMMARY_CHARACTERS
from r2po.isolation.outcomes import clean
from r2po.isolation.protocol import Signature

_LONGEST_SUMMARY = 4 * SUMMARY_CHARACTERS
"""Bytes."""


class Summaries(Channel):
    """A function ``summarize`` in a worker process of its own; its arguments are those of ``Channel``."""

    who: ClassVar[str] = "the function"
    turn: ClassVar[str] = "one episode"

    def load(self, source: str, signature: Signature) -> None:
        """Make the function.

        Args:
            source: Python code that defines ``summarize``.
            signature: What observations and actions are.

        Raises:
            PolicyFailed: The source does not work.
        """
        self._load(protocol.LOAD_SUMMARY, source, (), signature)

    def summarize(self, observations: bytes, actions: bytes = b"", rewards: bytes = b"") -> str:
        """Call the function for an episode; it depends on no episode before.

        Args:
            observations: T + 1 rows of float64, or int64 for numbers of states: the last is what followed the end.
            actions: T rows of float64, or int64 if they are discrete. If none are given, the function is called with
                the observations only.
            rewards: T float64.

        Returns:
            What it says, at most ``SUMMARY_CHARACTERS``, without control characters.

        Raises:
            PolicyFailed: The function failed, now or before.
        """
        assert self._signature is not None, "load comes first"
        message = protocol.frame(protocol.SUMMARIZE, protocol.pack_episode(observations, actions, rewards))
        said = clean(self._ask(message, protocol.SUMMARY, range(1, _LONGEST_SUMMARY + 1)), _LONGEST_SUMMARY)
        return said[:SUMMARY_CHARACTERS]
