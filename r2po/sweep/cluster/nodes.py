"""The nodes of a cluster, each of which is looked at before it gets runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from r2po.sweep.cluster.slots import Node, slots

LOOK_S = 2.0
"""How often it looks which nodes live."""


class Nodes:
    """Which nodes live, and which of them can make runs.

    Args:
        look_at: Starts a look at a node; returns the task.
    """

    def __init__(self, ray: Any, cpus_per_run: float, look_at: Callable[[str], Any]) -> None:
        self.usable: dict[str, Node] = {}
        self.unseeing: set[str] = set()
        """Those of them, or of earlier ones, that do not see the files of the sweep."""
        self._ray, self._cpus_per_run, self._look_at = ray, cpus_per_run, look_at
        self._refused = set[str]()
        self._pending: dict[Any, Node] = {}
        self._looked_at = float("-inf")

    @property
    def pending(self) -> int:
        """How many nodes are still looked at."""
        return len(self._pending)

    def update(self) -> tuple[list[tuple[Node, str]], list[tuple[Node, str]]]:
        """Look which nodes live, and at those that are new.

        Returns:
            Nodes that cannot make runs, and why; and nodes that make them on copies, and why. Each is told once.
        """
        if time.monotonic() - self._looked_at > LOOK_S:
            alive = {node.id: node for node in map(_node, self._ray.nodes()) if node is not None}
            self.usable = {key: node for key, node in self.usable.items() if key in alive}
            known = {*self.usable, *self._refused, *(node.id for node in self._pending.values())}
            for node in alive.values():
                if node.id not in known and slots(node.cpus, self._cpus_per_run) > 0:
                    self._pending[self._look_at(node.id)] = node
            self._looked_at = time.monotonic()
        return self._take()

    def _take(self) -> tuple[list[tuple[Node, str]], list[tuple[Node, str]]]:
        refused, copying = [], []
        for task in done_of(self._ray, self._pending):
            node = self._pending.pop(task)
            try:
                look = self._ray.get(task)
                unseen, obstacle = look.unseen, look.obstacle
            except self._ray.exceptions.RayTaskError as error:  # r2po is not there, say
                unseen, obstacle = "", str(error).strip().splitlines()[-1]
            except self._ray.exceptions.RayError:
                continue  # it is gone; if not, it is looked at again
            if obstacle:
                self._refused.add(node.id)
                refused.append((node, f"{obstacle}; {unseen}" if unseen else obstacle))
                continue
            self.usable[node.id] = node
            if unseen:
                self.unseeing.add(node.id)
                copying.append((node, unseen))
        return refused, copying


def done_of(ray: Any, tasks: Mapping[Any, object]) -> Sequence[Any]:
    """Return those of some tasks that have ended."""
    if not tasks:
        return ()
    done, _ = ray.wait(list(tasks), num_returns=len(tasks), timeout=0)
    return list(done)


def _node(told: Mapping[str, Any]) -> Node | None:
    """Read what Ray tells of a node; None if it is dead."""
    if not told["Alive"]:
        return None
    return Node(told["NodeID"], told["NodeManagerAddress"], float(told["Resources"].get("CPU", 0.0)))
