"""Batches that sweeps of other names sent for runs of this one: their answers are paid for, and are taken over."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from r2po.runlog.batched import noted_batches
from r2po.sweep.batching.record import DROPPED, WRITTEN, BatchRecord, Identity, read_all


class Elsewhere:
    """The folders of batches that runs name, other than that of the sweep.

    Args:
        own: Folder of the batches of the sweep.
    """

    def __init__(self, own: Path) -> None:
        self._own = own.resolve()
        self._folders: dict[Path, tuple[int, list[BatchRecord]]] = {}
        self._records: dict[str, BatchRecord] = {}

    def of(self, run: Path) -> Iterator[tuple[BatchRecord, str]]:
        """Yield the batches that were sent with calls of a run, and its name in each.

        A batch that is only written was never sent, or is about to be by a process that has the run.

        Raises:
            InputError: One is damaged, or what the run says of them.
        """
        for folder, name in noted_batches(run).items():
            if folder == self._own or not folder.is_dir():
                continue
            for record in self._all(folder):
                if any(call.run == name for call in record.calls) and (now := self._now(record)) is not None:
                    yield now, name

    def calls_of(self, run: Path, name: str) -> Iterator[tuple[Identity, BatchRecord, int]]:
        """Yield the calls of a run in these batches, as those of a run of this name, and their places there.

        Raises:
            InputError: As above.
        """
        for record, called in self.of(run):
            for place, call in enumerate(record.calls):
                if call.run == called:
                    yield replace(call, run=name), record, place

    def keep(self, record: BatchRecord) -> None:
        """Let this object stand for its batch from now on: this process carries it."""
        self._records[record.own_id] = record

    def _all(self, folder: Path) -> list[BatchRecord]:
        stamp = folder.stat().st_mtime_ns
        if self._folders.get(folder, (0, []))[0] != stamp:
            self._folders[folder] = stamp, read_all(folder)
        return self._folders[folder][1]

    def _now(self, record: BatchRecord) -> BatchRecord | None:
        """Return a batch as it is now; another process may have carried it on since it was read."""
        kept = self._records.get(record.own_id) or (BatchRecord.read(record.folder) if record.is_out else record)
        return None if kept is None or kept.state in (WRITTEN, DROPPED) else kept
