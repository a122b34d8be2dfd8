"""Sweeps from the command line: limits, failures, caps, keys, status."""

from __future__ import annotations

import argparse
import json
import re
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from r2po.cli.sweep import add_options
from r2po.cli.sweep_again import with_setting
from r2po.llm.ledger import Caps
from r2po.sweep.plan import SweepRequest
from r2po.sweep.sweep import Sweep, SweepOptions
from tests.llm.fake_ollama import FakeOllama, Handler, status
from tests.process.processes import (
    NIM,
    REPOSITORY,
    Completed,
    finish,
    player,
    run_main,
    run_r2po,
    wait_until,
    write_config,
)
from tests.sweep.servers import SlidingWindow
from tests.sweep.sweeping import SMALL, children, results, run_sweep, start_sweep, write_experiments

KEY = "marker-ollama-key-8q1f"
RATE = 20
"""Calls per second of a limited server."""


class Limited(FakeOllama):
    """Refuses what exceeds a rate per second."""

    def __init__(self, rate: int, **more: Any) -> None:
        super().__init__(player, **more)
        self.window = SlidingWindow(rate, 1.0)
        self.lock = threading.Lock()
        self.accepted: list[float] = []
        self.refused = 0
        self.always(self.limit)

    def limit(self, handler: Handler) -> None:
        now = time.monotonic()
        with self.lock:
            good = self.window.take(now)
            self.accepted += [now] * good
            self.refused += not good
        if good:
            handler.send_json(self.chat(self.requests_body(handler)))
        else:
            handler.send_json({"error": "too many requests"}, 429)

    def requests_body(self, handler: Handler) -> Any:
        port = handler.client_address[1]
        return next(request.body for request in reversed(self.requests) if request.client_port == port)


def test_no_run_fails_because_of_a_hidden_rate(tmp_path: Path) -> None:
    accepted, refused = calls_under_a_rate(tmp_path, iterations=8)
    assert len(accepted) == 8 * 8
    assert refused > 0


@pytest.mark.slow
def test_a_hidden_rate_is_kept_close_to(tmp_path: Path) -> None:
    """It measures, so a busy machine fails it; ``test_limiter.py`` holds the limiter alone to the same bound."""
    accepted, _ = calls_under_a_rate(tmp_path, iterations=20)
    # Without the start, and the end, where few runs are left.
    middle = accepted[40:140]
    assert len(middle) / (middle[-1] - middle[0]) > 0.9 * RATE


def calls_under_a_rate(folder: Path, iterations: int) -> tuple[list[float], int]:
    """Return when the calls of eight runs were accepted, and how many were refused."""
    write_config(folder, {**SMALL, "method": "props", "num_iterations": iterations, "llm_max_attempts": 1})
    with Limited(RATE) as server:
        done = run_sweep(folder, "config.yaml", "--runs", "8", "--jobs", "8", server=server)
        assert done.returncode == 0, done.stderr
        return server.accepted, server.refused


def test_a_run_that_fails_stops_no_other_and_the_same_command_retries_it(tmp_path: Path) -> None:
    command = [*write_experiments(tmp_path), "--runs", "2"]
    (tmp_path / "logs/nim_props/run_2").mkdir(parents=True)
    (tmp_path / "logs/nim_props/run_2/iterations.jsonl").write_text("damaged\n")
    with FakeOllama(player) as server:
        failed = run_sweep(tmp_path, *command, server=server)
        assert failed.returncode == 1
        assert len(list(tmp_path.glob("logs/*/run_*/result.json"))) == 3
        said = failed.stderr.splitlines()
        assert said[0] == "error: 1 of 4 runs are damaged:"
        assert said[1].startswith("  nim_props/run_2: logs/nim_props/run_2 has logs, but no run.yaml")
        assert said[2] == "to continue: python -m r2po sweep props.yaml r2po.yaml --runs 2"
        shown = run_r2po(tmp_path, "status", "logs").stdout
        assert "nim_props/run_2" in shown
        assert "3/4 runs done (1 damaged)" in shown
        assert f"  {said[1].partition('to mend it: ')[2]}" in shown.splitlines()
        (tmp_path / "logs/nim_props/run_2/iterations.jsonl").unlink()
        assert run_sweep(tmp_path, *command, server=server).returncode == 0
    assert "4/4 runs done" in run_r2po(tmp_path, "status", "logs").stdout


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("schema: [", "run.yaml is damaged"),
        ("schema: 2\n", "run.yaml: seed is missing"),
        ("schema: 2\nseed: 1\nconfig: 3\n", "run.yaml: protocol is missing"),
    ],
)
@pytest.mark.sampled(3)
def test_a_damaged_description_fails_its_run_alone(tmp_path: Path, content: str, said: str) -> None:
    write_config(tmp_path, {**SMALL, "llm_model_name": "embedded/search", "method": "props", "num_iterations": 1})
    (tmp_path / "logs/nim/run_1").mkdir(parents=True)
    (tmp_path / "logs/nim/run_1/run.yaml").write_text(content)
    done = run_sweep(tmp_path, "config.yaml", "--runs", "2")
    assert done.returncode == 1
    assert "1 of 2 runs are damaged" in done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "logs/nim/run_2/result.json").exists()
    assert "1/2 runs done (1 damaged)" in run_r2po(tmp_path, "status", "logs").stdout


