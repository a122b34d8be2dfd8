"""How processes divide runs: who lacks some gets some, and whose account is bad leaves them to the others."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

import pytest

from r2po.errors import InputError
from r2po.llm.client import CallFailed
from r2po.llm.outage import OutageTooLong
from r2po.llm.store import CallStore
from r2po.llm.types import AttemptFailed
from r2po.sweep.endings import SweepStopped
from r2po.sweep.manifest import read
from r2po.sweep.members.elsewhere import may_pass_elsewhere
from r2po.sweep.messages import Ended
from r2po.sweep.sweep import Sweep
from r2po.sweep.workers.claims import ClaimingPool, Claims
from tests.llm.fake_ollama import FakeOllama, status
from tests.process.processes import finish, player, wait_until, write_config
from tests.sweep.sweeping import start_sweep
from tests.sweep.test_cut_off import joined
from tests.sweep.test_workers import TINY, Held, told

NO_CREDIT = "HTTP 402: no credit"


def taken(claims: Claims) -> int | None:
    """Return the run that a process takes now, whenever it has looked last."""
    claims._look_at = float("-inf")
    run = claims.take()
    return None if run is None else run.index


def leave(*sweeps: Sweep) -> None:
    for sweep in sweeps:
        sweep._company.leave()


def test_a_run_that_failed_for_a_reason_of_one_process_is_made_by_another(tmp_path: Path) -> None:
    (poor, its), (rich, claims) = joined(tmp_path), joined(tmp_path)
    assert taken(its) == 0
    poor.hear(Ended(0, "failed", NO_CREDIT, elsewhere=True))
    assert read(tmp_path / "logs/mine").failures == {}
    assert taken(its) == 1
    assert taken(its) is None  # it is not tried twice by the same
    assert poor.board.runs[0].state == "waiting"
    assert taken(claims) == 0
    rich.hear(Ended(0, "failed", "HTTP 403", elsewhere=True))
    assert read(tmp_path / "logs/mine").failures == {"nim/run_1": "HTTP 403"}
    assert taken(its) is None
    assert poor.board.runs[0].state == "failed"
    leave(poor, rich)


def test_a_run_that_failed_for_another_reason_is_left_alone_by_all(tmp_path: Path) -> None:
    (one, its), (other, claims) = joined(tmp_path), joined(tmp_path)
    assert taken(its) == 0
    one.hear(Ended(0, "failed", "HTTP 400"))
    assert (taken(claims), taken(claims)) == (1, None)
    assert other.board.runs[0].state == "failed"
    leave(one, other)


def test_without_others_a_run_that_failed_has_failed(tmp_path: Path) -> None:
    (one, its), (other, _) = joined(tmp_path), joined(tmp_path)
    assert taken(its) == 0
    one.hear(Ended(0, "failed", NO_CREDIT, elsewhere=True))
    leave(other)  # before it came to the run
    assert taken(its) == 1
    one.hear(Ended(1, "failed", NO_CREDIT, elsewhere=True))
    assert taken(its) is None
    assert [run.state for run in one.board.runs] == ["failed", "failed"]
    assert set(read(tmp_path / "logs/mine").failures) == {"nim/run_1", "nim/run_2"}
    leave(one)


def test_failures_for_other_reasons_or_with_successes_between_are_not_in_a_row(tmp_path: Path) -> None:
    (poor, its), (rich, _) = joined(tmp_path, runs=6), joined(tmp_path, runs=6)
    for run, reason in enumerate((NO_CREDIT, NO_CREDIT, "HTTP 401", "", "HTTP 401", "HTTP 401")):
        assert taken(its) == run
        poor.hear(Ended(run, "failed" if reason else "complete", reason, elsewhere=bool(reason)))
    leave(poor, rich)


def test_three_in_a_row_for_the_same_reason(tmp_path: Path) -> None:
    (poor, its), (rich, claims) = joined(tmp_path, runs=3), joined(tmp_path, runs=3)
    for run in range(2):
        assert taken(its) == run
        poor.hear(Ended(run, "failed", NO_CREDIT, elsewhere=True))
    assert taken(its) == 2
    with pytest.raises(SweepStopped, match=r"3 runs in a row failed here for the same reason, .*: HTTP 402"):
        poor.hear(Ended(2, "failed", NO_CREDIT, elsewhere=True))
    leave(poor)
    assert [taken(claims) for _ in range(3)] == [0, 1, 2]
    leave(rich)


@pytest.mark.parametrize(
    ("failure", "may"),
    [
        (AttemptFailed("no credit", retryable=False, status=402), True),
        (AttemptFailed("no credit", retryable=False, status=429), True),
        (AttemptFailed("wrong key", retryable=False, status=401), True),
        (AttemptFailed("no connection", retryable=True, unreachable=True), True),
        (AttemptFailed("too many", retryable=True, status=429), False),
        (AttemptFailed("no such model", retryable=False, status=404), False),
        (AttemptFailed("too slow", retryable=True), False),
    ],
)
def test_which_failures_may_be_those_of_one_process(failure: AttemptFailed, may: bool, tmp_path: Path) -> None:
    with closing(CallStore(tmp_path)) as store:
        error = CallFailed("it failed", retryable=failure.retryable, store=store)
        error.__cause__ = failure
        assert may_pass_elsewhere(error) is may
        at_first = InputError("it failed")
        at_first.__cause__ = error
        assert may_pass_elsewhere(at_first) is may
        assert not may_pass_elsewhere(CallFailed("too long a prompt", retryable=False, store=store))
    assert may_pass_elsewhere(OutageTooLong("no answer for 24 h"))


def test_who_has_more_than_its_share_gives_runs_back_while_others_lack_some(tmp_path: Path) -> None:
    (first, its), (late, claims) = joined(tmp_path, runs=5), joined(tmp_path, runs=5)
    assert [taken(its) for _ in range(5)] == [0, 1, 2, 3, 4]
    assert its.share() is None
    assert taken(claims) is None
    its._shared_at = float("-inf")
    assert its.share() == 3  # of five runs for two
    pool = ClaimingPool(first._company.coordinator, first, its, workers=1, jobs=5)
    assert pool._most == 3
    for run in (3, 4):
        its.put_back(first.runs[run], is_last=False)
    assert [taken(claims) for _ in range(3)] == [3, 4, None]
    leave(late)
    its._shared_at = float("-inf")
    assert its.share() is None
    leave(first)


@pytest.mark.slow
def test_a_worker_that_comes_late_gets_runs_from_one_that_has_all(tmp_path: Path) -> None:
    write_config(tmp_path, TINY)
    held = Held(0)
    with FakeOllama(held) as server:
        command = ["config.yaml", "--runs", "24", "--worker"]
        first = start_sweep(tmp_path, *command, server=server)
        wait_until(lambda: len(server.chats) >= 1, first)
        wait_until(lambda: len(told(tmp_path, first)["held"]) == 24, first)
        late = start_sweep(tmp_path, *command, server=server)
        wait_until(lambda: len(list(tmp_path.glob("logs/sweep-*/workers/*.json"))) == 2, late)
        wait_until(lambda: len(told(tmp_path, late)["held"]) >= 5, late)
        held.may_answer.set()
        done = [finish(process) for process in (first, late)]
        assert [each.returncode for each in done] == [0, 0], [each.stderr for each in done]
        assert len(server.chats) == 24 * TINY["num_iterations"]


@pytest.mark.slow
def test_a_worker_without_credit_does_no_harm(tmp_path: Path) -> None:
    write_config(tmp_path, {**TINY, "num_iterations": 20})

    def slow(prompt: str) -> str:
        time.sleep(0.1)
        return player(prompt)

    with FakeOllama(slow) as good, FakeOllama(player) as bad:
        bad.always(status(402))
        command = ["config.yaml", "--runs", "12", "--worker", "--jobs", "2"]
        rich = start_sweep(tmp_path, *command, server=good)
        wait_until(lambda: len(good.chats) >= 2, rich)
        poor = start_sweep(tmp_path, *command, server=bad)
        stopped, done = finish(poor), finish(rich)
    assert stopped.returncode == 1
    assert "3 runs in a row failed here for the same reason" in stopped.stderr
    assert "to continue: " in stopped.stderr
    assert done.returncode == 0, done.stderr
