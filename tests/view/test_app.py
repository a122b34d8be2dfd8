"""What the server answers to its own pages: blocks as a report has them, and nothing of other files."""

from __future__ import annotations

import json
import os
import shutil
import threading
from pathlib import Path

import pytest

from r2po.report.blocks import Told, Wanted, blocks_of, play_of, told_by
from r2po.report.overview import member_of, overview_of
from r2po.report.packing import unpack
from r2po.runlog import RunDirectory, open_run
from r2po.view import shelf
from tests.analysis.made_logs import iteration, write_run
from tests.view.asked import Asked, ends_in_time


@pytest.fixture
def asked(cartpole: Path) -> Asked:
    return Asked(cartpole.parent.parent)


def test_the_blocks_of_a_run_are_those_of_its_report(cartpole: Path, asked: Asked) -> None:
    found = blocks_of(open_run(cartpole), Wanted(), lambda _: None)
    name = asked.id_of("cartpole/run_1")
    core = asked.get(f"/api/run/{name}/core").block
    report = unpack(found.packed["core"])
    apart = ("motion", "maps", "state", "stamp")
    assert {key: core[key] for key in core if key not in apart} == {
        key: report[key] for key in report if key not in apart
    }
    assert core["state"] == "done"
    assert asked.get(f"/api/run/{name}/texts").block == unpack(found.packed["texts"])
    motion = asked.get(f"/api/run/{name}/motion").block
    assert motion["rollouts"] == unpack(found.packed["motion"])["rollouts"]
    assert (motion["about"], motion["maps"], motion["more"]) == (report["motion"], report["maps"], False)


def test_a_map_comes_with_the_rollouts(frozenlake: Path) -> None:
    asked = Asked(frozenlake.parent.parent)
    motion = asked.get(f"/api/run/{asked.id_of('frozenlake/run_1')}/motion").block
    assert (motion["maps"]["width"], motion["maps"]["height"]) == (4, 4)


def test_rollouts_come_a_few_at_a_time_and_none_twice(
    cartpole: Path, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shelf, "SLICE_S", 0.0)
    name = asked.id_of("cartpole/run_1")
    whole = unpack(blocks_of(open_run(cartpole), Wanted(), lambda _: None).packed["motion"])["rollouts"]
    first = asked.get(f"/api/run/{name}/motion").block
    assert first["more"]
    assert "still being made again" in first["about"]
    assert len(first["rollouts"]) < len(whole)
    monkeypatch.setattr(shelf, "SLICE_S", 10.0)
    second = asked.get(f"/api/run/{name}/motion?after={first['have']}").block
    assert (second["after"], second["more"]) == (first["have"], False)
    assert not first["rollouts"].keys() & second["rollouts"].keys()
    assert {**first["rollouts"], **second["rollouts"]} == whole


def test_the_limit_of_time_holds_for_all_questions_together(cartpole: Path) -> None:
    asked = Asked(cartpole.parent.parent, Wanted(seconds=0.0))
    motion = asked.get(f"/api/run/{asked.id_of('cartpole/run_1')}/motion").block
    assert not motion["more"]
    assert "not rolled out again within the limit of time" in motion["about"]


