"""What the list of runs is told: of runs of every kind, and as they go on."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from r2po.runlog.lock import Lock
from r2po.sweep.status import IDLE_S
from r2po.view import index as index_module
from r2po.view.finding import find_below
from r2po.view.held import LOCKS, held_here
from r2po.view.index import Index
from r2po.view.summary import Summary
from r2po.view.watched import Moment, Slice, WatchedRun
from tests.analysis.made_logs import iteration, write_lines, write_run
from tests.analysis.published_format import folder_name, write_published_run
from tests.view.asked import ends_in_time, watched_opening


class Clock:
    """Time that passes when a test says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr("r2po.view.index.time.monotonic", lambda: self.now)

    def passes(self, seconds: float = 2.0) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def rows(index: Index, since: int = 0) -> dict[str, dict[str, Any]]:
    return {f"{row['experiment']}/{row['run']}": row for row in index.changes(since)["runs"]}


def test_a_row_tells_what_the_log_holds(tmp_path: Path, clock: Clock) -> None:
    run = write_run(tmp_path / "exp", 1, [1.0, 5.0, 3.0])
    result = json.loads((run / "result.json").read_text())
    (run / "result.json").write_text(json.dumps({**result, "cost": 0.25}))
    row = rows(Index(tmp_path))["exp/run_1"]
    assert row.pop("id").isalnum()
    assert row.pop("stamp").isalnum()
    assert row == {
        "experiment": "exp",
        "run": "run_1",
        "state": "done",
        "note": "",
        "method": "ProPS",
        "environment": "CartPole",
        "model": "ollama/some-model",
        "stand_in": False,
        "marks": [],
        "iterations": 3,
        "planned": 3,
        "best": 5.0,
        "curve": [1.0, 5.0, 5.0],
        "heldout": 7.5,
        "cost": 0.25,
        "seed": 1,
        "protocol": "published",
    }


def test_what_is_not_known_is_none_and_not_0(tmp_path: Path, clock: Clock) -> None:
    run = write_run(tmp_path / "exp", 1, [], complete=False)
    (tmp_path / "exp/run_2").mkdir()
    found = rows(Index(tmp_path))
    for name in ("exp/run_1", "exp/run_2"):
        assert [found[name][key] for key in ("best", "heldout", "cost", "curve")] == [None, None, None, []]
    assert found["exp/run_2"]["note"] == "nothing is logged yet"
    lines: list[dict[str, Any]] = [{"iteration": 1, "reward": None, "candidates": [], "times": {}}]
    write_lines(run, lines)
    assert rows(Index(tmp_path))["exp/run_1"]["curve"] == [None]


def test_the_stand_in_and_replays_are_marked(tmp_path: Path, clock: Clock) -> None:
    write_run(tmp_path / "exp", 1, [1.0], description={"stand_in": True})
    write_run(tmp_path / "exp", 2, [1.0], description={"replay_of": "/srv/me/logs/other/run_7"})
    found = rows(Index(tmp_path))
    assert found["exp/run_1"]["stand_in"] is True
    assert found["exp/run_2"]["stand_in"] is False
    assert found["exp/run_2"]["marks"] == ["replay of other/run_7: not another sample"]
    assert "/srv/me" not in json.dumps(found)


@pytest.mark.parametrize(
    ("name", "text", "note"),
    [
        ("iterations.jsonl", "{broken\n", "iterations.jsonl, line 1 is not an iteration"),
        ("result.json", "{", "result.json is not what r2po writes"),
        ("result.json", "[" * 100_000, "result.json is not what r2po writes"),
        ("run.yaml", "a: [", "run.yaml is damaged or was not written by r2po"),
        ("run.yaml", "schema: 99\n", "has schema 99; this version of r2po reads up to"),
    ],
)
def test_a_damaged_run_says_what_is_damaged_and_the_others_are_listed(
    name: str, text: str, note: str, tmp_path: Path, clock: Clock
) -> None:
    run = write_run(tmp_path / "exp", 1, [1.0, 2.0])
    write_run(tmp_path / "exp", 2, [1.0, 2.0])
    (run / name).write_text(text)
    found = rows(Index(tmp_path))
    assert found["exp/run_1"]["state"] == "damaged"
    assert note in found["exp/run_1"]["note"]
    assert str(tmp_path) not in found["exp/run_1"]["note"]
    assert found["exp/run_2"]["state"] == "done"


