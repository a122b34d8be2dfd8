"""The process that talks to Ray, as a child of the one that has the sweep.

Ray's C++ ends the process that it is part of when it has lost the cluster. So that is not the process that a user has
started. This one keeps no state but what is under way: it starts what it is told to, and reports twice a second.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

from r2po.llm.outage import Outage
from r2po.plugins import Place
from r2po.sweep.cluster.clerk import Clerk
from r2po.sweep.cluster.node import make_run_here, obstacle_here, require_ray
from r2po.sweep.cluster.slots import Node, slots
from r2po.sweep.coordinator import Coordinator
from r2po.sweep.messages import Ended, Instruction, Note, Progress, Verdict
from r2po.sweep.plan import PlannedRun

TICK_S = 0.5
LOOK_S = 2.0
"""How often it looks which nodes live."""


@dataclass(frozen=True)
class Order:
    """What the driver is to do.

    Attributes:
        address: Of the cluster, or "auto".
        cpus_per_run: Cores that are set aside for a run.
        folder: The working directory of the sweep.
        token: A file that a node must see.
        asked: What people ask of all runs.
    """

    address: str
    cpus_per_run: float
    folder: str
    token: str
    plugins: Sequence[tuple[Place, bool]]
    coordinator: Coordinator
    asked: Instruction | None


@dataclass(frozen=True)
class Start:
    """A run is to be made on a node."""

    run: PlannedRun
    node: str


@dataclass(frozen=True)
class Connected:
    """The cluster answers; its head does at this address."""

    head: str


@dataclass(frozen=True)
class Failed:
    """The driver cannot go on; ``is_setup`` if nothing has begun."""

    reason: str
    is_setup: bool


@dataclass(frozen=True)
class Obeyed:
    """An instruction has arrived; so many calls are under way."""

    calls: int


@dataclass(frozen=True)
class Report:
    """What has happened since the last report.

    Attributes:
        nodes: Nodes that live and can make runs.
        pending: How many nodes are still looked at.
        refused: Nodes that cannot make runs, and why: each once.
        lost: Runs whose process or node was lost, and how.
    """

    news: Sequence[Progress | Note]
    paces: Mapping[str, float]
    reached: Verdict | None
    outages: Mapping[str, Outage]
    nodes: Sequence[Node]
    pending: int
    refused: Sequence[tuple[Node, str]]
    ended: Sequence[Ended]
    lost: Sequence[tuple[int, str]]


def drive(connection: Connection[Any, Any], order: Order) -> None:
    """Serve the process at the other end of a connection, until it or the cluster is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the first one decides
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM))
    _be_silent()
    with suppress(EOFError, OSError):  # the other process is gone, or has enough
        _serve(connection, order)
    os._exit(0)  # raylets end what belongs to a driver that is gone; what Ray does at the exit may take for ever


