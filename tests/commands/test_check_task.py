"""``r2po check-task``: all shipped tasks pass, and each kind of fault is found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec

from r2po.cli import main
from r2po.commands.check_task import check_task
from r2po.envs.extras import lacking
from r2po.tasks import TASKS, Dimension, Task
from r2po.tasks.bare import card_for
from r2po.tasks.hidden import READERS
from tests.builders import register

CHECKS = ["seed", "reuse", "start", "numbers", "end", "reward", "card"]


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.sampled(4)
def test_every_shipped_task_passes(name: str) -> None:
    task = TASKS[name]
    if lacking(task.gym_id):
        pytest.skip(lacking(task.gym_id))
    findings = list(check_task(task))
    assert [finding.what for finding in findings] == CHECKS
    assert [finding for finding in findings if finding.verdict == "FAILED"] == []
    assert (findings[-2].verdict == "ok") == bool(task.reward_source)


class Faulty(gymnasium.Env[Any, Any]):
    """Counts down from a random number; does one thing wrong if it is told to."""

    made = 0

    def __init__(self, fault: str = "") -> None:
        self.fault = fault
        self.observation_space = spaces.Box(-np.inf, np.inf, (2,), dtype=np.float64)
        self.action_space = spaces.Discrete(2)
        type(self).made += 1
        self.number, self.played, self.kept = type(self).made, 0, 0.0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.left, self.x = 20, 0.5 if self.fault == "same start" else float(self.np_random.random())
        self.kept = self.x if self.fault != "remembers" else self.kept if self.played else 0.0
        self.played += 1
        return self._seen(), {}

    def step(self, action: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        if self.fault == "raises":
            raise ZeroDivisionError("by nought")
        self.left -= 1
        self.kept += self.x + (self.number if self.fault == "differs" else 0)
        reward = float("inf") if self.fault == "infinite" and self.left == 3 else float(action)
        return self._seen(), reward, self.left == 0 and self.fault != "endless", False, {}

    def _seen(self) -> Any:
        seen = [self.x + self.kept, float("nan") if self.fault == "nan" and self.left == 5 else self.left]
        return np.array([*seen, 1.0] if self.fault == "shape" else seen)


REWARD = "def reward(obs, action, next_obs, terminated):\n    return float(action)\n"


def faulty(monkeypatch: pytest.MonkeyPatch, fault: str, **changes: Any) -> Task:
    """Return the task of an environment with a fault."""
    limit = changes.pop("limit", None)
    spec = EnvSpec("Faulty-v0", entry_point=cast("Any", Faulty), kwargs={"fault": fault}, max_episode_steps=limit)
    monkeypatch.setitem(gymnasium.registry, "Faulty-v0", spec)
    seen = (Dimension("x"), Dimension("steps left"))
    base = replace(
        TASKS["cartpole"], observation=seen, name="faulty", gym_id="Faulty-v0", reward_source=REWARD, max_traj_length=50
    )
    return replace(base, **changes)


def verdicts(task: Task) -> Mapping[str, tuple[str, str]]:
    return {finding.what: (finding.verdict, finding.text) for finding in check_task(task, "limits")}


def test_without_a_fault_none_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    found = verdicts(faulty(monkeypatch, ""))
    assert list(found) == CHECKS
    assert {verdict for verdict, _ in found.values()} == {"ok"}
    assert found["end"][1] == "an episode ended after 20 steps"


@pytest.mark.parametrize(
    ("fault", "changes", "what", "text"),
    [
        ("differs", {}, "seed", "two new environments with the same seed and actions differ from step 1 on"),
        ("remembers", {}, "reuse", "the card must say reuse: false"),
        ("same start", {}, "start", "the card must say fixed_start: true"),
        ("", {"fixed_start": True}, "start", "the first observation differs with the seed; fixed_start: true must go"),
        ("nan", {}, "numbers", "an observation is not 2 finite numbers"),
        ("infinite", {}, "numbers", "a reward is not finite"),
        ("", {"max_traj_length": 0}, "end", "max_traj_length is 0"),
        ("", {"reward_source": REWARD.replace("float(action)", "0.5")}, "reward", "gives 0.5, the environment"),
        ("", {"reward_source": REWARD.replace("float(action)", "float(auction)")}, "reward", "fails"),
        ("", {"reward_source": "def bonus():\n    return 1.0\n"}, "reward", "NameError: name 'reward' is not defined"),
        ("", {"reward_source": REWARD.replace("float(action)", "None")}, "reward", "fails"),
        ("", {"reward_source": "import os\n" + REWARD}, "reward", "fails"),
        ("raises", {}, "played", "an episode of random actions ends with ZeroDivisionError: by nought"),
    ],
)
@pytest.mark.sampled(2)
def test_each_fault_is_found(
    fault: str, changes: dict[str, Any], what: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    verdict, said = verdicts(faulty(monkeypatch, fault, **changes))[what]
    assert verdict == "FAILED"
    assert text in said
    assert "\n" not in said


@pytest.mark.parametrize(("value", "verdict"), [(1.0, "ok"), (float("nan"), "FAILED")])
def test_hidden_fields_are_finite(value: float, verdict: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(READERS, "faulty", lambda _env: {"x": value})
    task = faulty(monkeypatch, "", hidden={"x": "x"}, state=("x",), reward_source="")
    assert verdicts(task)["numbers"][0] == verdict


def test_observations_of_another_shape_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    assert verdicts(faulty(monkeypatch, "shape"))["numbers"][0] == "FAILED"


def test_a_card_that_says_reuse_false_may_have_an_environment_that_remembers(monkeypatch: pytest.MonkeyPatch) -> None:
    verdict, text = verdicts(faulty(monkeypatch, "remembers", reuse=False))["reuse"]
    assert (verdict, "by the card none is reused" in text) == ("ok", True)
    assert "nothing was found" in verdicts(faulty(monkeypatch, "", reuse=False))["reuse"][1]


def test_a_reward_may_differ_by_the_cards_tolerance(monkeypatch: pytest.MonkeyPatch) -> None:
    close = REWARD.replace("float(action)", "action + 0.001")
    assert verdicts(faulty(monkeypatch, "", reward_source=close))["reward"][0] == "FAILED"
    assert verdicts(faulty(monkeypatch, "", reward_source=close, reward_tolerance=0.01))["reward"][0] == "ok"


def test_an_episode_that_never_ends_is_cut_by_the_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    verdict, text = verdicts(faulty(monkeypatch, "endless"))["end"]
    assert (verdict, text) == (
        "ok",
        "the environment has no limit of its own; max_traj_length ends an episode after 50 steps",
    )


def test_a_reward_runs_behind_the_wall(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    source = (
        f"def reward(obs, action, next_obs, terminated):\n    np.save({str(tmp_path / 'x.npy')!r}, 1)\n    return 0.0\n"
    )
    task = faulty(monkeypatch, "", reward_source=source)
    assert {finding.what: finding for finding in check_task(task)}["reward"].verdict == "FAILED"
    assert list(tmp_path.iterdir()) == []


def test_bipedal_walker_is_caught() -> None:
    pytest.importorskip("Box2D", reason="needs Box2D: pip install 'r2po[box2d]'")
    spread = card_for("BipedalWalker-v3")
    found = verdicts(spread)
    assert {what for what, (verdict, _) in found.items() if verdict == "FAILED"} == {"reuse"}
    assert "FAILED" not in {verdict for verdict, _ in verdicts(replace(spread, reuse=False)).values()}


# ---- The command ----


def test_the_command_checks_a_task_by_name_or_id(capsys: pytest.CaptureFixture[str]) -> None:
    outputs = []
    for name in ("nim", "Nim-v0"):
        assert main(["check-task", name, "--isolation", "limits"]) == 0
        outputs.append(capsys.readouterr().out)
    assert outputs[0] == outputs[1]
    assert outputs[0].splitlines()[0] == "nim (Nim-v0)"
    assert outputs[0].count("\n  ok ") == len(CHECKS)


def test_the_command_fails_if_anything_does(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    register(TASKS, faulty(monkeypatch, "nan"), monkeypatch)
    assert main(["check-task", "faulty", "--isolation", "limits"]) == 1
    assert "  FAILED  numbers:" in capsys.readouterr().out


def test_an_unknown_task_is_refused_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-task", "cartpool"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: unknown environment 'cartpool'")
    assert error.count("\n") == 1


def test_a_task_without_its_extra_is_passed_over(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("r2po.commands.check_task.lacking", lambda _gym_id: "it needs more: pip install 'r2po[more]'")
    assert main(["check-task", "all"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("  ")] == [
        "  note    skipped:   it needs more: pip install 'r2po[more]'"
    ] * len(TASKS)
