"""``r2po reevaluate`` gives existing runs fresh episodes, and changes nothing else of them."""

from __future__ import annotations

import hashlib
import json
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from r2po.analysis.logs.load import load_log_directory
from r2po.cli import main
from r2po.commands.published_setting import published_setting
from r2po.experiment.launch import launch
from r2po.experiment.observer import Observer
from r2po.runlog import RunDirectory
from r2po.runlog.reevaluation import read_reevaluation
from tests.analysis.published_archive import published_archive
from tests.analysis.published_format import write_published_run
from tests.builders import make_config


def make(logdir: Path, method: str = "r2po", runs: int = 1, **changes: Any) -> Path:
    values = {"num_iterations": 2, "num_evaluation_episodes": 3, "heldout_episodes": 0, "warmup_episodes": 2}
    for _ in range(runs):
        config = make_config("cartpole", method, **{**values, "logdir": str(logdir), **changes})
        launch(config, None, {}, Observer())
    return logdir


def hashes(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "reevaluation.jsonl"]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_it_gives_what_the_run_itself_would_have(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(tmp_path / "a/deep/logs", runs=2, reevaluation_episodes=0)
    make(tmp_path / "a/props", "props")
    make(tmp_path / "b", runs=2, reevaluation_episodes=4)
    before = hashes(tmp_path)
    assert main(["reevaluate", str(tmp_path / "a"), "--episodes", "4", "--jobs", "1"]) == 0
    assert "3 runs: 2 re-evaluated; 1 need none" in capsys.readouterr().out
    assert hashes(tmp_path) == before
    for number in (1, 2):
        mine, own = (
            read_reevaluation(folder / f"run_{number}/reevaluation.jsonl")
            for folder in (tmp_path / "a/deep/logs", tmp_path / "b")
        )
        assert [vars(each) for each in mine.values()] == [vars(each) for each in own.values()]
    assert main(["reevaluate", str(tmp_path / "a"), "--episodes", "4", "--jobs", "1"]) == 0
    assert "2 had it already" in capsys.readouterr().out


def test_all_takes_methods_that_need_none_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """At the same budget, incumbents of both then have fresh rewards."""
    make(tmp_path / "props", "props")
    make(tmp_path / "r2po")
    command = ["paper_budget_tables", "--logs-root", str(tmp_path), "--preset", "search", "--output-dir"]
    assert main([*command, str(tmp_path / "out")]) == 0
    assert f"run `r2po reevaluate --all {tmp_path / 'props'}`" in capsys.readouterr().err
    assert main(["reevaluate", str(tmp_path), "--all", "--jobs", "1"]) == 0
    assert "2 runs: 1 re-evaluated; 1 had it already" in capsys.readouterr().out
    (run,) = load_log_directory(tmp_path / "props").runs
    assert run.reevaluated is not None
    assert main([*command, str(tmp_path / "out")]) == 0
    assert "reevaluate" not in capsys.readouterr().err
    text = next((tmp_path / "out").glob("*at_budget.md")).read_text()
    assert "its value is its mean return on fresh episodes" in text


@pytest.mark.slow
def test_several_processes_give_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(tmp_path / "a", runs=2, reevaluation_episodes=0)
    make(tmp_path / "b", runs=2)
    assert main(["reevaluate", str(tmp_path / "a"), str(tmp_path / "b/run_1"), "--jobs", "2"]) == 0
    assert "3 runs: 2 re-evaluated; 1 had it already" in capsys.readouterr().out
    for number in (1, 2):
        one, two = (load_log_directory(tmp_path / name).runs[number - 1].reevaluated for name in "ab")
        assert one is not None
        assert two is not None
        np.testing.assert_array_equal(one, two)


def test_more_episodes_are_added_to_those_that_are_there(tmp_path: Path) -> None:
    make(tmp_path, reevaluation_episodes=3)
    assert main(["reevaluate", str(tmp_path), "--episodes", "2", "--jobs", "1"]) == 0
    assert main(["reevaluate", str(tmp_path), "--episodes", "6", "--jobs", "1"]) == 0
    found = read_reevaluation(tmp_path / "run_1/reevaluation.jsonl")
    assert [len(each.returns) for each in found.values()] == [6, 6]


def test_an_unfinished_run_is_re_evaluated_up_to_there(tmp_path: Path) -> None:
    make(tmp_path, reevaluation_episodes=0)
    run = tmp_path / "run_1"
    (run / "result.json").unlink()
    lines = (run / "iterations.jsonl").read_bytes().splitlines(keepends=True)
    (run / "iterations.jsonl").write_bytes(lines[0])
    assert main(["reevaluate", str(run), "--jobs", "1"]) == 0
    assert list(read_reevaluation(run / "reevaluation.jsonl")) == [1]
    (data,) = load_log_directory(tmp_path).runs
    assert data.reevaluated is not None


def test_a_run_of_another_process_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(tmp_path, reevaluation_episodes=0)
    with closing(RunDirectory(tmp_path / "run_1")) as directory:
        directory.lock()
        assert main(["reevaluate", str(tmp_path), "--jobs", "1"]) == 1
    printed = capsys.readouterr()
    assert "is being run by another process" in printed.err
    assert "1 left out" in printed.out
    assert not (tmp_path / "run_1/reevaluation.jsonl").exists()


def test_what_cannot_be_re_evaluated_has_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(tmp_path / "damaged", reevaluation_episodes=0)
    path = tmp_path / "damaged/run_1/iterations.jsonl"
    path.write_bytes(path.read_bytes().replace(b"params", b"porams"))
    write_published_run(tmp_path / "spaceship_reflective", 1, [1.0], method="reptraj")
    run = write_published_run(tmp_path / "cartpole_reflective", 1, [1.0], method="reptraj")
    for file in run.glob("episode_0/*"):
        file.unlink()
    assert main(["reevaluate", str(tmp_path), "--jobs", "1"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert all(line.startswith("warning: ") and "left out: " in line for line in lines)
    assert [line for line in lines if "no task card" in line]
    assert [line for line in lines if "parameters of 1 of 1 accepted candidates are not on record" in line]


@pytest.mark.parametrize("where", ["nowhere", "empty"])
def test_a_folder_without_runs_is_an_error(where: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    assert main(["reevaluate", str(tmp_path / where)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_logs_of_the_published_code_are_rolled_out_under_its_settings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import shutil

    name = "cartpole_reflective_prompted_policy_optimization"
    shutil.copytree(published_archive() / "logs" / name, tmp_path / name)
    maze = "maze_reflective_prompted_policy_optimization"
    shutil.copytree(published_archive() / "logs" / maze, tmp_path / maze)
    before = hashes(tmp_path)
    assert main(["reevaluate", str(tmp_path), "--episodes", "200", "--jobs", "1"]) == 0
    assert hashes(tmp_path) == before
    logged, fresh = [], []
    for run in load_log_directory(tmp_path / name).runs:
        assert run.reevaluated is not None
        logged += run.rewards.tolist()
        fresh += run.reevaluated.tolist()
    # The same policies in the same environment: 3 rollouts against 200, over two orders of magnitude of returns.
    np.testing.assert_allclose(np.log(logged), np.log(fresh), atol=0.5)
    assert np.corrcoef(logged, fresh)[0, 1] > 0.95
    for run in load_log_directory(tmp_path / maze).runs:
        assert run.reevaluated is not None
        np.testing.assert_allclose(run.reevaluated, run.rewards)  # nothing is random there
        with closing(published_setting(run)) as setting:
            assert setting.config.max_traj_length == 20  # R2PO's in the published study; other methods have 100


def test_a_line_has_what_the_document_says(tmp_path: Path) -> None:
    make(tmp_path)
    line = (tmp_path / "run_1/reevaluation.jsonl").read_text().splitlines()[0]
    assert list(json.loads(line)) == ["iteration", "first", "solution", "returns", "sum"]
