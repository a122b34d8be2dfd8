"""What comes out of logs: distances where there may be any, and true reasons only."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from r2po.analysis.logs.experiments import find_experiments
from r2po.analysis.logs.tally import tally
from r2po.analysis.output.files import to_json
from r2po.reproduce.outcome import Outcome, as_csv, as_json
from r2po.reproduce.part import Experiment
from tests.reproduce.made import make_runs, outcome, request_for

CARTPOLE = {"only": ["cartpole"]}


def numbered(_: Experiment, number: int) -> Sequence[float]:
    """Best rewards are 400, 410, ...; means 200, 205, ..."""
    return [0.0, 390.0 + 10 * number]


def made(folder: Path, runs: int = 3, **asked: Any) -> Outcome:
    changes = asked.pop("changes", {})
    request = request_for(folder, **{**CARTPOLE, **asked})
    request.mark_smoke()
    for each in request.runs:
        make_runs(request.place.logs, each, runs, numbered, **changes)
    return outcome(request)


def reasons(found: Outcome, column: str = "R2PO", group: str = "Best reward", row: str = "CartPole") -> str:
    return "\n".join(
        text
        for cell, texts in zip(found.cells, found.reasons, strict=True)
        if (cell.column, cell.group, cell.row) == (column, group, row)
        for text in texts
    )


def test_a_distance_is_of_these_runs_and_the_published_figure(tmp_path: Path) -> None:
    found = made(tmp_path)
    (cell,) = [each for each in found.cells if (each.column, each.group) == ("ProPS", "Best reward")]
    assert cell.ours is not None
    assert (cell.ours.text, cell.ours.of) == ("410.00 ± 10.00", "n = 3")
    error = math.sqrt(10**2 / 3 + 143.04**2 / 10 + 0.01**2 / 12)  # published: 427.74 ± 143.04
    assert cell.distance.value == pytest.approx((410 - 427.74) / error)


def test_missing_columns_are_there_without_figures(tmp_path: Path) -> None:
    found = made(tmp_path)
    (cell,) = [each for each in found.cells if (each.column, each.group) == ("SB3", "Best reward")]
    assert (cell.ours, cell.distance.value, cell.distance.why) == (None, None, "no runs")
    record = next(each for each in as_json(found)["cells"] if each["column"] == "SB3")
    assert record["ours"] is None
    assert record["distance"] is None


def test_one_run_has_no_error(tmp_path: Path) -> None:
    found = made(tmp_path, runs=1)
    assert found.told == []
    (cell,) = [each for each in found.cells if (each.column, each.group) == ("R2PO", "Best reward")]
    assert cell.ours is not None
    assert (cell.ours.text, cell.ours.std) == ("400.00", None)


@pytest.mark.parametrize(
    ("asked", "warning"),
    [
        ({"smoke": True}, "smoke"),
        ({"changes": {"stand_in": True, "model": "embedded/search"}}, "embedded stand-in"),
    ],
)
def test_smoke_and_stand_ins_have_no_distance(tmp_path: Path, asked: dict[str, Any], warning: str) -> None:
    found = made(tmp_path, **asked)
    assert found.told == []
    assert not any(found.reasons)
    assert warning in " ".join(found.warnings)
    assert all(each["distance"] is None for each in as_json(found)["cells"])


def test_smoke_is_known_to_whoever_reads_the_logs(tmp_path: Path) -> None:
    made(tmp_path, smoke=True)
    (line,) = [line for line in tally(find_experiments(tmp_path / "logs")) if "smoke" in line]
    assert "say nothing about any method" in line


def test_reasons_are_true_of_the_runs(tmp_path: Path) -> None:
    found = made(tmp_path)
    told = reasons(found)
    assert "has the paper's name (ollama/gpt-oss:20b-cloud)" in told
    assert "Another model" not in told
    assert "rests on 3 runs" in told
    assert "simulator" not in told  # CartPole has none
    assert "Settings" not in told
    assert "first line" not in told  # R2PO's replies are read whole there too
    assert "first line" in reasons(found, "ProPS")
    assert "spread is 0.00" in told  # 500.00 ± 0.00
    assert "spread is 0.00" not in reasons(found, group="Mean reward over the iterations")


def test_other_reasons_of_other_runs(tmp_path: Path) -> None:
    config = {"llm_model_name": "gpt-4o", "num_evaluation_episodes": 7, "protocol": "controlled"}
    told = reasons(made(tmp_path, changes={"config": config, "protocol": "controlled"}))
    assert "Another model: gpt-4o; the paper's is gpt-oss:20b" in told
    assert "num_evaluation_episodes 20 there, 7 here" in told
    assert "protocol controlled" in told


def test_the_simulator_counts_where_there_is_one(tmp_path: Path) -> None:
    found = made(tmp_path, only=["swimmer", "cartpole"])
    assert "mujoco 3.4.5, gymnasium 1.2.3" in reasons(found, row="Swimmer")
    assert "mujoco" not in reasons(found)


def test_ten_runs_are_as_many_as_in_the_paper(tmp_path: Path) -> None:
    assert "rests on" not in reasons(made(tmp_path, runs=10))


def test_what_programs_read(tmp_path: Path) -> None:
    found = made(tmp_path)
    record = json.loads(to_json(as_json(found)))
    rows = list(csv.DictReader(io.StringIO(as_csv(found))))
    assert len(record["cells"]) == len(rows) == len(found.cells) == 8
    for cell, row in zip(record["cells"], rows, strict=True):
        assert row["distance"] == ("" if cell["distance"] is None else repr(cell["distance"]))
