"""Reports of ``eval_all_results`` that need not be made anew: exactly those from which nothing differs."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from r2po.analysis.evaluation.evaluate_all import Evaluation, evaluate_all
from r2po.analysis.evaluation.report import write_report
from r2po.analysis.logs.experiments import ExperimentLogs, find_experiments
from r2po.analysis.logs.load import LogDirectory
from tests.analysis.made_logs import write_run

MODULE = "r2po.analysis.evaluation.evaluate_all"
pytestmark = pytest.mark.usefixtures("blank_figures")


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    for number in (1, 2):
        write_run(tmp_path / "props", number, [1.0, 2.0])
    return tmp_path


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the folders whose reports are made."""
    names: list[str] = []

    def make(found: LogDirectory, *, all_figures: bool, as_published: bool) -> str:
        names.append(found.path.name)
        return write_report(found, all_figures=all_figures, as_published=as_published)

    monkeypatch.setattr(f"{MODULE}.write_report", make)
    return names


def evaluate(logs: Path, *, as_published: bool = False) -> list[Evaluation]:
    return evaluate_all(logs, None, figures="experiments", as_published=as_published)


def test_what_has_not_changed_is_said_again_and_not_made(logs: Path, made: list[str]) -> None:
    write_run(logs / "props", 3, [4.0], complete=False, config={"num_iterations": 2})
    write_run(logs / "other", 1, [3.0], config={"temperature": 0.5})
    first = evaluate(logs)
    assert sorted(made) == ["other", "props"]
    assert any("Unfinished runs" in line for each in first for line in each.warnings)
    assert evaluate(logs) == first
    assert len(made) == 2


def grow(logs: Path) -> None:
    write_run(logs / "props", 3, [2.0, 4.0])


def touch(logs: Path) -> None:
    path = logs / "props" / "run_1" / "iterations.jsonl"
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))


def replace_keeping_size_and_time(logs: Path) -> None:
    path = logs / "props" / "run_1" / "result.json"
    times = path.stat()
    path.write_bytes(path.read_bytes())
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def lose_a_file(logs: Path) -> None:
    (logs / "props" / "run_2" / "eval_report" / "summary.txt").unlink()


def edit_a_file(logs: Path) -> None:
    with (logs / "props" / "eval_report" / "summary.txt").open("a") as file:
        file.write("mine\n")


def spoil_what_is_kept(logs: Path) -> None:
    (logs / "props" / "eval_report" / "made_from.json").write_text('{"said": 1')


@pytest.mark.parametrize(
    "change", [grow, touch, replace_keeping_size_and_time, lose_a_file, edit_a_file, spoil_what_is_kept]
)
def test_any_change_of_a_file_makes_the_report_anew(
    logs: Path, made: list[str], change: Callable[[Path], None]
) -> None:
    evaluate(logs)
    change(logs)
    again = evaluate(logs)
    assert made == ["props", "props"]
    assert evaluate(logs) == again
    assert made == ["props", "props"]


def test_options_and_code_count(logs: Path, made: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    evaluate(logs)
    evaluate(logs, as_published=True)
    assert len(made) == 2
    monkeypatch.setattr("r2po.analysis.evaluation.kept._code", lambda: "another version")
    evaluate(logs, as_published=True)
    assert len(made) == 3


def test_a_run_that_goes_on_while_it_is_read(logs: Path, made: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def read_before_it_grows(*arguments: object, **options: object) -> list[ExperimentLogs]:
        found = find_experiments(*arguments, **options)  # type: ignore[arg-type]
        grow(logs)
        return found

    monkeypatch.setattr(f"{MODULE}.find_experiments", read_before_it_grows)
    (first,) = evaluate(logs)
    monkeypatch.undo()
    (second,) = evaluate(logs)
    assert first.line.startswith("ProPS on CartPole: 2 runs")
    assert second.line.startswith("ProPS on CartPole: 3 runs")


def test_a_moved_folder_is_named_as_it_is(logs: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    evaluate(logs)
    moved = tmp_path_factory.mktemp("elsewhere") / "logs"
    logs.rename(moved)
    (only,) = evaluate(moved)
    assert str(moved) in only.line
    assert str(moved) in (moved / "props" / "eval_report" / "summary.txt").read_text()