@pytest.mark.parametrize(
    "change",
    [
        {"runs": [1]},
        pytest.param({"created": None}, marks=pytest.mark.slow),
        pytest.param({"failures": {"a": 1}}, marks=pytest.mark.slow),
        {"runs": [{"run": "a", "planned": "b"}]},
    ],
)
@pytest.mark.sampled(2)
def test_a_damaged_manifest_is_named_and_written_anew(tmp_path: Path, change: dict[str, Any]) -> None:
    write_config(tmp_path, {**SMALL, "llm_model_name": "embedded/search", "method": "props", "num_iterations": 1})
    command = ["config.yaml", "--runs", "1", "--name", "one"]
    assert run_sweep(tmp_path, *command).returncode == 0
    path = tmp_path / "logs/one/sweep.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    shown = run_r2po(tmp_path, "status", "logs")
    assert (shown.returncode, len(shown.stderr.splitlines())) == (2, 1)
    assert "sweep.json is damaged" in shown.stderr
    assert "writing a new one" in run_sweep(tmp_path, *command).stdout
    assert "1/1 runs done" in run_r2po(tmp_path, "status", "logs").stdout


def test_a_damaged_log_of_calls_stops_a_sweep_only_if_a_cap_depends_on_it(tmp_path: Path) -> None:
    write_config(tmp_path, {**SMALL, "llm_model_name": "embedded/search", "method": "props", "num_iterations": 1})
    run = tmp_path / "logs/nim/run_1"
    assert run_sweep(tmp_path, "config.yaml", "--runs", "1").returncode == 0
    (run / "llm_calls.jsonl").write_text("damaged\n")
    command = ["config.yaml", "--runs", "2", "--max-llm-calls", "9"]
    assert run_sweep(tmp_path, *command).returncode == 0
    (run / "result.json").unlink()
    refused = run_sweep(tmp_path, *command)
    assert refused.returncode == 2
    assert "no cap can be enforced" in refused.stderr
    failed = run_sweep(tmp_path, *command[:-2])
    assert failed.returncode == 1
    assert "damaged log" in failed.stderr


@pytest.mark.parametrize("content", ["{}", pytest.param("[]", marks=pytest.mark.slow), "\xff"])
@pytest.mark.sampled(3)
def test_a_damaged_result_is_made_again(tmp_path: Path, content: str) -> None:
    write_config(tmp_path, {**SMALL, "llm_model_name": "embedded/search", "method": "props", "num_iterations": 1})
    command = ["config.yaml", "--runs", "1"]
    assert run_sweep(tmp_path, *command).returncode == 0
    path = tmp_path / "logs/nim/run_1/result.json"
    good = path.read_bytes()
    path.write_bytes(content.encode("latin-1"))
    shown = run_r2po(tmp_path, "status", "logs")
    assert shown.returncode == 0
    assert "result.json is damaged" in shown.stdout
    done = run_sweep(tmp_path, *command)
    assert done.returncode == 0, done.stderr
    assert "rebuilt from the logs" in done.stdout
    assert path.read_bytes() == good


def test_a_wrong_key_is_one_line_and_starts_nothing(tmp_path: Path) -> None:
    with FakeOllama(player, key=KEY) as server:
        done = run_sweep(tmp_path, *write_experiments(tmp_path), server=server, OLLAMA_API_KEY="another")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "OLLAMA_API_KEY" in done.stderr
    assert not (tmp_path / "logs").exists()


