"""The command that continues a sweep keeps the cap on money that was set while it was under way."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from r2po.cli.sweep import add_options
from r2po.cli.sweep_again import command_to_continue


@pytest.mark.parametrize(
    ("given", "limit", "setting", "expected"),
    [
        ("--approve-cost 10", 50.0, "", "--approve-cost 50.0"),  # else 10 would be the later word
        ("--approve-cost 10", 5.0, "", "--approve-cost 10.0 --max-cost 5.0"),
        ("--approve-cost 10", None, "--approve-cost 20", "--approve-cost 20"),
        ("--approve-cost 10", 50.0, "--approve-cost 100", "--approve-cost 100"),
        ("--approve-cost 10 --max-cost 5", 50.0, "", "--approve-cost 50.0 --max-cost 50.0"),
        ("--approve-cost 10 --max-cost 5", 50.0, "--max-cost 100", "--approve-cost 100 --max-cost 100"),
        (
            "--approve-cost 10 --max-cost 5",
            7.0,
            "--max-llm-calls 9",
            "--approve-cost 10.0 --max-llm-calls 9 --max-cost 7.0",
        ),
        ("--max-cost 5", 7.0, "", "--max-cost 7.0"),
        ("--max-cost 5", 7.0, "--max-cost 14", "--max-cost 14"),
        ("", 7.0, "", ""),  # it holds without a word
    ],
)
def test_what_was_set_is_neither_lost_nor_overruled(
    given: str, limit: float | None, setting: str, expected: str
) -> None:
    parser = argparse.ArgumentParser(prog="r2po sweep")
    add_options(parser)
    options = parser.parse_args(["a", "b", "c", "d", *given.split()])
    limits = {} if limit is None else {"max_cost": limit}
    command = command_to_continue(options, Path("logs/mine"), setting, limits)
    assert command.partition(" logs/mine")[2].strip() == expected
