"""Logs of schema 4, made before policies could be code, are read and resumed as ever (see ``tests/data/README.md``)."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from r2po.cli import main
from r2po.runlog import RunDirectory
from tests.older_logs import DATA, figures

NAME = "logs_schema_4"
EXPECTED: dict[str, Any] = json.loads((DATA / f"{NAME}.json").read_text(encoding="utf-8"))
INTERRUPTED = [Path(name) for name in EXPECTED if name.startswith("interrupted")]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The unpacked logs, which are the working directory."""
    with tarfile.open(DATA / f"{NAME}.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    monkeypatch.chdir(tmp_path / NAME)
    return tmp_path / NAME


@pytest.mark.parametrize("logdir", EXPECTED)
def test_they_are_read_with_the_same_figures(logdir: str, folder: Path) -> None:
    assert figures(logdir) == EXPECTED[logdir]


@pytest.mark.parametrize("logdir", INTERRUPTED, ids=lambda logdir: logdir.name)
def test_an_interrupted_run_ends_as_the_uninterrupted_one(logdir: Path, folder: Path) -> None:
    whole = Path("logs") / logdir.name / "run_1"
    before = (logdir / "run_1/iterations.jsonl").read_bytes().splitlines(keepends=True)[:2]
    options = ("--set", f"logdir={logdir}", "--accept-changed-prompts", "--resume", "1")
    assert main(["run", "--config", f"configs/{logdir.name}.yaml", "--quiet", *options]) == 0
    assert (logdir / "run_1/iterations.jsonl").read_bytes().splitlines(keepends=True)[:2] == before
    assert steady(logdir / "run_1") == steady(whole)


def test_a_complete_run_is_shown_again(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--config", "configs/cartpole_r2po.yaml", "--resume", "1"]) == 0
    assert "is complete; nothing to do" in capsys.readouterr().out
    assert not (folder / "logs/cartpole_r2po/run_2").exists()


def steady(run: Path) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return what a run wrote but for its times, its checksums and the version of its format."""
    left_out = {"times": 0, "sums": 0, "prompts": 0, "schema": 0}
    directory = RunDirectory(run)
    iterations = [{**record, **left_out} for record in directory.read_iterations()]
    return iterations, {**directory.read_result(), **left_out}


def test_the_sample_was_not_made_anew() -> None:
    with tarfile.open(DATA / f"{NAME}.tar.xz") as archive:
        descriptions = [name for name in archive.getnames() if name.endswith("run.yaml")]
        for name in descriptions:
            file = archive.extractfile(name)
            assert file is not None
            assert file.readline() == b"schema: 4\n"
    assert len(descriptions) == len(EXPECTED)
