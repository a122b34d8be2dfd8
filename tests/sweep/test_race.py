"""What a race leaves out of a sweep, that it is told, and that a sweep without it makes it."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Collection, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from scipy import stats

from r2po.analysis.logs.comparable import conditions, named
from r2po.analysis.logs.experiments import find_experiments
from r2po.analysis.logs.tally import tally
from r2po.cli import main
from r2po.cli.sweep import add_options
from r2po.cli.sweep_again import command_to_continue
from r2po.errors import InputError
from r2po.llm.ledger import Caps, Ledger
from r2po.runlog import RunDirectory
from r2po.runlog.race import RaceRecord, race_note, write_race
from r2po.sweep import race
from r2po.sweep.board import Board
from r2po.sweep.control import Answer
from r2po.sweep.coordinator import Coordinator
from r2po.sweep.endings import deferred
from r2po.sweep.manifest import DamagedError, read
from r2po.sweep.messages import Ended, Instruction, Progress
from r2po.sweep.plan import PlannedRun, SweepRequest, plan
from r2po.sweep.race import Race, Rule, told
from r2po.sweep.racing import Racing
from r2po.sweep.sweep import Sweep, SweepOptions
from r2po.sweep.workers.pool import Pool
from tests.process.processes import NIM, write_config

VALUES = {**NIM, "llm_model_name": "embedded/search", "num_iterations": 1, "heldout_episodes": 1}
MADE_UP: dict[str, float] = {"a": 100.0, "b": 0.0, "c": 99.0}
"""What runs of each experiment reach, and a seed more for each seed."""


def value_of(directory: RunDirectory, metric: str) -> float:
    assert metric == "heldout_reward"
    return MADE_UP[directory.path.parent.name] + int(directory.path.name.removeprefix("run_"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(race, "value_of", value_of)
    for name, method in (("a", "props"), ("b", "random_search"), ("c", "propsp")):
        write_config(tmp_path, {**VALUES, "method": method, "logdir": f"logs/{name}"}, f"{name}.yaml")
    return tmp_path


def planned(*names: str, seeds: int = 5) -> list[PlannedRun]:
    return plan(SweepRequest([f"{name}.yaml" for name in names], (), range(1, seeds + 1)))


# ---- the rule ----


@pytest.mark.parametrize(("text", "seeds"), [("heldout_reward:5", (5,)), ("best_reward:8,4,8", (4, 8))])
def test_a_rule_is_read(text: str, seeds: tuple[int, ...]) -> None:
    assert Rule.parse(text) == Rule(text.partition(":")[0], seeds)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("heldout:5", r"unknown metric of a race 'heldout' \(did you mean 'heldout_reward'\?\); known: "),
        ("heldout_reward", "expected heldout_reward:N or heldout_reward:N,N with numbers of seeds"),
        ("heldout_reward:5,", "expected heldout_reward:N"),
        ("best_reward:2", "a look at 2 seeds; expected at least 3"),
    ],
)
def test_what_is_no_rule_is_refused(text: str, why: str) -> None:
    with pytest.raises(InputError, match=why):
        Rule.parse(text)


@pytest.mark.parametrize(
    ("names", "rule", "why"),
    [
        ("a", "heldout_reward:3", "no two experiments"),
        ("ab", "heldout_reward:5", "a look at 5 seeds; this sweep has only 5"),
    ],
)
def test_a_rule_that_does_not_fit_the_sweep_is_refused(names: str, rule: str, why: str, folder: Path) -> None:
    with pytest.raises(InputError, match=why):
        Race(Rule.parse(rule), planned(*names))


@pytest.mark.parametrize(
    ("option", "why"),
    [
        ("--race nonsense:1", "unknown metric of a race 'nonsense'"),
        ("--race heldout_reward:5", "a look at 5 seeds; this sweep has only 4"),
        ("--first nonsense.yaml", "--first nonsense.yaml: no config of this sweep"),
    ],
)
def test_a_dry_run_refuses_what_the_sweep_would(
    option: str, why: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sweep", "a.yaml", "b.yaml", "--runs", "4", "--dry-run", *option.split()]) == 2
    assert why in capsys.readouterr().err


def test_held_out_rewards_must_be_there(folder: Path) -> None:
    write_config(folder, {**VALUES, "heldout_episodes": 0, "logdir": "logs/d"}, "d.yaml")
    with pytest.raises(InputError, match=r"d.yaml has heldout_episodes 0"):
        Race(Rule.parse("heldout_reward:3"), planned("a", "d"))


# ---- what is decided ----


@pytest.mark.parametrize("order", [1, -1])
def test_a_look_uses_the_first_seeds_whichever_run_ends_first(order: int, folder: Path) -> None:
    runs = planned("a", "b", "c")
    it = Race(Rule.parse("heldout_reward:3"), runs)
    waiting = {run.index for run in runs if run.seed > 3}
    decided = []
    for run in [run for run in runs if run.seed <= 4][::order]:
        it.ended(run.index, RunDirectory(run.path))
        decided += it.decide(waiting.__contains__)
    (decision,) = decided
    assert (decision.experiment[0], decision.leader[0], decision.seeds) == ("b.yaml", "a.yaml", 3)
    assert (decision.standing.mean, decision.leading.mean) == (2.0, 102.0)
    assert [(runs[run].source, runs[run].seed) for run in decision.runs] == [("b.yaml", 4), ("b.yaml", 5)]
    assert told(decision).startswith("race: b.yaml is deferred after 3 seeds: 2 (")
    assert told(decision).endswith(" of a.yaml; 2 runs of it not made")
    assert it.decide(waiting.__contains__) == []


@pytest.mark.parametrize(
    ("names", "rule", "intervals"),
    [("ab", "heldout_reward:3", 2), ("abc", "heldout_reward:3", 3), ("ab", "heldout_reward:3,4", 4)],
)
def test_all_intervals_of_a_race_share_its_error(
    names: str, rule: str, intervals: int, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Values of three seeds have the standard deviation 1, so that all intervals are equally wide."""
    width = 2 * stats.t.ppf(1 - 0.05 / intervals / 2, 2) / math.sqrt(3)
    for gap, number in ((0.999 * width, 0), (1.001 * width, 1)):
        monkeypatch.setitem(MADE_UP, "b", MADE_UP["a"] - gap)
        runs = planned(*names)
        it = Race(Rule.parse(rule), runs)
        for run in runs:
            if run.seed <= 3:
                it.ended(run.index, RunDirectory(run.path))
        assert [decision.experiment[0] for decision in it.decide(lambda _: True)] == ["b.yaml"] * number


