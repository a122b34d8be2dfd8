"""Logs of older versions are read, resumed and replayed as ever, and the same configs give the same logs today.

Prompts have changed since, so the model would be asked something else: what it was asked then is replayed by position,
and runs that ask a model are resumed only if the change is accepted.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from r2po.analysis.logs.own import load_own_run
from r2po.runlog import RunDirectory
from tests.older_logs import KEYS, Served, as_then, content, differences, expected, figures, main, sample

LOGDIRS = [Path(name) for name in expected()]
COMPLETE = [logdir for logdir in LOGDIRS if logdir.parent.name == "logs"]
INTERRUPTED = [logdir for logdir in LOGDIRS if logdir.parent.name == "interrupted"]

WITHOUT_MODEL = ("random_search", "evolution_strategy", "cma_es", "ars", "unseeded")
LINEAR_ALGEBRA = ("cma_es", "projected_mlp")
"""Runs whose last bits depend on the machine."""
DIGITS = 9
"""What has to agree of such a run on another kind of machine."""
NOT_REPLAYED = ("replay_of", "differing_prompts", "failed_attempts", "accounting")
"""Fields of a result that tell a replay, or how often a server failed."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with the configs; there are neither keys nor servers, and nobody waits for the disk."""
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv(name.replace("API_KEY", "BASE_URL"), "http://127.0.0.1:9")
    monkeypatch.setattr(os, "fsync", lambda _: None)
    shutil.copytree(sample() / "configs", tmp_path / "configs")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def take(logdir: Path) -> None:
    """Copy a frozen log directory to its place in the working directory, and what its runs replay."""
    shutil.copytree(sample() / logdir, logdir)
    model = yaml.safe_load(Path(f"configs/{logdir.name}.yaml").read_text(encoding="utf-8")).get("llm_model_name", "")
    if model.startswith("replay/"):
        take(Path(model).relative_to("replay").parent)


def run(logdir: Path, *options: str) -> int:
    return main(["run", "--config", f"configs/{logdir.name}.yaml", "--quiet", *options])


