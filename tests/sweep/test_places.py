"""Who starts, who gives way and who is made again where a server is out and places are few."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from r2po.llm.ledger import Amount, Caps, Ledger
from r2po.llm.outage import Sign, Target
from r2po.sweep.coordinator import Coordinator
from r2po.sweep.messages import ANSWERED, UNANSWERED, AttemptOutcome, Ended, PermitRequest
from r2po.sweep.places import who_gives_way
from r2po.sweep.workers.pool import Pool
from r2po.sweep.workers.process import WorkerProcess
from tests.llm.fake_ollama import FakeOllama
from tests.llm.fake_servers import FakeOpenAI
from tests.process.processes import player, wait_until, write_config
from tests.sweep.in_threads import UnderWay
from tests.sweep.test_outages import assert_nothing_recorded_was_asked_again, config_of, in_threads, slowly

__all__ = ["in_threads"]

DEAD, WELL = "http://dead", "http://well"


def coordinator() -> Coordinator:
    return Coordinator(Ledger(Caps(), Amount()), 86_400.0)


def planned(index: int, *servers: str) -> Any:
    return SimpleNamespace(index=index, servers=frozenset(servers))


class Heard:
    """Hears how runs end."""

    def __init__(self) -> None:
        self.endings: list[Ended] = []

    def hear(self, message: Any) -> None:
        self.endings += [message] if isinstance(message, Ended) else []

    def tick(self, *_: Any) -> None:
        pass


@pytest.mark.parametrize(
    ("stranded", "places", "expected"),
    [
        ({DEAD: [3]}, 1, [3]),  # the only place
        ({DEAD: [3]}, 2, []),  # it may stay and ask
        ({DEAD: [1, 5, 3]}, 3, [5, 3]),
        ({DEAD: [1, 5], WELL: [2, 4]}, 4, [5, 4]),
        ({DEAD: [1], WELL: [2]}, 2, [2]),
        ({}, 1, []),
    ],
)
def test_the_latest_give_way_and_one_stays_for_each_server(
    stranded: dict[str, list[int]], places: int, expected: list[int]
) -> None:
    assert who_gives_way(stranded, {run: run for run in range(10)}, places) == expected


def test_only_who_does_nothing_but_wait_for_an_outage_is_stranded() -> None:
    it = coordinator()
    for run, call in ((0, 0), (1, 0), (2, 0)):
        it.ask(PermitRequest(run, DEAD, call=call))
    it.grants(0.0)
    it.ask(PermitRequest(0, DEAD, call=1))
    it.ask(PermitRequest(1, WELL, call=1))
    assert it.stranded() == {}
    it.begin_outage(Target(DEAD), "connection refused", 0.0)
    assert it.stranded() == {}  # each has another call
    for run in range(3):
        it.end(AttemptOutcome(run, UNANSWERED, sign=Sign("connection refused")), 0.1)
    it.ask(PermitRequest(2, DEAD, call=1))
    it.ask(PermitRequest(2, DEAD, call=2))
    assert it.stranded() == {DEAD: [0, 2]}
    ((verdict, *_),) = [[each for each in it.grants(3.0) if each.probe]]
    assert verdict.run == 0
    assert it.stranded() == {DEAD: [2]}
    it.end(AttemptOutcome(0, ANSWERED, call=1), 4.0)
    assert it.stranded() == {}


def test_where_places_are_few_runs_of_a_dead_server_give_theirs_to_others(
    in_threads: Callable[..., UnderWay], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server dies when its run is under way, which has the only place."""
    monkeypatch.setattr("r2po.llm.outage.FIRST_INTERVAL_S", 0.2)
    monkeypatch.setattr("r2po.llm.patience.FIRST_WAIT_S", 0.1)
    write_config(Path(), config_of("dead", 4), "dead.yaml")
    write_config(Path(), config_of("well", 2, FakeOpenAI.model), "well.yaml")
    with FakeOllama(slowly(0.05)) as dead, FakeOpenAI(player) as well:
        sweep = in_threads(["dead.yaml", "well.yaml"], 1, dead, well, jobs=1)
        wait_until(lambda: len(dead.chats) >= 2)
        dead.die()
        wait_until(lambda: len(list(Path().glob("logs/well/run_*/result.json"))) == 1)
        dead.revive()
        assert sweep.finish() == ""
    assert len(list(Path().glob("logs/*/run_*/result.json"))) == 2
    assert_nothing_recorded_was_asked_again(Path())


def pool_of(listener: Heard, waiting: list[Any], started: list[int]) -> tuple[Pool, WorkerProcess]:
    """Return a pool with one worker, which notes what it is to start, and runs that wait."""
    pool = Pool(coordinator(), listener, workers=1, jobs=1)
    send = lambda message: started.append(message.index)  # noqa: E731
    worker = WorkerProcess(SimpleNamespace(pid=None), SimpleNamespace(send=send))  # type: ignore[arg-type]
    pool._workers.append(worker)
    pool._waiting.extend(waiting)
    return pool, worker


def test_a_run_that_is_made_again_comes_after_all_others() -> None:
    started: list[int] = []
    pool, worker = pool_of(Heard(), [planned(run) for run in range(3)], started)
    pool._start_runs()
    pool._take(worker, Ended(0, "failed", "HTTP 500", may_pass=True))
    for run in (1, 2):
        pool._start_runs()
        pool._take(worker, Ended(run))
    pool._start_runs()
    assert started == [0, 1, 2, 0]
