"""Constants of a round's best program are tuned: what is tried, what is kept, what is counted, and what is logged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cma
import gymnasium as gym
import numpy as np
import pytest

from r2po.config import Config
from r2po.experiment.tuning import Tuning
from r2po.isolation.constants import rewritten
from r2po.isolation.limits import Limits
from r2po.policies.workbench import Workbench
from r2po.runlog import RunDirectory
from r2po.runlog.intact import check_files
from r2po.seeding import derive_seed
from tests.builders import make_config
from tests.methods.promptpo.programs import ALL, LEFT, Model, block, policy, records, run, told

Patch = pytest.MonkeyPatch

TURNED = 'PARAMS = {{"angle": ({}, -2.0, 2.0), "speed": ({}, -2.0, 2.0), "fixed": (3, 3, 3)}}'
BODY = policy('return int(PARAMS["angle"][0] * obs[2] + PARAMS["speed"][0] * obs[3] > 0)')
BAD = f"{TURNED.format(0.05, -1.0)}\n\n\n{BODY}"
"""Pushes the pole over at once; with two positive numbers, it holds it up."""


def make_tuned_config(logdir: Path, **values: Any) -> Config:
    """Return the config of a round with one candidate of 3 episodes, and 12 evaluations of 2 to tune."""
    small = {"num_iterations": 1, "candidates": 1, "num_evaluation_episodes": 3, "heldout_episodes": 0, "repairs": 0}
    tuning = {"tune_evaluations": 12, "tune_episodes": 2, "max_traj_length": 40}
    model = {"llm_model_name": "scripted/code", "logdir": str(logdir), "seed": 1}
    return make_config("cartpole", "promptpo_tuned", **{**model, **small, **tuning, **values})


def evaluations(logdir: Path, *, tuning: bool = True) -> list[dict[str, Any]]:
    """Return the lines of the log of evaluations, without what depends on the machine."""
    text = (logdir / "run_1/evaluations.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    return [{**each, "cpu_s": None, "sum": ""} for each in lines if not tuning or "constants" in each]


def balanced(angle: float, speed: float, seed: int) -> int:
    """Return how many of 40 steps the rule of ``BODY`` holds the pole."""
    environment = gym.make("CartPole-v1")
    state, _ = environment.reset(seed=seed)
    for step in range(40):
        state, _, ended, _, _ = environment.step(int(angle * state[2] + speed * state[3] > 0))
        if ended:
            return step + 1
    return 40


def first_generation(seed: int) -> list[list[float]]:
    """Return what pycma asks for first, in the unit square from where ``BAD`` lies in it, as constants."""
    random = np.random.default_rng(derive_seed(seed, "iteration", 1, "tuning"))
    options = {"bounds": [0.0, 1.0], "seed": np.nan, "randn": lambda *shape: random.standard_normal(shape),
               "verbose": -9, "verb_log": 0, "signals_filename": ""}  # fmt: skip
    points = cma.CMAEvolutionStrategy([2.05 / 4, 1.0 / 4], 0.25, options).ask()
    return [[*(float(f"{4 * share - 2:.6g}") for share in point), 3.0] for point in points]


def test_a_round_with_tuning(tmp_path: Path, monkeypatch: Patch) -> None:
    result = run(make_tuned_config(tmp_path), Model({"search": block(BAD)}), monkeypatch)
    (record,) = records(tmp_path)
    tried = evaluations(tmp_path)
    # What is tried is what pycma asks for, and what comes of it is what Gymnasium says.
    assert [each["name"] for each in tried] == [f"iteration 1, tuning {number}" for number in range(1, 13)]
    assert [each["constants"] for each in tried[:6]] == first_generation(1)
    seeds = [derive_seed(1, "iteration", 1, "tuning", "rollout", k) for k in range(2)]
    for each in tried:
        angle, speed, fixed = each["constants"]
        assert fixed == 3.0
        assert each["lengths"] == each["returns"] == [balanced(angle, speed, seed) for seed in seeds]
    # The best, the first of equals, is written into the text; it is better on the round's episodes, and kept.
    angle, speed, _ = max(tried, key=lambda each: sum(each["returns"]))["constants"]
    assert told(record) == [("candidate_1", "works"), ("candidate_1_tuned", "works")]
    before, after = record["candidates"]
    assert after["source"] == f"{TURNED.format(angle, speed)}\n\n\n{BODY}" == result["best_source"]
    round_seeds = [derive_seed(1, "iteration", 1, "candidate", "paired", "rollout", k) for k in range(3)]
    assert after["returns"] == [balanced(angle, speed, seed) for seed in round_seeds]
    assert before["returns"] == [balanced(0.05, -1.0, seed) for seed in round_seeds]
    assert (record["accepted"], record["reward"]) == (1, np.mean(after["returns"]))
    assert after["call"] == before["call"] != ""
    assert record["notes"]["summaries"] == [f"{length} steps" for length in after["lengths"]]
    assert check_files(RunDirectory(tmp_path / "run_1")) == []
    # Everything counts, and costs no call.
    steps = sum(sum(each["lengths"]) for each in [*tried, before, after])
    assert record["tuning"] == {
        "evaluations": 12,
        "episodes": 24,
        "steps": steps - sum(before["lengths"] + after["lengths"]),
    }
    assert (record["episodes"], record["steps"], record["llm_calls"]) == (30, steps, 2)
    assert (result["episodes"], result["steps"]) == (30, steps)
    assert record["notes"]["tuning"] == {
        "of": "candidate_1",
        "from": {"angle": 0.05, "speed": -1.0, "fixed": 3.0},
        "to": {"angle": angle, "speed": speed, "fixed": 3.0},
        "kept": True,
    }


@pytest.mark.slow
def test_the_next_prompt_shows_the_tuned_program(tmp_path: Path, monkeypatch: Patch) -> None:
    model = Model({"search/1": block(BAD), "search/2": block(LEFT)})
    run(make_tuned_config(tmp_path, num_iterations=2), model, monkeypatch)
    one, two = records(tmp_path)
    first, second = model.prompts("search")
    assert "# Constants\n" in first
    assert 'The program reads the value as PARAMS["gain"][0]' in first
    assert f"```python\n{one['candidates'][1]['source']}\n```" in second
    tuned = one["notes"]["tuning"]["to"]
    before = one["candidates"][0]["reward"]
    said = f"Tuned: angle from 0.05 to {tuned['angle']:.6g}, speed from -1 to {tuned['speed']:.6g}."
    assert f"{said} Before that, its mean return was {before:.2f}.\n" in second
    assert BAD not in second
    # A program without constants stays as it is, and costs nothing.
    assert two["notes"]["tuning"] == {"of": "candidate_1", "from": {}, "kept": False}
    assert "tuning" not in two
    assert two["episodes"] == one["episodes"] + 3


def test_the_prompts_of_promptpo_say_nothing_of_constants(tmp_path: Path, monkeypatch: Patch) -> None:
    model = Model({"search": block(BAD)})
    config = make_config("cartpole", "promptpo", llm_model_name="scripted/code", logdir=str(tmp_path), seed=1,
                         num_iterations=1, candidates=1, num_evaluation_episodes=1, heldout_episodes=0)  # fmt: skip
    run(config, model, monkeypatch)
    assert "PARAMS" not in model.prompts("search")[0]
    assert "tuning" not in records(tmp_path)[0]["notes"]


@pytest.mark.parametrize(
    ("head", "said"),
    [
        ('PARAMS = {"gain": 1.0}', "PARAMS['gain'] must be (value, low, high), as in PARAMS = "),
    ],
)
@pytest.mark.sampled(2)
def test_what_are_no_constants_is_told_and_the_program_kept(
    head: str, said: str, tmp_path: Path, monkeypatch: Patch
) -> None:
    source = policy("return 0", head=head)
    model = Model({"search/1": block(source), "search/2": block(LEFT)})
    run(make_tuned_config(tmp_path, num_iterations=2), model, monkeypatch)
    one, _ = records(tmp_path)
    assert (one["accepted"], one["candidates"][0]["source"]) == (0, source)
    assert one["notes"]["tuning"]["refused"].startswith(f"policy: BadConstants: {said}")
    assert "tuning" not in one
    assert f"Its constants could not be tuned: policy: BadConstants: {said}" in model.prompts("search", 2)[0]
    (refusal,) = [each for each in evaluations(tmp_path, tuning=False) if "constants" in each["name"]]
    assert (refusal["failure"]["kind"], refusal["lengths"]) == ("policy", [])


@pytest.mark.slow
def test_constants_that_make_the_policy_fail_are_worse_than_all_others(tmp_path: Path, monkeypatch: Patch) -> None:
    lines = ['limit = PARAMS["limit"][0]', "assert limit < 0.6", "return int(obs[2] + obs[3] > limit)"]
    source = policy(*lines, head='PARAMS = {"limit": (0.5, -1.0, 1.0)}')
    run(make_tuned_config(tmp_path), Model({"search": block(source)}), monkeypatch)
    (record,) = records(tmp_path)
    tried = evaluations(tmp_path)
    failed = [each for each in tried if "failure" in each]
    assert 0 < len(failed) < 12
    assert all(each["constants"][0] >= 0.6 and each["failure"]["kind"] == "error" for each in failed)
    # The episodes that were begun count, with the steps that were made: none.
    assert all(each["lengths"] == [0, 0] for each in failed)
    assert record["tuning"]["episodes"] == 24
    assert record["notes"]["tuning"]["to"]["limit"] < 0.6
    assert told(record)[1] == ("candidate_1_tuned", "works")


def test_hostile_constants_end_no_run(tmp_path: Path, monkeypatch: Patch) -> None:
    monkeypatch.setattr(Limits.__init__, "__defaults__", (60.0, 10.0, 0.4, 60, 600.0, 1024))
    lines = [
        'kind = PARAMS["kind"][0]',
        "while kind == 1: pass",
        "if kind == 2: return 10**100000",
        "if kind == 4: import ctypes",
        "if kind == 5: raise SystemExit",
        "return 0",
    ]
    source = policy(*lines, head='PARAMS = {"kind": (3, 1, 5)}')
    result = run(make_tuned_config(tmp_path, tune_evaluations=8), Model({"search": block(source)}), monkeypatch)
    kinds = {each["constants"][0]: each["failure"]["kind"] for each in evaluations(tmp_path) if "failure" in each}
    assert kinds.items() <= {1.0: "time", 2.0: "action", 4.0: "forbidden", 5.0: "error"}.items()
    assert len(kinds) > 1
    assert result["iterations"] == 1


def test_a_tuned_program_that_is_no_better_is_not_kept(tmp_path: Path, monkeypatch: Patch) -> None:
    good = f"{TURNED.format(1.0, 1.0)}\n\n\n{BODY}"  # holds the pole to the end: nothing is better
    run(make_tuned_config(tmp_path), Model({"search": block(good)}), monkeypatch)
    (record,) = records(tmp_path)
    assert (record["accepted"], record["reward"]) == (0, 40.0)
    assert told(record) == [("candidate_1", "works"), ("candidate_1_tuned", "works")]
    assert record["notes"]["tuning"]["kept"] is False
    assert record["episodes"] == 3 + 24 + 3


def test_tuning_counts_by_its_episodes_and_ends_with_the_budget(tmp_path: Path, monkeypatch: Patch) -> None:
    monkeypatch.setattr("r2po.methods.promptpo.options.EVALUATION_BUDGET", 13)
    config = make_tuned_config(tmp_path, protocol="controlled", num_iterations=9, candidates=2, reflection=False)
    run(config, Model({"search": block(BAD), "feedback": block(ALL)}), monkeypatch)
    one, two = records(tmp_path)
    # 1 + 1 candidates of 3 episodes (the other reply is equal), and 24 episodes, which are 8 evaluations of 3: 10.
    assert (one["tuning"]["episodes"], len(one["candidates"])) == (24, 2)
    # Of the 3 that are left, one is for the program, one for the tuned one: 3 episodes, so 1 evaluation of 2.
    assert (two["tuning"]["episodes"], len(two["candidates"])) == (2, 2)
    assert two["episodes"] <= 13 * 3


@pytest.mark.slow
def test_equal_seeds_give_equal_runs_and_others_differ(tmp_path: Path, monkeypatch: Patch) -> None:
    made = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        run(
            make_tuned_config(tmp_path / name, seed=seed, tune_evaluations=3),
            Model({"search": block(BAD)}),
            monkeypatch,
        )
        made.append(evaluations(tmp_path / name))
    assert made[0] == made[1]
    assert made[0] != made[2]


class Killed(BaseException):
    """Ends a run as a kill would, as far as one process can tell."""


@pytest.mark.parametrize(
    "point", [7, pytest.param(1, marks=pytest.mark.slow), pytest.param(12, marks=pytest.mark.slow)]
)
@pytest.mark.sampled(2)
def test_a_run_that_ends_while_it_tunes_goes_on_there(point: int, tmp_path: Path, monkeypatch: Patch) -> None:
    model = Model({"search": block(BAD)})
    run(make_tuned_config(tmp_path / "calm"), model, monkeypatch)
    evaluate = Tuning.evaluate
    made: list[int] = []

    def counted(self: Tuning, program: Any, values: Any, number: int) -> Any:
        if not made.count(point) and number == point:
            made.append(number)
            raise Killed
        return evaluate(self, program, values, number)

    monkeypatch.setattr(Tuning, "evaluate", counted)
    with pytest.raises(Killed):
        run(make_tuned_config(tmp_path / "killed"), model, monkeypatch)
    before = evaluations(tmp_path / "killed", tuning=False)
    bound: list[Workbench] = []
    load = Workbench.box

    def noted(self: Workbench) -> Any:
        bound.append(self)
        return load(self)

    monkeypatch.setattr(Workbench, "box", noted)
    run(make_tuned_config(tmp_path / "killed"), model, monkeypatch, resume=1)
    calm = evaluations(tmp_path / "calm", tuning=False)
    assert evaluations(tmp_path / "killed", tuning=False) == calm
    assert before == calm[: len(before)]
    # One for the constants, and one for each evaluation that was not on record.
    assert len(bound) == 1 + 12 - (point - 1)
    for one, other in zip(records(tmp_path / "killed"), records(tmp_path / "calm"), strict=True):
        assert {**one, "times": 0, "sums": 0, "sum": 0} == {**other, "times": 0, "sums": 0, "sum": 0}


def test_one_constant_and_none_to_change(tmp_path: Path, monkeypatch: Patch) -> None:
    single = policy(
        'return int(obs[2] + PARAMS["speed"][0] * obs[3] > 0)', head='PARAMS = {"speed": (-1.0, -2.0, 2.0)}'
    )
    run(make_tuned_config(tmp_path / "one"), Model({"search": block(single)}), monkeypatch)
    assert records(tmp_path / "one")[0]["notes"]["tuning"]["kept"]
    fixed = policy("return 0", head='PARAMS = {"speed": (-1.0, -1.0, -1.0)}')
    run(make_tuned_config(tmp_path / "none"), Model({"search": block(fixed)}), monkeypatch)
    assert "tuning" not in records(tmp_path / "none")[0]
    assert rewritten("x", (), ()) == "x"
