"""Options of batches that do not fit together are refused before anything is read or asked."""

from __future__ import annotations

import argparse
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from r2po.cli import batch_options
from r2po.cli.sweep import add_options
from r2po.errors import InputError
from r2po.runlog.batched import SENDING, SENT
from r2po.sweep.batching.record import BatchRecord, Identity


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["--cancel-batches"], "--cancel-batches is for batches: add --batch"),
        (["--batch", "--batch-hours", "3"], "--batch-hours is for a forecast: add --dry-run"),
        (
            ["--batch", "--ray", "auto"],
            "--batch and --ray exclude each other: one process sends the batches, on this machine",
        ),
        *(
            (["--batch", "--cancel-batches", *more], f"--cancel-batches runs nothing, and {more[0]} is for what is run")
            for more in (["--resend-batch", "r2po-1"], ["--dry-run"], ["--approve-cost", "0.001"])
        ),
    ],
)
def test_what_does_not_fit_together_is_refused(given: list[str], told: str) -> None:
    parser = argparse.ArgumentParser(prog="r2po sweep")
    add_options(parser)
    with pytest.raises(InputError, match=told):
        batch_options.check(parser.parse_args(["a.yaml", *given]))


def test_a_sweep_that_a_refused_batch_stops_says_what_goes_on() -> None:
    """Of a batch that may never have been sent, nobody knows that."""
    records = [BatchRecord(Path("x"), "http://a", "m", [Identity("r", 1, "k")], state) for state in (SENDING, SENT)]
    sweep: Any = SimpleNamespace(clerk=SimpleNamespace(out=records))
    assert batch_options.out(sweep, surely=True).startswith("; 1 batch of 1 calls goes on at http://a: what continues")
    assert batch_options.out(sweep).startswith("; 2 batches of 2 calls go on at http://a")
    assert batch_options.out(None) == ""
