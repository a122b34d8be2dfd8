"""Which runs of a cluster give their places to others while a server is out, and which have been told so."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from r2po.sweep.places import who_gives_way


class GivingWay:
    """Remembers in which order runs began, and who is to give way."""

    def __init__(self) -> None:
        self._begun: dict[int, int] = {}
        self._told: set[int] = set()

    def began(self, run: int) -> None:
        """A run is under way."""
        self._begun[run] = len(self._begun)

    def ended(self, run: int) -> bool:
        """A run is no longer under way; returns whether it was told to give way."""
        if run not in self._told:
            return False
        self._told.remove(run)
        return True

    def who(
        self, stranded: Mapping[str, Sequence[int]], under_way: Collection[int], ready: int, places: int
    ) -> tuple[int, ...]:
        """Return the runs that are to give way now; each is told once.

        Args:
            stranded: By outage, the runs that do nothing but wait for its end.
            under_way: The runs that are under way.
            ready: How many runs wait for a place that need no server that is out.
            places: How many runs may be under way.
        """
        waiting = {name: [run for run in runs if run in under_way] for name, runs in stranded.items()}
        going = who_gives_way({name: runs for name, runs in waiting.items() if runs}, self._begun, places)
        missing = ready - max(0, places - len(under_way)) - len(self._told)
        chosen = tuple(run for run in going if run not in self._told)[: max(0, missing)]
        self._told.update(chosen)
        return chosen
