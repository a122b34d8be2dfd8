"""The numbers of a page are those of the log; what the log does not tell is said to be missing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from r2po.errors import InputError
from r2po.report.blocks import Blocks, Wanted, blocks_of
from r2po.report.core import line_diff
from r2po.report.head import UNKNOWN
from r2po.report.packing import Values, unpack
from r2po.runlog import open_run
from tests.analysis.baseline_logs import write_runs
from tests.analysis.made_logs import write_run
from tests.analysis.published_format import folder_name, write_published_run

BARE = Wanted(motion="none")


def blocks(run: Path, wanted: Wanted = BARE) -> Blocks:
    return blocks_of(open_run(run), wanted, lambda _: None)


def lines_of(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "iterations.jsonl").read_text(encoding="utf-8").splitlines()]


def values_of(core: Values) -> dict[str, str]:
    return {what: value for value, what in core["tiles"]}


def test_every_number_is_that_of_the_log(cartpole: Path) -> None:
    core = unpack(blocks(cartpole).packed["core"])
    lines = lines_of(cartpole)
    assert [each["reward"] for each in core["iterations"]] == [line["reward"] for line in lines]
    assert [each["best"] for each in core["iterations"]] == [line["best_reward"] for line in lines]
    assert [each["episodes"] for each in core["iterations"]] == [line["episodes"] for line in lines]
    logged = [candidate for line in lines for candidate in line["candidates"]]
    for key in ("stage", "params", "returns", "lengths", "ends", "reward"):
        assert [each[key] for each in core["candidates"]] == [candidate[key] for candidate in logged]
    kept = [each for each in core["candidates"] if each.get("kept")]
    assert [each["params"] for each in kept] == [line["candidates"][line["accepted"]]["params"] for line in lines]


def test_the_best_iteration_and_fresh_episodes(cartpole: Path) -> None:
    core = blocks(cartpole).core
    result = json.loads((cartpole / "result.json").read_text(encoding="utf-8"))
    assert core["best"] == result["best_iteration"]
    assert core["heldout"] == {
        "reward": result["heldout_reward"],
        "std": result["heldout_std"],
        "episodes": result["heldout_episodes"],
    }


def test_replies_are_those_of_the_candidates(cartpole: Path) -> None:
    found = blocks(cartpole)
    calls = {call["key"]: call for call in unpack(found.packed["texts"])["calls"]}
    for candidate in found.core["candidates"]:
        call = calls[candidate["call"]]
        assert call["i"] == candidate["i"]
        assert call["role"] == ("critic" if candidate["stage"] == "revision" else "search")


def test_the_stand_in_is_marked_and_its_tokens_are_unknown(cartpole: Path) -> None:
    core = blocks(cartpole).core
    assert core["head"]["badges"] == ["embedded stand-in: no language model answered"]
    assert values_of(core)["tokens: the model's server told none"] == UNKNOWN
    assert values_of(core)["money spent"] == UNKNOWN


def test_programs_have_sources_and_differences(programs: Path) -> None:
    core = blocks(programs).core
    lines = lines_of(programs)
    logged = [candidate["source"] for line in lines for candidate in line["candidates"]]
    assert [core["sources"][each["source"]] for each in core["candidates"]] == logged
    assert core["space"] is None
    assert core["layout"]["kind"] == "none"
    revision = core["candidates"][1]
    assert (revision["parent"], revision["revises"]) == (0, True)
    old, new = logged[0].split("\n"), logged[1].split("\n")
    rebuilt = [
        line
        for kind, old_from, old_to, new_from, new_to in revision["diff"]
        for line in (old[old_from:old_to] if kind == "e" else new[new_from:new_to])
    ]
    assert rebuilt == new


def test_a_difference_of_programs() -> None:
    assert line_diff("a\nb\nc", "a\nB\nc\nd") == [
        ["e", 0, 1, 0, 1],
        ["r", 1, 2, 1, 2],
        ["e", 2, 3, 2, 3],
        ["i", 3, 3, 3, 4],
    ]


def test_an_unfinished_run_says_so(cartpole: Path, tmp_path: Path) -> None:
    run = tmp_path / "logs" / "run_1"
    shutil.copytree(cartpole, run)
    (run / "result.json").unlink()
    log = run / "iterations.jsonl"
    log.write_text("".join(log.read_text(encoding="utf-8").splitlines(keepends=True)[:2]), encoding="utf-8")
    core = blocks(run).core
    assert "not complete" in core["head"]["badges"]
    assert core["head"]["about"][-1] == "2 of 5 iterations"
    assert core["heldout"] is None
    assert values_of(core)["fresh episodes come at the end of a run"] == UNKNOWN


def test_what_is_damaged_is_named(cartpole: Path, tmp_path: Path) -> None:
    run = tmp_path / "logs" / "run_1"
    shutil.copytree(cartpole, run)
    log = run / "iterations.jsonl"
    lines = log.read_text(encoding="utf-8").splitlines(keepends=True)
    log.write_text("".join([lines[0], '{"iteration": 2}\n', *lines[2:], '{"iteration": 6, "rew']), encoding="utf-8")
    (run / "llm_calls.jsonl").unlink()
    core = blocks(run).core
    missing = "\n".join(core["head"]["missing"])
    assert [each["n"] for each in core["iterations"]] == [1, 3, 4, 5]
    assert "iterations.jsonl, line 2" in missing
    assert "the last line of iterations.jsonl is torn" in missing
    assert "llm_calls.jsonl is missing" in missing
    assert str(tmp_path) not in missing
    assert values_of(core)["replies, \N{EN DASH} unusable"] == "10"
    assert values_of(core)["tokens: the log of calls cannot be read"] == UNKNOWN
    assert core["spent"] == []


def test_a_run_without_a_description(cartpole: Path, tmp_path: Path) -> None:
    run = tmp_path / "logs" / "run_1"
    shutil.copytree(cartpole, run)
    (run / "run.yaml").unlink()
    found = blocks(run, Wanted())
    assert found.core["head"]["title"] == "A run whose run.yaml cannot be read"
    assert found.core["layout"]["kind"] == "rows"
    assert "without run.yaml, nothing can be rolled out again" in found.core["motion"]


def test_an_iteration_in_which_nothing_worked(tmp_path: Path) -> None:
    run = write_run(tmp_path / "logs", 1, [1.0, 2.0])
    lines = lines_of(run)
    lines[0] |= {"reward": None, "accepted": None}
    lines[0]["candidates"] = [{"stage": "proposal", "source": "x", "failure": {"kind": "raised", "text": "Boom"}}]
    (run / "iterations.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    core = blocks(run).core
    assert "reward" not in core["iterations"][0]
    assert "best" not in core["iterations"][0]
    assert "Boom" in core["candidates"][0]["trace"]
    assert core["best"] == 2


@pytest.mark.parametrize("method", ["props", "r2po"])
def test_a_run_of_the_published_code(method: str, tmp_path: Path) -> None:
    run = write_published_run(tmp_path / folder_name("cartpole", method), 1, [3.0, 5.0], method=method)
    found = blocks(run, Wanted())
    core = found.core
    assert core["head"]["title"] == f"{'R2PO' if method == 'r2po' else 'ProPS'} on CartPole"
    assert [(each["n"], each["reward"], each["best"]) for each in core["iterations"]] == [(1, 3.0, 3.0), (2, 5.0, 5.0)]
    assert len(core["candidates"]) == (4 if method == "r2po" else 2)
    assert values_of(core)["tokens and money: not recorded"] == UNKNOWN
    assert "do not hold states" in core["motion"]
    calls = unpack(found.packed["texts"])["calls"]
    assert {each["call"] for each in core["candidates"]} == {call["key"] for call in calls}


def test_a_run_of_a_baseline_that_has_no_policies(tmp_path: Path) -> None:
    logs = write_runs(tmp_path / "cartpole_sb3" / "ppo", [[10.0, 30.0, 20.0]])
    core = blocks(logs / "run_1", Wanted()).core
    assert core["head"]["title"] == "SB3-PPO on CartPole"
    assert (core["roles"], core["size"], core["best"]) == ([], 0, 2)


def test_a_folder_without_a_log(tmp_path: Path) -> None:
    (tmp_path / "logs" / "run_1").mkdir(parents=True)
    with pytest.raises(InputError, match=r"run_1"):
        blocks(tmp_path / "logs" / "run_1")


def test_paths_of_the_machine_are_not_told(cartpole: Path) -> None:
    text = json.dumps(unpack(blocks(cartpole, Wanted()).packed["core"]))
    assert str(cartpole.parents[1]) not in text
    assert dict(blocks(cartpole).core["settings"])["logdir"] == "…/cartpole"
