"""Batches that are not wanted any more."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from r2po.errors import InputError
from r2po.llm.types import AttemptFailed
from r2po.runlog.batched import SENT
from r2po.sweep.batching.desk import Desk
from r2po.sweep.batching.record import BatchRecord


def cancel_all(out: Sequence[BatchRecord], desks: Mapping[tuple[str, str], Desk], note: Callable[[str], None]) -> None:
    """Ask the servers to cancel batches that are under way, as far as they are known there.

    Args:
        out: The batches.
        desks: The desks of the sweep, by server and model.
        note: Takes a line for each batch.

    Raises:
        InputError: A server does not.
    """
    for record in out:
        desk = desks.get((record.server, record.model))
        if record.state != SENT or desk is None:
            why = "it is not known whether the server has it" if desk else "no run to come asks its model"
            note(f"batch {record.own_id} at {record.server} is left alone: {why}")
            continue
        try:
            desk.batches.cancel(record.name)
        except AttemptFailed as failure:
            raise InputError(f"batch {record.own_id} is not cancelled: {failure.reason}") from None
        note(f"batch {record.own_id} of {len(record.calls)} calls ({record.name}): the server is asked to cancel it")
    if not out:
        note("no batches are under way")