def make(logdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the runs of a log directory anew, each resumed as often as it was then."""
    take(logdir)
    shutil.rmtree(logdir)
    for _ in (sample() / logdir).iterdir():
        with Served(logdir.name) as server:
            monkeypatch.setenv("OLLAMA_BASE_URL", server.url)
            code = run(logdir)
            while code == 1 and server.answers:
                code = run(logdir, "--resume")
            assert (code, server.answers) == (0, [])


def digits(logdir: Path) -> int | None:
    """Return how many digits of a run's numbers have to agree; None for all of them."""
    return DIGITS if logdir.name.endswith(LINEAR_ALGEBRA) and not as_then("bits") else None


@cache
def frozen(run: Path) -> dict[str, Any]:
    """Return what a run wrote then."""
    return content(sample() / run)


def assert_same(logdir: Path, now: Path) -> None:
    """The runs in a folder are those of a frozen log directory."""
    names = sorted(path.name for path in (sample() / logdir).iterdir())
    assert names == sorted(path.name for path in now.iterdir())
    for name in names:
        assert differences(frozen(logdir / name), content(now / name), digits=digits(logdir)) == []


def results(log: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a run wrote, but for its calls and what names a replay."""
    result = json.loads(log["result.json"])
    kept = {key: value for key, value in result.items() if key not in NOT_REPLAYED}
    # The address of a reply depends on the prompt.
    iterations = [re.sub(r'"call":"\w+"', '"call":""', line) for line in log["iterations.jsonl"]]
    files = {"result.json": json.dumps(kept, indent=2), "iterations.jsonl": iterations}
    return {**log, **files, "run.yaml": "", "llm_calls.jsonl": []}


def test_all_frozen_logs_are_expected_to_be_read() -> None:
    runs = (path.parent for part in ("logs", "interrupted") for path in (sample() / part).rglob("run_*"))
    assert {path.relative_to(sample()) for path in runs} == set(LOGDIRS)


@pytest.mark.parametrize("logdir", LOGDIRS, ids=str)
def test_they_are_read_with_the_same_figures(logdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(sample())
    assert figures(str(logdir)) == expected()[str(logdir)]


def asks_model(logdir: Path) -> bool:
    return not logdir.name.endswith((*WITHOUT_MODEL, "sb3"))


@pytest.mark.parametrize("logdir", [each for each in COMPLETE if not asks_model(each)], ids=lambda logdir: logdir.name)
def test_the_same_config_gives_the_same_logs(folder: Path, logdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if logdir.name.endswith("cma_es") and not as_then("ties"):
        pytest.skip("this machine sorts equal returns otherwise, and so the search takes other ways")
    make(logdir, monkeypatch)
    assert_same(logdir, logdir)


@pytest.mark.parametrize(
    "logdir", [each for each in INTERRUPTED if not asks_model(each)], ids=lambda logdir: logdir.name
)
def test_an_interrupted_run_ends_as_the_uninterrupted_one(
    folder: Path, logdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if logdir.name.endswith("cma_es") and not (as_then("bits") and as_then("ties")):
        pytest.skip("this machine computes other last bits, and a search does not go on from those of another one")
    take(logdir)
    events = (logdir / "run_1/llm_calls.jsonl").read_text(encoding="utf-8")
    with Served(logdir.name, already=events.count('{"event":"reply"') + events.count('{"event":"failure"')) as server:
        monkeypatch.setenv("OLLAMA_BASE_URL", server.url)
        assert run(logdir, "--resume", "1", "--set", f"logdir={logdir}") == 0
        assert server.answers == []
    assert_same(Path("logs") / logdir.name, logdir)


@pytest.mark.parametrize("logdir", [each for each in INTERRUPTED if asks_model(each)], ids=lambda logdir: logdir.name)
def test_an_interrupted_run_resumes_with_other_prompts_only_if_that_is_accepted(
    folder: Path, logdir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    take(logdir)
    directory = logdir / "run_1"
    before = {path: path.read_bytes() for path in directory.rglob("*") if path.is_file() and path.name != ".lock"}
    done = len(RunDirectory(directory).read_iterations())
    with Served(logdir.name) as server:
        monkeypatch.setenv("OLLAMA_BASE_URL", server.url)
        server.answers *= 2  # enough: some were used before the kill
        resume = ("--resume", "1", "--set", f"logdir={logdir}")
        if logdir.name == "cartpole_replay":  # by position, since the recorded prompts are the older ones
            assert run(logdir, *resume, "--replay-by-position") == 0
            return
        assert run(logdir, *resume) == 2
        said = capsys.readouterr().err
        assert "its prompts would not be those it began with: an earlier version of r2po wrote them" in said
        assert "--accept-changed-prompts" in said
        assert before == {path: path.read_bytes() for path in before}
        assert run(logdir, *resume, "--accept-changed-prompts") == 0
    changed = ["prompts" in record for record in RunDirectory(directory).read_iterations()]
    assert changed == [False] * done + [True] * (len(changed) - done)
    assert load_own_run(RunDirectory(directory)).prompts == (
        "prompts changed on the way" if any(changed) else "prompts of an earlier version"
    )
    assert run(logdir, *resume) == 0  # complete: there is nothing to ask any more


@pytest.mark.parametrize("logdir", [each for each in COMPLETE if asks_model(each)], ids=lambda logdir: logdir.name)
def test_a_replay_by_position_gives_the_same_trials(folder: Path, logdir: Path) -> None:
    take(logdir)
    replay = ("--set", f"llm_model_name=replay/{logdir}/run_1", "logdir=again")
    assert run(logdir, *replay) == 2  # the prompts are not the recorded ones
    assert not Path("again").is_dir() or not list(Path("again").iterdir())
    assert run(logdir, *replay, "--replay-by-position") == 0
    again = json.loads(Path("again/run_1/result.json").read_text(encoding="utf-8"))
    assert again["replay_of"] == f"{logdir}/run_1"
    assert again["differing_prompts"] > 0
    assert (
        differences(results(frozen(logdir / "run_1")), results(content(Path("again/run_1"))), digits=digits(logdir))
        == []
    )
