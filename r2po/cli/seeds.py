"""The seeds of a sweep, as its options give them."""

from __future__ import annotations

import argparse
import re

from r2po.errors import InputError

DEFAULT_RUNS = 10
"""Runs of each experiment, unless something else is said."""


def seeds_of(options: argparse.Namespace) -> list[int]:
    """Return the seeds that ``--seeds`` or ``--runs`` ask for.

    Raises:
        InputError: They cannot be read, or exclude each other.
    """
    if options.seeds is None:
        return list(range(1, (options.runs or DEFAULT_RUNS) + 1))
    if options.runs is not None:
        raise InputError("--runs and --seeds exclude each other: there is a run for each seed")
    seeds = [seed for text in options.seeds for part in text.split(",") for seed in _range(part)]
    return list(dict.fromkeys(seeds))


def _range(text: str) -> range:
    match = re.fullmatch(r"(\d+)(?:-(\d+))?", text.strip())
    if not match or int(match[1]) < 1 or int(match[2] or match[1]) < int(match[1]):
        raise InputError(f"--seeds {text!r}: expected a number of at least 1, or a range like 1-10")
    return range(int(match[1]), int(match[2] or match[1]) + 1)
