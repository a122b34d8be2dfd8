"""Runs that name one model and were answered by different ones are noted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from r2po.analysis.logs.load import load_log_directory
from tests.analysis.made_logs import write_run


def server(model: Any) -> dict[str, Any]:
    return {"scheme": "http", "host": "127.0.0.1", "port": 11434, "path": "", "model": model}


def write(folder: Path, number: int, model: str = "ollama/x", **told: Any) -> None:
    servers = {role: server(identity) for role, identity in told.items()}
    write_run(folder, number, [float(number)], description={"model": model, "seed": number, "servers": servers})


def test_other_weights_under_one_name_are_noted(tmp_path: Path) -> None:
    write(tmp_path, 1, search=None)
    write(tmp_path, 2, search={"digest": "aa"}, critic={"version": "1", "size": 5})
    write(tmp_path, 3, search={"digest": "aa"})
    write(tmp_path, 4, search={"digest": "bb"})
    write(tmp_path, 5, search={"digest": "aa"}, critic={"version": "2"})
    write(tmp_path, 6, "ollama/y", search={"digest": "cc"})
    logs = load_log_directory(tmp_path)
    assert len(logs.runs) == 6
    assert logs.notes == (
        "run_4: the model of search is not that of run_2: digest bb; there digest aa",
        "run_5: the model of critic is not that of run_2: version 2; there version 1, size 5",
    )


def test_runs_that_tell_nothing_are_not_noted(tmp_path: Path) -> None:
    write_run(tmp_path, 1, [1.0])
    write(tmp_path, 2, search=None)
    write(tmp_path, 3, search={"digest": "aa"})
    assert load_log_directory(tmp_path).notes == ()


def test_a_server_without_its_fields_is_a_damaged_log(tmp_path: Path) -> None:
    write_run(tmp_path, 1, [1.0], description={"servers": {"search": {"host": 7}}})
    write_run(tmp_path, 2, [2.0])
    assert "servers.search" in load_log_directory(tmp_path).problems[0]
