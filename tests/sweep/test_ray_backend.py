"""What the sweep decides about a cluster, against a stand-in for the process that talks to Ray."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from r2po.config import load_config
from r2po.errors import InputError
from r2po.llm.ledger import Caps, Ledger
from r2po.llm.outage import Outage
from r2po.sweep import ray_backend
from r2po.sweep.cluster.driver import Connected, Failed, GiveBack, Obeyed, Report, Start
from r2po.sweep.cluster.head import answers
from r2po.sweep.cluster.slots import MOST_LOSSES, Node
from r2po.sweep.coordinator import Coordinator
from r2po.sweep.endings import SweepStopped
from r2po.sweep.messages import GIVEN_BACK, Ended, Instruction, Note, Progress, Verdict
from r2po.sweep.plan import PlannedRun
from r2po.sweep.ray_backend import RayBackend
from tests.process.processes import NIM, write_config

A, B = Node("a", "10.0.0.1", 1.0), Node("b", "10.0.0.2", 2.0)
NOTHING = Report((), {}, None, {}, (), 0, (), (), ())
ROOM = {"a": 2, "b": 4}
"""What half a core for each run makes of one and two cores."""


@dataclass
class Heard:
    """What the sweep was told."""

    ended: list[Ended] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    at_tick: Callable[[], object] = lambda: None

    def hear(self, message: Progress | Note | Ended) -> None:
        if isinstance(message, Ended):
            self.ended.append(message)
        elif isinstance(message, Note):
            self.notes.append(message.text)

    def tick(self, _paces: Mapping[str, float], _reached: Verdict | None, _outages: Mapping[str, Outage]) -> None:
        self.at_tick()


class Cluster:
    """Plays the process that talks to Ray: each ``step`` gets what is under way, and returns the next report."""

    def __init__(self, step: Callable[[dict[int, str]], Any], head: str | None) -> None:
        self.most = Counter[str]()
        self.most_in_all = 0
        self.under_way: dict[int, str] = {}
        self.given_back: list[int] = []
        self._step = step
        self._head = head

    def serve(self, connection: Connection[Any, Any]) -> None:
        try:
            if self._head is not None:
                connection.send(Connected(self._head))
            while True:
                while connection.poll(0.005):
                    self._do(connection, connection.recv())
                message = self._step(self.under_way)
                if isinstance(message, Report):
                    for run in (*(each.run for each in message.ended), *(run for run, _ in message.lost)):
                        del self.under_way[run]
                if message is not None:
                    connection.send(message)
        except (EOFError, OSError):
            connection.close()

    def _do(self, connection: Connection[Any, Any], message: Start | GiveBack | Instruction) -> None:
        if isinstance(message, Instruction):
            connection.send(Obeyed(3))
            return
        if isinstance(message, GiveBack):
            self.given_back += message.runs
            return
        self.under_way[message.run.index] = message.node
        self.most_in_all = max(self.most_in_all, len(self.under_way))
        for node, count in Counter(self.under_way.values()).items():
            self.most[node] = max(self.most[node], count)


@pytest.fixture
def head() -> Any:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def runs(tmp_path: Path) -> list[PlannedRun]:
    config = load_config(write_config(tmp_path, {**NIM, "logdir": "logs"}))
    return [PlannedRun(index, "config.yaml", (), index + 1, config) for index in range(20)]


@pytest.fixture
def make(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, head: str
) -> Callable[..., tuple[RayBackend, Heard, Cluster]]:
    """Return what makes a backend that has a stand-in for its child process."""
    monkeypatch.setattr(ray_backend, "require_ray", lambda: None)

    def make(
        step: Callable[[dict[int, str]], Any], jobs: int | None = None, *, connects: bool = True
    ) -> tuple[RayBackend, Heard, Cluster]:
        cluster, heard = Cluster(step, head if connects else None), Heard()
        backend = RayBackend(Coordinator(Ledger(Caps())), heard, tmp_path, head, 0.5, jobs)

        def spawn(_token: Path) -> None:
            ours, theirs = Pipe()
            thread = threading.Thread(target=cluster.serve, args=(theirs,), daemon=True)
            thread.start()
            process = SimpleNamespace(join=thread.join, is_alive=thread.is_alive, exitcode=-6)
            vars(backend).update(_connection=ours, _process=process)

        monkeypatch.setattr(backend, "_spawn", spawn)
        return backend, heard, cluster

    return make


def test_no_node_has_more_runs_than_its_cores_allow(make: Any, runs: list[PlannedRun]) -> None:
    def step(under_way: dict[int, str]) -> Report:
        return replace(NOTHING, nodes=(A, B), ended=[Ended(run) for run in list(under_way)[:1]])

    backend, heard, cluster = make(step)
    backend.run(runs)
    assert cluster.most == ROOM
    assert sorted(each.run for each in heard.ended) == list(range(20))


def test_no_more_are_under_way_than_the_command_says(make: Any, runs: list[PlannedRun]) -> None:
    def step(under_way: dict[int, str]) -> Report:
        return replace(NOTHING, nodes=(A, B), ended=[Ended(run) for run in list(under_way)[:1]])

    backend, _, cluster = make(step, jobs=3)
    backend.run(runs)
    assert cluster.most_in_all == 3


def test_runs_whose_server_is_out_let_the_others_start_first(make: Any, runs: list[PlannedRun]) -> None:
    started: list[int] = []

    def step(under_way: dict[int, str]) -> Report:
        started.extend(under_way)
        is_out = {"dead": Outage(0.0, "connection refused")}
        return replace(NOTHING, nodes=(A, B), outages=is_out, ended=[Ended(run) for run in under_way])

    backend, _, _ = make(step, jobs=1)
    backend.run([replace(run, servers=frozenset({"dead"} if run.index in (0, 2) else {"well"})) for run in runs[:4]])
    assert started == [1, 3, 0, 2]


def test_a_run_that_failed_by_errors_of_the_server_is_made_once_more(make: Any, runs: list[PlannedRun]) -> None:
    started: list[int] = []

    def step(under_way: dict[int, str]) -> Report:
        started.extend(under_way)
        ended = [Ended(run, "failed", "HTTP 500", may_pass=True) if run == 0 else Ended(run) for run in under_way]
        return replace(NOTHING, nodes=(A, B), ended=ended)

    backend, heard, _ = make(step, jobs=1)
    backend.run(runs[:2])
    assert started == [0, 1, 0]
    assert [(each.run, each.state) for each in heard.ended] == [(0, "queued"), (1, "complete"), (0, "failed")]


def test_the_runs_of_a_lost_node_go_on_where_there_is_room(make: Any, runs: list[PlannedRun]) -> None:
    is_lost = False

    def step(under_way: dict[int, str]) -> Report:
        nonlocal is_lost
        gone = [run for run, node in under_way.items() if node == "b"]
        if len(gone) == ROOM["b"] and not is_lost:
            is_lost = True
            # Ray takes a while to know that the node is lost, and still tells that it lives.
            return replace(NOTHING, nodes=(A, B), lost=[(run, "WorkerCrashedError") for run in gone])
        ended = [Ended(run) for run in list(under_way)[:1]] if is_lost else []
        return replace(NOTHING, nodes=(A, B), ended=ended)

    backend, heard, cluster = make(step)
    backend.run(runs)
    assert [each.run for each in heard.ended if each.state == GIVEN_BACK] != []
    assert sorted(each.run for each in heard.ended if each.state == "complete") == list(range(20))
    assert cluster.most == ROOM
    assert heard.notes == [
        "Ray lost 4 runs with their nodes or processes; they continue in others (WorkerCrashedError)"
    ]


def test_a_run_that_takes_its_process_down_each_time_fails(
    make: Any, runs: list[PlannedRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_backend, "REST_S", 0.0)

    def step(under_way: dict[int, str]) -> Report:
        return replace(NOTHING, nodes=(A,), lost=[(run, "out of memory") for run in under_way])

    backend, heard, _ = make(step)
    backend.run(runs[:1])
    assert [each.state for each in heard.ended] == [GIVEN_BACK] * MOST_LOSSES + ["failed"]
    assert heard.ended[-1].reason == "Ray lost it again and again: out of memory"


def test_a_node_that_does_not_see_the_folder_is_named_and_makes_no_run(make: Any, runs: list[PlannedRun]) -> None:
    reports = iter([replace(NOTHING, nodes=(A,), refused=[(B, "/work is not on this node")])])

    def step(under_way: dict[int, str]) -> Report:
        return next(reports, replace(NOTHING, nodes=(A,), ended=[Ended(run) for run in list(under_way)[:1]]))

    backend, heard, cluster = make(step)
    backend.run(runs)
    assert heard.notes == ["no runs on node 10.0.0.2: /work is not on this node"]
    assert cluster.most == {"a": 2}


def test_if_no_node_sees_the_folder_nothing_is_started(make: Any, runs: list[PlannedRun], tmp_path: Path) -> None:
    reports = iter([replace(NOTHING, pending=1, refused=[(B, "/work is not on this node")])])
    backend, _, cluster = make(lambda _: next(reports, NOTHING))
    with pytest.raises(InputError) as stop:
        backend.run(runs)
    told = "no node of the Ray cluster can make runs (node 10.0.0.2: /work is not on this node)"
    assert str(stop.value) == f"{told}"
    assert not cluster.under_way
    assert not list(tmp_path.glob(".ray-*"))


def test_a_head_that_does_not_answer_ends_the_sweep(
    make: Any, runs: list[PlannedRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_backend, "HEAD_S", 0.05)
    monkeypatch.setattr(ray_backend, "CHECK_S", 0.02)
    head_is_lost = False
    monkeypatch.setattr(ray_backend, "answers", lambda _: not head_is_lost)

    def step(under_way: dict[int, str]) -> Report:
        nonlocal head_is_lost
        head_is_lost = len(under_way) == 6
        return replace(NOTHING, nodes=(A, B))

    backend, heard, _ = make(step)
    with pytest.raises(SweepStopped, match=r"the Ray cluster 127\.0\.0\.1:\d+ is lost: its head has not answered for"):
        backend.run(runs)
    assert heard.ended == []


def test_a_driver_that_says_nothing_ends_the_sweep(
    make: Any, runs: list[PlannedRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_backend, "TICK_S", 0.01)
    monkeypatch.setattr(ray_backend, "CHECK_S", 0.02)
    monkeypatch.setattr(ray_backend, "STALLED_S", 0.1)
    backend, _, _ = make(lambda _: None)
    with pytest.raises(SweepStopped, match="is lost: it has said nothing for"):
        backend.run(runs)


def test_a_cluster_that_cannot_be_reached_is_an_error(
    make: Any, runs: list[PlannedRun], head: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_backend, "answers", lambda _: False)
    backend, _, cluster = make(lambda _: NOTHING)
    with pytest.raises(InputError) as stop:
        backend.run(runs)
    assert str(stop.value) == f"cannot use the Ray cluster {head!r}: there is no connection to that address"
    assert not cluster.under_way


def test_a_cluster_that_lets_one_wait_is_an_error(
    make: Any, runs: list[PlannedRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_backend, "TICK_S", 0.01)
    monkeypatch.setattr(ray_backend, "CHECK_S", 0.02)
    monkeypatch.setattr(ray_backend, "CONNECT_S", 0.1)
    backend, _, _ = make(lambda _: None, connects=False)
    with pytest.raises(InputError, match=r"cannot use the Ray cluster '.*': no connection within 0\.1 s"):
        backend.run(runs)


@pytest.mark.parametrize("is_setup", [True, False])
def test_what_the_driver_complains_of_is_passed_on(is_setup: bool, make: Any, runs: list[PlannedRun]) -> None:
    backend, _, _ = make(lambda _: Failed("ActorDiedError: gone", is_setup))
    with pytest.raises(InputError if is_setup else SweepStopped, match="ActorDiedError: gone"):
        backend.run(runs)


def test_a_stop_on_the_way_lets_runs_end_and_starts_no_more(make: Any, runs: list[PlannedRun]) -> None:
    def step(under_way: dict[int, str]) -> Report:
        return replace(NOTHING, nodes=(A, B), ended=[Ended(run, "waiting") for run in under_way if told])

    told: list[Any] = []
    backend, heard, _ = make(step)

    def stop() -> None:
        if len(backend.waiting) == len(runs) - 6:
            told.append(backend.obey(Instruction(stopping=True), None, 0))

    heard.at_tick = stop
    backend.run(runs)
    assert [(answer.calls, answer.runs) for answer in told] == [(3, 6)]
    assert [each.state for each in heard.ended] == ["waiting"] * 6


def out(runs: list[PlannedRun], count: int) -> list[PlannedRun]:
    """Return the runs, of which the first ones need a server that is out."""
    return [replace(run, servers=frozenset({"dead"} if run.index < count else {"alive"})) for run in runs]


def test_runs_that_only_wait_for_a_server_give_their_places_to_others(make: Any, runs: list[PlannedRun]) -> None:
    """Of six places, one stays with a run that asks whether the server is back; then it is, and all go on."""
    told: list[int] = []

    def step(under_way: dict[int, str]) -> Report:
        others = [run for run in under_way if run >= 8]
        dead = [run for run in under_way if run < 8]
        if sum(each.state == "complete" and each.run >= 8 for each in heard.ended) == 12:
            return replace(NOTHING, nodes=(A, B), ended=[Ended(run) for run in dead])
        back = [cluster.given_back.pop() for _ in list(cluster.given_back)]
        told.extend(back)
        ended = [*(Ended(run, "waiting", "given back") for run in back), *(Ended(run) for run in others[:1])]
        outages = {"dead": Outage(1.0, "no answer")} if under_way else {}
        return replace(NOTHING, nodes=(A, B), ended=ended, outages=outages, stranded={"dead": dead})

    backend, heard, cluster = make(step)
    backend.run(out(runs, 8))
    assert sorted(each.run for each in heard.ended if each.state == "complete") == list(range(20))
    assert sorted(told) == [1, 2, 3, 4, 5]
    assert [each.state for each in heard.ended].count(GIVEN_BACK) == 5


def test_runs_whose_places_nobody_needs_keep_them(make: Any, runs: list[PlannedRun]) -> None:
    ticks = 0

    def step(under_way: dict[int, str]) -> Report:
        nonlocal ticks
        ticks += 1
        stranded = {"dead": list(under_way)}
        ended = [Ended(run) for run in under_way] if ticks > 20 else []
        return replace(NOTHING, nodes=(A, B), stranded=stranded, ended=ended)

    backend, _, cluster = make(step)
    backend.run(out(runs[:6], 6))
    assert cluster.given_back == []


def test_an_address_at_which_nobody_listens_does_not_answer(head: str) -> None:
    assert answers(head)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert not answers(f"127.0.0.1:{port}")
    assert not answers("nonsense")
