"""What a worker does with a source once it is loaded: act in episodes, summarize them, or read constants."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import CodeType, ModuleType
from typing import Any, ClassVar

import numpy as np

from r2po.isolation import protocol
from r2po.isolation.actions import read_continuous, read_discrete
from r2po.isolation.constants import declared, pack
from r2po.isolation.episode import Episode, Summarizer
from r2po.isolation.limits import SUMMARY_CHARACTERS
from r2po.isolation.protocol import Signature
from r2po.isolation.report import IllegalAction, shown


class Work(ABC):
    """A source at work.

    Args:
        content: Content of the frame that loads it.
        modules: All modules that it may import, by name.
    """

    asked: ClassVar[int]
    """The kind of frame that asks for something."""
    place: ClassVar[str]
    """What the number of such a frame counts, for reports."""

    def __init__(self, content: bytes, modules: Mapping[str, ModuleType]) -> None:
        encoded, self.seeds, self.signature = protocol.unpack_load(content)
        self.source = encoded.decode()
        self.modules = modules
        self.steps = 0

    @abstractmethod
    def begin(self, code: CodeType) -> None:
        """Take the compiled source."""

    @abstractmethod
    def answer(self, content: bytes) -> tuple[int, bytes]:
        """Return kind and content of the reply to a frame that asks."""


class PolicyWork(Work):
    """A policy: its episodes by slot."""

    asked = protocol.ACT
    place = "step {} of an episode"

    def begin(self, code: CodeType) -> None:
        """Make the policy of every episode."""
        self._read = read_discrete if self.signature.discrete else read_continuous
        self._episodes: list[Episode] = []
        for seed in self.seeds:
            self._episodes.append(Episode(code, seed, self.modules))

    def answer(self, content: bytes) -> tuple[int, bytes]:
        """Act in some episodes."""
        slots, data = protocol.unpack_act(content)
        actions = []
        for slot, observation in zip(slots, _observations(data, self.signature), strict=True):
            episode = self._episodes[slot]
            episode.enter()
            actions.append(episode.act(observation))
        return protocol.ACTIONS, protocol.pack_actions(self.steps, self._read(actions, self.signature))


class SummaryWork(Work):
    """A function that summarizes episodes. Each has a module of its own, so that none depends on those before it."""

    asked = protocol.SUMMARIZE
    place = "episode {}"

    def begin(self, code: CodeType) -> None:
        """Check that there is such a function."""
        self._code = code
        Summarizer(code, 0, self.modules)

    def answer(self, content: bytes) -> tuple[int, bytes]:
        """Summarize an episode."""
        summarize: Any = Summarizer(self._code, 0, self.modules).summarize
        data, actions, rewards = protocol.unpack_episode(content)
        observations = np.array(_observations(data, self.signature))
        rest = (_actions(actions, self.signature), np.frombuffer(rewards, "<f8").copy()) if len(actions) else ()
        return protocol.SUMMARY, protocol.pack_summary(self.steps, _text(summarize(observations, *rest)))


def _observations(data: memoryview, signature: Signature) -> Any:
    """Return numbers of states as a list, or a copy of the vectors as an array."""
    if signature.observation_size is None:
        return np.frombuffer(data, "<i8").tolist()
    return np.frombuffer(data, "<f8").copy().reshape(-1, signature.observation_size)


def _actions(data: memoryview, signature: Signature) -> Any:
    if signature.discrete:
        return np.frombuffer(data, "<i8").copy()
    return np.frombuffer(data, "<f8").copy().reshape(-1, signature.action_size)


def _text(summary: object) -> bytes:
    """Return a summary as bytes, not too long; raise ``IllegalAction`` if it is no text."""
    if not isinstance(summary, str) or not str.strip(summary):
        raise IllegalAction(f"summarize must return a text that is not empty, not {shown(summary)}")
    text = str.strip(summary)[:SUMMARY_CHARACTERS].replace("\r\n", "\n").expandtabs(4)
    return text[:SUMMARY_CHARACTERS].encode("utf-8", "replace")


class ConstantsWork(Work):
    """The constants that a policy declares. Its code is parsed, and does not run: it can have no hand in this."""

    asked = protocol.DECLARE
    place = "reading {}"

    def begin(self, code: CodeType) -> None:
        """Do nothing: that it compiles is enough."""

    def answer(self, _content: bytes) -> tuple[int, bytes]:
        """Return what is declared."""
        return protocol.DECLARED, protocol.pack_actions(self.steps, pack(declared(self.source)))


WORKS: dict[int, type[Work]] = {
    protocol.LOAD: PolicyWork,
    protocol.LOAD_SUMMARY: SummaryWork,
    protocol.LOAD_CONSTANTS: ConstantsWork,
}
"""By the kind of the frame that loads the source."""
