"""What runs have used counts for the processes that go on, however another one ended and whoever made the runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from r2po.errors import InputError
from r2po.llm.ledger import Amount, Caps
from r2po.sweep.manifest import read
from r2po.sweep.members.onlookers import at_work
from r2po.sweep.messages import Ended, PermitRequest
from r2po.sweep.plan import SweepRequest
from r2po.sweep.sweep import Sweep, SweepOptions
from r2po.sweep.workers.claims import Claims
from tests.process.processes import write_config
from tests.sweep.sweeping import SMALL

SERVER = "http://server"


def joined(folder: Path, calls: int = 3, runs: int = 2) -> tuple[Sweep, Claims]:
    """Return one of the processes that work on a sweep of two runs or more, and its claims."""
    values = {**SMALL, "method": "props", "llm_model_name": "embedded/search", "logdir": str(folder / "logs/nim")}
    options = SweepOptions(name="mine", worker=True, quiet=True, caps=Caps(max_llm_calls=calls))
    sweep = Sweep(SweepRequest([str(write_config(folder, values))], (), tuple(range(1, runs + 1))), options, {})
    claims = sweep._company.divide(sweep)
    claims.offer(sweep.runs)
    return sweep, claims


def asked(sweep: Sweep, run: int, call: int, now: float) -> list[str]:
    """Return what a run is told that wants to make a call."""
    coordinator = sweep._company.coordinator
    coordinator.ask(PermitRequest(run, SERVER, Amount(1, 1, 0.0), call=call))
    return [verdict.reached for verdict in coordinator.grants(now)]


def log_requests(folder: Path, run: int, calls: int) -> None:
    """Write what the log of a run has that somebody has made in between, and that was killed."""
    log = folder / f"logs/nim/run_{run}/llm_calls.jsonl"
    log.parent.mkdir(parents=True)
    log.write_text("".join(f"{json.dumps(request(call))}\n" for call in range(1, calls + 1)))


def request(call: int) -> dict[str, object]:
    place = {"iteration": 1, "role": "search", "sample": 0, "attempt": 1, "key": "k", "prompt_chars": 1}
    return {"event": "request", "call": call, **place, "at": "2024-01-01T00:00:00+00:00"}


def test_calls_under_way_in_a_process_that_is_stopped_count_for_the_others(tmp_path: Path) -> None:
    (one, its_claims), (other, claims) = joined(tmp_path), joined(tmp_path)
    assert its_claims.take() is not None
    assert claims.take() is not None
    assert [asked(one, 0, call, now) for call, now in ((1, 1.0), (2, 2.0))] == [[""], [""]]
    one._company.leave()  # as SIGTERM makes it
    assert asked(other, 1, 1, 10.0) == [""]
    assert asked(other, 1, 2, 20.0) == []  # its own call may still fail
    assert other._company.coordinator.ledger.used.calls == 2
    other._company.leave()


def test_what_a_run_has_used_by_its_log_counts_for_whoever_takes_it(tmp_path: Path) -> None:
    one, claims = joined(tmp_path)
    log_requests(tmp_path, 1, calls=3)  # made by a process that is no part of the sweep
    assert claims.take() is not None
    assert asked(one, 0, 1, 1.0) == ["max_llm_calls is reached: 3 of 3 calls are used by the sweep"]
    one._company.leave()


def test_a_process_that_dies_while_others_look_is_read_by_who_takes_its_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (killed, its_claims), (other, claims) = joined(tmp_path), joined(tmp_path)
    assert its_claims.take() is not None
    log_requests(tmp_path, 1, calls=3)
    answers = iter([True])
    monkeypatch.setattr(other._company._members, "is_live", lambda _: next(answers, False))
    assert claims.take() is not None
    assert other._company.coordinator.ledger.used.calls == 3
    for each in (killed, other):
        each._company.leave()


def test_runs_are_given_back_although_the_screen_cannot_be_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, _ = joined(tmp_path)

    def gone(_screen: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr("r2po.sweep.screen.SweepScreen.close", gone)
    monkeypatch.setattr("r2po.sweep.sweep.what_begins", lambda *_: gone(None))
    with pytest.raises(BrokenPipeError):
        one.run()
    assert not at_work(tmp_path / "logs/mine")


def test_a_command_that_is_refused_leaves_what_others_know_of_failures(tmp_path: Path) -> None:
    one, _ = joined(tmp_path)
    one.hear(Ended(0, "failed", "no money"))
    request = SweepRequest([str(tmp_path / "config.yaml")], (), (1, 2))
    with pytest.raises(InputError, match="works on this sweep with caps"):
        Sweep(request, SweepOptions(name="mine", quiet=True), {})
    assert read(tmp_path / "logs/mine").failures == {"nim/run_1": "no money"}
    capped = SweepOptions(name="mine", quiet=True, caps=Caps(max_llm_calls=3))
    beside = Sweep(request, capped, {})  # the failures are those of a process that is still at work
    assert read(tmp_path / "logs/mine").failures == {"nim/run_1": "no money"}
    for each in (beside, one):
        each._company.leave()
    Sweep(request, capped, {})._company.leave()
    assert read(tmp_path / "logs/mine").failures == {}
