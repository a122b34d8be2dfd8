"""The benchmark of a small model: equal evaluations, which policies are looked at, and the table in the document."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import small_model
from benchmarks.documents import DOCS, read_table, write_table
from benchmarks.small_model import configs, incumbent, run_all, table
from r2po.analysis.output.scores import FEW_RUNS
from r2po.llm.providers.embedded import NAME as STAND_IN
from r2po.methods import METHODS
from r2po.runlog import list_runs


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_searches_have_as_many_evaluations_as_r2po_makes() -> None:
    found = {each.method: each for each in configs(Path("logs"))}
    made = {
        name: (each.num_iterations or 0) * METHODS[name].evaluations_per_iteration(dict(each))
        for name, each in found.items()
    }
    assert made == {"r2po": 30, "propsp": 15, "props": 15, "cma_es": 30, "random_search": 30}
    assert len({(each.warmup_episodes, each.num_evaluation_episodes, each.protocol) for each in found.values()}) == 1


def test_it_runs_nothing_twice_and_looks_at_the_first_policies_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(small_model, "ITERATIONS", 3)
    monkeypatch.setattr(small_model, "EVALUATIONS", (3, 6))
    for _ in range(2):
        run_all(tmp_path, 2, {}, STAND_IN)
    assert capsys.readouterr().out.count("was complete") == 10
    for method in ("r2po", "cma_es"):
        for each in list_runs(tmp_path / method):
            result = each.read_result()
            assert incumbent(each, 6) == pytest.approx(result["heldout_reward"])
            assert incumbent(each, 7) is None
    records = list_runs(tmp_path / "r2po")[0].read_iterations()
    stages = [candidate["stage"] for record in records for candidate in record["candidates"]]
    assert stages == 3 * ["proposal", "revision"], "the first policies are both of one iteration after the other"
    lines = table(tmp_path).splitlines()
    assert lines[-1].startswith("† Fewer than 5 runs")
    rows = [cells(line) for line in lines[2:-2]]
    assert [row[:4] for row in rows] == [
        ["R2PO", "2", "6", "6"],
        ["ProPS+", "2", "3", "3"],
        ["ProPS", "2", "3", "3"],
        ["CMA-ES", "2", "6", "0"],
        ["Random search", "2", "6", "0"],
    ]
    assert [row[5] == "-" for row in rows] == [False, True, True, False, False]


def test_a_table_is_written_between_its_marks_and_nowhere_else(tmp_path: Path) -> None:
    document = tmp_path / "page.md"
    document.write_text("before\n\n<!-- one -->\nold\n<!-- end of one -->\n\nafter\n", encoding="utf-8")
    write_table(document, "one", "| new |")
    lines = document.read_text(encoding="utf-8").splitlines()
    assert lines == ["before", "", "<!-- one -->", "| new |", "<!-- end of one -->", "", "after"]
    assert read_table(document, "one") == "| new |"
    with pytest.raises(ValueError, match="does not have <!-- two --> and <!-- end of two --> once each"):
        write_table(document, "two", "| new |")


def test_the_document_shows_methods_in_order_and_how_many_runs_they_have() -> None:
    rows = [
        cells(line)
        for line in read_table(DOCS / "baselines.md", small_model.TABLE).splitlines()[2:]
        if line.startswith("|")
    ]
    labels = [METHODS[name].label for name in (*small_model.ASKING, *small_model.SEARCHES)]
    assert [row[0] for row in rows] == [label for label in labels if label in {row[0] for row in rows}]
    for _, runs, evaluations, _, first, last in rows:
        assert 0 < int(runs) <= small_model.RUNS
        assert first.count(",") == int(runs) - 1
        assert (last == "-") == (int(evaluations) < max(small_model.EVALUATIONS))
        assert ("†" in first) == (int(runs) < FEW_RUNS)
