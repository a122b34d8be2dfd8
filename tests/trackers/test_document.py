"""What docs/trackers.md says is what trackers do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from r2po.cli import main
from r2po.trackers import TRACKERS
from r2po.trackers.guard import LIMITS
from r2po.trackers.metrics import METRICS
from r2po.trackers.reading import SHORTEST_KEY
from tests.process.processes import NIM, write_config

TEXT = (Path(__file__).parents[2] / "docs/trackers.md").read_text(encoding="utf-8")


def test_the_table_is_that_of_the_code() -> None:
    rows = dict(re.findall(r"^\| `([^`]*)` \| (.*) \|$", TEXT, re.MULTILINE))
    assert rows == dict(METRICS)


def test_the_limits_are_those_of_the_code() -> None:
    assert f"within {LIMITS.call:g} seconds" in TEXT
    limits = f"{LIMITS.loading:g} seconds, the first answers of a server {LIMITS.reaching:g}, and the end of a run"
    assert limits in TEXT
    assert f"when files are sent, {LIMITS.ending:g}." in TEXT
    assert f"for all of them together at most {LIMITS.ending:g} seconds" in TEXT
    assert f"one that is still being loaded gets {LIMITS.stopped:g} seconds" in TEXT


def test_how_short_a_key_may_be_is_that_of_the_code() -> None:
    assert f"if they have at least {SHORTEST_KEY} characters" in TEXT


def test_all_trackers_are_named() -> None:
    assert all(f"`{name}`" in TEXT for name, tracker in TRACKERS.items() if tracker.extra)


def test_its_example_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    monkeypatch.setattr(TRACKERS, "_items", dict(TRACKERS))
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "textfile.py", "exec"), {"__name__": "textfile"})
    write_config(tmp_path, {**NIM, "num_iterations": 3, "llm_model_name": "embedded/search"})
    assert main(["run", "--config", "config.yaml", "--quiet", "--track", "textfile"]) == 0
    assert main(["track", "logs", "--to", "textfile"]) == 0
    written = (tmp_path / "logs/run_1 (stand-in).txt").read_text().splitlines()
    assert [line.split()[0] for line in written] == ["1", "2", "3", "end"]
