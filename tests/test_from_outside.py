"""A task, a method, policies and a provider from outside: run, resumed and replayed; then analysed without them.

They are registered in another process only: in this one, and in the processes that analyses start, nobody knows them.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from r2po import load_runs
from r2po.cli import main
from r2po.methods import METHODS
from r2po.runlog import RunDirectory
from r2po.tasks import TASKS

METHOD, TASK = "Sketch & polish", "Acrobot swing-up"
ITERATIONS = 4


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of the method and of R2PO, one of them stopped and resumed, one with half of tau_c, and a replay."""
    folder = tmp_path_factory.mktemp("outside")
    commands = []
    for method in ("polish", "r2po"):
        config = {
            "gym_env_name": "lab/Acrobot-v1",
            "method": method,
            "llm_model_name": "worrier/1",
            "logdir": f"logs/{method}",
            "num_iterations": ITERATIONS,
            "num_evaluation_episodes": 3,
            "heldout_episodes": 2,
        }
        (folder / f"{method}.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
        run = ["run", "--quiet", "--config", f"{method}.yaml", "--set"]
        # The first one stops in the midst of an iteration.
        commands += [[*run, "max_llm_calls=3"], [*run, "max_llm_calls=99", "--resume"], [*run, "max_llm_calls=99"]]
        commands.append([*run, f"logdir=logs/{method}_half", "critic_llm_conservative_threshold=-18"])
    rules = ["run", "--quiet", "--config", "polish.yaml", "--set", "policy=rule", "logdir=logs/polish_rule"]
    commands += [[*rules, "max_llm_calls=3"], [*rules, "max_llm_calls=99", "--resume"]]
    commands.append([*rules, "logdir=replays_of_rules", "llm_model_name=replay/logs/polish_rule/run_1"])
    replay = ["logdir=replays", "llm_model_name=replay/logs/polish/run_1"]
    commands.append(["run", "--quiet", "--config", "polish.yaml", "--set", *replay])
    done = subprocess.run(
        [sys.executable, "-m", "tests.outside.runs"],
        cwd=folder,
        env={"PYTHONPATH": str(Path(__file__).parents[1]), "PATH": "/usr/bin:/bin"},
        input=json.dumps(commands),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert f"codes: {[1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0]}" in done.stdout, done.stderr
    return folder


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """Run a command; returns what it prints."""
    assert ("lab_acrobot" in TASKS, "polish" in METHODS) == (False, False)
    assert main([*map(str, arguments)]) == 0
    return capsys.readouterr().out


def texts(folder: Path, suffixes: Sequence[str] = (".md", ".svg")) -> dict[str, str]:
    """Return the files of a folder; matplotlib leaves each text of a figure in a comment."""
    found = [path for path in folder.iterdir() if path.suffix in suffixes]
    assert found
    return {path.name: path.read_text(encoding="utf-8").replace("&amp;", "&") for path in found}


def test_runs_resume_and_replay(logs: Path) -> None:
    again, first = RunDirectory(logs / "replays" / "run_1"), RunDirectory(logs / "logs" / "polish" / "run_1")
    assert again.read_result()["differing_prompts"] == 0
    assert first.read_result()["iterations"] == ITERATIONS
    kept = [[record["reward"] for record in run.read_iterations()] for run in (first, again)]
    assert kept[0] == kept[1]
    facts: Any = first.read_description()["method"]
    assert (facts["label"], facts["calls_per_iteration"], facts["pair"]["revision"]) == (METHOD, 2, "polished")


def test_candidates_that_are_texts_resume_and_replay_too(logs: Path) -> None:
    runs = [RunDirectory(logs / folder / "run_1") for folder in ("logs/polish_rule", "replays_of_rules")]
    kept = [[record["candidates"] for record in run.read_iterations()] for run in runs]
    assert kept[0] == kept[1]
    sources = {candidate["source"] for record in kept[0] for candidate in record}
    assert len(sources) == 2 * ITERATIONS
    assert all(" else " in source for source in sources)
    assert runs[0].read_result()["best_source"] in sources
    frames = load_runs(logs / "logs" / "polish_rule")
    assert len(frames.iterations) == 2 * ITERATIONS


@pytest.mark.slow
def test_reports(logs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    polish = logs / "logs" / "polish"
    said = call(capsys, "eval", "--logdir", polish, logs / "logs" / "r2po", "--compare-output", tmp_path / "comparison")
    assert f"{METHOD} on {TASK}: {polish}" in said
    record = json.loads((tmp_path / "comparison" / "comparison_summary.json").read_text())
    assert [each["label"] for each in record["experiments"]] == [f"{METHOD} on {TASK}", f"R2PO on {TASK}"]
    everything = ["eval_all_results", "--logs-root", logs, "--figures", "experiments"]
    assert f"{METHOD} on {TASK}: 2 runs" in call(capsys, *everything)
    said = call(capsys, *everything, "--only-method", METHOD, "--only-env", TASK)
    assert "R2PO" not in said
    assert f"{METHOD} on {TASK} (tau_c half): 1 run" in said
    assert f"{METHOD} on {TASK} (rule): 1 run" in said


@pytest.mark.parametrize("preset", ["core", "variants", "search"])
def test_tables_and_curves(preset: str, logs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = ["--logs-root", logs / "logs", "--preset", preset]
    call(capsys, "paper_results_tables", *place, "--output-dir", tmp_path, "--formats", "csv", "svg", "--envs", TASK)
    with (tmp_path / f"{preset}_mean_best_reward.csv").open(encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert (row["environment"], row[METHOD][:2], row["R2PO"][:2]) == ("lab_acrobot", "-4", "-4")
    drawn = texts(tmp_path, [".svg"])
    assert all(TASK in text and (METHOD in text or "missing" in name) for name, text in drawn.items())
    call(capsys, "paper_reward_curves", *place, "--output", tmp_path / "curves" / "all.svg")
    (curves,) = texts(tmp_path / "curves").values()
    assert all(text in curves for text in (f"<!-- {METHOD} -->", f"<!-- {TASK} -->", "#123456"))


@pytest.mark.parametrize("mode", ["all", "best"])
def test_significance(mode: str, logs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figure = tmp_path / "tests.svg"
    place = ["--logs-root", logs / "logs", "--comparison-mode", mode, "--figure", figure]
    lines = call(capsys, "paper_significance_tests", *place).splitlines()
    row, effect = (line for line in lines if TASK in line)
    assert f"| {METHOD} " in row
    assert "(2) |" in row
    assert "] † |" in effect
    assert f"<!-- {TASK} / {METHOD} † -->" in texts(tmp_path)["tests.svg"], "of two runs"
    assert any(f"apart for ProPS, ProPS+, SB3 and {METHOD}" in line for line in lines) == (mode == "all")


def test_robust_statistics(logs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = ["--logs-root", logs / "logs", "--output-dir", tmp_path, "--resamples", 50]
    call(capsys, "paper_robust_statistics", *place, "--formats", "md", "svg", "json")
    assert all(METHOD in text for text in texts(tmp_path).values())
    assert f"Over {TASK}" in texts(tmp_path)["best_reward_aggregates.md"]


def test_salience(logs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = ["--logs-root", logs / "logs", "--output-dir", tmp_path]
    call(capsys, "paper_salience_analysis", *place, "--formats", "md", "svg", "json")
    assert all(METHOD in text for text in texts(tmp_path).values())
    assert f"| {TASK} " in texts(tmp_path)["salience.md"]
    analyses = {each["method"]: each for each in json.loads((tmp_path / "salience.json").read_text())["analyses"]}
    ours = analyses["polish"]
    assert (ours["has_critic"], ours["runs"], ours["iterations"]) == (True, 2, 2 * ITERATIONS)
    for direction in ("regression", "improvement", "no_change"):
        # Its critic always speaks of the worst rollout.
        assert ours[direction]["strict"] == ours[direction]["strict_mention"]
        assert ours[direction]["without_reply"] == 0
    with (tmp_path / "episodes.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["method"] == "polish"]
    assert [row["mentions_word"] for row in rows] == ["1"] * 2 * ITERATIONS


def test_tau_c(logs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call(
        capsys, "tau_c_sensitivity_results", "--logs-root", logs / "logs", "--output-dir", tmp_path, "--formats", "csv"
    )
    with (tmp_path / "tau_c_sensitivity.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["environment"] == "lab_acrobot"]
    found = {(row["method"], row["setting"]): (row["tau_c"], row["runs"]) for row in rows}
    assert found[METHOD, "default"] == ("-36", "2")
    assert found[METHOD, "half"] == found["R2PO", "half"] == ("-18", "1")


def test_frames(logs: Path) -> None:
    frames = load_runs(logs / "logs", only_method=[METHOD], only_env=["lab_acrobot"])
    assert set(frames.runs["method"]) == {"polish"}
    assert set(frames.iterations["stage"]) == {"sketch", "polished"}
    assert set(frames.calls["role"]) == {"search", "critic"}
