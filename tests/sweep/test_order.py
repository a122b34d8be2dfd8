"""Chosen configs come first, and nothing else changes."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from r2po.cli.sweep import add_options
from r2po.cli.sweep_again import command_to_continue
from r2po.errors import InputError
from r2po.sweep.order import chosen_first, ordered
from r2po.sweep.plan import SweepRequest, plan
from tests.process.processes import NIM, write_config

VALUES = {**NIM, "llm_model_name": "embedded/search"}
NAMES = ("a.yaml", "b.yaml", "c.yaml")


def test_the_runs_of_chosen_configs_are_first_and_all_else_is_seed_by_seed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in NAMES:
        write_config(tmp_path, {**VALUES, "logdir": f"logs/{name[0]}"}, name)
    runs = plan(SweepRequest(NAMES, (), (1, 2)))
    first = chosen_first(["./c.yaml", str(tmp_path / "c.yaml")], NAMES)
    assert first == ("c.yaml",)
    assert [f"{run.source[0]}{run.seed}" for run in ordered(runs, first)] == ["c1", "c2", "a1", "b1", "a2", "b2"]
    assert [run.index for run in ordered(runs, first)] == [2, 5, 0, 1, 3, 4]
    assert ordered(runs, ()) == runs


def test_what_is_no_config_of_the_sweep_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^--first d.yaml: no config of this sweep \(did you mean 'c.yaml'\?\)$"):
        chosen_first(["d.yaml"], NAMES)


def test_the_command_that_continues_by_the_folder_keeps_them() -> None:
    parser = argparse.ArgumentParser(prog="r2po sweep")
    add_options(parser)
    options = parser.parse_args([*NAMES, "d.yaml", "--first", "b.yaml", "c.yaml", "--jobs", "3"])
    assert command_to_continue(options, Path("logs/mine")).endswith("logs/mine --jobs 3 --first b.yaml c.yaml")
