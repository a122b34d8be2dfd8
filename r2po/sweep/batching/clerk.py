"""The clerk of a sweep's batches: collects the calls of runs that wait, and hands out what came of them.

A call is known by its run, its iteration and the address of its reply. So a run that continues, in whatever process,
finds the batch that its call is in, or what came of it; nothing that was answered is asked again.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from r2po.errors import InputError
from r2po.runlog.batched import OUT, note_batches
from r2po.sweep.batching.cancelling import cancel_all
from r2po.sweep.batching.collecting import Collected, parts
from r2po.sweep.batching.courier import Courier
from r2po.sweep.batching.desk import AllDesks, Desk
from r2po.sweep.batching.elsewhere import Elsewhere
from r2po.sweep.batching.messages import BatchAnswer, BatchCall
from r2po.sweep.batching.pauses import Pauses
from r2po.sweep.batching.record import DROPPED, WRITTEN, BatchRecord, Identity, read_all
from r2po.sweep.messages import Key

FOLDER = "batches"
QUIET_S = 0.3
"""Calls that a run makes at once come within that time."""
GRACE_S, WRITING_S = 15.0, 0.25
"""How long a batch that is being sent is waited for when the sweep stops, and one whose end is being written down."""


@dataclass(frozen=True)
class BatchTerms:
    """How batches are made and watched.

    Attributes:
        collect_s: How long calls are collected at most, while other runs are busy.
        pauses: How long is waited between looks at a server.
        resend: Own ids of batches under way whose calls are sent again, although their answers may come.
    """

    collect_s: float = 300.0
    pauses: Pauses = field(default_factory=Pauses)
    resend: Collection[str] = ()


class Clerk:
    """Collects, sends and hands out. Runs are served by one thread; the couriers have theirs.

    Args:
        folder: Folder of the sweep.
        terms: How batches are made and watched.
        desks: Where the calls are collected.
        name_of: Returns the name of a run in the sweep: its path from where the folder of the sweep is.
        runs: The runs that may hand in calls.

    Raises:
        InputError: A batch on disk is damaged, or there is none of an id in ``terms``.

    Attributes:
        problem: Why the sweep cannot go on; empty while it can.
    """

    def __init__(
        self, folder: Path, terms: BatchTerms, desks: AllDesks, name_of: Callable[[int], str], runs: Iterable[int] = ()
    ) -> None:
        self.problem = ""
        self._logs = folder.parent
        self._folder = folder / FOLDER
        self._terms = terms
        self._desks = desks
        self._by_place = {desk.place: desk for desk in desks.all}
        self._name_of = name_of
        self._lock = threading.RLock()
        self._collected: dict[tuple[str, str], Collected] = {}
        self._waiting: dict[Identity, list[Key]] = {}
        self._latest: dict[Identity, tuple[BatchRecord, int]] = {}
        self._couriers: list[Courier] = []
        self._carried: set[str] = set()
        self._answers: deque[BatchAnswer] = deque()
        self._notes: deque[str] = deque()
        self._took_at = 0.0
        self._elsewhere = Elsewhere(self._folder)
        self._asked_for: set[int] = set()
        self._noted: set[str] = set()
        self._loaded: dict[str, BatchRecord] = {}
        self._records = self._read(runs)

    def _read(self, runs: Iterable[int]) -> list[BatchRecord]:
        """Return the batches on disk. One that was only written was never sent: its calls will come again."""
        records = read_all(self._folder)
        theirs = {each.own_id: each for run in runs for each, _ in self._elsewhere.of(self._path(run))}
        out = [record.own_id for record in (*records, *theirs.values()) if record.state in OUT]
        dropped = [record.own_id for record in records if record.state == DROPPED]
        for own_id in sorted({*self._terms.resend} - {*out, *dropped}):
            there = ", ".join(out) or "none"
            raise InputError(
                f"--resend-batch {own_id}: no such batch is under way in {self._folder}; those that are: {there}"
            )
        for record in records:
            if record.state == WRITTEN or record.own_id in self._terms.resend:
                record.advance(DROPPED)
            self._remember(record)
        for record in theirs.values():
            if record.own_id in self._terms.resend:
                record.advance(DROPPED)
        return records

    def _path(self, run: int) -> Path:
        return self._logs / self._name_of(run)

    def _remember(self, record: BatchRecord) -> None:
        if record.state != DROPPED:
            for place, identity in enumerate(record.calls):
                self._latest[identity] = record, place

    def _look_elsewhere(self, run: int) -> None:
        """Remember what sweeps of other names sent for a run, once this process has it."""
        for identity, record, place in self._elsewhere.calls_of(self._path(run), self._name_of(run)):
            known, _ = self._latest.get(identity, (None, 0))
            if known is None or record.sending_at > known.sending_at:
                self._latest[identity] = record, place

    def open(self) -> None:
        """Go on with the batches that were under way, at the servers that the sweep asks."""
        for record in self._records:
            if record.state not in OUT:
                continue
            desk = self._by_place.get((record.server, record.model))
            if desk is None:
                self._notes.append(f"batch {record.own_id} to {record.model} at {record.server} is not looked after")
            else:
                self._dispatch(record, desk)

    @property
    def out(self) -> list[BatchRecord]:
        """The batches that the servers have, or may have."""
        return [record for record in self._records if record.state in OUT]

    def take(self, call: BatchCall) -> None:
        """Take a call: its outcome is at hand, or under way, or it will be in the next batch."""
        identity = Identity(self._name_of(call.run), call.iteration, call.address)
        with self._lock:
            self._took_at = time.monotonic()
            if call.run not in self._asked_for:
                self._asked_for.add(call.run)
                self._look_elsewhere(call.run)
            record, place = self._latest.get(identity, (None, 0))
            if record is not None and not record.is_out and not call.again:
                outcome = record.outcome(place) if record.fetched_at else None
                self._loaded[record.own_id] = record
                if outcome is not None and outcome.is_answer:
                    self._answers.append(BatchAnswer(call.run, outcome, call=call.call))
                    return
            self._waiting.setdefault(identity, []).append(call.key)
            if record is None or not record.is_out:
                self._collect(identity, call)
            elif not self._is_carried(record):
                self._failed(
                    f"batch {record.own_id} of {len(record.calls)} calls is at {record.server}, which was asked for "
                    f"{record.model}, and the sweep asks another server or model now; lead it there again, or, to pay "
                    f"again: --resend-batch {record.own_id}"
                )

    def _is_carried(self, record: BatchRecord) -> bool:
        """Whether a batch is looked after; one of another sweep is from now on, if its server is asked."""
        desk = self._by_place.get((record.server, record.model))
        if record.own_id not in self._carried and desk is not None:
            self._elsewhere.keep(record)
            self._records.append(record)
            self._dispatch(record, desk)
        return record.own_id in self._carried

    def _collect(self, identity: Identity, call: BatchCall) -> None:
        desk = self._desks.of(call.run, call.role)
        self._collected.setdefault(desk.place, Collected()).add(identity, call, self._took_at)

    def forget(self, runs: Collection[int]) -> None:
        """These runs are gone: nobody waits for what they asked; what is sent already stays on record."""
        with self._lock:
            kept_answers = [answer for answer in self._answers if answer.run not in runs]
            self._answers.clear()  # a run that begins again would not know what they are about
            self._answers.extend(kept_answers)
            for identity, keys in list(self._waiting.items()):
                kept = [key for key in keys if key[0] not in runs]
                if kept:
                    self._waiting[identity] = kept
                    continue
                del self._waiting[identity]
                for collected in self._collected.values():
                    collected.leave_out(identity)

    def tick(self, under_way: Collection[int]) -> None:
        """Send what is collected, once no more can come, or once it was collected for long enough.

        Args:
            under_way: The runs that are under way.
        """
        now = time.monotonic()
        with self._lock:
            waiting = {key[0] for keys in self._waiting.values() for key in keys}
            is_quiet = now - self._took_at >= QUIET_S
            all_wait = waiting.issuperset(under_way) and is_quiet
            if is_quiet:
                self._release()
            for place, collected in self._collected.items():
                desk = self._by_place[place]
                full = len(collected.calls) >= desk.batches.most_items or collected.bytes >= desk.batches.most_bytes
                if collected.calls and (all_wait or full or now - collected.since >= self._terms.collect_s):
                    self._send(desk, collected.take())

    def _release(self) -> None:
        """Keep results that were handed out from disk there only."""
        while self._loaded:
            self._loaded.popitem()[1].release()

    def _send(self, desk: Desk, calls: list[tuple[Identity, BatchCall]]) -> None:
        for part in parts(calls, desk.batches.most_items, desk.batches.most_bytes):
            contents = [(identity, call.body) for identity, call in part]
            record = BatchRecord.write(self._folder, desk.batches.address, desk.model, contents)
            for name in {identity.run for identity, _ in part} - self._noted:
                self._note_in(name)
            self._records.append(record)
            self._remember(record)
            self._dispatch(record, desk)

    def _note_in(self, name: str) -> None:
        """Let a run say that calls of it are here, before one is sent."""
        run = self._logs / name
        if run.is_dir():  # it is, as long as nobody deletes it under its process
            note_batches(run, self._folder, name)
        self._noted.add(name)

    def _dispatch(self, record: BatchRecord, desk: Desk) -> None:
        courier = Courier(
            record,
            desk.batches,
            self._terms.pauses,
            others=lambda: {each.name for each in self._records if each is not record and each.name},
            note=self._notes.append,
            ended=self._ended,
            failed=self._failed,
        )
        self._couriers.append(courier)
        self._carried.add(record.own_id)
        courier.start()

    def _ended(self, record: BatchRecord) -> None:
        with self._lock:
            for identity in list(self._waiting):  # another sweep may have called its runs by other names
                latest, place = self._latest.get(identity, (None, 0))
                if latest is record:
                    outcome = record.outcome(place)
                    for run, number in self._waiting.pop(identity):
                        self._answers.append(BatchAnswer(run, outcome, call=number))
            record.release()

    def _failed(self, reason: str) -> None:
        self.problem = self.problem or reason

    def answers(self) -> list[BatchAnswer]:
        """Return what has come since."""
        return [self._answers.popleft() for _ in range(len(self._answers))]

    def notes(self) -> list[str]:
        """Return what the user should know since."""
        return [self._notes.popleft() for _ in range(len(self._notes))]

    def close(self) -> None:
        """Leave the batches where they are."""
        until = time.monotonic() + GRACE_S
        for courier in self._couriers:
            courier.stop()
        for courier in self._couriers:
            courier.wait_for_sending(until)
        for desk in self._desks.all:
            desk.batches.close()
        until = time.monotonic() + WRITING_S
        for courier in self._couriers:
            courier.wait(until)

    def cancel(self, note: Callable[[str], None]) -> None:
        """Ask the servers to cancel all batches that are under way.

        Raises:
            InputError: A server does not.
        """
        cancel_all(self.out, self._by_place, note)
