"""``eval.py`` from the outside: files, output, exit codes."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from r2po.analysis.logs.run_data import STAND_IN
from r2po.cli import main
from tests.analysis.made_logs import iteration, write_lines, write_run

ROOT = Path(__file__).parents[3]
FILES = {
    "summary.json",
    "summary.txt",
    "training_curve.png",
    "training_curve.pdf",
    "reward_distribution.png",
    "api_time.png",
}


def evaluate(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command in this process: a new one would take longer to start than to evaluate."""
    out, errors = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(errors):
        try:
            code = main(["eval", *map(str, arguments)], "eval.py")
        except SystemExit as end:
            code = int(end.code or 0)
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), errors.getvalue())


def evaluate_apart(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "eval.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def report(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "eval_report").iterdir() if path.is_file()}


def test_reports_every_usable_run_and_the_log_directory(tmp_path: Path) -> None:
    stand_in = {"stand_in": True}
    write_run(tmp_path, 1, [1.0, 2.0, 3.0], description=stand_in)
    unfinished = write_run(tmp_path, 2, [1.0, 2.0, 3.0], complete=False, description=stand_in)
    write_lines(unfinished, [iteration(1, 1.0)], torn='{"iter')
    write_run(tmp_path, 3, [float("nan")])
    done = evaluate("--logdir", tmp_path)
    assert done.returncode == 0
    for folder in (tmp_path, tmp_path / "run_1", unfinished):
        assert set(report(folder)) == FILES
    assert not (tmp_path / "run_3" / "eval_report").exists()

    files = report(tmp_path)
    text = files["summary.txt"].decode()
    assert done.stdout == f"{text}\nreport: {tmp_path / 'eval_report'}\n"
    assert STAND_IN in text
    assert "* unfinished, counted with what is there: run_2 (1 of 3 iterations)" in text
    assert "left out: run_3: damaged log: iterations.jsonl, line 1: reward is nan" in text
    tally, _ = done.stderr.splitlines()
    assert tally == f"warning: {tmp_path}: 2 of 3 runs used; left out: 1 damaged"
    assert "left out: run_3: damaged log: iterations.jsonl, line 1: reward is nan" in done.stderr

    summary = json.loads(files["summary.json"])
    assert (summary["num_runs"], len(summary["problems"]), summary["stand_in"]) == (2, 1, True)
    assert json.loads(report(unfinished)["summary.json"]) == summary["per_run_summaries"][1]
    assert STAND_IN in report(unfinished)["summary.txt"].decode()


@pytest.mark.usefixtures("blank_figures")
def test_damaged_candidates_are_named(tmp_path: Path) -> None:
    run = write_run(tmp_path, 1, [1.0, 2.0, 3.0])
    write_lines(run, [iteration(1, 1.0), {**iteration(2, 2.0), "candidates": [{}, {}]}, iteration(3, 3.0)])
    done = evaluate("--logdir", tmp_path)
    assert done.returncode == 0
    assert "reward_distribution.png lacks 1 of 3 iterations" in done.stdout
    unread = (
        "the candidates of 1 of 3 iterations cannot be used: iterations.jsonl, line 2: candidates.0.stage is missing"
    )
    for text in (done.stdout, report(run)["summary.txt"].decode(), (tmp_path / "eval_report/summary.txt").read_text()):
        assert unread in text
    assert json.loads(report(tmp_path)["summary.json"])["mean_reward_mean"] == 2.0


def test_second_evaluation_gives_the_same_bytes_and_changes_no_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backend that needs a display does not matter."""
    monkeypatch.setenv("MPLBACKEND", "TkAgg")
    monkeypatch.delenv("DISPLAY", raising=False)
    run = write_run(tmp_path, 1, [1.0, 2.0])
    logs = {path: path.read_bytes() for path in run.iterdir()}
    done = evaluate_apart("--logdir", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    first = report(tmp_path)
    assert first["training_curve.png"]
    assert evaluate("--logdir", tmp_path).returncode == 0
    assert report(tmp_path) == first
    assert {path: path.read_bytes() for path in logs} == logs


@pytest.mark.usefixtures("blank_figures")
def test_several_log_directories_with_labels(tmp_path: Path) -> None:
    write_run(tmp_path / "a", 1, [1.0])
    write_run(tmp_path / "b", 1, [2.0])
    compared = tmp_path / "compared"
    labels = ("--labels", "first one", "second", "--compare-output", compared)
    done = evaluate("--logdir", tmp_path / "a", tmp_path / "b", *labels)
    assert done.returncode == 0
    summary = json.loads((compared / "comparison_summary.json").read_text())
    assert [each["label"] for each in summary["experiments"]] == ["first one", "second"]
    assert (compared / "comparison_training_curve.png").exists()
    assert "first one: " in report(tmp_path / "a")["summary.txt"].decode()
    assert json.loads(report(tmp_path / "b")["summary.json"])["label"] == "second"
    assert done.stdout.count("report: ") == 2


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--logdir", "good", "{}/cartpole_propz"], "did you mean"),
        (["--logdir", "{}/cartpole_props/run_1"], "give the log directory above it"),
        (["--logdir", "{}/cartpole_props", "--labels", "a", "b"], "2 names for 1"),
        ([], "--logdir"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments: list[str], expected: str, tmp_path: Path) -> None:
    write_run(tmp_path / "good", 1, [1.0])
    write_run(tmp_path / "cartpole_props", 1, [1.0])
    arguments = [str(tmp_path / "good") if each == "good" else each.replace("{}", str(tmp_path)) for each in arguments]
    done = evaluate(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert expected in done.stderr
    assert not list(tmp_path.glob("**/eval_report")), "nothing is half done"


def test_report_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    write_run(tmp_path, 1, [1.0])
    (tmp_path / "run_1" / "eval_report").write_text("in the way")
    done = evaluate("--logdir", tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: cannot write the report: ")
    assert done.stderr.count("\n") == 1


def test_runs_of_different_protocols_are_never_averaged(tmp_path: Path) -> None:
    write_run(tmp_path, 1, [1.0])
    write_run(tmp_path, 2, [3.0])
    write_run(tmp_path, 3, [100.0], description={"protocol": "controlled"})
    done = evaluate("--logdir", tmp_path)
    assert done.returncode == 0
    assert "no means: these runs are of 2 experiments" in done.stdout
    summary = json.loads(report(tmp_path)["summary.json"])
    assert (summary["num_runs"], summary["mean_reward_mean"], summary["heldout_reward_mean"]) == (3, None, None)
    assert not list((tmp_path / "eval_report").glob("*.png"))
    means = {}
    for part in summary["parts"]:
        folder = tmp_path / "eval_report" / part
        means[part.rsplit("-", 2)[1]] = json.loads((folder / "summary.json").read_text())["mean_reward_mean"]
        assert (folder / "training_curve.png").stat().st_size
    assert means == {"published": 2.0, "controlled": 100.0}


@pytest.mark.usefixtures("blank_figures")
def test_a_replay_is_named(tmp_path: Path) -> None:
    write_run(tmp_path, 1, [1.0])
    write_run(tmp_path, 2, [1.0], description={"replay_of": "/somewhere/run_1"})
    done = evaluate("--logdir", tmp_path)
    assert "run_2: a replay of /somewhere/run_1: the same sample, not another one" in done.stdout
    assert "no means: these runs are of 2 experiments" in done.stdout


@pytest.mark.usefixtures("blank_figures")
def test_runs_with_other_settings_are_reported_apart_by_these(tmp_path: Path) -> None:
    for number, temperature in enumerate((None, 0.5, 0.5, 1.0), 1):
        write_run(tmp_path, number, [1.0], config={"temperature": temperature})
    done = evaluate("--logdir", tmp_path)
    assert "no means: these runs are of 3 experiments" in done.stdout
    assert "the runs differ in temperature: not set in run_1; 0.5 in run_2, run_3; 1.0 in run_4" in done.stdout
    parts = json.loads(report(tmp_path)["summary.json"])["parts"]
    assert [part.partition("published-protocol-")[2] for part in parts] == [
        "temperature-not-set",
        "temperature-0.5",
        "temperature-1.0",
    ]