def test_a_server_that_refuses_for_good_fails_the_runs_and_leaves_nothing_half_begun(tmp_path: Path) -> None:
    with FakeOllama(player) as server:
        server.always(status(400, {"error": "temperature is not allowed"}))
        done = run_sweep(tmp_path, *write_experiments(tmp_path, temperature=0.0), "--runs", "1", server=server)
    assert done.returncode == 1
    assert "2 of 2 runs failed" in done.stderr
    assert done.stderr.count("change or remove temperature in the config") == 1  # each reason once
    assert not list(tmp_path.glob("logs/*/run_*"))
    assert "(2 failed)" in run_r2po(tmp_path, "status", "logs").stdout


def test_a_cap_on_all_calls_is_kept_over_restarts(tmp_path: Path) -> None:
    command = [*write_experiments(tmp_path), "--runs", "2", "--max-llm-calls"]
    with FakeOllama(player) as server:
        for cap in (7, 11):
            stopped = run_sweep(tmp_path, *command, str(cap), server=server)
            assert stopped.returncode == 1
            assert len(server.chats) == cap
            reason, again = stopped.stderr.splitlines()
            assert reason.startswith(f"error: max_llm_calls is reached: {cap} of {cap} calls are used by the sweep")
            assert again.endswith(f"--max-llm-calls {2 * cap}")
        assert run_sweep(tmp_path, *command[:-1], server=server).returncode == 0
        assert len(results(tmp_path)) == 4


@pytest.mark.parametrize("option", ["--max-tokens", "--max-cost"])
@pytest.mark.sampled(2)
def test_caps_on_tokens_and_money_are_kept(tmp_path: Path, option: str) -> None:
    prices = {"input": 1e6, "output": 1e6}  # a unit of money for each token
    command = [*write_experiments(tmp_path, prices=prices, max_output_tokens=60), "--runs", "2"]
    with FakeOllama(player) as server:
        stopped = run_sweep(tmp_path, *command, option, "12000", server=server)
    assert stopped.returncode == 1
    replies = [
        json.loads(line)
        for path in tmp_path.glob("logs/*/run_*/llm_calls.jsonl")
        for line in path.read_text().splitlines()
        if '"reply"' in line[:20]
    ]
    used = sum(each["usage"]["prompt_tokens"] + each["usage"]["completion_tokens"] for each in replies)
    assert 9000 < used <= 12000


@pytest.mark.parametrize("given", ["--max-llm-calls 2", "--max-llm-calls=2", "--max-llm-calls=1 --max-llm-calls 2"])
def test_the_command_that_continues_has_the_new_cap_alone(given: str) -> None:
    arguments = ["sweep", "a.yaml", *given.split(), "--runs", "2"]
    again = ["sweep", "a.yaml", "--runs", "2", "--max-llm-calls", "4"]
    assert with_setting(arguments, "--max-llm-calls 4") == again
    assert with_setting(arguments, "") == arguments


def test_an_abbreviated_cap_is_followed_by_the_new_one() -> None:
    again = with_setting(["a.yaml", "--max-llm", "2"], "--max-llm-calls 4")
    parser = argparse.ArgumentParser()
    add_options(parser)
    assert parser.parse_args(again).max_llm_calls == 4


