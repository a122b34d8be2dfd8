"""``kill -9`` while a search for programs has several calls under way: the run goes on, and ends the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from r2po.runlog.jsonl import iterate_lines
from tests.process.crashing import Crasher
from tests.process.processes import environ, logged, write_config

CANDIDATES = 4
SEARCH: Mapping[str, Any] = {
    "method": "promptpo",
    "gym_env_name": "CartPole-v1",
    "llm_model_name": "embedded/code",  # of whose samples some are wrong on purpose
    "logdir": "logs",
    "seed": 1,
    "candidates": CANDIDATES,
    "num_iterations": 2,
    "num_evaluation_episodes": 2,
    "heldout_episodes": 2,
    "repairs": 1,
    "max_traj_length": 40,
}
TUNED: Mapping[str, Any] = {
    **SEARCH,
    "method": "promptpo_tuned",
    "num_iterations": 1,
    "tune_evaluations": 10,
    "tune_episodes": 2,
}
KILLED = -9
MOST_POINTS = 2000


@pytest.fixture(scope="module")
def crasher() -> Iterator[Crasher]:
    with Crasher(environ()) as crasher:
        yield crasher


@pytest.fixture(scope="module")
def calm(crasher: Crasher, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run directory of a run that nobody kills."""
    folder = tmp_path_factory.mktemp("calm")
    write_config(folder, SEARCH)
    assert crasher.run(folder) == 0, (folder / "out").read_text()
    return folder / "logs/run_1"


def requests(run: Path) -> dict[int, str]:
    """Return the addresses of all requests, by number."""
    events = iterate_lines(run / "llm_calls.jsonl")
    return {event["call"]: event["key"] for event in events if event["event"] == "request"}


def replies(run: Path) -> list[tuple[str, str]]:
    """Return address and text of all replies, sorted."""
    keys, events = requests(run), iterate_lines(run / "llm_calls.jsonl")
    return sorted((keys[event["call"]], event["text"]) for event in events if event["event"] == "reply")


def content(run: Path) -> dict[str, Any]:
    """Return all that a run wrote but its calls and what clocks say."""
    files = logged(run)
    del files["llm_calls.jsonl"]
    files["evaluations.jsonl"] = [{**line, "cpu_s": None} for line in files["evaluations.jsonl"]]
    return files


def kill_and_resume(folder: Path, point: int, crasher: Crasher, calm: Path) -> int:
    """Kill a run at a point and resume it; return how many calls were asked again, or -1 if it ended before."""
    write_config(folder, SEARCH)
    if crasher.run(folder, kill_at=point) == 0:
        return -1
    run = folder / "logs/run_1"
    begun = run.exists() and (run / "llm_calls.jsonl").exists()
    under_way = len(requests(run)) - len(replies(run)) if begun else 0
    (folder / "out").unlink()
    options = ["--resume", "1"] if run.exists() else []
    assert crasher.run(folder, *options) == 0, (folder / "out").read_text()
    assert content(run) == content(calm)
    assert replies(run) == replies(calm)
    again = len(requests(run)) - len(replies(run))
    assert again <= under_way <= CANDIDATES
    return again


def test_the_run_has_everything_that_a_kill_may_hit(calm: Path) -> None:
    files = logged(calm)
    stages = [each["stage"] for record in files["iterations.jsonl"] for each in record["candidates"]]
    assert any("repair" in stage for stage in stages)
    assert "reflection" in files["iterations.jsonl"][1]["notes"]
    assert len(files["evaluations.jsonl"]) > CANDIDATES


@pytest.mark.parametrize("point", [90])
def test_a_kill_changes_nothing(point: int, tmp_path: Path, crasher: Crasher, calm: Path) -> None:
    assert kill_and_resume(tmp_path, point, crasher, calm) >= 0


@pytest.mark.slow
def test_a_kill_at_any_write_changes_nothing_and_costs_at_most_the_calls_under_way(
    tmp_path: Path, crasher: Crasher, calm: Path
) -> None:
    again = []
    for point in range(1, MOST_POINTS):
        again.append(kill_and_resume(tmp_path / str(point), point, crasher, calm))
        if again[-1] < 0:
            break
    assert again[-1] < 0
    assert len(again) > 100
    assert max(again) > 1  # several calls were under way


@pytest.mark.slow
def test_one_run_survives_many_kills_in_turn(tmp_path: Path, crasher: Crasher, calm: Path) -> None:
    write_config(tmp_path, SEARCH)
    run, kills = tmp_path / "logs/run_1", 0
    while (code := crasher.run(tmp_path, *(["--resume", "1"] if run.exists() else []), kill_at=kills + 5)) != 0:
        assert code == KILLED, (tmp_path / "out").read_text()
        kills += 1
        assert kills < MOST_POINTS
    assert kills > 5
    assert content(run) == content(calm)
    assert replies(run) == replies(calm)


@pytest.mark.slow
def test_a_kill_while_constants_are_tuned_changes_nothing(tmp_path: Path, crasher: Crasher) -> None:
    write_config(tmp_path / "calm", TUNED)
    assert crasher.run(tmp_path / "calm") == 0, (tmp_path / "calm/out").read_text()
    calm = tmp_path / "calm/logs/run_1"
    (record,) = logged(calm)["iterations.jsonl"]
    assert record["tuning"]["evaluations"] == TUNED["tune_evaluations"]
    assert record["candidates"][-1]["stage"].endswith("_tuned")
    killed_in_tuning = 0
    for point in range(20, MOST_POINTS, 17):
        folder = tmp_path / str(point)
        write_config(folder, TUNED)
        if crasher.run(folder, kill_at=point) == 0:
            break
        names = [line["name"] for line in iterate_lines(folder / "logs/run_1/evaluations.jsonl")]
        killed_in_tuning += bool(names) and "tuning" in names[-1]
        assert crasher.run(folder, "--resume", "1") == 0, (folder / "out").read_text()
        assert content(folder / "logs/run_1") == content(calm)
    assert killed_in_tuning > 1
