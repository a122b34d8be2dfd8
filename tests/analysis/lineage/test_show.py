"""``r2po show``: what is printed of a run, however its log looks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from r2po.analysis.lineage.changes import changed_lines, changed_params, unified_diff
from r2po.analysis.lineage.rounds import rounds_of
from r2po.cli import main
from r2po.errors import InputError
from r2po.methods.promptpo.log import REPAIR
from tests.analysis.lineage.lineages import (
    CRASH,
    GOOD,
    PAIRS,
    PROGRAMS,
    failed,
    iteration,
    shown,
    worked,
    write_log,
)
from tests.older_logs import sample

OPTIONS: tuple[dict[str, Any], ...] = ({}, {"iteration": 1, "diff": True, "sources": True})

HEAD = """\
{title}
ollama/some-model, protocol published, seed 1
2 of 10 iterations, 20 episodes, 6 calls
best {best} in iteration 1
not complete: there is no result.json; the run goes on, or was stopped
iteration (*: kept; best: better than all before)
"""

ROUNDS = """\
├── 1  50  candidate_2_repair_1  best
│   ├── feedback: a function of 2 lines, repaired 1 time
│   ├── candidate_1          10.5
│   ├── candidate_2        failed   syntax: SyntaxError: expected ':'
│   │   └── repair_1           50*  +1 -1 lines
│   └── candidate_3        failed   error: KeyError: 7
│       └── repair_1 to 2  failed   +1 -0 lines  error: KeyError: 7
└── 2  none worked
    ├── reflection on 1: It is better. More of it.
    ├── equal programs, evaluated once: candidate_2 = candidate_1
    ├── candidate_1        failed   syntax: SyntaxError: expected ':'
    └── candidate_3        failed   error: KeyError: 7
