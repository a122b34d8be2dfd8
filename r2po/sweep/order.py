"""In which order the runs of a sweep are started: seed by seed, those of chosen configs before all others."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from r2po.errors import InputError, nearest
from r2po.sweep.plan import PlannedRun


def chosen_first(first: Sequence[str], configs: Sequence[str]) -> tuple[str, ...]:
    """Return the configs of a sweep whose runs are started first, as the sweep calls them.

    Raises:
        InputError: One is no config of the sweep.
    """
    by_file = {Path(config).resolve(): config for config in configs}
    for text in first:
        if Path(text).resolve() not in by_file:
            raise InputError(f"--first {text}: no config of this sweep{nearest(text, configs)}")
    return tuple(dict.fromkeys(by_file[Path(text).resolve()] for text in first))


def ordered(runs: Sequence[PlannedRun], first: Collection[str]) -> list[PlannedRun]:
    """Return runs in the order in which they are started; their numbers in the sweep stay as they are."""
    return sorted(runs, key=lambda run: run.source not in first)
