"""Runs of smoke and of stand-ins are compared with nothing: not on the page, and in no file beside it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from r2po.analysis.logs.experiments import find_experiments
from r2po.cli.inside import call_quietly
from r2po.reproduce import making, writing
from r2po.reproduce.outcome import SMOKE, as_json
from r2po.reproduce.part import Experiment
from r2po.runlog.smoke import write_smoke
from tests.reproduce.made import make_runs, outcome, request_for

COMPARED = re.compile(r"published: |\bt = |\bz = |difference_t|s\.e\.,|\"published\": \{")
"""What stands in files that compare with published figures."""


def climbing(_: Experiment, number: int) -> Sequence[float]:
    return [0.0, 1.0 + number]


def written(folder: Path, monkeypatch: pytest.MonkeyPatch, *, marked: bool = False, **changes: Any) -> dict[str, str]:
    """Return the text of all files of a part, by name, that are made of runs by hand."""
    monkeypatch.setattr(making, "TABLES", ("md", "csv", "json", "latex"))  # a picture shows what they say
    request = request_for(folder, table="tau_c", only=["pong"])
    for each in request.runs:
        logdir = make_runs(request.place.logs, each, 2, climbing, **changes)
        if marked:
            write_smoke(logdir)
    experiments = find_experiments(request.place.logs, request.place.runs)
    commands = writing.commands_of(request, experiments, "none")
    for command in commands[1:]:  # the first one sums up each log directory
        call_quietly(command.name, command.arguments)
    writing.write_page(request, experiments, commands, [], [], 0.0)
    files = [path for path in request.place.folder.rglob("*") if path.is_file()]
    return {path.relative_to(request.place.folder).as_posix(): path.read_text(encoding="utf-8") for path in files}


@pytest.mark.parametrize(
    "kind", [{"stand_in": True, "model": "embedded/search"}, {"marked": True}], ids=["stand-in", "smoke"]
)
def test_no_file_compares(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: dict[str, Any]) -> None:
    files = written(tmp_path, monkeypatch, **kind)
    assert {"index.html", "cells.json", "tables/tau_c_sensitivity.md"} <= files.keys()
    for name, text in files.items():
        if name != "cells.json":
            assert not COMPARED.search(text), name
    assert "--reference" not in files["commands.sh"]
    assert writing.ALONE in files["index.html"]


def test_other_runs_are_compared_in_the_same_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = written(tmp_path, monkeypatch)
    for name in ("index.html", "tables/tau_c_sensitivity.md", "tables/tau_c_sensitivity.json"):
        assert COMPARED.search(files[name]), name
    assert writing.ALONE not in files["index.html"]


def test_smoke_is_known_by_its_mark_and_leaves_others_their_distance(tmp_path: Path) -> None:
    request = request_for(tmp_path, table="tau_c", only=["pong"])
    for number, each in enumerate(request.runs):
        logdir = make_runs(request.place.logs, each, 2, climbing)
        if not number:
            write_smoke(logdir)
    found = outcome(request)
    whys = {(cell.column, cell.distance.why) for cell in found.cells}
    assert whys == {("tau_c default", SMOKE), ("tau_c half", ""), ("tau_c none", "")}
    assert len(found.told) == 6
    assert as_json(found)["smoke"] is True
    assert any("smoke run" in line for line in found.warnings)
