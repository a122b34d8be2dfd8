"""Whole sweeps in batches against the fake of each protocol: the results of calls of their own, at half the price.

The sweeps run in this process, their workers in threads: it is the way of the calls that is tested, not processes.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import r2po
from r2po.analysis.logs.load import load_runs_of
from r2po.analysis.logs.spending import spending_of
from r2po.errors import InputError
from r2po.llm.ledger import Caps
from r2po.runlog import RunDirectory
from r2po.runlog.batched import SENDING, note_batches
from r2po.sweep.batching.clerk import BatchTerms
from r2po.sweep.batching.pauses import Pauses
from r2po.sweep.batching.record import DROPPED, BatchRecord, Identity, now
from r2po.sweep.plan import SweepRequest
from r2po.sweep.sweep import Sweep, SweepOptions, SweepStopped
from r2po.sweep.workers import pool, worker
from r2po.sweep.workers.process import WorkerProcess
from tests.llm.fake_servers import FakeOllama, FakeOpenAI, FakeOpenRouter
from tests.llm.fake_servers.batching import ANSWERED, BATCHING, EXPIRED, FAILED, LOST, BatchingOpenAI
from tests.llm.fake_servers.core import FakeServer, status
from tests.process.processes import player, records, wait_until, write_config
from tests.sweep.batching.killing import kill_at_step, wait_for_the_end
from tests.sweep.sweeping import SMALL, is_alive, results, start_sweep

TERMS = BatchTerms(5.0, Pauses(0.01, 0.05, 0.2))
PRICES = {"input": 1.0, "output": 2.0}


class ThreadWorker:
    """A worker of a pool, in a thread: it has what the pool asks of a process."""

    exitcode = 0
    pid = os.getpid()

    def __init__(self, connection: Any) -> None:
        self._thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
        self._thread.start()

    def _serve(self, connection: Any) -> None:
        with suppress(SystemExit):
            worker._Worker(connection).serve()

    def join(self, timeout: float | None = None) -> None:
        self._thread.join(timeout)

    def is_alive(self) -> bool:
        return False


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def spawn(share: int) -> WorkerProcess:
        ours, theirs = multiprocessing.Pipe()
        return WorkerProcess(ThreadWorker(theirs), ours)  # type: ignore[arg-type]

    def leave(code: int) -> None:
        raise SystemExit(code)

    monkeypatch.setattr(pool, "spawn", spawn)
    monkeypatch.setattr(pool, "TICK_S", 0.02)
    monkeypatch.setattr("r2po.sweep.batching.clerk.QUIET_S", 0.05)
    monkeypatch.setattr("r2po.llm.patience.FIRST_WAIT_S", 0.001)
    monkeypatch.setattr("os._exit", leave)
    monkeypatch.chdir(tmp_path)


def write_configs(folder: str, server: FakeServer, methods: Sequence[str] = ("props",), **changes: Any) -> None:
    """Write a small experiment for each method into a folder."""
    values: Mapping[str, Any] = {**SMALL, "llm_model_name": server.model, "num_iterations": 2, "prices": PRICES}
    for method in methods:
        own = {"method": method, "logdir": f"logs/nim_{method}", **changes}
        write_config(Path(folder), {**values, **own}, f"{method}.yaml")


def run(
    server: FakeServer,
    monkeypatch: pytest.MonkeyPatch,
    folder: str,
    batch: BatchTerms | None = TERMS,
    *,
    methods: Sequence[str] = ("props",),
    caps: Caps | None = None,
    **changes: Any,
) -> Sweep:
    """Run a small sweep in a folder, with two runs of each method."""
    write_configs(folder, server, methods, **changes)
    monkeypatch.chdir(folder)
    for name, value in server.environ.items():
        monkeypatch.setenv(name, value)
    options = SweepOptions(caps=caps or Caps(), quiet=True, batch=batch)
    sweep = Sweep(SweepRequest([f"{method}.yaml" for method in methods], [], [1, 2]), options, dict(server.environ))
    try:
        sweep.run()
    finally:
        monkeypatch.chdir("..")
    return sweep


def replies(folder: str) -> list[dict[str, Any]]:
    """Return the replies in the logs of a folder."""
    logs = sorted(Path(folder).glob("logs/*/run_*/llm_calls.jsonl"))
    return [event for log in logs for event in records(log) if event["event"] == "reply"]


def logs_of(folder: str) -> dict[str, Any]:
    """Return what the runs of a folder wrote, without prices, and without results: they have money and failures."""
    found = results(Path(folder))
    for log in found.values():
        log.pop("result.json")
        log.pop("batches.json", None)
        log["run.yaml"]["config"].pop("prices")
    return found


def run_folders(folder: str) -> list[Path]:
    return sorted(Path(folder).glob("logs/*/run_*"))


def costs(folder: str) -> list[float]:
    """Return the money that each run of a folder cost, by its result."""
    return [json.loads((path / "result.json").read_text())["cost"] for path in run_folders(folder)]


def money_by_analysis(path: Path) -> float:
    """Return the money that a run cost, as analyses read it from its calls."""
    (data,) = load_runs_of([RunDirectory(path)]).runs
    (spending,) = spending_of([data], "money")
    assert spending.at is not None
    return float(spending.at[-1])


@pytest.mark.parametrize(("name", "share"), [("OpenAI", None), ("Anthropic", 0.25), ("Gemini", None)])
def test_results_are_those_of_live_calls_at_a_part_of_the_price_whatever_fails(
    monkeypatch: pytest.MonkeyPatch, name: str, share: float | None
) -> None:
    """That part is a half unless the config says otherwise. Half of the calls of two batches get no answer."""
    methods = ("props", "r2po") if name == "OpenAI" else ("props",)
    with BATCHING[name](player) as server:
        run(server, monkeypatch, "live", None, methods=methods)
        asked = len(server.chats)
    with BATCHING[name](player) as server:
        fates = [ANSWERED, EXPIRED, ANSWERED, FAILED, ANSWERED, LOST]
        server.fate = lambda batch, place: fates[(batch + place) % 6] if batch in (2, 3, 4) else ANSWERED
        run(server, monkeypatch, "batch", methods=methods, prices={**PRICES, **({"batch": share} if share else {})})
        assert server.chats == []
        assert len(server.prompts_answered) == asked
        sent = [len(batch.requests) for batch in server.batches]
    assert sent[0] == 2 * len(methods)  # all runs waited
    share = share or 0.5
    assert logs_of("batch") == logs_of("live")
    assert costs("batch") == pytest.approx([cost * share for cost in costs("live")])
    assert costs("batch") == pytest.approx([money_by_analysis(path) for path in run_folders("batch")])
    live, batch = replies("live"), replies("batch")
    assert [reply["usage"]["price_share"] for reply in batch] == [share] * asked
    assert [{**reply["usage"], "price_share": share} for reply in live] == [reply["usage"] for reply in batch]
    assert [reply["sent"] for reply in live] == [reply["sent"] for reply in batch]
    assert [reply["served"] for reply in live] == [reply["served"] for reply in batch]


def test_calls_in_a_batch_of_any_sweep_are_made_by_nobody_else(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with BatchingOpenAI(player) as server:
        with pytest.raises(SweepStopped, match="max_llm_calls is reached"):
            run(server, monkeypatch, "shared", None, caps=Caps(max_llm_calls=2))
        made = len(server.chats)
        done = len(
            (tmp_path / "shared/logs/nim_props/run_2/iterations.jsonl").read_bytes().splitlines()
        )  # which run had the two calls?
        call = Identity("nim_props/run_2", 2, "address")
        batch = BatchRecord.write(tmp_path / "shared/logs/other/batches", server.url, server.model, [(call, {})])
        batch.advance(SENDING, sending_at=now())
        note_batches(tmp_path / "shared/logs/nim_props/run_2", batch.folder.parent, "nim_props/run_2")
        told = rf"calls of logs/nim_props/run_2 are under way in batch {batch.own_id}, or may be: a sweep with this run"
        with pytest.raises(InputError, match=told):
            run(server, monkeypatch, "shared", None)
        monkeypatch.chdir(tmp_path / "shared")
        with pytest.raises(InputError, match=told):
            r2po.run("props.yaml", resume=2)
        assert len(server.chats) == made
        batch.advance(DROPPED)
        r2po.run("props.yaml", resume=2)
        assert len(server.chats) == made + 2 - done


def test_a_cap_counts_half_the_price_of_what_is_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """So half of a cap lets as many calls through as the whole of it does live."""
    made = []
    for folder, terms, cap in (("live", None, 0.0018), ("batch", TERMS, 0.0009)):
        with BatchingOpenAI(player) as server:
            with pytest.raises(SweepStopped, match="max_cost is reached") as stopped:
                run(server, monkeypatch, folder, terms, caps=Caps(max_cost=cap), max_output_tokens=400)
            assert stopped.value.setting.startswith("--max-cost ")
            made.append(len(server.chats) + len(server.prompts_answered))
    assert made[0] == made[1] > 0
    with BatchingOpenAI(player) as server:
        run(server, monkeypatch, "batch", caps=Caps(max_cost=0.0018), max_output_tokens=400)


def test_attempts_in_batches_end_as_live_ones_do(monkeypatch: pytest.MonkeyPatch) -> None:
    with BatchingOpenAI(player) as server:
        server.fate = lambda _batch, _place: EXPIRED
        with pytest.raises(SweepStopped, match=r"2 of 2 runs failed:\s.*no answer in a batch: .* \(3 attempts\)"):
            run(server, monkeypatch, "batch", llm_max_attempts=3)
    assert [len(batch.requests) for batch in server.batches] == 2 * [2, 2, 2], "each run is made once more"


def test_a_refused_request_says_what_to_change_as_a_live_one_does(monkeypatch: pytest.MonkeyPatch) -> None:
    with BatchingOpenAI(player) as server:
        server.always(status(400, server.error(400, "Unsupported value: 'temperature'")))
        with pytest.raises(SweepStopped) as live:
            run(server, monkeypatch, "live", None, temperature=0.5)
    with BatchingOpenAI(player) as server:
        server.fate = lambda _batch, _place: "invalid"
        server.said = "Unsupported value: 'temperature'"
        with pytest.raises(SweepStopped) as batch:
            run(server, monkeypatch, "batch", temperature=0.5)
    live_said, batch_said = (re.sub(r"127\.0\.0\.1:\d+", "", str(each.value)) for each in (live, batch))
    assert batch_said == live_said
    assert "remove temperature" in batch_said


def test_a_refused_batch_stops_the_sweep_with_the_servers_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    with BatchingOpenAI(player) as server:
        server.refusals_to_come = ["Enqueued token limit reached for tiny"]
        with pytest.raises(SweepStopped, match=r"a batch of 2 calls failed \(batch_1 at .*\): Enqueued token limit"):
            run(server, monkeypatch, "batch")


@pytest.mark.parametrize("model", ["embedded/search", "ollama/tiny", "openrouter/vendor/tiny"])
def test_models_without_batches_are_refused_before_anything_begins(monkeypatch: pytest.MonkeyPatch, model: str) -> None:
    kind = FakeOpenRouter if model.startswith("openrouter") else FakeOllama
    with kind(player) as server, pytest.raises(InputError, match=f"--batch needs models with batches, and '{model}'"):
        run(server, monkeypatch, "batch", llm_model_name=model)
    assert not list(Path("batch").glob("logs/*"))


def test_a_server_of_ones_own_must_have_them_too(monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeOpenAI(player) as server:
        told = rf"--batch needs a server that lists its batches, and {server.url}/batches\?limit=1 answers HTTP 404$"
        with pytest.raises(InputError, match=told):
            run(server, monkeypatch, "batch")


def test_a_method_that_asks_no_model_needs_no_batches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with BatchingOpenAI(player) as server:
        run(server, monkeypatch, "batch", method="random_search", llm_model_name=None, prices=None)
        assert server.steps == []


def test_a_killed_sweep_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real process, killed when the server had its first batch; the sweep goes on in this process."""
    with BatchingOpenAI(player) as server:
        run(server, monkeypatch, "live", None)
    with BatchingOpenAI(player) as server:
        write_configs("killed", server)
        process: list[subprocess.Popen[str]] = []
        kill_at_step(server, process, "send", is_done=True)
        process.append(start_sweep(tmp_path / "killed", "props.yaml", "--seeds", "1-2", "--batch", server=server))
        below = wait_for_the_end(process[0])
        wait_until(lambda: not any(map(is_alive, below)))
        assert len(server.batches) == 1
        run(server, monkeypatch, "killed")
        assert [len(batch.requests) for batch in server.batches] == [2, 2]
        assert len(server.prompts_answered) == 4
    assert logs_of("killed") == logs_of("live")