def test_logs_without_a_description_and_links_are_damage(tmp_path: Path, clock: Clock) -> None:
    for number in (1, 2):
        write_run(tmp_path / "exp", number, [1.0])
    (tmp_path / "exp/run_1/run.yaml").unlink()
    (tmp_path / "exp/run_2/llm_calls.jsonl").symlink_to("/etc/passwd")
    found = rows(Index(tmp_path))
    assert "it has no run.yaml" in found["exp/run_1"]["note"]
    assert found["exp/run_2"]["note"] == "llm_calls.jsonl: links are not followed"


@pytest.mark.parametrize("kind", ["pipe", "link"])
@pytest.mark.parametrize("name", ["run_1/run.yaml", "run_1/iterations.jsonl", "run_1/result.json", "race.json"])
def test_only_regular_files_are_opened(name: str, kind: str, tmp_path: Path, clock: Clock) -> None:
    exp = tmp_path / "logs/exp"
    write_run(exp, 1, [1.0])
    write_run(tmp_path / "logs/other", 1, [1.0])
    (tmp_path / "secret").write_text("secret: 1\n")
    (exp / name).unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(exp / name)
    else:
        (exp / name).symlink_to(tmp_path / "secret")
    with watched_opening() as paths, ends_in_time():
        found = rows(Index(tmp_path / "logs"))
    assert not [path for path in paths if path.endswith(("secret", f"exp/{name}"))]
    assert found["exp/run_1"]["state"] == "damaged"
    assert found["exp/run_1"]["note"].startswith(f"{Path(name).name}: ")
    assert found["other/run_1"]["state"] == "done"


def test_a_pipe_among_the_folders_of_a_published_run_is_not_opened(tmp_path: Path, clock: Clock) -> None:
    run = write_published_run(tmp_path / folder_name("cartpole", "r2po"), 1, [3.0, 5.0], method="r2po")
    path = next(each for each in sorted(run.rglob("*.txt")) if each.parent != run)
    path.unlink()
    os.mkfifo(path)
    with ends_in_time():
        (row,) = rows(Index(tmp_path)).values()
    assert (row["state"], row["note"]) == ("damaged", f"{path.name}: not a regular file, so it is not opened")


def test_logs_of_the_published_code(tmp_path: Path, clock: Clock) -> None:
    write_published_run(tmp_path / folder_name("cartpole", "r2po"), 1, [3.0, 5.0], method="r2po")
    (row,) = rows(Index(tmp_path)).values()
    assert (row["method"], row["environment"], row["model"]) == ("R2PO", "CartPole", "not recorded")
    assert (row["state"], row["iterations"], row["best"], row["cost"]) == ("done", 2, 5.0, None)


def test_a_baseline_of_which_only_a_summary_is_kept(tmp_path: Path, clock: Clock) -> None:
    run = tmp_path / "nim_sb3/ppo/run_1"
    run.mkdir(parents=True)
    (run / "summary.json").write_text(json.dumps({"mean_reward": 0.5, "best_reward": 1.0, "final_reward": 0.25}))
    row = rows(Index(tmp_path))["nim_sb3/ppo/run_1"]
    assert (row["method"], row["environment"], row["best"], row["iterations"]) == ("SB3-PPO", "Nim", 1.0, 0)
    assert (row["curve"], row["heldout"]) == ([], None)


