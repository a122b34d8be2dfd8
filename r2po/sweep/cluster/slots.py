"""How many runs each node of a cluster may have at once, which node gets the next one, and who is lost too often.

Ray sets cores aside for a task, but gives them to others while the task waits for an answer, as runs do most of the
time. So it is decided here how many runs are under way, and not left to Ray.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass

UNITS = 10_000
"""Ray counts cores in units of this part of one."""
MOST_LOSSES = 5
"""How often a run may be lost without getting further: it may be what takes its process or its node down."""


@dataclass(frozen=True)
class Node:
    """A node of a cluster that lives.

    Attributes:
        name: What people call it: its address.
        cpus: Cores that Ray may use on it.
    """

    id: str
    name: str
    cpus: float


def slots(cpus: float, cpus_per_run: float) -> int:
    """Return how many runs fit into the cores of a node, in Ray's arithmetic."""
    return round(cpus * UNITS) // max(1, round(cpus_per_run * UNITS))


def next_node(
    nodes: Collection[Node], under_way: Mapping[str, int], cpus_per_run: float, resting: Collection[str] = ()
) -> Node | None:
    """Return the node with the most room for another run, given how many it has; None if there is no room."""
    room = {node: slots(node.cpus, cpus_per_run) - under_way.get(node.id, 0) for node in nodes}
    awake = [node for node in nodes if room[node] > 0 and node.id not in resting]
    return max(awake, key=lambda node: room[node], default=None)


class Losses:
    """Counts how often each run was lost, with its process or its node, since it last got further."""

    def __init__(self) -> None:
        self._count = Counter[int]()
        self._iterations = dict[int, int]()

    def progress(self, run: int, iterations: int) -> None:
        """A run has so many iterations by now."""
        if iterations > self._iterations.get(run, 0):
            self._iterations[run] = iterations
            self._count.pop(run, None)

    def are_too_many(self, run: int) -> bool:
        """Count one more; return whether the run is to be given up."""
        self._count[run] += 1
        return self._count[run] > MOST_LOSSES
