"""A run that another sweep has sent calls of: whichever sweep continues it has the answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from r2po.errors import InputError
from r2po.runlog.batched import FILE, check_not_in_batches, note_batches, noted_batches
from r2po.sweep.batching.clerk import BatchTerms, Clerk
from r2po.sweep.batching.record import DROPPED, read_all
from tests.llm.fake_servers.batching import Batching, BatchingOpenAI
from tests.process.processes import wait_until
from tests.sweep.batching.office import SOON, OneDesk, call, served

RUNS = (0, 1, 2)


@pytest.fixture
def server() -> Iterator[Batching]:
    with BatchingOpenAI(lambda prompt: f"answer to {prompt}") as server:
        yield server


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    for run in RUNS:
        (tmp_path / f"nim/run_{run}").mkdir(parents=True)
    return tmp_path


def clerk_of(logs: Path, name: str, desk: OneDesk, *resend: str) -> Clerk:
    clerk = Clerk(logs / name, BatchTerms(0.0, SOON, resend), desk, lambda run: f"nim/run_{run}", RUNS)
    clerk.open()
    return clerk


def leave_under_way(logs: Path, name: str, server: Batching) -> str:
    """Let a sweep send the calls of two runs, and stop; returns the id of its batch."""
    server.looks_needed = 10_000
    desk = OneDesk(server)
    clerk = clerk_of(logs, name, desk)
    for run in (0, 1):
        clerk.take(call(desk, run))
    clerk.tick((0, 1))
    wait_until(lambda: bool(clerk.notes()))
    clerk.close()
    server.looks_needed = 0
    return clerk.out[0].own_id


def test_a_sweep_of_another_name_fetches_what_was_sent(logs: Path, server: Batching) -> None:
    leave_under_way(logs, "first", server)
    desk = OneDesk(server)
    assert len(served(clerk_of(logs, "second", desk), desk, RUNS)) == 3
    assert [len(batch.requests) for batch in server.batches] == [2, 1]
    assert [record.state for record in read_all(logs / "first/batches")] == ["fetched"]


def test_what_was_fetched_there_is_not_asked_again(logs: Path, server: Batching) -> None:
    """Nor is what the second one sends asked again by the first."""
    desk = OneDesk(server)
    served(clerk_of(logs, "first", desk), desk, (0, 1))
    desk = OneDesk(server)
    assert len(served(clerk_of(logs, "second", desk), desk, RUNS)) == 3
    desk = OneDesk(server)
    assert len(served(clerk_of(logs, "first", desk), desk, RUNS)) == 3
    assert [len(batch.requests) for batch in server.batches] == [2, 1]


def test_what_another_sweep_cannot_settle_can_be_sent_again(logs: Path, server: Batching) -> None:
    own_id = leave_under_way(logs, "first", server)
    desk = OneDesk(server)
    assert len(served(clerk_of(logs, "second", desk, own_id), desk, RUNS)) == 3
    assert [len(batch.requests) for batch in server.batches] == [2, 3]
    assert [record.state for record in read_all(logs / "first/batches")] == [DROPPED]


def test_it_is_refused_without_batches_only_as_long_as_it_is_out(logs: Path, server: Batching) -> None:
    own_id = leave_under_way(logs, "first", server)
    runs = [logs / f"nim/run_{run}" for run in RUNS]
    check_not_in_batches(runs[2:])
    with pytest.raises(InputError, match=rf"run_1 are under way in batch {own_id}, or may be"):
        check_not_in_batches(runs[1:])
    desk = OneDesk(server)
    served(clerk_of(logs, "second", desk), desk, (0, 1))
    check_not_in_batches(runs)


def test_logs_can_be_moved_as_a_whole(logs: Path, server: Batching, tmp_path_factory: pytest.TempPathFactory) -> None:
    leave_under_way(logs, "first", server)
    moved = logs.rename(tmp_path_factory.mktemp("elsewhere") / "logs")
    assert noted_batches(moved / "nim/run_0") == {moved / "first/batches": "nim/run_0"}
    with pytest.raises(InputError, match="are under way"):
        check_not_in_batches([moved / "nim/run_0"])


def test_damage_is_named(tmp_path: Path) -> None:
    note_batches(tmp_path, tmp_path / "first/batches", "nim/run_0")
    assert json.loads((tmp_path / FILE).read_text())["folders"] == {"first/batches": "nim/run_0"}
    (tmp_path / FILE).write_text("[]")
    with pytest.raises(InputError, match=r"batches\.json is damaged .* delete it if none are under way"):
        check_not_in_batches([tmp_path])