"""

BOTH = """\
├── 1  10  → 45* best  2 of 3 params: [1] 2 → 3.5, [2] -0.5 → 0.5
└── 2  20* → 19        same params
"""


# ---- the tree ----


def test_rounds_of_programs(tmp_path: Path) -> None:
    run = write_log(tmp_path, "promptpo", PROGRAMS)
    assert shown(run) == HEAD.format(title="PromptPO on CartPole", best=50) + ROUNDS


def test_proposals_and_revisions_of_numbers(tmp_path: Path) -> None:
    run = write_log(tmp_path, "r2po", PAIRS)
    assert shown(run) == HEAD.format(title="R2PO on CartPole", best=45) + BOTH


def test_proposals_and_revisions_of_programs(tmp_path: Path) -> None:
    revised = GOOD.replace("> 0", "> 1")
    first = [worked("proposal", 9, source=GOOD), worked("revision", 8, source=revised)]
    run = write_log(tmp_path, "r2po", [iteration(1, first, 0, 9.0)])
    assert shown(run).splitlines()[-1] == "└── 1  9* → 8  best  +1 -1 lines"


def test_two_samples_of_the_same_prompt_are_no_revision(tmp_path: Path) -> None:
    two = [worked("proposal_a", 9, params=[1.0]), worked("proposal_b", 12, params=[2.0])]
    run = write_log(tmp_path, "pure_search", [iteration(1, two, 1, 12.0)])
    assert shown(run).splitlines()[-1] == "└── 1   9   12* best"


def test_success_comes_before_the_return(tmp_path: Path) -> None:
    one = worked("proposal", 9, 12, params=[1.0], successes=[True, False])
    run = write_log(tmp_path, "props", [iteration(1, [one], 0, 10.5, success=0.5)])
    assert "best 10.5 in iteration 1 (success 50%)" in shown(run)
    assert shown(run).splitlines()[-1] == "└── 1  50% 10.5* best"


def test_the_best_are_those_that_the_method_calls_so(tmp_path: Path) -> None:
    """With methods that go by success, a lower return may be better."""
    rewards = [(1, 20.0, 20.0), (2, 30.0, 20.0), (3, 5.0, 5.0), (4, 5.0, 5.0)]
    records = [iteration(number, [worked("proposal", reward)], 0, best) for number, reward, best in rewards]
    assert [each.is_best for each in rounds_of(records, None)] == [True, False, True, False]  # type: ignore[arg-type]
    run = write_log(tmp_path, "props", records)
    assert [line[4] for line in shown(run, best=True).splitlines() if "──" in line] == ["1", "3"]


def test_repairs_are_named_as_the_method_names_them() -> None:
    stages = ["candidate_1", "candidate_10", "candidate_1_repair_1", "candidate_1_repair_2", "candidate_1_repair_2_x"]
    assert f"candidate_1{REPAIR}1" == stages[2]
    (one,) = rounds_of([iteration(1, [worked(stage, 1) for stage in stages], 0, 1.0)], None)  # type: ignore[list-item]
    parents = [attempt.parent.stage if attempt.parent else "" for attempt in one.attempts]
    assert parents == ["", "", stages[0], stages[2], stages[3]]
    assert [attempt.title for attempt in one.attempts] == [*stages[:2], "repair_1", "repair_2", "x"]


def test_any_number_of_repairs_that_fail_is_one_line(tmp_path: Path) -> None:
    stages = ["candidate_1", *(f"candidate_1_repair_{number}" for number in range(1, 2001))]
    last = worked("candidate_1_repair_2001", 7, source=GOOD)
    run = write_log(
        tmp_path, "promptpo", [iteration(1, [*(failed(each, GOOD, CRASH) for each in stages), last], 2001, 7.0)]
    )
    assert shown(run).splitlines()[-4:] == [
        "└── 1  7  candidate_1_repair_2001  best",
        "    └── candidate_1           failed   error: KeyError: 7",
        "        └── repair_1 to 2000  failed   same source  error: KeyError: 7",
        "            └── repair_2001        7*  same source",
    ]
    assert shown(run, diff=True).count("(same source as iteration 1, candidate_1") == 2001


@pytest.mark.parametrize("width", [80, 140])
def test_a_long_run_is_a_line_for_each_iteration(tmp_path: Path, width: int) -> None:
    both = PAIRS[0]["candidates"]
    long = [{**each, "params": [float(place) for place in range(99)]} for each in both]
    long[1]["params"] = [value + 1 for value in long[1]["params"]]
    run = write_log(tmp_path, "r2po", [iteration(number, long, 1, 45.0) for number in range(1, 201)])
    lines = shown(run, width=width).splitlines()
    assert len(lines) == 200 + HEAD.count("\n")
    assert {len(line) for line in lines if "params" in line} == {width}  # cut off, and never wrapped


@pytest.mark.parametrize(
    ("name", "note", "line"),
    [
        (
            "tuning",
            {"of": "a", "from": {"k": 1.0, "m": 2}, "to": {"k": 1.5, "m": 2}, "kept": True},
            "constants of a tuned: k 1 → 1.5",
        ),
        (
            "tuning",
            {"of": "a", "from": {"k": 1}, "to": {"k": 2}, "kept": False},
            "constants of a tuned (not kept): k 1 → 2",
        ),
        ("tuning", {"of": "a", "from": {"k": 1}, "kept": False}, "constants of a tuned: nothing better found"),
        ("tuning", {"of": "a", "refused": "error: x"}, "constants of a tuned: not possible, error: x"),
        ("tuning", {"from": 7}, 'tuning: {"from": 7}'),
        ("feedback", {"source": "", "why": "time: too long"}, "feedback: plain statistics; time: too long"),
        ("feedback", [1], "feedback: [1]"),
        ("reflection", {"of": 3, "text": ""}, "reflection on 3: (no usable reply)"),
        ("of a later version", {"a": "ü"}, 'of a later version: {"a": "ü"}'),
    ],
)
def test_notes(tmp_path: Path, name: str, note: object, line: str) -> None:
    run = write_log(tmp_path, "promptpo", [iteration(1, [worked("a", 1)], 0, 1.0, notes={name: note})])
    assert shown(run).splitlines()[-2] == f"    ├── {line}"


# ---- options ----


def test_an_iteration_in_full(tmp_path: Path) -> None:
    text = shown(write_log(tmp_path, "promptpo", PROGRAMS), iteration=1)
    assert text.count(f"\n{GOOD}\n") == 5
    for part in (
        "def summarize(o):",
        "In step 5 of an episode:\n  line 3, in act\nKeyError: 7\n2 episodes begun, 8 steps made",
    ):
        assert part in text
    repaired = text.split("── iteration 1, candidate_2_repair_1: 50, kept\n")[1].split("── iteration")[0]
    assert repaired.startswith(
        "--- iteration 1, candidate_2\n+++ iteration 1, candidate_2_repair_1\n@@ -1,3 +1,3 @@\n-class"
    )
    assert [line.split() for line in repaired.splitlines() if "terminated" in line] == [
        ["0", "40", "40", "terminated"],
        ["1", "60", "60", "terminated"],
    ]
    assert (
        "mean 50, standard deviation 14.1421\nepisode 0: fell to the left\nepisode 1: fell to the right\n" in repaired
    )
    assert "none worked" not in text


def test_differences_between_programs(tmp_path: Path) -> None:
    later = iteration(2, [worked("candidate_1", 70, source=f"{GOOD}  # same")], 0, 70.0)
    text = shown(write_log(tmp_path, "promptpo", [PROGRAMS[0], later]), diff=True)
    assert text.endswith(
        "── iteration 2, candidate_1: 70, kept\n"
        "--- iteration 1, candidate_2_repair_1\n"
        "+++ iteration 2, candidate_1\n"
        "@@ -1,3 +1,3 @@\n"
        " class Policy:\n"
        "     def act(self, obs):\n"
        "-        return int(obs[2] > 0)\n"
        "+        return int(obs[2] > 0)  # same\n"
    )
    assert "terminated" not in text


def test_differences_between_numbers(tmp_path: Path) -> None:
    text = shown(write_log(tmp_path, "r2po", PAIRS), diff=True)
    revision = "── iteration 1, revision: 45, kept\nagainst iteration 1, proposal: 2 of 3 params\n"
    assert f"{revision}  params[1]: 2 → 3.5\n  params[2]: -0.5 → 0.5\n" in text
    assert "── iteration 2, proposal: 20, kept\nagainst iteration 1, revision: same params\n" in text
    assert "── iteration 1, proposal: 10\n(nothing before it to compare with)\n" in text


def test_sources(tmp_path: Path) -> None:
    assert "── iteration 1, proposal: 10\nparams: 1, 2, -0.5\n" in shown(
        write_log(tmp_path, "r2po", PAIRS), sources=True
    )


def test_an_iteration_that_is_not_there(tmp_path: Path) -> None:
    run = write_log(tmp_path, "promptpo", PROGRAMS)
    with pytest.raises(InputError, match="has no iteration 3; it has 1 to 2"):
        shown(run, iteration=3)
    (run / "iterations.jsonl").write_text("")
    with pytest.raises(InputError, match="has no iteration 1; it has none yet"):
        shown(run, iteration=1)


# ---- terminals ----


def test_colours_are_for_terminals(tmp_path: Path) -> None:
    run = write_log(tmp_path, "promptpo", PROGRAMS)
    for options in OPTIONS:
        assert "\x1b[31mfailed" in shown(run, colours=True, **options)
        assert "\x1b" not in shown(run, **options)


def test_control_characters_are_shown_and_take_their_place(tmp_path: Path) -> None:
    evil = "\x1b[2J\x07\u202e\ud800\r\x0b"
    source = f"# {evil}\n{GOOD}"
    failure = {"kind": f"error{evil}", "text": f"{evil}\n{evil}x"}
    records = [
        iteration(
            1,
            [worked("a", 1, source=source), failed("a_b", source + evil, failure), failed(evil, source, failure)],
            0,
            1.0,
            notes={"reflection": {"of": 1, "text": evil * 40}, evil: [evil], "summaries": [evil]},
        )
    ]
    run = write_log(tmp_path, "promptpo", records, model=evil.strip("\r\x0b\ud800"))
    for options in OPTIONS:
        text = shown(run, **options)
        assert not set(text) & set("\x1b\x07\u202e\ud800\r\x0b")
        assert "\\x1b[2J\\x07\\u202e\\ud800" in text
    assert max(map(len, shown(run).splitlines()[-6:])) == 80


# ---- runs that are not as they should be ----


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_log(tmp_path, "promptpo", PROGRAMS)
    monkeypatch.delenv("COLUMNS", raising=False)
    assert main(["show", str(run)]) == 0
    assert capsys.readouterr().out.endswith(ROUNDS)
    assert main(["show", str(tmp_path)]) == 2
    assert "expected <logdir>/run_N; it holds run_1" in capsys.readouterr().err
    assert main(["show", str(run), "--iteration", "0"]) == 2
    assert "has no iteration 0; it has 1 to 2" in capsys.readouterr().err
    (tmp_path / "run_2").mkdir()
    assert main(["show", str(tmp_path / "run_2")]) == 2
    assert "it has no run.yaml" in capsys.readouterr().err


def test_no_iteration_yet(tmp_path: Path) -> None:
    text = shown(write_log(tmp_path, "props", []))
    assert text.splitlines()[2:] == [
        "0 of 10 iterations",
        "not complete: there is no result.json, and no iteration yet; the run goes on, or was stopped",
    ]


def test_a_replay_says_so(tmp_path: Path) -> None:
    assert "seed 1, a replay of logs/x/run_1" in shown(write_log(tmp_path, "props", [], replay_of="logs/x/run_1"))


def test_a_newer_version_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has schema 99"):
        shown(write_log(tmp_path, "props", PAIRS, schema=99))


def test_what_is_damaged_is_named_and_the_rest_is_shown(tmp_path: Path) -> None:
    run = write_log(tmp_path, "r2po", PAIRS, torn='{"iteration": 3')
    lines = (run / "iterations.jsonl").read_text().split("\n")
    (run / "iterations.jsonl").write_text("\n".join([lines[0].replace('"accepted"', '"kept"'), "{}", *lines[1:]]))
    (run / "warmup.jsonl").mkdir()
    text = shown(run)
    for fault in (
        "iterations.jsonl, line 1: accepted is missing (and 1 more lines)",
        "the last line of iterations.jsonl is torn",
        "cannot read warmup.jsonl: Is a directory",
    ):
        assert f"not as written: {fault}\n" in text
    assert text.endswith("└── 2  20* → 19  best  same params\n")
    (run / "run.yaml").unlink()
    assert "not as written: there is no run.yaml\n" in shown(run)
    assert "2  20*  19  best" in shown(run)  # which candidates are pairs is not known


def test_a_candidate_that_is_not_there(tmp_path: Path) -> None:
    run = write_log(tmp_path, "r2po", [{**PAIRS[0], "accepted": 2}, PAIRS[1]])
    assert "not as written: iteration 1: accepted is 2, but there are 2 candidates\n" in shown(run)


def test_a_run_that_was_killed_says_what_there_is_of_the_next_iteration(real: Path) -> None:
    text = shown(real)
    done = [json.loads(line) for line in (real / "iterations.jsonl").read_text().splitlines()]
    assert f"{len(done)} of 4 iterations" in text
    begun = [json.loads(line) for line in (real / "llm_calls.jsonl").read_text().splitlines()]
    asked = {each["call"] for each in begun if each["event"] == "request" and each["iteration"] == len(done) + 1}
    replies = sum(each["event"] == "reply" and each["call"] in asked for each in begun)
    assert f"of the next iteration there are {replies} replies" in text
    assert text.count("\n├── ") + text.count("\n└── ") == len(done)
    rows = [line for line in text.splitlines() if "──" in line]
    assert ["*" in row for row in rows] == [record["accepted"] is not None for record in done]


@pytest.mark.parametrize("run", ["logs", "interrupted"])
def test_logs_of_older_versions(run: str) -> None:
    runs = sorted((sample() / run).rglob("run_*/run.yaml"))
    assert runs
    for path in runs:
        text = shown(path.parent)
        assert "not as written" not in text.replace("not as written: the last line of", "")
        rows = [line for line in text.splitlines() if "──" in line]
        log = path.with_name("iterations.jsonl")
        assert len(rows) == (log.read_bytes().count(b"\n") if log.exists() else 0)
        assert all("*" in row for row in rows)


# ---- changes ----


@given(old=st.text("ab\n\r\x0c", max_size=30), new=st.text("ab\n\r\x0c", max_size=30))
def test_added_and_removed_lines_make_one_program_the_other(old: str, new: str) -> None:
    added, removed = changed_lines(old, new)
    assert len(new.split("\n")) - len(old.split("\n")) == added - removed
    assert bool(unified_diff(old, new)) == (old != new)


def test_lines_that_look_like_a_heading_are_counted() -> None:
    assert changed_lines("++ a\nb", "-- c\nb") == (1, 1)
    assert changed_params([1.0, 2.0, 3.0], [1.0, 2.5, 3.0]) == [(1, 2.0, 2.5)]
