"""A part of a table holds nothing of other environments, although their runs lie in the same logs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from r2po.cli.inside import call_quietly
from r2po.reproduce.part import Experiment
from tests.reproduce.made import make_runs, request_for


def climbing(_: Experiment, number: int) -> Sequence[float]:
    return [0.0, 1.0 + number]


@pytest.mark.parametrize("table", ["core", "tau_c"])
def test_tables_and_tests_are_of_the_environments_that_were_asked_for(tmp_path: Path, table: str) -> None:
    for each in request_for(tmp_path, table=table, only=["cartpole", "pong"]).runs:
        make_runs(tmp_path / "logs", each, 2, climbing)
    place = request_for(tmp_path, table=table, only=["pong"]).place
    for command in request_for(tmp_path, table=table, only=["pong"]).part.commands(place):
        drawn = "--figure" in command.arguments or "all_" in " ".join(command.arguments)
        if command.name not in ("paper_reward_curves", "paper_robust_statistics") and not drawn:  # those take long
            call_quietly(command.name, [text for text in command.arguments if text not in ("png", "latex")])
    written = [path for path in place.folder.rglob("*") if path.suffix in (".md", ".csv", ".json")]
    assert written
    for path in written:
        text = path.read_text(encoding="utf-8")
        assert "Pong" in text or "pong" in text, path
        assert "cartpole" not in text.casefold(), path
        if path.suffix == ".json":
            json.loads(text)
