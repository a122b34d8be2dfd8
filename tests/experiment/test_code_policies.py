"""Runs whose policies are code: some fail, which is an outcome."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import gymnasium
import numpy as np
import pytest
import yaml

from r2po.analysis.logs.load import load_log_directory
from r2po.cli import main
from r2po.commands.watch import watch
from r2po.errors import InputError, RunStopped
from r2po.experiment.observer import Observer
from r2po.experiment.resolve import name_idle_keys
from r2po.experiment.screen import Lines
from r2po.isolation import box, channel, wall
from r2po.isolation.outcomes import NoWallError, WorkerNotReadyError
from r2po.isolation.protocol import Layers
from r2po.isolation.wall import InForce, told
from r2po.llm.types import Reply, Request
from r2po.methods import METHODS, Method, Step
from r2po.policies import Program, code
from r2po.rollout import gymnasium_engine
from r2po.runlog import RunDirectory
from r2po.runlog.intact import check_files
from r2po.tasks import TASKS
from r2po.trial import Candidate
from tests.builders import PROMPTED, register
from tests.codes import BROKEN, CRASHES, GOOD, Coder, make_code_config, run_code
from tests.rollout.test_gymnasium_engine import Succeeds
from tests.texts import Killed


def log_of(run: Path) -> list[dict[str, Any]]:
    return [{**record, "times": None, "sums": None} for record in RunDirectory(run).read_iterations()]


@pytest.mark.parametrize(
    "method", [pytest.param(each, marks=() if each in ("r2po", "props") else pytest.mark.slow) for each in PROMPTED]
)
@pytest.mark.sampled(2)
def test_every_method_runs_with_code(method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    coder = Coder()
    result = run_code(make_code_config(method, tmp_path, num_iterations=3), coder, monkeypatch)
    directory = RunDirectory(tmp_path / "run_1")
    candidates = [each for record in directory.read_iterations() for each in record["candidates"]]
    assert all(("failure" in each) != ("returns" in each) for each in candidates)
    assert result["episodes"] == sum(len(each["lengths"]) for each in candidates)
    assert result["steps"] == sum(sum(each["lengths"]) for each in candidates)
    assert check_files(directory) == []
    for request in coder.requests:
        assert "parameter" not in request.prompt
        assert "inf" not in request.prompt.replace("information", "").split()


def test_what_a_failure_costs_and_how_it_is_logged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_code(make_code_config("props", tmp_path / "a", num_iterations=1), Coder(CRASHES), monkeypatch)
    (record,) = RunDirectory(tmp_path / "a/run_1").read_iterations()
    (candidate,) = record["candidates"]
    assert (record["reward"], record["accepted"], record["best_reward"]) == (None, None, None)
    assert (record["episodes"], record["steps"]) == (3, 12)
    assert candidate["lengths"] == [4, 4, 4]
    assert candidate["failure"]["kind"] == "error"
    assert candidate["failure"]["text"].endswith("KeyError: 5.0")
    assert not {"returns", "reward", "ends", "params"} & candidate.keys()
    run_code(make_code_config("props", tmp_path / "b", num_iterations=1), Coder(BROKEN), monkeypatch)
    (record,) = RunDirectory(tmp_path / "b/run_1").read_iterations()
    assert (record["episodes"], record["steps"], record["candidates"][0]["lengths"]) == (0, 0, [])
    assert record["candidates"][0]["failure"]["kind"] == "syntax"


def test_histories_show_failures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    coder = Coder(CRASHES)
    run_code(make_code_config("props", tmp_path, num_iterations=2, warmup_episodes=1), coder, monkeypatch)
    last = coder.requests[-1].prompt
    assert "\nfailed: error: KeyError: 5.0\nclass Policy:\n    def __init__(self):\n" in last
    assert "f(policy): " in last
    assert "-inf" not in last


def test_the_critic_is_shown_the_failure_instead_of_evidence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    coder = Coder(CRASHES)
    run_code(make_code_config("r2po", tmp_path, num_iterations=1), coder, monkeypatch)
    prompt = next(request.prompt for request in coder.requests if request.role == "critic")
    assert "How it failed (error, after 12 steps in 3 episodes):\nIn step 5 of an episode:\nline 7, in act\n" in prompt
    assert prompt.endswith("KeyError: 5.0")
    assert "# The policy to revise\nProposed policy:\nclass Policy:\n" in prompt


def test_a_run_in_which_no_policy_worked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    result = run_code(make_code_config("r2po", tmp_path, num_iterations=2), Coder(BROKEN, CRASHES), monkeypatch)
    keys = ("best_reward", "best_iteration", "heldout_reward", "mean_reward", "final_reward")
    assert [result.get(key, "missing") for key in keys] == [None] * 5
    assert "best_source" not in result
    directory = RunDirectory(tmp_path / "run_1")
    screen = Lines()
    screen.finished(directory, directory.read_result())
    assert "no policy worked" in capsys.readouterr().out
    assert not check_files(directory)
    with pytest.raises(InputError, match=r"no policy of .*run_1 has worked"):
        watch(directory, 0, str(tmp_path / "best.gif"))
    with pytest.raises(InputError, match="no policy worked in any of its 2 iterations"):
        load_log_directory(tmp_path)


@pytest.mark.usefixtures("blank_figures")
def test_iterations_in_which_no_policy_worked_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_code(make_code_config("props", tmp_path, num_iterations=6), Coder(GOOD, CRASHES), monkeypatch)
    records = RunDirectory(tmp_path / "run_1").read_iterations()
    worked = [record["iteration"] for record in records if record["accepted"] is not None]
    assert 0 < len(worked) < 6
    (run,) = load_log_directory(tmp_path).runs
    assert run.numbers.tolist() == worked
    assert run.complete
    assert [each.number for each in run.iterations] == worked
    assert f"in {6 - len(worked)} of 6 iterations no policy worked" in run.notes
    last = records[-1]
    assert run.spent.iterations == 6
    assert (run.spent.episodes, run.spent.steps, run.spent.llm_calls) == (
        last["episodes"],
        last["steps"],
        last["llm_calls"],
    )
    assert run.progress == "6 of 6 iterations"
    assert main(["eval", "--logdir", str(tmp_path)]) == 0
    assert "no policy worked" in capsys.readouterr().out


@pytest.mark.parametrize(
    "method",
    [pytest.param("r2po", marks=pytest.mark.slow), "props", pytest.param("critic_only", marks=pytest.mark.slow)],
)
@pytest.mark.sampled(2)
def test_a_killed_run_goes_on_as_if_nothing_had_happened(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Coder()
    values = {"num_iterations": 2, "warmup_episodes": 1}
    expected = run_code(make_code_config(method, tmp_path / "whole", **values), whole, monkeypatch)
    log = log_of(tmp_path / "whole/run_1")
    for killed_at in range(1, len(whole.requests) + 1):
        config = make_code_config(method, tmp_path / str(killed_at), **values)
        with pytest.raises(Killed):
            run_code(config, Coder(killed_at=killed_at), monkeypatch)
        result = run_code(config, Coder(), monkeypatch, resume=1)
        assert log_of(tmp_path / str(killed_at) / "run_1") == log
        assert {**result, "times": 0, "sums": 0} == {**expected, "times": 0, "sums": 0}


def test_the_run_says_which_wall_is_in_force(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_code(make_code_config("props", tmp_path, num_iterations=1), Coder(GOOD), monkeypatch)
    said = yaml.safe_load((tmp_path / "run_1/run.yaml").read_text(encoding="utf-8"))
    assert said["isolation"] == box.in_force().record()
    assert said["config"]["isolation"] == "auto"
    assert said["config"]["warmup_episodes"] == 0


def test_a_resumed_run_says_that_its_wall_is_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notes: list[str] = []
    monkeypatch.setattr(Observer, "note", lambda _, text: notes.append(text))
    config = make_code_config("props", tmp_path, num_iterations=1)
    run_code(config, Coder(GOOD), monkeypatch)
    run = RunDirectory(tmp_path / "run_1")
    (tmp_path / "run_1/result.json").unlink()
    run_code(config, Coder(GOOD), monkeypatch, resume=1)
    assert notes == []
    weaker = Layers(seccomp=True, landlock=0, limits=True)
    monkeypatch.setattr(wall, "InForce", lambda asked, *_: InForce(asked, **vars(weaker), bubblewrap=False))
    (tmp_path / "run_1/result.json").unlink()
    run_code(config, Coder(GOOD), monkeypatch, resume=1)
    began = told(run.read_description()["isolation"])
    assert notes == [f"this run began behind the wall {began}; it continues behind seccomp, limits"]


def test_without_a_wall_no_run_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise NoWallError("isolation: auto needs seccomp")

    monkeypatch.setattr(channel, "check", refuse)
    logdir = tmp_path / "logs"
    coder = Coder(GOOD)
    with pytest.raises(NoWallError) as caught:
        run_code(make_code_config("props", logdir), coder, monkeypatch)
    assert caught.value.exit_code == 2
    assert not logdir.exists()
    assert coder.requests == []


def test_a_worker_that_does_not_start_stops_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = make_code_config("props", tmp_path, num_iterations=2)
    load = box.Box.load
    loaded = []

    def fail(self: box.Box, *arguments: Any) -> None:
        loaded.append(1)
        if len(loaded) == 2:
            raise WorkerNotReadyError("a policy's process was not ready after 60 s")
        load(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(box.Box, "load", fail)
        with pytest.raises(RunStopped, match="was not ready after 60 s"):
            run_code(config, Coder(GOOD), monkeypatch)
    assert len(log_of(tmp_path / "run_1")) == 1
    run_code(config, Coder(GOOD), monkeypatch, resume=1)
    assert len(log_of(tmp_path / "run_1")) == 2


def test_the_best_policy_may_fail_on_fresh_episodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = {"num_iterations": 1, "num_evaluation_episodes": 1, "max_traj_length": 5, "heldout_episodes": 20}
    probe = "class Policy:\n    def act(self, obs):\n        return 1 + 0 * int({gain})"
    config = make_code_config("props", tmp_path / "probe", **small, keep_trajectories="all")
    run_code(config, Coder(probe), monkeypatch)
    with np.load(tmp_path / "probe/run_1/trajectories/iteration_0001.npz") as arrays:
        met = arrays["proposal_0_observations"][:-1, 0]
    # It fails at positions that it did not come to in training.
    fails = probe.replace("1 +", f"1 // int({met.min()} <= obs[0] <= {met.max()}) +")
    result = run_code(make_code_config("props", tmp_path, **small), Coder(fails), monkeypatch)
    assert result["best_iteration"] == 1
    assert result["heldout_reward"] is None
    assert result["heldout_failure"]["kind"] == "error"


def _notes(step: Step) -> Candidate:
    step.note("sum", (sum(record["notes"]["sum"][0] for record in step.records) + 1, "seen"))
    return step.evaluate(step.ask("search", f"Policy {step.iteration}, {[r['notes'] for r in step.records]}"), "only")


def test_a_method_finds_its_notes_in_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    method = Method("noting", "Noting", _notes, searches="programs", paired=True, templates=())
    register(METHODS, method, monkeypatch)
    coder = Coder(GOOD, CRASHES)
    run_code(make_code_config("noting", tmp_path, num_iterations=3), coder, monkeypatch)
    assert [record["notes"] for record in log_of(tmp_path / "run_1")] == [
        {"sum": [1, "seen"]},
        {"sum": [2, "seen"]},
        {"sum": [4, "seen"]},
    ]
    with pytest.raises(InputError, match=r"searches programs, not policy 'linear'; for that: .*r2po"):
        make_code_config("noting", tmp_path, policy="linear")
    with pytest.raises(InputError, match=r"'cma_es' searches real parameters, not policy 'code'"):
        make_code_config("cma_es", tmp_path)


# ---- Evaluations ----


def evaluations_of(run: Path) -> list[dict[str, Any]]:
    return [{**record, "cpu_s": None} for record in RunDirectory(run).read_evaluations()]


def test_every_evaluation_is_logged_when_it_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_code(make_code_config("r2po", tmp_path, num_iterations=2), Coder(), monkeypatch)
    directory = RunDirectory(tmp_path / "run_1")
    log = evaluations_of(directory.path)
    logged = {each["name"]: each for each in log}
    candidates = {
        f"iteration {record['iteration']}, candidate {number}": candidate
        for record in directory.read_iterations()
        for number, candidate in enumerate(record["candidates"])
    }
    assert len(log) == len(logged)
    assert [*logged][:4] == [*candidates]
    for name, candidate in candidates.items():
        for key in ("returns", "lengths", "ends", "failure"):
            assert logged[name].get(key) == candidate.get(key)
    assert all((record["cpu_s"] or 0) > 0.01 for record in directory.read_evaluations())
    assert [*logged][4:] == ["held-out", "first episode of the best policy, again"]
    assert directory.evaluations.name in directory.read_iterations()[-1]["sums"]


def test_a_killed_iteration_takes_its_evaluations_from_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = make_code_config("r2po", tmp_path, num_iterations=1)
    with pytest.raises(Killed):
        run_code(config, Coder(GOOD, killed_at=2), monkeypatch)
    before = evaluations_of(tmp_path / "run_1")
    assert [each["name"] for each in before] == ["iteration 1, candidate 0"]
    rolled_out = []
    begin = code.CodePolicy.begin

    def count(self: code.CodePolicy, seeds: Any) -> Any:
        rolled_out.append(len(seeds))
        return begin(self, seeds)

    monkeypatch.setattr(code.CodePolicy, "begin", count)
    run_code(config, Coder(GOOD), monkeypatch, resume=1)
    # The median rollout that the critic is shown, then revision, re-evaluation, held-out episodes, and the last check.
    assert rolled_out == [1, 3, 20, 2, 1]
    assert evaluations_of(tmp_path / "run_1")[:1] == before


def test_a_line_that_was_changed_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = make_code_config("props", tmp_path, num_iterations=2)
    run_code(config, Coder(GOOD), monkeypatch)
    run = RunDirectory(tmp_path / "run_1")
    (run.path / "result.json").unlink()
    text = run.evaluations.read_text(encoding="utf-8")
    run.evaluations.write_text(text.replace('"lengths":[', '"lengths":[1', 1), encoding="utf-8")
    with pytest.raises(InputError, match=r"evaluations\.jsonl, line 1: its checksum does not fit"):
        run_code(config, Coder(GOOD), monkeypatch, resume=1)
    run.evaluations.write_text("".join(text.splitlines(keepends=True)[:1]), encoding="utf-8")
    with pytest.raises(InputError, match=r"evaluations\.jsonl: lines are lost"):
        run_code(config, Coder(GOOD), monkeypatch, resume=1)


def _many(step: Step) -> Candidate:
    answers = step.ask_many("search", f"Policies of iteration {step.iteration}", 6)
    return max(step.evaluate_many(answers, [f"sample_{n}" for n in range(6)]), key=lambda each: each.score)


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Register a method that evaluates six programs at once."""
    method = Method("many", "Many", _many, evaluations=6, calls=6, searches="programs", paired=True, templates=())
    register(METHODS, method, monkeypatch)


