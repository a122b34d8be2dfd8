"""What the process that talks to Ray says of an actor that is gone, against a stand-in for Ray."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from r2po.config import load_config
from r2po.llm.ledger import Caps, Ledger
from r2po.sweep.cluster import driver, node
from r2po.sweep.cluster.driver import Connected, Failed, Order, Report, Start
from r2po.sweep.cluster.needs import Needs
from r2po.sweep.cluster.node import Look
from r2po.sweep.coordinator import Coordinator
from r2po.sweep.messages import Ended
from r2po.sweep.plan import PlannedRun
from tests.process.processes import NIM, write_config
from tests.sweep.cluster.rays import ActorDiedError, ActorUnavailableError, GetTimeoutError, Ray

NEWS: tuple[Any, ...] = ([], {}, None, {}, {})


@pytest.fixture
def run(tmp_path: Path) -> PlannedRun:
    return PlannedRun(7, "config.yaml", (), 1, load_config(str(write_config(tmp_path, NIM))))


@contextmanager
def driven(ray: Ray, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connection[Any, Any]]:
    """Start the driver; gives the end of the connection that the sweep has."""
    monkeypatch.setattr(driver, "TICK_S", 0.01)
    monkeypatch.setattr(driver, "require_ray", lambda: ray)
    monkeypatch.setattr(node, "require_ray", lambda: ray)
    monkeypatch.setattr(driver._Driver, "_at", lambda *_: None)
    ours, theirs = Pipe()
    order = Order("auto", 1.0, "token", Needs("/lab", {}), Coordinator(Ledger(Caps())), None)

    def drive() -> None:
        try:
            driver._serve(theirs, order)
        except (EOFError, OSError):
            pass
        finally:
            theirs.close()

    thread = threading.Thread(target=drive)
    thread.start()
    try:
        assert isinstance(ours.recv(), Connected)
        yield ours
    finally:
        ours.close()
        thread.join()


def first(connection: Connection[Any, Any], wanted: Callable[[Any], Any]) -> Any:
    while not wanted(message := connection.recv()):
        assert isinstance(message, Report)
    return message


def raising(error: type[Exception]) -> Callable[..., Any]:
    def raise_it(*_: Any) -> None:
        raise error

    return raise_it


def test_the_loss_of_the_receiver_ends_the_sweep_and_no_run_is_taken_for_failed(
    run: PlannedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make(run: PlannedRun, *_: Any) -> Ended:
        ray.answers["is_there"] = raising(ActorDiedError)
        return Ended(run.index, "failed", "the machine of the command does not answer (ActorDiedError)")

    ray = Ray(news=lambda: NEWS, is_there=lambda: True, look_here=lambda *_: Look("unseen"), make_run_on_copy=make)
    with driven(ray, monkeypatch) as connection:
        assert first(connection, lambda report: report.nodes).copying[0][1] == "unseen"
        connection.send(Start(run, "far"))
        failed = first(connection, lambda message: isinstance(message, Failed) or message.ended)
    assert failed == Failed(
        "Ray has lost the process on this node that writes what runs on copies record (ActorDiedError), as it does "
        "when this node or the head is gone",
        is_setup=False,
    )


@pytest.mark.parametrize("error", [GetTimeoutError, ActorUnavailableError])
def test_a_receiver_that_is_busy_or_cannot_be_reached_for_the_moment_ends_nothing(
    run: PlannedRun, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    made: list[tuple[Any, ...]] = []

    def make(run: PlannedRun, *args: Any) -> Ended:
        made.append(args)
        return Ended(run.index)

    forgotten: list[tuple[int, int]] = []
    ray = Ray(news=lambda: NEWS, is_there=raising(error), look_here=lambda *_: Look("unseen"), make_run_on_copy=make)
    monkeypatch.setattr(ray, "call", lambda name, *args: _noted(forgotten, ray, name, args))
    with driven(ray, monkeypatch) as connection:
        first(connection, lambda report: report.nodes)
        for _ in range(2):
            connection.send(Start(run, "far"))
            assert first(connection, lambda report: report.ended).ended == [Ended(run.index)]
    assert [loan for loan, *_ in made] == [1, 2]
    assert forgotten == [(7,), (7, 1), (7,), (7, 2)]  # by the clerk, and by the receiver: each loan by its number


def test_a_node_that_could_not_be_given_anything_since_the_receiver_is_gone_is_not_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ray = Ray(
        news=lambda: NEWS,
        is_there=raising(ActorDiedError),
        look_here=lambda *_: Look("unseen", "the machine of the command does not answer (ActorDiedError)"),
    )
    with driven(ray, monkeypatch) as connection:
        failed = first(connection, lambda message: isinstance(message, Failed) or message.refused)
    assert "that writes what runs on copies record" in failed.reason


def test_where_no_run_is_on_a_copy_the_receiver_may_be_gone(run: PlannedRun, monkeypatch: pytest.MonkeyPatch) -> None:
    ray = Ray(
        news=lambda: NEWS,
        is_there=raising(ActorDiedError),
        forget=lambda *_: None,
        look_here=lambda *_: Look(),
        make_run_here=lambda run, *_: Ended(run.index),
    )
    with driven(ray, monkeypatch) as connection:
        first(connection, lambda report: report.nodes)
        connection.send(Start(run, "far"))
        assert first(connection, lambda report: report.ended).ended == [Ended(run.index)]


def _noted(forgotten: list[Any], ray: Ray, name: str, args: tuple[Any, ...]) -> Any:
    if name == "forget":
        forgotten.append(args)
    return lambda: ray.answers[name](*args)
