"""docs/run-log.md explains every file and every key of a run directory, and none that is not there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from r2po.analysis.evaluation.report import write_report
from r2po.analysis.logs.load import load_log_directory
from r2po.config import resolve
from r2po.experiment.launch import launch
from r2po.experiment.observer import Observer
from r2po.llm.store import CallStore
from r2po.llm.types import AttemptFailed, Question
from tests.codes import Coder, make_code_config, run_code

DOC = (Path(__file__).parents[2] / "docs" / "run-log.md").read_text(encoding="utf-8")
SECTIONS = {part.split("\n", 1)[0].strip("` "): part for part in DOC.split("\n## ")[1:]}

ONLY_SOMETIMES = {"raw_params", "prompts", "cut", "isolation", "failure", "notes", "tuning", "race"} | {
    *("servers", "served", "plugins"),
    *("success", "successes", "best_success", "heldout_success", "heldout_failure", "deterministic"),
}
"""Keys that are there only where parameters were clipped, where prompts have changed since the run began, where a
reply that was cut off is used, where a server answered, where policies are code, where one failed, where a method takes
notes or tunes constants, where a race was held, where a task tells success, or where there are plugins."""


@pytest.mark.parametrize("section", [name for name, text in SECTIONS.items() if "| key | meaning |" in text])
def test_no_key_is_explained_twice(section: str) -> None:
    for table in SECTIONS[section].split("| key | meaning |")[1:]:
        rows = table.split("\n\n")[0].splitlines()[2:]
        explained = [key for row in rows for key in re.findall(r"`([a-z_]+)`", row.split("|")[1])]
        assert len(set(explained)) == len(explained)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short run of a method that shows rollouts, one failed call added, and its report."""
    logdir = tmp_path_factory.mktemp("logs") / "cartpole_r2po"
    values = {
        "gym_env_name": "CartPole-v1",
        "method": "r2po",
        "llm_model_name": "embedded/search",
        "logdir": str(logdir),
        "num_iterations": 2,
        "num_evaluation_episodes": 3,
        "warmup_episodes": 2,
        "heldout_episodes": 3,
    }
    launch(resolve(values, "test"), None, {}, Observer())
    store = CallStore(logdir / "run_1")
    call = store.request("key", Question(3, "search", 0, 1, "prompt"))
    store.failure(call, 1, AttemptFailed("unreachable", retryable=False))
    store.gave_up(call)
    store.close()
    write_report(load_log_directory(logdir))
    return logdir / "run_1"


def keys(record: Any) -> Iterator[str]:
    """Yield the keys of a record, at every depth."""
    if isinstance(record, dict):
        for key, value in record.items():
            yield key
            yield from keys(value)
    elif isinstance(record, list):
        for value in record:
            yield from keys(value)


def found_keys(run: Path) -> dict[str, set[str]]:
    read_json = {
        "run.yaml": yaml.safe_load((run / "run.yaml").read_text()),
        "result.json": json.loads((run / "result.json").read_text()),
        "eval_report/": [
            json.loads((folder / "eval_report" / "summary.json").read_text()) for folder in (run, run.parent)
        ],
    }
    names = ("warmup.jsonl", "iterations.jsonl", "llm_calls.jsonl", "reevaluation.jsonl")
    lines = {name: [json.loads(line) for line in (run / name).read_text().splitlines()] for name in names}
    return {name: set(keys(record)) for name, record in (read_json | lines).items()}


def explained(section: str) -> set[str]:
    """Return the names in backquotes in the first column of a section's tables."""
    rows = [row.split("|")[1] for row in section.splitlines() if row.startswith("| `")]
    return {name for cell in rows for name in re.findall(r"`([^`]+)`", cell)}


def test_every_file_has_a_row(run: Path) -> None:
    there = {path.name + ("/" if path.is_dir() else "") for path in run.iterdir()}
    assert there | {"evaluations.jsonl", "best_policy.py", "batches.json"} == explained(DOC.split("\n## ")[0])


def test_every_key_is_explained_where_it_stands(run: Path) -> None:
    for name, found in found_keys(run).items():
        unexplained = {key for key in found if f"`{key}`" not in SECTIONS[name]}
        assert not unexplained, name


def test_every_explained_key_exists(run: Path) -> None:
    for name, found in found_keys(run).items():
        stale = explained(SECTIONS[name]) - found - ONLY_SOMETIMES
        assert not stale, name


def test_every_report_file_is_named(run: Path) -> None:
    assert all(f"`{path.name}`" in SECTIONS["eval_report/"] for path in (run / "eval_report").iterdir())


def test_arrays_have_the_names_and_shapes_that_are_explained(run: Path) -> None:
    archives = sorted((run / "trajectories").iterdir())
    assert [path.name for path in archives] == ["iteration_0001.npz", "iteration_0002.npz"]
    for path in archives:
        with np.load(path, allow_pickle=False) as arrays:
            for name in arrays:
                stage, index, kind = name.rsplit("_", 2)
                assert (stage, index.isdecimal()) == ("proposal", True)
                assert f"`<stage>_<k>_{kind}`" in SECTIONS["trajectories/"]
            steps = len(arrays[f"{stage}_{index}_rewards"])
            assert arrays[f"{stage}_{index}_observations"].shape == (steps + 1, 4)
            assert arrays[f"{stage}_{index}_actions"].shape == (steps,)


def test_every_key_of_a_run_with_code_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_code(make_code_config("r2po", tmp_path, num_iterations=2), Coder(), monkeypatch)
    run = tmp_path / "run_1"
    assert {path.name for path in run.iterdir() if path.is_file()} <= explained(DOC.split("\n## ")[0])
    names = ("iterations.jsonl", "evaluations.jsonl")
    found = {
        name: {key for line in (run / name).read_text().splitlines() for key in keys(json.loads(line))}
        for name in names
    }
    found["result.json"] = set(keys(json.loads((run / "result.json").read_text())))
    assert {"failure", "kind", "text", "source"} <= found["iterations.jsonl"]
    for name, there in found.items():
        unexplained = {key for key in there if f"`{key}`" not in SECTIONS[name]} - {"kind", "text"}
        assert not unexplained, name