@pytest.mark.parametrize(
    ("configured", "caps", "streaming"),
    [
        (True, Caps(max_tokens=1000), "own"),
        (True, Caps(max_llm_calls=5), True),
        (False, Caps(max_tokens=1000), False),
    ],
)
def test_under_a_cap_on_tokens_no_stream_is_asked_for_that_may_not_tell_them(
    configured: bool, caps: Caps, streaming: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    values = {**NIM, "llm_model_name": "embedded/search", "logdir": str(tmp_path / "logs"), "llm_streaming": configured}
    request = SweepRequest([str(write_config(tmp_path, values))], (), (1, 2))
    sweep = Sweep(request, SweepOptions(name="counted", caps=caps), {})
    sweep._company.leave()
    assert [run.config.streaming for run in sweep.runs] == [streaming, streaming]


def test_max_cost_needs_prices(tmp_path: Path) -> None:
    done = run_sweep(tmp_path, *write_experiments(tmp_path), "--max-cost", "3")
    assert done.returncode == 2
    assert "--max-cost needs prices.input" in done.stderr


def test_main_py_with_several_configs_makes_a_sweep(tmp_path: Path) -> None:
    write_experiments(tmp_path)
    with FakeOllama(player) as server:
        done: Completed = run_main(
            tmp_path, "--config", "props.yaml", "r2po.yaml", "--runs", "2", "--jobs", "3", server=server
        )
        assert done.returncode == 0, done.stderr
        refused = run_main(tmp_path, "--config", "props.yaml", "--runs", "2", "--resume", server=server)
    assert len(results(tmp_path)) == 4
    assert refused.returncode == 2
    assert "--resume is for a single run" in refused.stderr


def test_a_sweep_is_run_once_at_a_time(tmp_path: Path) -> None:
    command = [*write_experiments(tmp_path), "--runs", "1"]
    release = threading.Event()

    def held(prompt: str) -> str:
        release.wait()
        return player(prompt)

    with FakeOllama(held) as server:
        first = start_sweep(tmp_path, *command, server=server)
        wait_until(lambda: len(server.chats) >= 2, first)
        second = run_sweep(tmp_path, *command, server=server)
        other = run_sweep(tmp_path, "props.yaml", "--seeds", "1", server=server)  # another sweep with the same run
        release.set()
        assert finish(first).returncode == 0
    assert second.returncode == 2
    assert "is being run by another process" in second.stderr
    assert other.returncode == 1
    assert "logs/nim_props/run_1 is being run by another process" in other.stderr
    assert "failed" not in other.stdout + other.stderr
    folder = next(Path(line.split()[1]) for line in other.stdout.splitlines() if line.startswith("manifest:"))
    assert json.loads((tmp_path / folder / "sweep.json").read_text())["failures"] == {}


def test_status_of_a_sweep_under_way_and_of_none(tmp_path: Path) -> None:
    command = [*write_experiments(tmp_path, num_iterations=400), "--runs", "1"]
    with FakeOllama(player) as server:
        sweep = start_sweep(tmp_path, *command, server=server)
        logs = [tmp_path / f"logs/nim_{method}/run_1/iterations.jsonl" for method in ("props", "r2po")]
        wait_until(lambda: all(log.exists() and log.stat().st_size > 2000 for log in logs), sweep)
        shown = run_r2po(tmp_path, "status", "logs").stdout
        sweep.terminate()
        finish(sweep)
    assert "0/2 runs done (2 running)" in shown
    assert "nim_props/run_1" in shown
    assert "calls/s" in shown
    assert "log grew" in shown
    none = run_r2po(tmp_path, "status", str(tmp_path / "logs/nim_props"))
    assert (none.returncode, len(none.stderr.splitlines())) == (2, 1)
    assert "no sweep in" in none.stderr


def test_no_key_appears_anywhere(tmp_path: Path) -> None:
    command = [*write_experiments(tmp_path), "--runs", "2", "--jobs", "4"]
    seen = b""
    with FakeOllama(player, key=KEY) as server:
        (tmp_path / ".env").write_text(f"OLLAMA_API_KEY={KEY}\n")
        sweep = start_sweep(tmp_path, *command, server=server, OLLAMA_API_KEY=KEY)
        while sweep.poll() is None and len(server.chats) < 10:
            for process in (sweep.pid, *children(sweep.pid)):
                line = Path(f"/proc/{process}/cmdline")
                seen += line.read_bytes() if line.exists() else b""
        done = finish(sweep)
        assert done.returncode == 0, done.stderr
        shown = run_r2po(tmp_path, "status", "logs", "--all")
    (tmp_path / ".env").unlink()
    files = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    texts = [text.encode() for each in (done, shown) for text in (each.stdout, each.stderr)]
    assert b"spawn_main" in seen
    assert not [data for data in [seen, *files, *texts] if b"8q1f" in data]


def test_the_options_that_the_document_names_are_there() -> None:
    text = (REPOSITORY / "docs/sweeps.md").read_text(encoding="utf-8")
    parser = argparse.ArgumentParser()
    add_options(parser)
    named = set(re.findall(r"`[^`]*?(--[a-z][a-z-]+)", text))
    assert {"--runs", "--seeds", "--jobs", "--ray", "--max-cost", "--logs", "--name"} <= named
    assert named - {"--nodes", "--array", "--workers", "--to"} <= {
        option for action in parser._actions for option in action.option_strings
    }  # Slurm has them, the benchmark, and r2po track