def test_logs_that_take_long_are_read_a_few_at_a_time(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (1, 2):
        write_published_run(tmp_path / folder_name("cartpole", "r2po"), number, [3.0, 5.0], method="r2po")
    monkeypatch.setattr(index_module, "SLICE_S", -1.0)
    index = Index(tmp_path)
    changes = index.changes(0)
    assert ([row["state"] for row in changes["runs"]], changes["reading"]) == (["done", "unread"], True)
    changes = index.changes(changes["cursor"])  # at once
    assert ([row["state"] for row in changes["runs"]], changes["reading"]) == (["done"], False)


def test_a_folder_that_takes_long_to_list_leaves_time_to_read(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1, 4):
        write_run(tmp_path / "exp", number, [1.0])
    listed = find_below
    looks = []

    def slowly(root: Path) -> Any:
        clock.passes(10.0)
        looks.append(clock.now)
        return listed(root)

    monkeypatch.setattr(index_module, "find_below", slowly)
    monkeypatch.setattr(index_module, "SLICE_S", -1.0)  # so that each look reads one
    index = Index(tmp_path)
    states = [sorted(row["state"] for row in index.changes(0)["runs"]) for _ in range(3)]
    assert states == [["done", "unread", "unread"], ["done", "done", "unread"], ["done", "done", "done"]]
    assert len(looks) == 1
    write_run(tmp_path / "zzz", 1, [1.0])
    clock.passes(39.0)
    index.changes(0)
    assert len(looks) == 1
    clock.passes(2.0)
    assert rows(index)["zzz/run_1"]["state"] == "done"
    assert len(looks) == 2


def test_a_run_that_changes_all_the_time_keeps_no_other_one_waiting(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [
        write_published_run(tmp_path / folder_name("cartpole", "r2po"), number, [3.0], method="r2po")
        for number in (1, 2)
    ]
    index = Index(tmp_path)
    index.changes(0)
    monkeypatch.setattr(index_module, "SLICE_S", -1.0)
    read: list[str] = []
    before = WatchedRun._foreign

    def noted(run: WatchedRun) -> Summary:
        read.append(run.path.name)
        return before(run)

    monkeypatch.setattr(WatchedRun, "_foreign", noted)
    for number in range(4):
        for run in runs:
            os.utime(run / "overall_log.txt", (number, number))
        clock.passes()
        index.changes(0)
        index.changes(0)
    assert read.count("run_2") == read.count("run_1") == 4


def test_only_what_changed_is_told(tmp_path: Path, clock: Clock) -> None:
    runs = [write_run(tmp_path / "exp", number, [1.0, 2.0], complete=False) for number in (1, 2)]
    index = Index(tmp_path)
    cursor = index.changes(0)["cursor"]
    clock.passes()
    assert index.changes(cursor)["runs"] == []
    with (runs[0] / "iterations.jsonl").open("a") as file:
        file.write(json.dumps(iteration(3, 9.0)))
        file.flush()
        clock.passes()
        assert [row["iterations"] for row in index.changes(cursor)["runs"]] == [2]  # torn: not there yet
        file.write("\n")
    clock.passes()
    changes = index.changes(cursor)
    assert [(row["run"], row["iterations"], row["best"]) for row in changes["runs"]] == [("run_1", 3, 9.0)]
    shutil.rmtree(runs[1])
    clock.passes()
    gone = index.changes(changes["cursor"])
    assert (gone["runs"], len(gone["gone"])) == ([], 1)
    assert index.run(gone["gone"][0]) is None
    assert index.changes(10**9)["whole"]  # the cursor of another server


def test_a_result_that_is_written_anew_is_told(tmp_path: Path, clock: Clock) -> None:
    run = write_run(tmp_path / "exp", 1, [1.0])
    index = Index(tmp_path)
    cursor = index.changes(0)["cursor"]
    before = rows(index)["exp/run_1"]
    result = json.loads((run / "result.json").read_text())
    (run / "result.json").write_text(json.dumps({**result, "heldout_std": 99.5}))  # no row shows it
    (run / "llm_calls.jsonl").write_text("")
    clock.passes()
    after = rows(index, cursor)["exp/run_1"]
    assert {**after, "stamp": before["stamp"]} == before
    assert after["stamp"] != before["stamp"]


def test_many_pages_that_ask_are_one_look(tmp_path: Path, clock: Clock) -> None:
    index = Index(tmp_path)
    index.changes(0)
    write_run(tmp_path / "exp", 1, [1.0])
    assert index.changes(0)["runs"] == []
    clock.passes()
    assert len(index.changes(0)["runs"]) == 1


def test_names_in_addresses_stay_and_are_no_paths(tmp_path: Path, clock: Clock) -> None:
    write_run(tmp_path / "exp", 1, [1.0])
    first, second = (rows(Index(tmp_path))["exp/run_1"]["id"] for _ in range(2))
    assert first == second
    index = Index(tmp_path)
    for name in ("exp/run_1", "../exp/run_1", "", ".", str(tmp_path / "exp/run_1")):
        assert index.run(name) is None
    found = index.run(first)
    assert found is not None
    assert found.path == tmp_path / "exp/run_1"


HOLDER = """
import sys
from pathlib import Path
from r2po.runlog.lock import Lock
lock = Lock(Path(sys.argv[1]) / ".lock")
print(flush=True)
input()
"""


def test_a_run_is_running_as_long_as_a_process_holds_it(tmp_path: Path, clock: Clock) -> None:
    if not LOCKS.exists():
        pytest.skip("this system does not list its locks")
    run = write_run(tmp_path / "exp", 1, [1.0], complete=False)
    index = Index(tmp_path)
    assert rows(index)["exp/run_1"]["state"] == "stopped"
    command = [sys.executable, "-c", HOLDER, str(run)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        clock.passes()
        assert rows(index)["exp/run_1"]["state"] == "running"
        assert index.changes(0)["busy"]
        write_lines(run, [iteration(1, 1.0), iteration(2, 2.0)])
        process.kill()
    clock.passes()
    assert rows(index)["exp/run_1"]["state"] == "stopped"  # though its log grew since the last look
    clock.passes()
    assert rows(index)["exp/run_1"]["state"] == "stopped"


def test_a_run_that_was_killed_here_while_nobody_looked_is_stopped(tmp_path: Path, clock: Clock) -> None:
    run = write_run(tmp_path / "exp", 1, [1.0], complete=False)
    with closing(Lock(run / ".lock")):
        pass  # it was run before
    index = Index(tmp_path)
    assert rows(index)["exp/run_1"]["state"] == "stopped"
    command = [sys.executable, "-c", HOLDER, str(run)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        write_lines(run, [iteration(1, 1.0), iteration(2, 2.0)])
        process.kill()
    for _ in range(3):
        clock.passes()
        assert rows(index)["exp/run_1"]["state"] == "stopped"
    write_lines(run, [iteration(1, 1.0), iteration(2, 2.0), iteration(3, 2.0)])
    clock.passes()
    assert rows(index)["exp/run_1"]["state"] == "running"  # nobody here holds it, and somebody writes


def test_a_run_that_grew_long_ago_is_not_running(tmp_path: Path, clock: Clock) -> None:
    """As when nobody looked for a night."""
    run = write_run(tmp_path / "exp", 1, [1.0], complete=False)
    index = Index(tmp_path)
    rows(index)
    for age_s, state in ((IDLE_S - 60, "running"), (IDLE_S + 60, "stopped")):
        write_lines(run, [iteration(1, 1.0)] * int(age_s))
        os.utime(run / "iterations.jsonl", (time.time() - age_s,) * 2)
        clock.passes()
        assert rows(index)["exp/run_1"]["state"] == state
    clock.passes(120)
    assert rows(index)["exp/run_1"]["state"] == "stopped"


def test_a_run_that_grows_without_a_holder_here_runs_elsewhere(tmp_path: Path, clock: Clock) -> None:
    run = write_run(tmp_path / "exp", 1, [1.0], complete=False)
    index = Index(tmp_path)
    assert rows(index)["exp/run_1"]["state"] == "stopped"
    write_lines(run, [iteration(1, 1.0), iteration(2, 2.0)])
    clock.passes()
    assert rows(index)["exp/run_1"]["state"] == "running"
    clock.passes(IDLE_S + 1)
    assert rows(index)["exp/run_1"]["state"] == "stopped"


def test_looking_takes_no_lock_and_writes_nothing(cartpole: Path, clock: Clock) -> None:
    before = {path: path.stat().st_mtime_ns for path in cartpole.parent.rglob("*")}
    index = Index(cartpole.parent.parent)
    index.changes(0)
    assert {path: path.stat().st_mtime_ns for path in cartpole.parent.rglob("*")} == before


def test_a_run_that_cannot_be_read_stays_in_the_list(tmp_path: Path) -> None:
    run = WatchedRun(tmp_path / "run_1", "r1")
    assert run.look(Moment(0.0, 0.0, held_here(), frozenset()), Slice(1.0, lambda: 0.0))
    assert (run.summary.state, run.summary.note.startswith("cannot read")) == ("damaged", True)
    assert str(tmp_path) not in run.summary.note
