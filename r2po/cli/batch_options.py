"""The options of ``r2po sweep`` that send calls in batches."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from r2po.cli.starting import amount
from r2po.errors import InputError

if TYPE_CHECKING:
    from r2po.sweep.batching.clerk import BatchTerms
    from r2po.sweep.sweep import Sweep

POLL_MINUTES = 1.0
COLLECT_MINUTES = 5.0
WINDOW_HOURS = 24.0
"""The time within which providers promise to answer a batch; most take much less."""
DETAILS = ("batch_hours", "batch_poll", "batch_collect", "resend_batch", "cancel_batches")
"""The options that say something of batches, by their names as attributes."""


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--batch",
        action="store_true",
        help="send the calls of all runs that wait in batches, at half the price: hours for each iteration",
    )
    parser.add_argument(
        "--batch-poll",
        type=amount,
        metavar="MIN",
        help=f"minutes before the first look whether a batch is over; later ones come less often ({POLL_MINUTES:g})",
    )
    parser.add_argument(
        "--batch-collect",
        type=amount,
        metavar="MIN",
        help=f"minutes for which calls are collected at most while other runs are busy ({COLLECT_MINUTES:g})",
    )
    parser.add_argument(
        "--resend-batch",
        action="append",
        default=[],
        metavar="ID",
        help="send the calls of this batch again, although it may have been sent and paid for",
    )
    parser.add_argument(
        "--cancel-batches", action="store_true", help="ask the servers to cancel the batches under way; run nothing"
    )
    parser.add_argument(
        "--batch-hours", type=amount, metavar="H", help="with --dry-run --batch: hours that a batch takes (24)"
    )


def check(options: argparse.Namespace) -> None:
    """Refuse what does not fit together.

    Raises:
        InputError: In one line.
    """
    for name in DETAILS:
        if getattr(options, name) and not options.batch:
            raise InputError(f"--{name.replace('_', '-')} is for batches: add --batch")
    if options.batch and options.ray is not None:
        raise InputError("--batch and --ray exclude each other: one process sends the batches, on this machine")
    for name in ("resend_batch", "dry_run", "approve_cost"):
        if options.cancel_batches and getattr(options, name):
            option = f"--{name.replace('_', '-')}"
            raise InputError(f"--cancel-batches runs nothing, and {option} is for what is run: leave one out")
    if options.batch_hours and not options.dry_run:
        raise InputError("--batch-hours is for a forecast: add --dry-run")


def terms(options: argparse.Namespace) -> BatchTerms | None:
    """Return how batches are made and watched; None without them."""
    from r2po.sweep.batching.clerk import BatchTerms
    from r2po.sweep.batching.pauses import Pauses

    if not options.batch:
        return None
    first_s = 60 * (options.batch_poll or POLL_MINUTES)
    pauses = Pauses(first_s, longest_s=10 * first_s, settle_s=2 * first_s)
    return BatchTerms(60 * (options.batch_collect or COLLECT_MINUTES), pauses, tuple(options.resend_batch))


def hours(options: argparse.Namespace) -> float | None:
    """Return the hours that a batch is taken to need in a forecast; None without batches."""
    return (options.batch_hours or WINDOW_HOURS) if options.batch else None


def cancel(sweep: Sweep) -> None:
    """Ask the servers to cancel what is under way."""
    assert sweep.clerk is not None
    sweep.clerk.cancel(lambda line: print(line, file=sys.stdout))  # noqa: T201 - what the command is for
    sweep.manifest.close()


def out(sweep: Sweep | None, *, surely: bool = False) -> str:
    """Return what is to be said of batches that servers go on with, when a sweep stops.

    Args:
        sweep: The sweep, if it has begun.
        surely: Whether to leave out those of which nobody knows whether a server has them.
    """
    from r2po.runlog.batched import SENT
    from r2po.sweep.batching.record import unfinished

    records = [] if sweep is None or sweep.clerk is None else sweep.clerk.out
    return unfinished([record for record in records if not surely or record.state == SENT])
