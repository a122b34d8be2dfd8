"""What is asked of a language model and what comes back. Providers translate these to their wire formats."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Generic, Literal, Protocol, TypeVar

from r2po.llm.usage import Usage

T = TypeVar("T")
SEARCH = "search"
CRITIC = "critic"
"""The role that may ask a model of its own; all other roles ask the search's."""
Finish = Literal["stop", "length", "refusal", "unknown"]
Streaming = Literal["auto", "own"] | bool
"""Whether answers are asked for in pieces: see ``ProviderSettings``."""


@dataclass(frozen=True)
class Question:
    """One attempt at an ask, and where in the run it stands.

    Attributes:
        iteration: From 1.
        role: Who asks, as the method names it: ``SEARCH``, ``CRITIC`` or any other.
        sample: How often this prompt was asked before in the iteration: the second must be drawn independently.
        attempt: 1, or more after unusable replies.
        prompt: The user message.
        schema: JSON schema of the answer, for providers to enforce; None for free text.
        stable: Places in the prompt, in characters and in ascending order. Later prompts of the role begin with what
            stands before the last of them; earlier ones ended theirs at the others. Empty if nothing is known.
    """

    iteration: int
    role: str
    sample: int
    attempt: int
    prompt: str
    schema: Mapping[str, Any] | None = None
    stable: tuple[int, ...] = ()

    @property
    def stable_share(self) -> float:
        """The part of the prompt that later ones begin with."""
        return self.stable[-1] / len(self.prompt) if self.stable else 0.0


@dataclass(frozen=True)
class Request(Question):
    """A question for one model: a single fresh user message, no system message, no memory.

    Attributes:
        sampling: The sampling settings that the config sets, under their config names; nothing else is sent.
        key: Address of the reply in the call store.
        turn: Number of earlier questions of the iteration with the same role, sample and attempt: other prompts.
        prompt_tokens: About how many tokens the prompt has, judging by what the server counted so far; None if that
            tells nothing.
        on_progress: Takes the number of characters that have come so far, if the answer comes in pieces. A provider
            calls it a few times per second at most, in the thread that asks.
    """

    sampling: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    key: str = ""
    turn: int = 0
    prompt_tokens: int | None = None
    on_progress: Callable[[int], None] = field(default=lambda _characters: None, compare=False, repr=False)


@dataclass(frozen=True)
class Reply:
    """A model's answer.

    Attributes:
        text: The answer. Providers raise ``AttemptFailed`` rather than return an empty one, except with finish
            "length": a model that spent all its tokens on thinking.
        thinking: Reasoning text that the provider keeps apart from the answer; empty if none.
        finish: Why the model stopped; "length" means it was cut off at a token limit.
        finish_said: What the provider calls the reason, if that is unknown here; else empty.
        filled_context: The tokens of the context, if the reply was cut off because it and its prompt filled that.
        unreadable: Why the server itself could not make out an answer in what the model wrote; empty if it could.
        usage: Token counts.
        sent: Settings in effect under their wire names, also those that the provider added on its own (e.g.
            ``num_ctx``), for the log.
        served: What the server says of who answered, under its own names: the model, its version; for the log.
        note: What the user should know of the server, in one line; said once a run, and not logged.
    """

    text: str
    thinking: str = ""
    finish: Finish = "stop"
    usage: Usage = field(default_factory=Usage)
    sent: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    finish_said: str = ""
    filled_context: int | None = None
    unreadable: str = ""
    served: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    note: str = ""


@dataclass(frozen=True)
class Recording:
    """A recorded run whose replies a provider repeats.

    Attributes:
        path: Its run directory, as the config names it.
        logdir: The log directory that it is in.
        seed: Its seed.
        models: The name of the model that a role asked; roles that are not named asked that of ``SEARCH``.
        config: Its resolved config.
        keys: The addresses of its replies.
    """

    path: str
    logdir: Path
    seed: int
    models: Mapping[str, str]
    config: Mapping[str, Any]
    keys: Collection[str]


@dataclass(frozen=True)
class ProviderSettings:
    """What a provider may need besides the model's name.

    Attributes:
        environ: Environment with keys and base URLs.
        timeout_s: Seconds that one call may take.
        num_ctx: Context length in tokens, for servers that must be told; None to choose it from the prompts.
        base_url: Address of the server that the config chooses; None to leave that to the environment.
        prompt_cache: Whether prompts are marked for the server's cache; None for the providers' own servers only.
        streaming: Whether answers are asked for in pieces: always if the server can, never, with "auto" where it is
            known to tell the tokens of such answers too, or with "own" from the provider's own server only.
        idle_timeout_s: Seconds that may pass between two pieces of an answer; None for no limit.
    """

    environ: Mapping[str, str]
    timeout_s: float = 300.0
    num_ctx: int | None = None
    base_url: str | None = None
    prompt_cache: bool | None = None
    streaming: Streaming = False
    idle_timeout_s: float | None = None


