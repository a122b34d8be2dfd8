"""The command that makes the table of searches."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.search_baselines import FASTEST_FIRST, configs, main
from r2po.methods import METHODS
from r2po.runlog import list_runs
from r2po.tasks import TASKS


@pytest.mark.slow
def test_it_runs_what_is_missing_and_prints_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--logs-root", str(tmp_path), "--only-env", "maze", "--runs", "1", "--jobs", "1"]
    main(options)
    first = capsys.readouterr().out
    main(options)
    again = capsys.readouterr().out
    assert again.count("was complete") == 2
    assert first.splitlines()[2:] == again.splitlines()[2:]
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in first.splitlines() if line.startswith("| Maze")
    ]
    assert [row[1:3] for row in rows] == [["Random search", "1"], ["(1+λ)-ES", "1"]]
    assert all(row[-2:] == ["0.97 ± 0.00", "0.83 ± 0.06"] for row in rows)
    assert {len(list_runs(folder)) for folder in tmp_path.iterdir()} == {1}


def test_every_search_of_every_environment_is_in_it(tmp_path: Path) -> None:
    wanted = {
        (TASKS[name].gym_id, method.name)
        for name in FASTEST_FIRST
        for method in METHODS.values()
        if not method.asks_model and method.fits(TASKS[name].policy)
    }
    found = [(config.gym_env_name, config.method) for config in configs(tmp_path, FASTEST_FIRST, "published")]
    assert set(found) == wanted
    assert len(found) == len(wanted) == 27
