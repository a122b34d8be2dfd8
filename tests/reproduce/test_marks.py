"""Marks of smoke are for all runs of a log directory, for ever: none is given to runs that are whole."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from r2po.cli import main
from r2po.errors import InputError
from r2po.reproduce.part import Experiment
from tests.reproduce.made import make_runs, request_for

TAU_C = ["r2po", "--table", "tau_c", "--only", "pong", "--runs", "1"]


def climbing(_: Experiment, number: int) -> Sequence[float]:
    return [0.0, float(number)]


def whole_runs(folder: Path) -> None:
    request = request_for(folder, table="tau_c", only=["pong"])
    make_runs(request.place.logs, request.runs[0], 1, climbing)


def test_smoke_beside_whole_runs_is_refused_and_marks_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole_runs(tmp_path)
    assert main(["reproduce", *TAU_C, "--smoke", "--output", str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "pong_reflective_prompted_policy_optimization holds runs that are not smoke" in line
    assert "--output" in line
    assert not list(tmp_path.rglob("smoke.json"))


def test_trials_of_an_algorithm_are_whole_runs_too(tmp_path: Path) -> None:
    (tmp_path / "logs/pong_sb3/ppo/run_1").mkdir(parents=True)
    request = request_for(tmp_path, suites=True, only=["pong"], smoke=True)
    with pytest.raises(InputError, match="pong_sb3 holds runs that are not smoke"):
        request.mark_smoke()
    assert not list(tmp_path.rglob("smoke.json"))


def test_whole_runs_beside_smoke_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    request_for(tmp_path, table="tau_c", only=["pong"], smoke=True).mark_smoke()
    assert main(["reproduce", *TAU_C, "--output", str(tmp_path), "--dry-run"]) == 2
    assert "is for smoke runs (smoke.json in it)" in capsys.readouterr().err


def test_a_refused_sweep_leaves_no_mark(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce", *TAU_C, "--smoke", "--output", str(tmp_path), "--set", "num_iterations=0"]) == 2
    assert "num_iterations" in capsys.readouterr().err
    assert not list(tmp_path.rglob("smoke.json"))


def test_the_mark_stands_before_the_first_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from r2po.sweep.sweep import Sweep

    seen: list[Any] = []

    def make_no_run(sweep: Sweep) -> None:
        sweep.manifest.close()
        seen.append((sorted(path.parent.name for path in tmp_path.rglob("smoke.json")), list(tmp_path.rglob("run_*"))))
        raise KeyboardInterrupt

    monkeypatch.setattr(Sweep, "run", make_no_run)
    assert main(["reproduce", *TAU_C, "--smoke", "--output", str(tmp_path), "--quiet"]) == 130
    ((marked, runs),) = seen
    assert len(marked) == 3
    assert runs == []
