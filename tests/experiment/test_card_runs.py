"""Runs with a card of one's own: its run directory is all that is needed to go on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import gymnasium
import numpy as np
import pytest
import yaml
from gymnasium import spaces
from PIL import Image

import r2po
from r2po.cli import main
from r2po.commands.reevaluate import reevaluate_runs
from r2po.runlog import RunDirectory
from r2po.runlog.reevaluation import read_reevaluation

ID = "lab/Reach-v0"
STEPS = 12


class Reach(gymnasium.Env[Any, Any]):
    """A point that is to reach a goal; observes both as parts, and what is left of the last episode if it is reused."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012 - Gymnasium declares it so

    def __init__(self, render_mode: str | None = None) -> None:
        self.observation_space = spaces.Dict(
            {"goal": spaces.Box(-1, 1, (1, 2)), "near": spaces.Discrete(2), "place": spaces.Box(-9, 9, (2,))}
        )
        self.action_space = spaces.Box(-1, 1, (2,))
        self.render_mode = render_mode
        self.place: np.ndarray[Any, Any] = np.zeros(2)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.goal = self.np_random.uniform(-1, 1, (1, 2))
        return self._seen(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.place = self.place + 0.3 * np.asarray(action, np.float64)
        distance = float(np.abs(self.place - self.goal[0]).sum())
        return self._seen(), -distance, False, False, {"reached": distance < 0.5}

    def _seen(self) -> dict[str, Any]:
        near = int(np.abs(self.place - self.goal[0]).sum() < 0.5)
        return {"goal": self.goal.astype(np.float32), "near": near, "place": self.place.astype(np.float32)}

    def render(self) -> Any:
        return np.zeros((8, 8, 3), np.uint8)


CARD: dict[str, Any] = {
    "name": "reach",
    "label": "Reach",
    "gym_id": ID,
    "policy": "linear",
    "max_traj_length": STEPS,
    "optimum": 0.0,
    "warmup_episodes": 2,
    "conservative_threshold": -1.0,
    "search_step_size": 0.5,
    "summary": "A point is to reach a goal.",
    "observation": [
        {"name": "goal {i}", "count": 2},
        {"name": "1 if it is far"},
        {"name": "1 if it is near"},
        {"name": "place {i}", "count": 2},
    ],
    "actions": [{"name": "push along x", "range": "-1 to 1"}, {"name": "push along y", "range": "-1 to 1"}],
    "reward": "Minus the distance.",
    "ending": "",
    "flatten": True,
    "reuse": False,
    "success": "reached",
}
CONFIG = {
    "task": "reach.yaml",
    "method": "r2po",
    "llm_model_name": "embedded/search",
    "logdir": "logs/reach",
    "num_iterations": 2,
    "num_evaluation_episodes": 2,
    "heldout_episodes": 2,
    "reevaluation_episodes": 0,
    "seed": 1,
}


@pytest.fixture(scope="module")
def registered() -> Iterator[None]:
    gymnasium.register(ID, cast("Any", Reach))
    yield
    gymnasium.registry.pop(ID)


@pytest.fixture
def folder(registered: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a run of two iterations, and without its card."""
    write(tmp_path / "reach.yaml", CARD)
    write(tmp_path / "config.yaml", CONFIG)
    monkeypatch.chdir(tmp_path)
    assert main(["run", "--config", "config.yaml", "--quiet"]) == 0
    (tmp_path / "reach.yaml").unlink()
    return tmp_path


def write(path: Path, values: Any) -> None:
    path.write_text(yaml.safe_dump(values), encoding="utf-8")


def by_hand(params: list[float], seed: int) -> tuple[float, bool]:
    """Return what a linear policy earns, and whether it succeeds, by the environment alone."""
    env, total, success = Reach(), 0.0, False
    seen, _ = env.reset(seed=seed)
    matrix = np.array(params).reshape(7, 2)
    for _ in range(STEPS):
        near = [float(seen["near"] == 0), float(seen["near"] == 1)]
        vector = np.array([*seen["goal"][0], *near, *seen["place"], 1.0])
        seen, reward, _, _, info = env.step(np.clip(vector @ matrix, -1, 1))
        total, success = total + reward, success or info["reached"]
    return total, success


def test_the_parts_are_one_vector_and_each_episode_has_a_new_environment(folder: Path) -> None:
    run = RunDirectory(folder / "logs/reach/run_1")
    for record in run.read_iterations():
        for candidate in record["candidates"]:
            with r2po.load_policy(run.path) as policy:
                seeds = policy._setting.seeds(record["iteration"], record["candidates"].index(candidate))
            expected = [by_hand(candidate["params"], seed) for seed in seeds]
            assert candidate["returns"] == pytest.approx([total for total, _ in expected], rel=1e-9)
            assert candidate["successes"] == [success for _, success in expected]


@pytest.mark.usefixtures("blank_figures")
def test_the_run_directory_is_enough(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = folder / "logs" / "reach" / "run_1"
    recorded = RunDirectory(run).read_description()["config"]["task"]
    assert (recorded["summary"], recorded["flatten"], recorded["success"]) == (CARD["summary"], True, "reached")
    assert [entry["name"] for entry in recorded["observation"]][:2] == ["goal 0", "goal 1"]
    with r2po.load_policy(run) as policy, policy.make_environment() as env:
        observation, _ = env.reset(seed=3)
        assert policy.act(observation).shape == (2,)  # type: ignore[union-attr]
    assert main(["export", str(run), "--output", "best.json"]) == 0
    assert main(["watch", str(run), "--output", "best.gif"]) == 0
    with Image.open("best.gif") as animation:
        assert animation.size == (8, 8)
    assert main(["prompt", str(run), "1", "critic"]) == 0
    assert "# Environment: Reach\nA point is to reach a goal." in capsys.readouterr().out
    (outcome,) = reevaluate_runs([run], 3, 1)
    assert outcome.state == "done", outcome.line
    assert len(read_reevaluation(run / "reevaluation.jsonl")[1].returns) == 3
    assert main(["eval", "--logdir", str(run.parent)]) == 0
    assert "R2PO on Reach" in capsys.readouterr().out


def test_an_exported_policy_says_in_which_order_it_takes_the_parts(folder: Path) -> None:
    text = r2po.export("logs/reach/run_1", "best.py").read_text(encoding="utf-8")
    assert "as gymnasium.spaces.flatten(env.observation_space, observation) makes it:" in text
    told = [line.partition(": ")[2] for line in text.splitlines() if line.startswith("# observation[")]
    expected = [
        "goal 0 (goal[0, 0])",
        "goal 1 (goal[0, 1])",
        "1 if it is far (near is 0)",
        "1 if it is near (near is 1)",
    ]
    assert told == [*expected, "place 0 (place[0])", "place 1 (place[1])"]
    observation, _ = Reach().reset(seed=1)
    names: dict[str, Any] = {}
    exec(compile(text, "best.py", "exec"), names)
    with r2po.load_policy("logs/reach/run_1") as policy:
        vector: Any = spaces.flatten(Reach().observation_space, observation)
        np.testing.assert_array_equal(names["Policy"]().act(vector), policy(vector))


def test_a_run_goes_on_with_its_card_and_no_other(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "logs/reach/run_1/result.json").unlink()
    capsys.readouterr()
    write(folder / "reach.yaml", {**CARD, "reward": "Minus the square of the distance."})
    assert main(["run", "--config", "config.yaml", "--quiet", "--resume", "1"]) == 2
    said = capsys.readouterr().err
    assert "the config has changed since: task.reward was 'Minus the distance.', is 'Minus the square" in said
    assert said.count("\n") == 1
    write(folder / "reach.yaml", {**CARD, "summary": " A point is to reach a goal.".strip()})
    assert main(["run", "--config", "config.yaml", "--quiet", "--resume", "1"]) == 0
    assert RunDirectory(folder / "logs/reach/run_1").is_complete


def test_it_is_replayed(folder: Path) -> None:
    write(folder / "reach.yaml", CARD)
    replay = ["llm_model_name=replay/logs/reach/run_1", "logdir=logs/again"]
    assert main(["run", "--config", "config.yaml", "--quiet", "--set", *replay]) == 0
    one, other = (RunDirectory(folder / f"logs/{name}/run_1").read_iterations() for name in ("reach", "again"))
    assert [record["reward"] for record in one] == [record["reward"] for record in other]


def test_no_compiled_engine_takes_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(folder / "reach.yaml", CARD)
    engine = ["rollout_engine=kernel", "logdir=logs/kernel"]
    assert main(["run", "--config", "config.yaml", "--quiet", "--set", *engine]) == 2
    assert "it does not see success" in capsys.readouterr().err


@pytest.mark.parametrize("policy", ["linear", "projected_mlp", "random_features"])
def test_an_environment_without_a_card_tells_the_model_nothing(
    policy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    bare = {key: value for key, value in CONFIG.items() if key != "task"}
    bare |= {"gym_env_name": "Pendulum-v1", "method": "props", "policy": policy, "optimum": -100, "max_traj_length": 10}
    monkeypatch.setattr("r2po.tasks.TASKS._items", {"nim": r2po.tasks.TASKS["nim"]})
    write(tmp_path / "config.yaml", bare)
    assert main(["run", "--config", "config.yaml", "--quiet"]) == 0
    assert main(["prompt", "logs/reach/run_1", "1", "search"]) == 0
    prompt = capsys.readouterr().out
    assert "Pendulum" not in prompt
    assert "TODO" not in prompt
    assert main(["export", "logs/reach/run_1", "--output", "best.json"]) == 0
    assert RunDirectory(tmp_path / "logs/reach/run_1").read_description()["task"]["name"] == "pendulum_v1"