Line = Callable[[Request, Mapping[str, Any]], tuple[int, Any]]
"""Another way to the server than a call of its own: takes a request and its body as it would be sent, and returns the
HTTP status and the JSON value of the answer, or raises ``AttemptFailed``."""


@dataclass(frozen=True)
class Limit:
    """The most tokens that a prompt can have, and what to do about a longer one."""

    tokens: int
    remedy: str


class Provider(ABC):
    """Answers for one model. It makes one attempt at a call; retrying, storing and counting is the client's business.

    Several threads may call at once.
    """

    is_stand_in = False
    """True if the answers do not come from a language model."""
    recording: Recording | None = None
    """The run that it repeats, if it does: its replies are not fresh, and cost nothing."""
    identity: Mapping[str, Any] | None = None
    """What the server told of the model at the first contact, such as a digest or a version; None if nothing."""
    by_position = False
    """Whether it finds replies by the place of the call in that run, whatever the prompt says."""
    line: Line | None = None
    """Another way for requests to the server than a call each, if one is taken; few providers look at it."""
    price_share: float | None = None
    """The part of the usual prices that its replies cost, as in batches; None if they cost all of them."""
    cached_price_share: float | None = None
    """The part that tokens from its cache cost in batches, where it is another one."""

    @property
    def address(self) -> str:
        """The server that it asks; empty if there is none."""
        return ""

    @property
    def writes_cache(self) -> bool:
        """Whether it marks prompts for the server's cache, which may cost more than to send them."""
        return False

    def check(self) -> None:  # noqa: B027 - many have nothing to reach
        """First contact, before anything is created: reachable, key accepted, model known.

        Raises:
            InputError: With one line that says what to change.
        """

    def probe(self) -> None:  # noqa: B027 - where nothing is free, the next attempt itself finds out
        """Ask the server for something that costs nothing, to find out whether it answers again.

        Raises:
            AttemptFailed: The request failed, which may also mean that the server has no such thing.
        """

    def restore(self, sent: Mapping[str, Any]) -> None:  # noqa: B027 - few have anything to remember
        """Restore what an earlier process of this run had arrived at, given ``Reply.sent`` of each of its replies."""

    def close(self) -> None:  # noqa: B027 - many have nothing under way
        """End the attempts under way, and make no more: the run is over."""

    def longest_prompt(self) -> Limit | None:
        """Return how long a prompt can be, if that is known. The server may be asked for it, once; this never fails."""
        return None

    def redact(self, text: str) -> str:
        """Return a text for people without any key in it: a server may put what it was sent into a reply."""
        return text

    def verdict(self, request: Request) -> str | None:  # noqa: ARG002 - few repeat a run
        """Return why the run that it repeats refused this reply, empty if it used it; None if it repeats none."""
        return None

    @abstractmethod
    def complete(self, request: Request) -> Reply:
        """Make one attempt.

        Raises:
            AttemptFailed: The attempt failed; ``retryable`` tells whether another one may succeed.
        """


class AttemptFailed(Exception):
    """One attempt at a call failed.

    Attributes:
        reason: One line, with the URL and what to change if it is not retryable; never a key.
        retryable: Whether the same request may succeed later.
        status: HTTP status, if there was an answer.
        retry_after_s: Seconds that the server asked to wait, if it did.
        unreachable: Whether there was not even a connection, so that nothing was sent.
    """

    def __init__(
        self,
        reason: str,
        *,
        retryable: bool,
        status: int | None = None,
        retry_after_s: float | None = None,
        unreachable: bool = False,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retryable = retryable
        self.status = status
        self.retry_after_s = retry_after_s
        self.unreachable = unreachable

    def with_advice(self, advice: str) -> AttemptFailed:
        """Return the same failure as one that only a change of the config can mend."""
        return AttemptFailed(f"{self.reason}; {advice}", retryable=False, status=self.status)


@dataclass(frozen=True)
class Received(Generic[T]):
    """A reply that is recorded, as its reader understood it.

    Attributes:
        key: Its address in the call store.
        value: What was read from it; None if it was refused.
        refusal: Empty if it was accepted, else says why not.
        fresh: Whether it came just now, and was not on record from an earlier process.
        latency_s: Seconds from the request to the reply, as recorded.
        told: The refusal as people are told it, without any key; empty if that is the same.
    """

    key: str
    value: T | None
    refusal: str
    fresh: bool
    latency_s: float
    told: str = ""


class Asker(Protocol):
    """Gets replies; retries, stores and counts. Several threads may ask at once."""

    def ask(self, question: Question, read: Callable[[str], T]) -> Received[T]:
        """Return the reply to a question, from the store if it is recorded there.

        Args:
            question: What is asked.
            read: Reads the reply's text, or raises ``UnusableReply``, which refuses it.
        """