class Repeating(Coder):
    """Writes one of three programs for each sample."""

    def complete(self, request: Request) -> Reply:
        self.requests.append(request)
        kind = (GOOD, CRASHES, BROKEN, GOOD)[request.sample % 4]
        return Reply(f"```python\n{kind.format(gain=0.5)}\n```")


@pytest.mark.usefixtures("many")
def test_several_workers_give_the_same_and_equal_sources_are_rolled_out_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs = {}
    for workers in (1, 3):
        config = make_code_config("many", tmp_path / str(workers), num_iterations=2, evaluation_workers=workers)
        run_code(config, Repeating(), monkeypatch)
        logs[workers] = log_of(tmp_path / str(workers) / "run_1")
        log = evaluations_of(tmp_path / str(workers) / "run_1")
        sources = [each["sha256"] for each in log if each["name"].startswith("iteration 1,")]
        assert len(sources) == len(set(sources)) == 3
    assert logs[1] == logs[3]
    stages = [each["stage"] for each in logs[3][0]["candidates"]]
    assert stages == [f"sample_{number}" for number in range(6)]
    failed = ["failure" in each for each in logs[3][0]["candidates"]]
    assert failed == [False, True, True, False, False, True]
    first, fourth = logs[3][0]["candidates"][0], logs[3][0]["candidates"][3]
    assert (first["source"], first["returns"]) == (fourth["source"], fourth["returns"])


