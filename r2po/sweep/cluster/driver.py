"""The process that talks to Ray, as a child of the one that has the sweep.

Ray's C++ ends the process that it is part of when it has lost the cluster. So that is not the process that a user has
started. This one keeps no state but what is under way: it starts what it is told to, and reports twice a second.
"""

from __future__ import annotations

import itertools
import os
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

from r2po.llm.outage import Outage
from r2po.sweep.cluster.clerk import Clerk
from r2po.sweep.cluster.needs import Needs
from r2po.sweep.cluster.node import look_here, make_run_here, make_run_on_copy, patiently, require_ray
from r2po.sweep.cluster.nodes import Nodes, done_of
from r2po.sweep.cluster.receiver import Receiver
from r2po.sweep.cluster.slots import Node
from r2po.sweep.coordinator import Coordinator
from r2po.sweep.messages import Ended, Instruction, Note, Progress, Verdict
from r2po.sweep.plan import PlannedRun

TICK_S = 0.5
BUSY_S = 5.0
"""How long a report waits for the receiver to answer."""
WRITERS = 64
"""How many writes of runs on copies go on at once."""


@dataclass(frozen=True)
class Order:
    """What the driver is to do.

    Attributes:
        address: Of the cluster, or "auto".
        cpus_per_run: Cores that are set aside for a run.
        token: A file among the logs, by which it is known who sees them.
        needs: What the runs need.
        asked: What people ask of all runs.
    """

    address: str
    cpus_per_run: float
    token: str
    needs: Needs
    coordinator: Coordinator
    asked: Instruction | None


@dataclass(frozen=True)
class Start:
    """A run is to be made on a node."""

    run: PlannedRun
    node: str


@dataclass(frozen=True)
class GiveBack:
    """These runs are to end at their next call: others can use their places."""

    runs: tuple[int, ...]


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
        copying: Nodes that do not see the files of the sweep, and why: each once. Their runs work on copies.
        stranded: By outage, the runs that do nothing but wait for its end.
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
    copying: Sequence[tuple[Node, str]] = ()
    stranded: Mapping[str, Sequence[int]] = field(default_factory=dict)


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
    except _ReceiverLost as error:
        _tell_lost(connection, "writes what runs on copies record", str(error))
    except ray.exceptions.RayActorError as error:
        _tell_lost(connection, "decides which calls are made", type(error).__name__)
    except Exception as error:  # noqa: BLE001 - whatever it is, the other process says it
        reason = f"what talks to it failed with {type(error).__name__}: {_line(error)}"
        connection.send(Failed(reason, is_setup=False))


def _tell_lost(connection: Connection[Any, Any], does: str, kind: str) -> None:
    what = f"Ray has lost the process on this node that {does}"
    connection.send(Failed(f"{what} ({kind}), as it does when this node or the head is gone", is_setup=False))


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


class _ReceiverLost(Exception):
    """The receiver is gone."""


class _Driver:
    """Starts runs as tasks, and reports."""

    def __init__(self, ray: Any, connection: Connection[Any, Any], order: Order) -> None:
        self._ray = ray
        self._connection = connection
        self._order = order
        self._nodes = Nodes(ray, order.cpus_per_run, self._look_at)
        self._under_way: dict[Any, tuple[int, int]] = {}
        self._loans = itertools.count(1)
        here = self._at(str(ray.get_runtime_context().get_node_id()))
        actor = {"num_cpus": 0, "scheduling_strategy": here}
        self._clerk: Any = ray.remote(Clerk).options(max_concurrency=100_000, **actor).remote(order.coordinator)
        self._receiver: Any = (
            ray.remote(Receiver).options(max_concurrency=WRITERS, **actor).remote(order.token, order.needs)
        )
        # A lost run is started again by the process that has the sweep: Ray would put it where there is no room.
        self._make = ray.remote(num_cpus=order.cpus_per_run, max_retries=0)(make_run_here)
        self._make_on_copy = ray.remote(num_cpus=order.cpus_per_run, max_retries=0)(make_run_on_copy)
        self._look = ray.remote(num_cpus=0, max_retries=0)(look_here)
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

    def _do(self, message: Start | GiveBack | Instruction) -> None:
        if isinstance(message, Instruction):
            self._connection.send(Obeyed(self._ray.get(self._clerk.obey.remote(message))))
            return
        if isinstance(message, GiveBack):
            self._clerk.give_back.remote(message.runs)
            return
        node, needs, share = message.node, self._order.needs, max(1, int(self._order.cpus_per_run))
        at, loan = {"scheduling_strategy": self._at(node)}, next(self._loans)
        if node in self._nodes.unseeing:
            name = self._nodes.usable[node].name if node in self._nodes.usable else node
            actors = self._clerk, self._receiver
            task = self._make_on_copy.options(**at).remote(message.run, loan, *actors, share, name)
        else:
            task = self._make.options(**at).remote(message.run, self._clerk, needs.folder, share, needs.plugins)
        self._under_way[task] = message.run.index, loan

    def _look_at(self, node: str) -> Any:
        look = self._look.options(scheduling_strategy=self._at(node))
        return look.remote(self._order.needs, self._order.token, self._receiver)

    def _report(self) -> Report:
        ended, lost = [], []
        for task in done_of(self._ray, self._under_way):
            run, loan = self._under_way.pop(task)
            self._clerk.forget.remote(run)
            self._receiver.forget.remote(run, loan)
            try:
                ended.append(self._ray.get(task))
            except self._ray.exceptions.RayTaskError as error:
                ended.append(Ended(run, "failed", f"Ray: {_line(error)}"))
            except self._ray.exceptions.RayError as error:
                lost.append((run, _line(error)))
        refused, copying = self._nodes.update()
        if self._nodes.unseeing or refused:
            self._check_receiver()
        told = patiently(lambda: self._ray.get(self._clerk.news.remote()))
        news, paces, reached, outages, stranded = told
        nodes, pending = tuple(self._nodes.usable.values()), self._nodes.pending
        return Report(news, paces, reached, outages, nodes, pending, refused, ended, lost, copying, stranded)

    def _check_receiver(self) -> None:
        """End the sweep if the receiver is gone, before what that did is taken for faults of runs or nodes."""
        errors = self._ray.exceptions
        try:
            self._ray.get(self._receiver.is_there.remote(), timeout=BUSY_S)
        except (errors.GetTimeoutError, errors.ActorUnavailableError):
            return  # it writes a lot, or is back soon
        except errors.RayActorError as error:
            raise _ReceiverLost(type(error).__name__) from None

    def _at(self, node: str) -> Any:
        """Keep something on one node: what runs elsewhere instead would be too much there."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        return NodeAffinitySchedulingStrategy(node, soft=False)
