"""Whose places are given to others while a server is out, where no more runs may be under way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence


def who_gives_way(stranded: Mapping[str, Sequence[int]], begun: Mapping[int, int], places: int) -> list[int]:
    """Return which runs may give their places to others, the first one first.

    Of those that wait for the same server, the one that began first stays, to find out whether it is back; but never
    does each place go to one that only waits.

    Args:
        stranded: By outage, the runs that only wait for its end.
        begun: For each run that is under way, how many had begun before it.
        places: How many runs may be under way.
    """
    latest_first = {name: _latest_first(runs, begun) for name, runs in stranded.items()}
    staying = [runs[-1] for runs in latest_first.values()]
    going = [run for runs in latest_first.values() for run in runs[:-1]]
    too_many = max(0, len(staying) - (places - 1))
    return _latest_first(going, begun) + _latest_first(staying, begun)[:too_many]


def _latest_first(runs: Iterable[int], begun: Mapping[int, int]) -> list[int]:
    return sorted(runs, key=lambda run: begun[run], reverse=True)