@pytest.mark.slow
def test_the_result_says_whether_the_best_policy_is_deterministic(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = make_code_config("props", tmp_path / "good", num_iterations=1)
    assert run_code(config, Coder(GOOD), monkeypatch)["deterministic"] is True

    # Another machine, another outcome: the last evaluation finds a policy that moves otherwise.
    bind = code.Code.bind

    def change(self: code.Code, program: Program, /) -> Any:
        changed = program if len(bound) < 2 else Program("class Policy:\n    def act(self, obs):\n        return 0")
        bound.append(program)
        return bind(self, changed)

    bound: list[Program] = []
    monkeypatch.setattr(code.Code, "bind", change)
    config = make_code_config("props", tmp_path / "bad", num_iterations=1)
    assert run_code(config, Coder(GOOD), monkeypatch)["deterministic"] is False


def test_the_best_policy_is_a_file_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = run_code(make_code_config("props", tmp_path, num_iterations=2), Coder(GOOD), monkeypatch)
    text = (tmp_path / "run_1/best_policy.py").read_text(encoding="utf-8")
    assert text.endswith(f"\n\n{result['best_source']}\n")
    assert text.startswith(
        f"# Best policy of {tmp_path.name}/run_1 on CartPole-v1: iteration {result['best_iteration']},"
    )
    assert "# It was written by a model (writer/code)." in text
    compile(text, "best_policy.py", "exec")


def test_keys_that_do_nothing_are_named(tmp_path: Path) -> None:
    class Notes(Observer):
        said: ClassVar[list[str]] = []

        def note(self, text: str) -> None:
            self.said.append(text)

    name_idle_keys(make_code_config("props", tmp_path, isolation="limits"), Notes())
    assert Notes.said == []
    name_idle_keys(make_code_config("props", tmp_path, policy="linear", isolation="limits"), Notes())
    assert Notes.said == ["isolation: no effect, policy 'linear' is no code"]
    name_idle_keys(make_code_config("props", tmp_path, tune_episodes=3), Notes())
    assert Notes.said[1:] == ["tune_episodes: no effect, props tunes no constants"]


# ---- Success ----

HOLDS = "class Policy:\n    def __init__(self):\n        self.first = True\n\n    def act(self, obs):\n" + (
    "        first, self.first = self.first, False\n        return 0 if first else int(obs[2] + {gain} * obs[3] > 0)"
)
"""Holds the pole up, and moves left first."""
RIGHT = "class Policy:\n    def act(self, obs):\n        return 1 + 0 * int({gain})"
"""Succeeds where that means to move right first, and drops the pole."""


class Both(Coder):
    """Writes ``RIGHT`` in the second iteration, else ``HOLDS``."""

    def complete(self, request: Request) -> Reply:
        return Reply(f"```python\n{(RIGHT if request.iteration == 2 else HOLDS).format(gain=0.5)}\n```")


@pytest.mark.parametrize("keeps_by", ["reward", "score"])
@pytest.mark.sampled(2)
def test_a_method_may_keep_what_succeeds_most(
    keeps_by: Literal["reward", "score"], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def one(step: Step) -> Candidate:
        return step.evaluate(step.ask("search", f"Policy {step.iteration}"), "only")

    register(METHODS, Method("one", "One", one, keeps_by=keeps_by, searches="programs", templates=()), monkeypatch)
    task = replace(TASKS["cartpole"], success="success")
    monkeypatch.setattr(TASKS, "_items", {**TASKS, "cartpole": task})
    monkeypatch.setattr(gymnasium_engine, "make", lambda gym_id: Succeeds(gymnasium.make(gym_id), "success"))
    config = make_code_config("one", tmp_path, num_iterations=3)
    result = run_code(config, Both(), monkeypatch)
    directory = RunDirectory(tmp_path / "run_1")
    assert [record["success"] for record in directory.read_iterations()] == [0.0, 1.0, 0.0]
    assert directory.read_iterations()[1]["candidates"][0]["successes"] == [True] * 3
    assert check_files(directory) == []
    best, fitting = ((1, 0.0), {}) if keeps_by == "reward" else ((2, 1.0), {"best_success": 1.0})
    assert (result["best_iteration"], result["heldout_success"]) == best
    assert {key: value for key, value in result.items() if key == "best_success"} == fitting
    assert load_log_directory(tmp_path).runs[0].complete
    # A run that goes on from the log keeps the same.
    (tmp_path / "run_1/result.json").unlink()
    again = run_code(config, Both(), monkeypatch, resume=1)
    assert {**again, "times": 0, "sums": 0} == {**result, "times": 0, "sums": 0}
