"""How many runs are under way in the memory that there is."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from r2po.llm.ledger import Amount, Caps, Ledger
from r2po.sweep.coordinator import Coordinator
from r2po.sweep.workers import memory
from r2po.sweep.workers.memory import FIRST, RUN_BYTES, SETTLING_S, SHARE, WORKER_BYTES, Memory
from r2po.sweep.workers.pool import Pool

MB = 2**20
WORKERS = 2


@dataclass
class Machine:
    """A machine whose runs take so much when they have begun, and twice as much in the end."""

    total: int
    run: float
    started: list[float] = field(default_factory=list)
    now: float = 0.0

    @property
    def used(self) -> float:
        return WORKERS * 150 * MB + sum(self.run * (2 if self.now - at > 60 else 1) for at in self.started)

    def available(self) -> int:
        return int(self.total - (self.used if self.started else 0))

    def start_what_fits(self, seconds: float, most: int) -> None:
        room = Memory(WORKERS, self.available, is_measured=True)
        while self.now < seconds:
            while len(self.started) < min(most, room.fitting(self.now, len(self.started), [])):
                self.started.append(self.now)
            self.now += 1


def surely(total: int) -> int:
    return int((total * SHARE - WORKERS * WORKER_BYTES) // RUN_BYTES)


def test_small_runs_are_all_under_way_after_a_while() -> None:
    machine = Machine(1000 * MB, 0.3 * MB)
    machine.start_what_fits(5, 120)
    assert len(machine.started) == surely(machine.total) == 13
    machine.start_what_fits(120, 120)
    assert len(machine.started) == 120


@pytest.mark.parametrize(
    ("megabytes", "total"), [*((size, total) for size in (0.3, 3, 10, 15) for total in (2_000, 16_000)), (60, 16_000)]
)
def test_they_never_take_more_than_there_is(megabytes: float, total: int) -> None:
    machine = Machine(total * MB, megabytes * MB)
    machine.start_what_fits(600, 10**5)
    assert machine.used < machine.total
    room = machine.total - WORKERS * 150 * MB
    assert len(machine.started) >= 0.3 * room / (2 * megabytes * MB), "nor hardly any"


def test_where_the_system_does_not_say_what_is_taken_only_what_surely_fits() -> None:
    room = Memory(WORKERS, lambda: 2_000 * MB, is_measured=False)
    assert [room.fitting(now, 10, []) for now in (0.0, 5.0, 100.0, 1000.0)] == [surely(2_000 * MB)] * 4


def test_few_begin_where_many_surely_fit() -> None:
    room = Memory(WORKERS, lambda: 64_000 * MB, is_measured=True)
    assert room.fitting(0.0, 0, []) == FIRST * WORKERS < surely(64_000 * MB)


def test_the_number_does_not_grow_before_runs_show_what_they_take() -> None:
    room = Memory(WORKERS, lambda: 1_000 * MB, is_measured=True)
    assert room.fitting(0.0, 0, []) == surely(1_000 * MB) == 13
    assert room.fitting(SETTLING_S - 1, 13, []) == 13
    assert room.fitting(SETTLING_S, 13, []) == 26
    assert room.fitting(SETTLING_S + 1, 26, []) == 26
    assert room.fitting(2 * SETTLING_S, 5, []) == 10
    assert Memory(WORKERS, lambda: 0, is_measured=True).fitting(0.0, 0, []) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_what_a_process_has_to_itself() -> None:
    before = memory._resident_bytes(os.getpid())
    block = bytearray(os.urandom(64)) * MB
    assert len(block) - 4 * MB < memory._resident_bytes(os.getpid()) - before < len(block) + 32 * MB
    assert memory._resident_bytes(2**22 + 1) == 0, "it has ended"


def test_a_pool_starts_no_more_than_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[int] = []
    worker = SimpleNamespace(process=SimpleNamespace(pid=os.getpid()), runs={}, connection=None)
    monkeypatch.setattr("r2po.sweep.workers.pool.spawn", lambda _share: worker)
    monkeypatch.setattr(Pool, "_send", lambda _self, _worker, run: sent.append(run.index))
    room = SimpleNamespace(fitting=lambda _now, _under_way, _pids: 3)
    pool = Pool(Coordinator(Ledger(Caps(), Amount())), Any, workers=1, jobs=9, memory=room)  # type: ignore[arg-type]
    pool._waiting.extend(SimpleNamespace(index=index, servers=frozenset()) for index in range(9))  # type: ignore[misc]
    pool._start_runs()
    assert sent == [0, 1, 2]
