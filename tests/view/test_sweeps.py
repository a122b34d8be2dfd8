"""How far sweeps are, from what is known of their runs already."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from r2po.cli import main
from r2po.sweep.manifest import find
from r2po.sweep.status import read_board
from r2po.view import index as index_module
from r2po.view.index import Index
from tests.analysis.made_logs import iteration, write_lines, write_run
from tests.builders import CONFIGS
from tests.process.processes import environ
from tests.view.asked import ends_in_time, watched_opening


def write_sweep(folder: Path, runs: list[str], planned: int = 3, failures: dict[str, str] | None = None) -> None:
    folder.mkdir(parents=True)
    entries = [{"config": "c.yaml", "overrides": [], "seed": 1, "run": run, "planned": planned} for run in runs]
    created = "2026-01-02T03:04:05+00:00"
    content = {"schema": 1, "created": created, "runs": entries, "failures": failures or {}}
    (folder / "sweep.json").write_text(json.dumps(content))


def sweep_of(index: Index) -> dict[str, Any]:
    (found,) = index.changes(0)["sweeps"]
    return dict(found)


@pytest.fixture
def swept(tmp_path: Path) -> Path:
    """A sweep of five runs: one done, one stopped, one that failed, one not begun, one damaged."""
    write_run(tmp_path / "paper/exp", 1, [1.0, 2.0, 3.0])
    write_run(tmp_path / "paper/exp", 2, [1.0], complete=False)
    write_run(tmp_path / "paper/exp", 3, [1.0, 2.0], complete=False)
    (write_run(tmp_path / "paper/exp", 5, [1.0]) / "run.yaml").write_text("a: [")
    names = [f"exp/run_{number}" for number in range(1, 6)]
    write_sweep(tmp_path / "paper/sweep-1", names, failures={"exp/run_3": "no key", "exp/run_1": "was made again"})
    return tmp_path


def test_a_sweep_is_counted_as_its_status_counts_it(swept: Path) -> None:
    row = sweep_of(Index(swept))
    assert row == {
        "name": "paper/sweep-1",
        "problem": "",
        "beside": "paper/",
        "started": "2026-01-02 03:04",
        "runs": 5,
        "states": {"complete": 1, "waiting": 2, "failed": 1, "damaged": 1},
        "iterations": 7,
        "to_go": 5,
        "pace": row["pace"],
        "asked": [],
        "failures": ["exp/run_3: no key"],
    }
    assert row["pace"].startswith("left ")


@pytest.mark.slow
def test_a_real_sweep_is_counted_as_its_status_counts_it(tmp_path: Path) -> None:
    (config,) = CONFIGS.rglob("cartpole_props.yaml")
    settings = ["num_iterations=2", "num_evaluation_episodes=2", "heldout_episodes=2", "llm_model_name=embedded/search"]
    settings += ["rollout_engine=reference", "warmup_episodes=2", "max_traj_length=20"]
    command = [sys.executable, "-m", "r2po", "sweep", str(config), "--runs", "2", "--jobs", "1"]
    command += ["--logs", str(tmp_path / "logs"), "--quiet", "--set", *settings]
    done = subprocess.run(command, env=environ(), cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    row = sweep_of(Index(tmp_path))
    (manifest,), _ = find(tmp_path / "logs")
    total = read_board(manifest)[0].total
    assert (row["runs"], row["states"], row["iterations"]) == (total.runs, dict(total.states), total.iterations)
    assert row["states"] == {"complete": 2}


def test_the_pace_is_what_was_seen(swept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("r2po.view.sweeps.time.monotonic", lambda: now[0])
    monkeypatch.setattr(index_module, "APART_S", 0.0)
    index = Index(swept)
    sweep_of(index)
    write_lines(swept / "paper/exp/run_2", [iteration(1, 1.0), iteration(2, 1.0)])
    now[0] += 10.0
    pace = sweep_of(index)["pace"]
    assert "0.2 calls/s" in pace  # an iteration of two calls in 10 s
    assert "0.4 episodes/s" in pace


def test_what_is_asked_of_a_sweep(swept: Path) -> None:
    assert main(["pause", str(swept / "paper/sweep-1")]) == 0
    row = sweep_of(Index(swept))
    assert row["pace"] == "paused"
    assert row["asked"][0].startswith("paused since")
    assert str(swept) not in json.dumps(row["asked"])


@pytest.mark.parametrize("text", ["{", "[]", '{"schema": 99}', '{"schema": 1}', "[" * 100_000])
def test_a_damaged_manifest_is_named_and_hides_nothing(text: str, swept: Path) -> None:
    shutil.copytree(swept / "paper/sweep-1", swept / "paper/sweep-2")
    (swept / "paper/sweep-2/sweep.json").write_text(text)
    changes = Index(swept).changes(0)
    assert len(changes["runs"]) == 4
    first, second = changes["sweeps"]
    assert (first["problem"], first["runs"]) == ("", 5)
    assert second["problem"]


@pytest.mark.parametrize("kind", ["pipe", "link"])
@pytest.mark.parametrize("name", ["control.json", "workers/other-1.json", "outages-other-1.json", "workers"])
def test_only_regular_files_of_a_sweep_are_opened(name: str, kind: str, swept: Path) -> None:
    path = swept / "paper/sweep-1" / name
    path.parent.mkdir(exist_ok=True)
    (swept.parent / "secret").write_text("{}")
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(swept.parent / "secret")
    index = Index(swept)
    with watched_opening() as paths, ends_in_time():
        row = sweep_of(index)
        assert len(index.changes(0)["runs"]) == 4
    assert not [each for each in paths if each.endswith(("secret", name))]
    assert row["problem"].startswith(f"{path.name}: ")
    path.unlink()
    assert sweep_of(index)["problem"] == ""


def test_a_sweep_that_could_not_be_read_is_read_again(swept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_module, "APART_S", 0.0)
    index = Index(swept)
    with monkeypatch.context() as odd:
        odd.setattr("r2po.view.sweeps.held_in", {}.__getitem__)
        assert sweep_of(index)["problem"].startswith("cannot be read: KeyError")
    assert sweep_of(index)["problem"] == ""


def test_runs_that_a_manifest_names_are_only_looked_up(tmp_path: Path) -> None:
    outside = write_run(tmp_path / "outside/exp", 1, [9.0])
    write_run(tmp_path / "logs/exp", 1, [1.0])
    names = ["../../outside/exp/run_1", str(outside), "../logs/exp/run_1"]
    write_sweep(tmp_path / "logs/sweep-1", names)
    row = sweep_of(Index(tmp_path / "logs"))
    assert (row["iterations"], row["states"]) == (1, {"complete": 1, "waiting": 2})


def test_a_run_that_a_process_of_the_sweep_makes_is_running(swept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("r2po.view.sweeps.held_in", lambda _: {"../paper/exp/run_2"})
    index = Index(swept)
    states = {row["run"]: row["state"] for row in index.changes(0)["runs"]}
    assert states == {"run_1": "done", "run_2": "running", "run_3": "stopped", "run_5": "damaged"}
    assert sweep_of(index)["states"]["running"] == 1
