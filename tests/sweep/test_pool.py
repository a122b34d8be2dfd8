"""How the runs of a sweep share the cores."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from r2po.llm.ledger import Amount, Caps, Ledger
from r2po.sweep.coordinator import Coordinator
from r2po.sweep.pool import Pool


@pytest.mark.parametrize(("jobs", "share"), [(1, 8), (2, 4), (3, 2), (8, 1), (100, 1)])
def test_each_run_has_its_share_of_the_cores(jobs: int, share: int, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[int] = []

    def spawn(count: int) -> None:
        given.append(count)
        raise InterruptedError

    monkeypatch.setattr("r2po.sweep.pool.spawn", spawn)
    monkeypatch.setattr("r2po.cores.available", lambda: 8)
    run: Any = SimpleNamespace(index=0, servers=frozenset())
    pool = Pool(Coordinator(Ledger(Caps(), Amount())), None, workers=1, jobs=jobs)  # type: ignore[arg-type]
    with pytest.raises(InterruptedError):
        pool.run([run])
    assert given == [share]


def test_a_worker_keeps_to_its_share() -> None:
    code = """
from r2po import cores
from r2po.sweep import worker

cores.available = lambda: 8
worker._Worker = lambda _connection, _problem: worker
worker.serve = lambda: print(cores.per_evaluation())
print(cores.per_evaluation())
worker.work(None, 3, [])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["8", "3"]