def test_what_another_process_has_decided_holds(folder: Path) -> None:
    runs = planned("a", "b", "c")
    names = [f"{run.source}/{run.seed}" for run in runs]
    one, other, by_another_rule = (Race(Rule.parse(f"heldout_reward:{seeds}"), runs) for seeds in ("3", "3", "4"))
    for run in runs:
        one.ended(run.index, RunDirectory(run.path))
        other.ended(run.index, RunDirectory(run.path))
    one.decide(lambda number: runs[number].seed == 5)
    written = json.loads(json.dumps(one.as_json(names)))
    for each in (other, by_another_rule):
        each.adopt(None, names)
        each.adopt(written, names)
        each.adopt(written, names)
    assert other.decisions == one.decisions
    assert other.decide(lambda number: runs[number].seed > 3) == []  # it would leave out more
    assert other.as_json(names) == written
    assert by_another_rule.decisions == []


def test_an_experiment_with_a_run_missing_is_waited_for(folder: Path) -> None:
    runs = planned("a", "b")
    it = Race(Rule.parse("heldout_reward:3"), runs)
    for run in runs:
        if (run.source, run.seed) != ("a.yaml", 2):
            it.ended(run.index, RunDirectory(run.path))
    assert it.decide(lambda _: True) == []


def test_a_result_that_cannot_be_read_is_no_value(tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text("{")
    assert race.value_of(RunDirectory(tmp_path), "heldout_reward") is None
    (tmp_path / "result.json").write_text('{"schema": 5, "iterations": 1, "heldout_reward": null, "best_reward": 2}')
    assert race.value_of(RunDirectory(tmp_path), "heldout_reward") is None


def test_experiments_of_other_environments_race_apart(folder: Path) -> None:
    for name in ("d", "e"):
        values = {**VALUES, "gym_env_name": "CartPole-v1", "method": "random_search", "logdir": f"logs/{name}"}
        write_config(folder, values, f"{name}.yaml")
    it = Race(Rule.parse("heldout_reward:3"), planned("a", "d", "b", "e"))
    assert it.as_json([""] * 20)["experiments"] == [2, 2]


# ---- in a sweep ----


def test_a_sweep_defers_says_so_and_without_the_race_makes_all(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    request = SweepRequest(["a.yaml", "b.yaml"], (), (1, 2, 3, 4))
    rule = Rule.parse("heldout_reward:3")
    for _ in range(2):  # the second one finds all decided
        Sweep(request, SweepOptions(name="one", jobs=1, race=rule), {}).run()
        said = capsys.readouterr().out
        assert "race: b.yaml is deferred after 3 seeds: 2 (" in said
        assert "deferred by the race heldout_reward:3 after 3 seeds: b.yaml: b/run_4\nto make what was deferred" in said
        assert [path.name for path in sorted(folder.glob("logs/*/run_4"))] == ["run_4"]
    manifest = json.loads((folder / "logs/one/sweep.json").read_text())["race"]
    assert (manifest["rule"], manifest["error"], manifest["experiments"]) == ("heldout_reward:3", 0.05, [2])
    (deferred,) = manifest["deferred"]
    assert (deferred["experiment"]["config"], deferred["runs"]) == ("b.yaml", ["b/run_4"])
    assert deferred["standing"]["high"] < deferred["leading"]["low"]
    assert main(["status", "logs"]) == 0
    assert "7/8 runs done (1 waiting)" in (shown := capsys.readouterr().out)
    assert "deferred by the race heldout_reward:3 after 3 seeds: b.yaml: b/run_4" in shown

    experiments = find_experiments("logs")
    selected = "selected by a race of 2 experiments (heldout_reward:3): the mean is biased upwards"
    fewer = "deferred by a race of 2 experiments (heldout_reward:3): fewer runs because of their results"
    for lines in (tally(experiments), conditions(named(experiments))):
        (one,) = [line for line in lines if selected in line]
        (two,) = [line for line in lines if fewer in line]
        assert one != two
    assert main(["paper_results_tables", "--preset", "search", "--formats", "md", "--output-dir", "tables"]) == 0
    assert fewer in capsys.readouterr().err
    assert any(fewer in table.read_text() for table in (folder / "tables").rglob("*.md"))

    assert main(["run", "--config", "b.yaml", "--seed", "4", "--quiet"]) == 0
    Sweep(request, SweepOptions(name="one"), {}).run()
    assert "deferred" not in capsys.readouterr().out
    assert "race" not in json.loads((folder / "logs/one/sweep.json").read_text())
    assert race_note(folder / "logs/a") == race_note(folder / "logs/b") == ""  # nothing is selected any more


def test_runs_that_were_paid_for_are_not_left_out(folder: Path) -> None:
    runs = planned("a", "b", seeds=7)
    asked, iterated, torn, new = (
        next(run for run in runs if (run.source, run.seed) == ("b.yaml", seed)) for seed in (4, 5, 6, 7)
    )
    for run, log in ((asked, '{"event":"request"}\n'), (torn, "")):  # in its first iteration; before its first call
        run.path.mkdir(parents=True)
        (run.path / "llm_calls.jsonl").write_text(log)
    board = Board([""] * len(runs), [Progress(run.index) for run in runs])
    board.update(Progress(iterated.index, iterations=1))
    racing = Racing(Rule.parse("heldout_reward:3"), runs)
    notes: list[str] = []
    manifest: Any = SimpleNamespace(race=None, folder=folder / "logs/one", write=lambda: None, refresh=lambda: None)
    racing.begin(manifest, board, notes.append)
    first = [run.index for run in runs if run.seed <= 3]
    assert racing.take(first, {run.index for run in runs} - set(first)) == {torn.index, new.index}
    assert board.runs[new.index].now == "deferred by the race"
    assert notes[0].endswith("; 2 runs of it not made")


class Place:
    """Makes the runs of three seeds; while it makes the last of them, a stop is asked for."""

    def __init__(self, sweep: Sweep) -> None:
        self._sweep = sweep
        self.waiting: set[int] = set()

    def obey(self, *_: object) -> Answer:
        return Answer("", 0, 0)

    def leave_out(self, runs: Collection[int]) -> None:
        self.waiting -= set(runs)

    def run(self, runs: Sequence[PlannedRun]) -> None:
        self.waiting = {run.index for run in runs if run.seed > 3}
        first = [run.index for run in runs if run.seed <= 3]
        for run in first:
            self._sweep._ear.must_stop = run == first[-1]
            self._sweep.hear(Ended(run))


def test_a_stop_during_the_last_call_is_none_if_all_else_is_deferred(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Sweep, "_backend", lambda sweep: Place(sweep))  # a class would not be bound
    request = SweepRequest(["a.yaml", "b.yaml"], (), (1, 2, 3, 4))
    hook = 'printf "%s: %s" "$R2PO_EVENT" "$R2PO_MESSAGE" > told'
    for name, all_of_a in (("one", False), ("two", True)):
        sweep = Sweep(request, SweepOptions(name=name, race=Rule.parse("heldout_reward:3"), hook=hook, quiet=True), {})
        (last,) = [run.index for run in sweep.runs if (run.source, run.seed) == ("a.yaml", 4)]
        if all_of_a:
            sweep.board.set_state(last, "complete")
            sweep.run()
            assert (folder / "told").read_text() == "done: 7 runs are complete, 1 deferred by the race"
        else:
            with pytest.raises(KeyboardInterrupt):
                sweep.run()
            assert not (folder / "told").exists()


def test_a_pool_that_is_to_stop_starts_none_of_those_that_wait(folder: Path) -> None:
    pool = Pool(Coordinator(Ledger(Caps())), SimpleNamespace(tick=lambda *_: None), workers=1, jobs=1)
    pool.obey(Instruction(stopping=True), 1, 1)
    runs = planned("a", "b")
    pool.run(runs)
    assert pool.waiting == {run.index for run in runs}  # a race can still say which of them are not to be made


def test_what_a_race_could_only_have_left_out_is_not_called_deferred(folder: Path) -> None:
    runs = planned("a", "b")
    it = Race(Rule.parse("heldout_reward:3"), runs)
    for run in runs:
        it.ended(run.index, RunDirectory(run.path))
    (decision,) = it.decide(lambda _: False)
    assert told(decision).startswith("race: b.yaml would be deferred after 3 seeds: 2 (")
    assert told(decision).endswith(" of a.yaml; none of its runs is left to be made")
    manifest: Any = SimpleNamespace(race=it.as_json([""] * len(runs)), folder=folder)
    assert deferred(manifest) == []


@pytest.mark.parametrize(
    "content",
    [[], {"deferred": [{}]}, {"rule": "x", "deferred": [{"experiment": {"config": 1}}]}, {"deferred": 3}, "x"],
)
def test_a_manifest_whose_race_is_damaged_is_named(content: object, tmp_path: Path) -> None:
    whole = {"schema": 1, "created": "2026-01-01", "runs": [], "failures": {}, "race": content}
    (tmp_path / "sweep.json").write_text(json.dumps(whole))
    with pytest.raises(DamagedError, match=r"sweep.json is damaged"):
        read(tmp_path)


def test_a_mark_that_cannot_be_read_is_no_silence(tmp_path: Path) -> None:
    (tmp_path / "race.json").write_text("{")
    assert race_note(tmp_path) == "race.json cannot be read: perhaps these runs were selected by their results"
    assert race_note(tmp_path / "elsewhere") == ""


def test_each_race_leaves_its_own_mark_until_it_is_undone(tmp_path: Path) -> None:
    lost, won = (
        RaceRecord("one", "heldout_reward:3", 2, True, ("run_4", "run_5")),
        RaceRecord("two", "best_reward:5", 3, False, ("../b/run_6",)),
    )
    folder = tmp_path / "a"
    for record in (lost, won, lost):
        write_race(folder, record)
    selected, deferred = race_note(folder).split("; ")
    assert deferred.startswith("deferred by a race of 2 experiments (heldout_reward:3)")
    assert selected == "selected by a race of 3 experiments (best_reward:5): the mean is biased upwards"
    for run in ("run_4", "run_5"):
        (folder / run).mkdir()
        (folder / run / "result.json").write_text("{}")
    assert race_note(folder) == selected

    (folder / "race.json").write_text(json.dumps({"schema": 1, **vars(won)}))  # as the first version wrote it
    assert race_note(folder) == selected
    (folder / "race.json").write_text("{")
    write_race(folder, won)
    assert race_note(folder).startswith("race.json cannot be read")


def test_the_command_that_continues_by_the_folder_keeps_the_rule() -> None:
    parser = argparse.ArgumentParser(prog="r2po sweep")
    add_options(parser)
    options = parser.parse_args(["a", "b", "c", "d", "--race", "heldout_reward:5"])
    assert command_to_continue(options, Path("logs/mine")).endswith("logs/mine --race heldout_reward:5")
