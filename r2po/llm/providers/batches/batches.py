"""What a protocol says about batches: they are sent, found again, watched, fetched and cancelled."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, ClassVar, Protocol, runtime_checkable
from urllib.parse import quote

from r2po.errors import InputError
from r2po.llm.providers.payload import entries, entry, string
from r2po.llm.transport import Transport
from r2po.llm.types import AttemptFailed, Provider

MOST_RESULT_BYTES = 512 * 2**20
"""Longest file of results accepted: that of a full batch of long answers."""
CLOCKS_DIFFER = timedelta(hours=1)
"""How far clocks may differ: batches that a server calls older or younger than that are not the one looked for."""
MOST_PAGES = 100
"""Pages of a server's list of batches that are read to find one of them."""
PAGE = 100
"""Batches on such a page."""
GONE = 404


@dataclass(frozen=True)
class Item:
    """A request of a batch: its name in there, of at most 64 letters, digits and any of ``-_``, and its body."""

    name: str
    body: Mapping[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What came of a request.

    Attributes:
        status: The HTTP status, as a call of its own would have had it; None if the request was not answered.
        body: The JSON value of the answer.
        reason: Why there was no answer.
    """

    status: int | None
    body: Any = None
    reason: str = ""

    @property
    def is_answer(self) -> bool:
        """Whether a model answered."""
        return self.status is not None and 200 <= self.status < 300


@dataclass(frozen=True)
class Standing:
    """How far a batch is.

    Attributes:
        is_over: Whether nothing more will come of it.
        refusal: Why the server has not accepted it at all; empty if it has.
        answered: How many of its requests a model answered, as the server counts them; None if it does not tell.
    """

    is_over: bool
    refusal: str = ""
    answered: int | None = None


@dataclass(frozen=True)
class Results:
    """What came of the requests of a batch.

    Attributes:
        outcomes: By the names of the requests; some may be missing.
        unreadable: How many more there are that cannot be read.
    """

    outcomes: Mapping[str, Outcome]
    unreadable: int = 0


@dataclass(frozen=True)
class Found:
    """What a server's list of batches says of one that may have been sent.

    Attributes:
        name: The server's name for it; empty if it is not there.
        doubtful: A batch of the list that may be it: only its end will tell. Empty if there is none.
    """

    name: str = ""
    doubtful: str = ""


class Batches(ABC):
    """The batches of one server. Every method may raise ``AttemptFailed``; several threads may call at once."""

    most_items: ClassVar[int] = 2000
    """Far below what any server takes: so that results can be fetched in one piece, and a failure concerns few."""
    most_bytes: ClassVar[int] = 64 * 2**20
    list_path: ClassVar[str]
    """Path of the list of batches, with a query that makes it short."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    @property
    def address(self) -> str:
        """The server."""
        return self._transport.base_url

    def check(self) -> None:
        """Find out whether the server has batches, and lists them to whoever has this key.

        Raises:
            InputError: It does not.
        """
        try:
            self.look()
        except AttemptFailed as failure:
            nothing = f"{self.address}{self.list_path} answers HTTP {GONE}"
            told = nothing if failure.status == GONE else failure.reason  # which advises to check the model's name
            raise InputError(f"--batch needs a server that lists its batches, and {told}") from None

    def look(self) -> None:
        """Ask for the list of batches: who answers that is there and takes the key."""
        self._transport.get_json(self.list_path)

    def prepare(self, own_id: str, items: Sequence[Item]) -> str:  # noqa: ARG002 - subclasses use it
        """Do what can be repeated at no cost before a batch is sent; returns what ``send`` needs of it."""
        self.look()
        return ""

    @abstractmethod
    def send(self, own_id: str, items: Sequence[Item], prepared: str) -> str:
        """Send a batch; returns the server's name for it."""

    @abstractmethod
    def find(self, own_id: str, items: int, since: datetime, others: Collection[str]) -> Found:
        """Look for a batch in the list of the server.

        Args:
            own_id: The id under which it was sent.
            items: The number of its requests.
            since: When it was sent at the earliest.
            others: Names of batches that are known to be others.
        """

    @abstractmethod
    def standing(self, name: str) -> Standing:
        """Return how far a batch is."""

    @abstractmethod
    def results(self, name: str, items: Sequence[str]) -> Results:
        """Return what came of the requests of a batch that is over.

        An ``AttemptFailed`` whose status is a good one says that there must be results, and where they should be is
        nothing that can be read: they may come later.

        Args:
            name: The server's name for the batch.
            items: The names of its requests, in order.
        """

    @abstractmethod
    def cancel(self, name: str) -> None:
        """Ask the server to stop; what is answered already can be fetched."""

    def discard(self, prepared: str) -> None:  # noqa: B027 - most leave nothing behind
        """Delete what ``prepare`` has made for a batch that was fetched."""

    def close(self) -> None:
        """End the calls under way, and make no more."""
        self._transport.close()

    def redact(self, text: str) -> str:
        """Return a server's text as one line without the key."""
        return self._transport.redact(text)


@runtime_checkable
class HasBatches(Protocol):
    """A provider whose protocol has batches."""

    def batches(self) -> Batches | None:
        """Return those of its server; None if that has none."""


def batches_of(provider: Provider) -> Batches | None:
    """Return the batches of a provider's server; None if its protocol has none."""
    return provider.batches() if isinstance(provider, HasBatches) else None


def is_older(told: float | str | None, since: datetime) -> bool:
    """Whether a batch was made before a time, by what a server tells: seconds or a date; without either, it was not."""
    made = _made(told)
    return made is not None and made < since - CLOCKS_DIFFER


def is_younger(told: float | str | None, since: datetime) -> bool:
    """Whether a batch was made so long after a time that it was not sent then, by what a server tells."""
    made = _made(told)
    return made is not None and made > since + CLOCKS_DIFFER


def _made(told: float | str | None) -> datetime | None:
    try:
        if isinstance(told, str):
            made = datetime.fromisoformat(_plain(told))
            return made if made.tzinfo else made.replace(tzinfo=timezone.utc)
        return None if told is None else datetime.fromtimestamp(told, timezone.utc)
    except (ValueError, OverflowError, OSError):
        return None


def _plain(date: str) -> str:
    """Return a date as Python 3.10 reads it: without the fraction of a second, and with digits for ``Z``."""
    head, dot, tail = date.replace("Z", "+00:00").partition(".")
    return f"{head}{tail.lstrip('0123456789')}" if dot else head


def listed(transport: Transport, path: str, after: str) -> Iterator[dict[str, Any]]:
    """Yield what a list holds whose pages go on behind the last one's id, which ``after`` is the name of."""
    place = ""
    for _ in range(MOST_PAGES):
        page = transport.get_json(f"{path}?limit={PAGE}{place}")
        found = entries(page, "data")
        yield from found
        if not found or not entry(page, "has_more"):
            return
        place = f"&{after}={quote(string(found[-1], 'id'), safe='')}"
