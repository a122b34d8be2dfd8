"""What a run reports, and what a sweep makes of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from r2po.cli import main
from r2po.sweep.board import Board, Total
from r2po.sweep.from_logs import read_progress
from r2po.sweep.messages import AttemptOutcome, Ended, Note, PermitRequest, Progress, Verdict
from r2po.sweep.plan import PlannedRun, SweepRequest, plan
from r2po.sweep.runner import make_run
from r2po.sweep.screen import SweepLines, counts
from r2po.sweep.sweep import Sweep, SweepOptions
from tests.process.processes import NIM, write_config


class Heard:
    """A line that grants everything and keeps what it is told."""

    def __init__(self) -> None:
        self.progress: list[Progress] = []

    def ask(self, ask: PermitRequest | AttemptOutcome) -> Verdict:
        return Verdict(ask.run)

    def tell(self, message: AttemptOutcome | Progress | Note) -> None:
        if isinstance(message, Progress):
            self.progress.append(message)


def one_run(folder: Path) -> PlannedRun:
    values = {**NIM, "llm_model_name": "embedded/search", "num_iterations": 2, "logdir": str(folder / "logs/nim")}
    return plan(SweepRequest([str(write_config(folder, values))], [], [1]))[0]


def test_the_counts_of_a_run_never_shrink(tmp_path: Path) -> None:
    planned = one_run(tmp_path)
    resumed, complete = Heard(), Heard()
    assert main(["run", "--config", planned.source, "--quiet"]) == 0
    (planned.path / "result.json").unlink()
    for heard in (resumed, complete):
        assert not make_run(planned, {}, heard).reason
    end = read_progress(0, planned.path, 2)
    assert end.state == "complete"
    assert end.calls > 0
    for report in resumed.progress + complete.progress:
        assert (report.iterations, report.episodes, report.calls) == (2, end.episodes, end.calls)
    assert complete.progress == [end]


def test_a_speed_is_never_below_zero() -> None:
    board = Board(["a"], [Progress(0, calls=9, episodes=9, iterations=3)])
    board.speed(0.0)
    board.update(Progress(0))
    speed = board.speed(10.0)
    assert speed is not None
    assert (speed.iterations, speed.calls, speed.episodes) == (0, 0, 0)


def test_late_news_do_not_bring_an_ended_run_back(tmp_path: Path) -> None:
    planned = one_run(tmp_path)
    sweep = Sweep(SweepRequest([planned.source], [], [1, 2, 3]), SweepOptions(quiet=True), {})
    sweep.hear(Ended(0))
    sweep.hear(Ended(1, "failed", "no disk"))
    sweep.hear(Ended(2, "waiting", "a cap"))
    for run in range(3):
        sweep.hear(Progress(run, state="running", now="asking", calls=4))
    assert [run.state for run in sweep.board.runs] == ["complete", "failed", "waiting"]
    assert [run.calls for run in sweep.board.runs] == [4, 4, 4]
    assert sweep.board.runs[1].now == "no disk"
    sweep._company.leave()


def test_equal_notes_are_printed_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    planned = one_run(tmp_path)
    sweep = Sweep(SweepRequest([planned.source], [], [1, 2, 3]), SweepOptions(), {})
    sweep.run()
    capsys.readouterr()
    sweep._screen = SweepLines(sweep.board)
    for run in range(3):
        sweep.hear(Note(run, "no effect"))
    assert capsys.readouterr().out == "nim/run_1: no effect\n"


def test_tokens_that_no_server_counts_are_unknown_not_zero() -> None:
    total = Total(Counter(complete=2), calls=8, tokens=0, cost=None, episodes=40, iterations=8, to_go=0)
    assert "calls 8  tokens unknown  episodes 40" in counts(total)
    assert "tokens 1,200" in counts(replace(total, tokens=1200))
    assert "tokens 0" in counts(replace(total, calls=0))
