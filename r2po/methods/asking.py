"""Asking a model until its reply can be used: one sample of a prompt, or several at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from threading import Thread
from typing import Any, Generic, TypeVar, cast

from r2po.errors import NoUsableReply
from r2po.llm.types import Asker, Question, Received
from r2po.policies import PolicyFamily, Solution

MAX_REASKS = 5
T = TypeVar("T")


@dataclass(frozen=True)
class Answer(Generic[T]):
    """What a method works with. ``key`` is the address of the reply that it was read from; empty if there was none."""

    value: T
    key: str = ""


@dataclass(frozen=True)
class Tried(Generic[T]):
    """What came of asking where a run goes on without a usable reply.

    Attributes:
        value: What was read; None if no reply could be used.
        key: Address of the reply that it was read from; empty if there is none.
        refusal: Why the last reply could not be used; empty if it could.
    """

    value: T | None
    key: str = ""
    refusal: str = ""


@dataclass(frozen=True)
class SolutionReader:
    """Reads solutions of a policy family from replies that may quote the ones which ``tried`` returns.

    Attributes:
        policy: The policy family.
        tried: Returns the solutions that a reply may quote.
        strict: Refuse solutions that are not what prompts ask for: servers that were told may ignore it.
    """

    policy: PolicyFamily[Any]
    tried: Callable[[], Sequence[Solution]]
    strict: bool = False

    def __call__(self, text: str) -> Solution:
        """Read a finished reply."""
        return self._read(text, cut=False)

    def read_cut(self, text: str) -> Solution:
        """Read a reply that ends before it was finished."""
        return self._read(text, cut=True)

    @property
    def again(self) -> SolutionReader:
        """The reader of replies that were used once: earlier versions were less strict."""
        return replace(self, strict=False)

    def _read(self, text: str, *, cut: bool) -> Solution:
        solution: Solution = self.policy.read_beside(text, self.tried(), cut=cut)
        if self.strict:
            self.policy.check(solution)
        return solution


@dataclass
class Ask(Generic[T]):
    """The attempts at one sample of a prompt; ``first`` is the first attempt's question."""

    asker: Asker
    first: Question
    read: Callable[[str], T]
    replies: int = 0
    """How many came so far, recorded ones included."""
    seconds: float = 0.0
    """How long they took when they were made."""
    refusals: list[str] = field(default_factory=list)
    """Why they could not be used."""

    def __call__(self) -> Answer[T]:
        """Ask; while the reply is unusable, say what is wrong with it and ask again.

        Replies recorded before the run stopped here do not count: a resumed run has all its attempts again.

        Raises:
            RunStopped: No usable reply after ``MAX_REASKS`` further attempts, or no reply at all.
        """
        fresh = 0
        received = self._next()
        while received.refusal:
            fresh += received.fresh
            if fresh > MAX_REASKS:
                raise NoUsableReply(
                    f"iteration {self.first.iteration}, {self.first.role}: no usable reply in {self.replies} attempts; "
                    f"the last one: {received.told or received.refusal}"
                )
            received = self._next()
        return Answer(cast("T", received.value), received.key)  # None, if that is what was read

    def attempt(self) -> Tried[T]:
        """Ask in the same way, and give up after ``MAX_REASKS`` further attempts.

        Recorded replies count like fresh ones, so that a resumed run gives up where an uninterrupted one does.

        Raises:
            RunStopped: No reply at all.
        """
        received = self._next()
        while received.refusal and self.replies <= MAX_REASKS:
            received = self._next()
        if received.refusal:
            return Tried(None, refusal=received.refusal)
        return Tried(received.value, received.key)

    def _next(self) -> Received[T]:
        """Ask once; after refusals, say in the prompt what was wrong."""
        question = self.first
        if self.refusals:
            prompt = f"{question.prompt}\n\n{complaint(self.refusals)}\n"
            question = replace(question, attempt=self.replies + 1, prompt=prompt)
        received = self.asker.ask(question, self.read)
        self.replies += 1
        self.seconds += received.latency_s
        if received.refusal:
            self.refusals.append(received.refusal)
        return received


def complaint(refusals: Sequence[str]) -> str:
    """Return what a model is told of its unusable replies: each time something else, or it would repeat itself."""
    if len(refusals) == 1:
        return f"Your previous reply could not be used: {refusals[0]}. Keep to the reply format."
    listed = [f"{attempt}. {refusal}." for attempt, refusal in enumerate(refusals, 1)]
    return "\n".join(
        [
            f"Your previous {len(refusals)} replies could not be used:",
            *listed,
            f"This is attempt {len(refusals) + 1}. Keep to the reply format.",
        ]
    )


def run_together(jobs: Sequence[Callable[[], T]], at_most: int) -> list[T]:
    """Call functions in threads, ``at_most`` at once; return their results in the order of the functions.

    If any of them fails, the others are still called and waited for; then the first failure, in that order, is raised.
    """
    results: dict[int, T] = {}
    failures: dict[int, BaseException] = {}
    waiting = deque(enumerate(jobs))

    def work() -> None:
        while waiting:
            try:
                index, job = waiting.popleft()
            except IndexError:  # another thread was faster
                return
            try:
                results[index] = job()
            except BaseException as failure:  # noqa: BLE001 - raised below, in the thread that waits
                failures[index] = failure

    # Daemon threads, so that an interrupted process ends at once, whatever is under way.
    threads = [Thread(target=work, daemon=True) for _ in range(min(at_most, len(jobs)))]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        waiting.clear()
    if failures:
        raise failures[min(failures)]
    return [results[index] for index in range(len(jobs))]
