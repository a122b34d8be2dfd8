"""The way of one batch: it is sent, or found again if it may have been sent already, watched and fetched.

Before each step that may cost money, what is about to be done is on disk. What is not known for sure is looked up at
the server; what cannot be looked up ends the sweep with a line, since the other way would be to pay twice.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import TypeVar

from r2po.errors import RunStopped
from r2po.llm.providers.batches.batches import GONE, Batches, Found, Outcome, Standing
from r2po.llm.types import AttemptFailed
from r2po.runlog.batched import SENDING, SENT
from r2po.sweep.batching.pauses import Pauses
from r2po.sweep.batching.record import FETCHED, REFUSED, WRITTEN, BatchRecord, now

T = TypeVar("T")
GROWTH = 1.5
"""Each pause is so many times as long as the one before it, up to the longest."""
NOT_TAKEN = frozenset({429, 503, 529})
"""Statuses by which a server says that it takes nothing more now."""
SURELY = 429
"""The one of them that does not come from a proxy before it, which may have passed the batch on."""
FIRST_RETRY_S, LONGEST_RETRY_S = 1.0, 300.0
"""Pauses between attempts that cost nothing, as long as they get no answer."""


class BatchStopped(RunStopped):
    """A batch cannot go on: the server refuses it, or it is not known whether it was sent."""


class Courier:
    """Carries a batch to its end, in a thread of its own.

    Args:
        record: The batch.
        batches: Those of its server.
        pauses: How long to wait.
        others: Returns the server's names for all other batches.
        note: Takes a line for the user.
        ended: Called once its results are on disk.
        failed: Called with the reason if it cannot go on.
    """

    def __init__(
        self,
        record: BatchRecord,
        batches: Batches,
        pauses: Pauses,
        *,
        others: Callable[[], Collection[str]],
        note: Callable[[str], None],
        ended: Callable[[BatchRecord], None],
        failed: Callable[[str], None],
    ) -> None:
        self.record = record
        self._batches = batches
        self._pauses = pauses
        self._others = others
        self._note = note
        self._ended = ended
        self._failed = failed
        self._stopping = threading.Event()
        self._sending = threading.Lock()
        self._thread = threading.Thread(target=self._run, name=f"batch-{record.own_id}", daemon=True)

    def start(self) -> None:
        """Begin, or go on where an earlier process was."""
        self._thread.start()

    def stop(self) -> None:
        """Leave the batch where it is, as soon as possible."""
        self._stopping.set()

    def wait(self, until: float) -> None:
        """Wait for the end of the thread, up to a time of ``time.monotonic``."""
        self._thread.join(max(0.0, until - time.monotonic()))

    def wait_for_sending(self, until: float) -> None:
        """Wait for a batch that is being sent just now, up to a time; cut in the middle, nobody knows what came of it.

        After ``stop``, nothing more is sent once this has returned in time.
        """
        if self._sending.acquire(timeout=max(0.0, until - time.monotonic())):
            self._sending.release()

    def _run(self) -> None:
        try:
            self._carry()
        except _Left:
            pass
        except BatchStopped as stop:
            self._fail(str(stop))
        except OSError as error:
            self._fail(f"cannot write down how far batch {self.record.own_id} is: {error}")
        except Exception as error:  # noqa: BLE001 - or the sweep would wait for ever
            self._fail(f"batch {self.record.own_id}: {type(error).__name__}: {error}")

    def _fail(self, reason: str) -> None:
        if not self._stopping.is_set():
            self._failed(reason)

    def _carry(self) -> None:
        record = self.record
        if record.state == WRITTEN:
            self._send()
        elif record.state == SENDING:
            self._sent(self._settled("the process ended then"))
        if record.state == SENT:
            self._fetch(self._watch())
        self._ended(record)
        with suppress(AttemptFailed):  # what is left there costs nothing
            self._batches.discard(record.prepared)

    def _send(self) -> None:
        record, pause_s = self.record, FIRST_RETRY_S
        items = record.items()
        prepared = self._repeated(lambda: self._batches.prepare(record.own_id, items))
        while True:
            with self._sending:
                self._pause(0.0)  # nothing is sent after a stop
                record.advance(SENDING, prepared=prepared, sending_at=now())
                try:
                    name = self._batches.send(record.own_id, items, prepared)
                except AttemptFailed as failure:
                    name = self._after_failure(failure)
                else:
                    name = name or self._settled("the server did not say how it is called")
                if name:
                    self._sent(name)
                    return
            self._pause(pause_s)
            pause_s = min(pause_s * 2, LONGEST_RETRY_S)

    def _after_failure(self, failure: AttemptFailed) -> str:
        """Return the server's name for a batch after a failure to send it; empty if it may be sent again.

        Raises:
            BatchStopped: The server refuses it, or nobody knows.
        """
        if failure.status is not None and not failure.retryable:
            self.record.advance(REFUSED, problem=failure.reason)
            raise BatchStopped(f"a batch of {len(self.record.calls)} calls is refused: {failure.reason}")
        if failure.status in NOT_TAKEN:
            name = self._settled(failure.reason, may_resend=True, at_once=failure.status == SURELY)
            if not name:
                self.record.advance(WRITTEN)
            return name
        return self._settled(failure.reason)

    def _looked_for(self) -> Found:
        record = self.record
        return self._batches.find(record.own_id, len(record.calls), record.since, self._others())

    def _settled(self, why: str, *, may_resend: bool = False, at_once: bool = False) -> str:
        """Return the server's name for a batch that may have been sent, once its list of batches shows it.

        Args:
            why: Why that is not known.
            may_resend: Whether the name may be empty if the list does not show the batch: the server said that it did
                not take it.
            at_once: Whether the first look at the list is enough for that.

        Raises:
            BatchStopped: It does not, or there is no list, or a batch that may be this one does not end.
        """
        waited_s, pause_s, doubted_s = 0.0, min(FIRST_RETRY_S, self._pauses.settle_s / 4), 0.0
        while True:
            try:
                found = self._looked_for()
            except AttemptFailed as failure:
                state = f"the server does not list its batches: {failure.reason}"
            else:
                is_settled = at_once or waited_s >= self._pauses.settle_s
                if found.name or (may_resend and is_settled and not found.doubtful):
                    return found.name
                state = f"it is not in the list of batches of {self._batches.address}"
                if found.doubtful:
                    if not doubted_s:
                        self._note(f"batch {self.record.own_id} may be {found.doubtful}: its end will tell")
                    if doubted_s >= self._pauses.doubt_s:
                        raise BatchStopped(self._unsettled(why, f"it may be {found.doubtful}, which does not end"))
                    self._pause(self._pauses.first_s)
                    waited_s, doubted_s = 0.0, doubted_s + self._pauses.first_s
                    continue
            if waited_s >= self._pauses.settle_s:
                raise BatchStopped(self._unsettled(why, state))
            self._pause(pause_s)
            waited_s, pause_s = waited_s + pause_s, min(pause_s * 2, self._pauses.settle_s / 4)

    def _unsettled(self, why: str, state: str) -> str:
        record = self.record
        return (
            f"batch {record.own_id} of {len(record.calls)} calls may have been sent at {record.sending_at} ({why}), "
            f"and {state}; if you know that it was not, or want to pay for it again: --resend-batch {record.own_id}"
        )

    def _sent(self, name: str) -> None:
        record = self.record
        record.advance(SENT, name=name, sent_at=now())
        self._note(f"batch {record.own_id}: {len(record.calls)} calls to {record.model} are under way as {name}")

    def _watch(self) -> Standing:
        """Wait until nothing more comes of the batch; returns what the server says of it then."""
        pause_s = self._pauses.first_s
        while True:
            self._pause(pause_s)
            standing = self._repeated(lambda: self._batches.standing(self.record.name), is_known=True)
            if standing.refusal:
                self.record.advance(REFUSED, problem=standing.refusal)
                where = f"{self.record.name} at {self._batches.address}"
                raise BatchStopped(f"a batch of {len(self.record.calls)} calls failed ({where}): {standing.refusal}")
            if standing.is_over:
                return standing
            pause_s = min(pause_s * GROWTH, max(self._pauses.longest_s, self._pauses.first_s))

    def _fetch(self, standing: Standing) -> None:
        record, names = self.record, self.record.names()
        outcomes = self._repeated(lambda: self._read(standing), is_known=True, patience_s=self._pauses.longest_s)
        record.fetched(outcomes)
        assert record.state == FETCHED
        answered = sum(outcome.is_answer for outcome in outcomes.values())
        others = len(names) - answered
        self._note(f"batch {record.own_id}: {answered} answered{f', {others} not' if others else ''}")

    def _read(self, standing: Standing) -> dict[str, Outcome]:
        """Return the results; those that the server counts must be there, or they would be paid for again."""
        record, names = self.record, self.record.names()
        told = self._batches.results(record.name, names)
        outcomes = {name: told.outcomes[name] for name in names if name in told.outcomes}
        answered = sum(outcome.is_answer for outcome in outcomes.values())
        if answered + told.unreadable < (standing.answered or 0):
            counts = f"{standing.answered} answers in {record.name}, and its results have {answered}"
            raise AttemptFailed(f"{self._batches.address} counts {counts}", retryable=True, status=200)
        return outcomes

    def _repeated(self, ask: Callable[[], T], *, is_known: bool = False, patience_s: float = math.inf) -> T:
        """Ask what costs nothing, until it is answered.

        Args:
            ask: Asks.
            is_known: Whether the server has the batch.
            patience_s: How long it is asked again after answers that cannot be used.

        Raises:
            BatchStopped: The server will not answer.
        """
        pause_s, said, unusable_s = min(FIRST_RETRY_S, self._pauses.first_s), False, 0.0
        while True:
            try:
                return ask()
            except AttemptFailed as failure:
                if not failure.retryable:
                    raise self._unanswered(failure, is_known=is_known) from None
                reason, is_unusable = failure.reason, 200 <= (failure.status or 0) < 300
                if is_unusable and unusable_s >= patience_s:
                    raise self._unread(reason) from None
            if not said:
                self._note(f"batch {self.record.own_id}: {reason}; asked again until that is answered")
                said = True
            self._pause(pause_s)
            unusable_s += pause_s if is_unusable else 0.0
            pause_s = min(pause_s * 2, LONGEST_RETRY_S)

    def _unread(self, reason: str) -> BatchStopped:
        own_id = self.record.own_id
        return BatchStopped(
            f"batch {own_id} is over, and its results cannot be read: {reason}; the same command asks for them again; "
            f"to send its calls again, and pay again: --resend-batch {own_id}"
        )

    def _unanswered(self, failure: AttemptFailed, *, is_known: bool) -> BatchStopped:
        own_id = self.record.own_id
        if not is_known or failure.status != GONE:
            return BatchStopped(f"batch {own_id}: {failure.reason}")
        return BatchStopped(
            f"batch {own_id} was sent, and {self._batches.address} does not know {self.record.name} any more; to send "
            f"its calls again, and pay again: --resend-batch {own_id}"
        )

    def _pause(self, seconds: float) -> None:
        if self._stopping.wait(seconds):
            raise _Left


class _Left(Exception):
    """The sweep stops; the batch goes on at the server."""