def _be_silent() -> None:
    """Print nothing: Ray's own logs have what its C++ says, and the other process says what it comes to."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    os.close(nowhere)


def _serve(connection: Connection[Any, Any], order: Order) -> None:
    ray = require_ray()
    try:
        ray.init(address=order.address, log_to_driver=False, configure_logging=False)
        driver = _Driver(ray, connection, order)
    except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        reason = f"cannot use the Ray cluster {order.address!r}: {_line(error)}"
        connection.send(Failed(reason, is_setup=True))
        return
    try:
        driver.serve()
    except (EOFError, OSError):
        raise
    except ray.exceptions.RayActorError as error:
        kind = type(error).__name__
        what = "Ray has lost the process on this node that decides which calls are made"
        connection.send(Failed(f"{what} ({kind}), as it does when this node or the head is gone", is_setup=False))
    except Exception as error:  # noqa: BLE001 - whatever it is, the other process says it
        reason = f"what talks to it failed with {type(error).__name__}: {_line(error)}"
        connection.send(Failed(reason, is_setup=False))


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


@dataclass
class _Nodes:
    """The nodes of the cluster, each of which is looked at before it gets runs."""

    usable: dict[str, Node] = field(default_factory=dict)
    refused: dict[str, Node] = field(default_factory=dict)
    pending: dict[Any, Node] = field(default_factory=dict)
    looked_at: float = float("-inf")


class _Driver:
    """Starts runs as tasks, and reports."""

    def __init__(self, ray: Any, connection: Connection[Any, Any], order: Order) -> None:
        self._ray = ray
        self._connection = connection
        self._order = order
        self._nodes = _Nodes()
        self._under_way: dict[Any, int] = {}
        self._clerk: Any = (
            ray.remote(Clerk)
            .options(num_cpus=0, max_concurrency=100_000, scheduling_strategy=self._at(_this_node(ray)))
            .remote(order.coordinator)
        )
        # A lost run is started again by the process that has the sweep: Ray would put it where there is no room.
        self._make = ray.remote(num_cpus=order.cpus_per_run, max_retries=0)(make_run_here)
        self._probe = ray.remote(num_cpus=0, max_retries=0)(obstacle_here)
        if order.asked is not None:
            self._clerk.obey.remote(order.asked)
        connection.send(Connected(ray.get_runtime_context().gcs_address))

    def serve(self) -> None:
        """Do what is asked, and report."""
        due = time.monotonic()
        while True:
            if self._connection.poll(max(0.0, due - time.monotonic())):
                self._do(self._connection.recv())
            elif time.monotonic() >= due:
                self._connection.send(self._report())
                due = time.monotonic() + TICK_S

    def _do(self, message: Start | Instruction) -> None:
        if isinstance(message, Instruction):
            self._connection.send(Obeyed(self._ray.get(self._clerk.obey.remote(message))))
            return
        order, share = self._order, max(1, int(self._order.cpus_per_run))
        make = self._make.options(scheduling_strategy=self._at(message.node))
        task = make.remote(message.run, self._clerk, order.folder, share, order.plugins)
        self._under_way[task] = message.run.index

    def _report(self) -> Report:
        done = self._done(self._under_way)
        ended, lost = [], []
        for task in done:
            run = self._under_way.pop(task)
            self._clerk.forget.remote(run)
            try:
                ended.append(self._ray.get(task))
            except self._ray.exceptions.RayTaskError as error:
                ended.append(Ended(run, "failed", f"Ray: {_line(error)}"))
            except self._ray.exceptions.RayError as error:
                lost.append((run, _line(error)))
        refused = self._look()
        news, paces, reached, outages = self._ray.get(self._clerk.news.remote())
        nodes, pending = tuple(self._nodes.usable.values()), len(self._nodes.pending)
        return Report(news, paces, reached, outages, nodes, pending, refused, ended, lost)

    def _done(self, tasks: Mapping[Any, object]) -> Sequence[Any]:
        if not tasks:
            return ()
        done, _ = self._ray.wait(list(tasks), num_returns=len(tasks), timeout=0)
        return list(done)

    def _look(self) -> list[tuple[Node, str]]:
        """Look which nodes live, and at those that are new; return which of them cannot make runs, and why."""
        nodes = self._nodes
        if time.monotonic() - nodes.looked_at > LOOK_S:
            alive = {node.id: node for node in map(_node, self._ray.nodes()) if node is not None}
            nodes.usable = {key: node for key, node in nodes.usable.items() if key in alive}
            known = {*nodes.usable, *nodes.refused, *(node.id for node in nodes.pending.values())}
            for node in alive.values():
                if node.id not in known and slots(node.cpus, self._order.cpus_per_run) > 0:
                    probe = self._probe.options(scheduling_strategy=self._at(node.id))
                    nodes.pending[probe.remote(self._order.folder, self._order.token)] = node
            nodes.looked_at = time.monotonic()
        return self._take_probes()

    def _take_probes(self) -> list[tuple[Node, str]]:
        refused = []
        for probe in self._done(self._nodes.pending):
            node = self._nodes.pending.pop(probe)
            try:
                obstacle = self._ray.get(probe)
            except self._ray.exceptions.RayTaskError as error:  # r2po is not there, say
                obstacle = str(error).strip().splitlines()[-1]
            except self._ray.exceptions.RayError:
                continue  # it is gone; if not, it is looked at again
            if obstacle:
                self._nodes.refused[node.id] = node
                refused.append((node, obstacle))
            else:
                self._nodes.usable[node.id] = node
        return refused

    def _at(self, node: str) -> Any:
        """Keep something on one node: what runs elsewhere instead would be too much there."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        return NodeAffinitySchedulingStrategy(node, soft=False)


def _this_node(ray: Any) -> str:
    return str(ray.get_runtime_context().get_node_id())


def _node(told: Mapping[str, Any]) -> Node | None:
    """Read what Ray tells of a node; None if it is dead."""
    if not told["Alive"]:
        return None
    return Node(told["NodeID"], told["NodeManagerAddress"], float(told["Resources"].get("CPU", 0.0)))