def test_a_run_that_grew_is_read_anew_and_its_rollouts_stay(
    tmp_path: Path, cartpole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "exp/run_1"
    shutil.copytree(cartpole, run)
    (run / "result.json").unlink()
    lines = (run / "iterations.jsonl").read_text().splitlines(keepends=True)
    (run / "iterations.jsonl").write_text("".join(lines[:3]))
    asked = Asked(tmp_path)
    name = asked.id_of("exp/run_1")
    first = asked.get(f"/api/run/{name}/motion").block
    (run / "iterations.jsonl").write_text("".join(lines))
    monkeypatch.setattr("r2po.view.index.APART_S", 0.0)
    assert len(asked.get(f"/api/run/{name}/core").block["iterations"]) == 5
    made: list[int] = []
    before = play_of

    def noted(told, wanted, tell, played):  # type: ignore[no-untyped-def]
        made.extend(played.rollouts)
        return before(told, wanted, tell, played)

    monkeypatch.setattr(shelf, "play_of", noted)
    second = asked.get(f"/api/run/{name}/motion?after={first['have']}").block
    assert len(made) == first["have"] > 0
    assert len(second["rollouts"]) == second["have"] - first["have"] > 0


def test_texts_and_rollouts_are_those_of_the_core_that_is_shown(
    tmp_path: Path, cartpole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that a run that goes on quickly is read once for a page, and not once for each of its parts."""
    monkeypatch.setattr("r2po.view.index.APART_S", 0.0)
    run = tmp_path / "exp/run_1"
    shutil.copytree(cartpole, run)
    (run / "result.json").unlink()
    lines = (run / "iterations.jsonl").read_text().splitlines(keepends=True)
    (run / "iterations.jsonl").write_text("".join(lines[:2]))
    asked = Asked(tmp_path)
    name = asked.id_of("exp/run_1")
    read: list[RunDirectory] = []

    def noted(directory: RunDirectory) -> Told:
        read.append(directory)
        return told_by(directory)

    monkeypatch.setattr(shelf, "told_by", noted)
    core = asked.get(f"/api/run/{name}/core").block
    (run / "iterations.jsonl").write_text("".join(lines[:3]))
    for block in ("texts", "motion"):
        assert asked.get(f"/api/run/{name}/{block}?stamp={core['stamp']}").status == 200
    assert len(read) == 1
    assert asked.runs()["exp/run_1"]["stamp"] != core["stamp"]
    newer = asked.get(f"/api/run/{name}/core?stamp={core['stamp']}").block
    assert (len(core["iterations"]), len(newer["iterations"]), len(read)) == (2, 3, 2)
    assert asked.runs()["exp/run_1"]["stamp"] == newer["stamp"]
    asked.get(f"/api/run/{name}/texts?stamp={core['stamp']}")  # another page has read it since
    assert len(read) == 2


def test_a_run_that_takes_long_to_read_keeps_no_other_one_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (1, 2):
        write_run(tmp_path / "exp", number, [1.0])
    asked = Asked(tmp_path)
    first, second = (asked.index.run(asked.id_of(f"exp/run_{number}")) for number in (1, 2))
    assert first is not None
    assert second is not None
    begun, goes_on = threading.Event(), threading.Event()

    def slowly(told: RunDirectory) -> Told:
        if told.path.name == "run_1":
            begun.set()
            assert goes_on.wait(20)
        return told_by(told)

    monkeypatch.setattr(shelf, "told_by", slowly)
    own = shelf.Shelf(Wanted())
    found: list[str] = []
    thread = threading.Thread(target=lambda: found.append(own.block(first, "core")), daemon=True)
    thread.start()
    try:
        assert begun.wait(20)
        with ends_in_time(5):
            assert own.block(second, "core")
        assert found == []
    finally:
        goes_on.set()
        thread.join(20)
    assert len(found) == 1


def test_a_last_line_without_its_end_is_no_fault_while_the_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = write_run(tmp_path / "exp", 1, [1.0, 2.0], complete=False)
    asked = Asked(tmp_path)
    name = asked.id_of("exp/run_1")
    with (run / "iterations.jsonl").open("a") as file:
        file.write(json.dumps(iteration(3, 9.0))[:40])
    monkeypatch.setattr("r2po.view.index.APART_S", 0.0)
    core = asked.get(f"/api/run/{name}/core").block
    assert (core["state"], len(core["iterations"])) == ("running", 2)
    assert not any("torn" in line for line in core["head"]["missing"])
    monkeypatch.setattr("r2po.view.watched.IDLE_S", 0.0)
    (run / "warmup.jsonl").write_text("")
    core = asked.get(f"/api/run/{name}/core").block
    assert core["state"] == "stopped"
    assert "the last line of iterations.jsonl is torn" in core["head"]["missing"]


@pytest.mark.parametrize(
    "address",
    [
        "/run/nothing",
        "/run/..%2f..%2fetc%2fpasswd",
        "/run/../../etc/passwd",
        "/api/run/nothing/core",
        "/api/run/cartpole%2frun_1/core",
        "/static/../app.py",
        "/static/frame.j2",
        "/static/%2e%2e%2fview.css",
        "/api/run/ID/secret",
        "/api/run/ID/../core",
        "/api/compare?runs=nothing",
        "/api/compare",
        "/favicon.ico",
    ],
)
def test_what_is_not_there_is_not_found(address: str, asked: Asked) -> None:
    assert asked.get(address.replace("ID", asked.id_of("cartpole/run_1"))).status == 404


@pytest.mark.parametrize("number", ["x", "-1", "1.5", "१", "9" * 5000, "1e3", " 1"])
def test_what_is_no_number_is_refused(number: str, asked: Asked) -> None:
    assert asked.get(f"/api/changes?since={number}").status == 400
    assert asked.get(f"/api/run/{asked.id_of('cartpole/run_1')}/motion?after={number}").status == 400


def test_a_link_in_the_folder_of_a_run_is_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret.jsonl"
    secret.write_text('{"secret": "of others"}\n')
    run = write_run(tmp_path / "logs/exp", 1, [1.0])
    asked = Asked(tmp_path / "logs")
    name = asked.id_of("exp/run_1")
    (run / "trajectories").mkdir()
    (run / "trajectories/iter_0001.npz").symlink_to(secret)
    for block in ("core", "texts", "motion"):
        answer = asked.get(f"/api/run/{name}/{block}")
        assert (answer.status, answer.text) == (422, "iter_0001.npz: links are not followed")


def test_a_pipe_in_the_folder_of_a_run_holds_nobody_up(tmp_path: Path) -> None:
    run = write_run(tmp_path / "exp", 1, [1.0])
    write_run(tmp_path / "exp", 2, [1.0])
    asked = Asked(tmp_path)
    first, second = (asked.index.run(asked.id_of(f"exp/run_{number}")) for number in (1, 2))
    assert first is not None
    assert second is not None
    own = shelf.Shelf(Wanted())
    own.block(first, "core")
    (run / "trajectories").mkdir()
    for path in (run / "trajectories/iteration_0001.npz", run / "llm_calls.jsonl"):
        os.mkfifo(path)
    with ends_in_time():
        for block in ("core", "texts", "motion"):
            with pytest.raises(shelf.Refused, match=r"^iteration_0001.npz: not a regular file, .*; llm_calls.jsonl: "):
                own.block(first, block)
        assert own.block(second, "core")


def test_a_run_of_which_nothing_can_be_read_says_why(tmp_path: Path) -> None:
    (tmp_path / "exp/run_1").mkdir(parents=True)
    asked = Asked(tmp_path)
    answer = asked.get(f"/api/run/{asked.id_of('exp/run_1')}/core")
    assert answer.status == 422
    assert "run_1" in answer.text
    assert str(tmp_path) not in answer.text


def test_what_nobody_foresaw_ends_no_server(
    asked: Asked, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name = asked.id_of("cartpole/run_1")
    monkeypatch.setattr(shelf, "told_by", {"known": None}.__getitem__)
    answer = asked.get(f"/api/run/{name}/core")
    assert (answer.status, answer.text) == (500, answer.text)
    assert answer.text.startswith("KeyError: ")
    assert capsys.readouterr().err.startswith(f"error: /api/run/{name}/core: KeyError: ")


def test_a_comparison_is_that_of_a_report(cartpole: Path, frozenlake: Path) -> None:
    asked = Asked(cartpole.parent.parent)
    names = [asked.id_of(f"{run.parent.name}/run_1") for run in (cartpole, frozenlake)]
    found = asked.get(f"/api/compare?runs={','.join(names)},gone").block
    cores = [blocks_of(open_run(run), Wanted(motion="none"), lambda _: None).core for run in (cartpole, frozenlake)]
    members = [
        member_of(name, run.parent, core) for name, run, core in zip(names, (cartpole, frozenlake), cores, strict=True)
    ]
    assert found.pop("left_out") == ["there is no run gone any more"]
    assert found.pop("badges") == ["embedded stand-in: all of these runs"]
    assert found.pop("waiting") == 0
    assert found == json.loads(json.dumps(overview_of(members, {})))


def test_runs_of_which_too_little_is_known_do_not_spoil_a_comparison(tmp_path: Path) -> None:
    for number in (1, 2):
        write_run(tmp_path / "exp", number, [1.0, 2.0])
    (tmp_path / "exp/run_3").mkdir()
    (write_run(tmp_path / "exp", 4, [1.0]) / "run.yaml").write_text("a: [")
    write_run(tmp_path / "exp", 5, [], complete=False)  # it has begun: its settings are known
    asked = Asked(tmp_path)
    found = asked.get(f"/api/compare?runs={','.join(row['id'] for row in asked.runs().values())}").block
    assert [each["name"] for each in found["runs"]] == ["exp/run_1", "exp/run_2", "exp/run_5"]
    assert [each["name"] for each in found["environments"]] == ["CartPole"]
    assert "gym_env_name" not in found["differences"]["names"]
    nothing, damaged = found["left_out"]
    assert nothing == "exp/run_3 is left out: nothing is logged yet"
    assert damaged.startswith("exp/run_4 is left out: run.yaml is damaged")


def test_runs_that_are_still_to_be_read_join_a_comparison_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (1, 2):
        write_run(tmp_path / "exp", number, [1.0])
    monkeypatch.setattr("r2po.view.index.SLICE_S", -1.0)
    asked = Asked(tmp_path)
    rows = asked.runs()
    (unread,) = [row["id"] for row in rows.values() if row["state"] == "unread"]
    monkeypatch.setattr(asked.index, "_look", lambda: None)
    found = asked.get(f"/api/compare?runs={unread}").block
    assert (found["runs"], found["waiting"]) == ([], 1)
    assert found["left_out"] == ["exp/run_2 is left out: not read yet"]
    monkeypatch.undo()
    found = asked.get(f"/api/compare?runs={unread}").block
    assert ([each["id"] for each in found["runs"]], found["waiting"]) == ([unread], 0)


def test_only_the_runs_of_a_page_are_told(cartpole: Path, frozenlake: Path) -> None:
    asked = Asked(cartpole.parent.parent)
    name = asked.id_of("frozenlake/run_1")
    changes = asked.get(f"/api/changes?since=0&only={name}").json
    assert [row["id"] for row in changes["runs"]] == [name]
    assert asked.get("/api/changes?since=0&only=").json["runs"] == []
