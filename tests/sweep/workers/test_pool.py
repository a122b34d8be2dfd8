"""How the runs of a sweep share the cores."""

from __future__ import annotations

import os
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from r2po.llm.ledger import Amount, Caps, Ledger
from r2po.sweep.control import Answer
from r2po.sweep.coordinator import Coordinator
from r2po.sweep.endings import stopped
from r2po.sweep.messages import GIVEN_BACK, Ended, Instruction, PermitRequest
from r2po.sweep.workers.pool import Pool
from r2po.sweep.workers.process import WorkerProcess


@pytest.mark.parametrize(("jobs", "share"), [(1, 8), (2, 4), (3, 2), (8, 1), (100, 1)])
def test_each_run_has_its_share_of_the_cores(jobs: int, share: int, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[int] = []

    def spawn(count: int) -> None:
        given.append(count)
        raise InterruptedError

    monkeypatch.setattr("r2po.sweep.workers.pool.spawn", spawn)
    monkeypatch.setattr("r2po.cores.available", lambda: 8)
    run: Any = SimpleNamespace(index=0, servers=frozenset())
    pool = Pool(Coordinator(Ledger(Caps(), Amount())), None, workers=1, jobs=jobs)  # type: ignore[arg-type]
    with pytest.raises(InterruptedError):
        pool.run([run])
    assert given == [share]


def test_a_worker_keeps_to_its_share() -> None:
    code = """
from r2po import cores
from r2po.sweep.workers import worker

cores.available = lambda: 8
worker._Worker = lambda _connection, _problem: worker
worker.serve = lambda: print(cores.per_evaluation())
print(cores.per_evaluation())
worker.work(None, 3, [])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["8", "3"]


def test_a_run_that_was_told_to_stop_goes_on_later_even_if_more_may_run_again() -> None:
    sent: list[Any] = []
    heard: list[Any] = []
    coordinator = Coordinator(Ledger(Caps(), Amount()))
    pool = Pool(coordinator, SimpleNamespace(hear=heard.append), workers=1, jobs=2)
    process: Any = SimpleNamespace(pid=os.getpid())
    connection: Any = SimpleNamespace(send=sent.append)
    runs: dict[int, Any] = {index: SimpleNamespace(index=index) for index in (0, 1)}
    worker = WorkerProcess(process, connection, dict(runs))
    pool._workers, pool._begun = [worker], {0: 0, 1: 1}

    assert pool.obey(Instruction(), 1, 1) == Answer("", 0, 2, 1)
    pool._take(worker, PermitRequest(1, "http://server"))
    pool._grant()
    assert [(verdict.run, verdict.reached) for verdict in sent] == [(1, GIVEN_BACK)]
    assert pool.obey(Instruction(), 2, 1) == Answer("", 0, 2, 1)  # it still stops
    pool._take(worker, Ended(1, "waiting", "given back by the sweep"))
    assert [(ended.run, ended.state) for ended in heard] == [(1, GIVEN_BACK)]
    assert pool.waiting == {1}
    pool.obey(Instruction(), 1, 1)
    assert coordinator.given_back == set()


def test_a_run_that_ends_for_no_known_reason_is_an_error() -> None:
    stop = stopped({0: Ended(0), 1: Ended(1, "waiting", "given back by the sweep")}, None, ["a", "b"])
    assert str(stop) == ("1 of 2 runs stopped without a cap or a request:\n  b: given back by the sweep")
    assert stop is not None
    assert stop.events == ("failed",)
