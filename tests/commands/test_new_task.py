"""``r2po new-task``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from r2po.cli import main
from r2po.tasks import read_card

WROTE = "wrote tasks/acrobot.yaml: 6 observations, 3 actions, limit 500, target -100 (Gymnasium's threshold)"
CHECKED = "  checked: reproducible by seed, reusable, ends"
TO_FILL_IN = (
    "  to fill in: summary, reward, ending (marked TODO; methods that describe the environment refuse a card with TODO)"
)

THEN = (
    "  then: r2po check-task tasks/acrobot.yaml; a config names the card as `task: PATH`, from the folder of the config"
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_writes_a_card_and_says_what_is_known(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new-task", "Acrobot-v1"]) == 0
    assert capsys.readouterr().out.splitlines() == [WROTE, CHECKED, TO_FILL_IN, THEN]
    assert read_card(folder / "tasks" / "acrobot.yaml").unfinished == ["summary", "reward", "ending"]
    assert main(["check-task", "tasks/acrobot.yaml"]) == 0
    assert "  note    card:      TODO in summary, reward, ending" in capsys.readouterr().out


def test_a_file_that_is_there_stays(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "mine.yaml").write_text("precious", encoding="utf-8")
    assert main(["new-task", "Acrobot-v1", "--output", "mine.yaml"]) == 2
    assert capsys.readouterr().err == (
        "error: mine.yaml is there already, and is not overwritten; --output FILE writes another one\n"
    )
    assert (folder / "mine.yaml").read_text(encoding="utf-8") == "precious"


def test_arguments_of_the_environment_are_recorded(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new-task", "CliffWalking-v1", "--output", "ice.yaml", "--env-kwargs", "is_slippery=true"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "wrote ice.yaml: 48 states, 4 actions, no limit, no target"
    assert lines[1] == "  checked: reproducible by seed, reusable, starts the same (fixed_start: true)"
    assert lines[2].startswith(
        "  to fill in: max_traj_length, optimum, conservative_threshold, summary, 4 action names,"
    )
    card = read_card(Path("ice.yaml"))
    assert (card.env_kwargs, card.fixed_start, card.max_traj_length) == ({"is_slippery": True}, True, None)


class Lab(gymnasium.Env[Any, Any]):
    """Remembers earlier episodes, or draws numbers that no seed decides."""

    def __init__(self, fault: str = "") -> None:
        self.fault = fault
        self.observation_space, self.action_space = spaces.Box(-9, 9, (2,)), spaces.Discrete(1)
        self.episodes = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.episodes += self.fault == "remembers"
        drawn = np.random.default_rng(None if self.fault == "unseeded" else seed).random()
        return np.array([self.episodes, drawn]), {}

    def step(self, action: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        return np.zeros(2), 1.0, False, False, {}


@pytest.fixture
def lab() -> Iterator[str]:
    gymnasium.register("lab/Rig-v3", cast("Any", Lab), max_episode_steps=30)
    yield "lab/Rig-v3"
    gymnasium.registry.pop("lab/Rig-v3")


def test_what_the_checks_find_is_settled(lab: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new-task", lab, "--env-kwargs", "fault=remembers"]) == 0
    assert "  checked: reproducible by seed, ends, not reusable (reuse: false)" in capsys.readouterr().out
    assert not read_card(Path("tasks/lab_rig.yaml")).reuse


def test_what_no_entry_settles_is_named(lab: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new-task", lab, "--env-kwargs", "fault=unseeded"]) == 1
    said = capsys.readouterr().out
    assert "  FAILED seed: two new environments with the same seed and actions differ at the start; no entry" in said
    assert said.startswith("wrote tasks/lab_rig.yaml")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["Acrobt-v1"], "unknown environment 'Acrobt-v1' (did you mean 'Acrobot-v1'?)"),
        (["lab:Rig-v3"], "the environment 'lab:Rig-v3' asks for the plugin 'lab'"),
        (["Acrobot-v1", "--env-kwargs", "color"], "--env-kwargs 'color': expected key=value"),
        (["Acrobot-v1", "--env-kwargs", "colour=3"], "unknown argument of Acrobot-v1 'colour'"),
        (["Acrobot-v1", "--output", "/dev/null/x.yaml"], "/dev/null/x.yaml"),
    ],
)
def test_what_cannot_be_is_one_line_and_writes_nothing(
    arguments: list[str], said: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["new-task", *arguments]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert list(folder.iterdir()) == []


def test_check_task_finds_what_cliff_walking_lacks(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-task", "CliffWalking-v1"]) == 1
    failed = [line for line in capsys.readouterr().out.splitlines() if "FAILED" in line]
    assert [line.partition(": ")[0].split()[1] for line in failed] == ["start", "end"]
    assert failed[0].endswith("the card must say fixed_start: true")
    assert failed[1].endswith("the card must say max_traj_length")


def test_check_task_takes_a_card_and_says_what_does_not_fit(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    card = folder / "mine.yaml"
    card.write_text("like: pendulum\nname: mine\nactions: [push]\n", encoding="utf-8")
    assert main(["check-task", "mine.yaml", "--isolation", "limits"]) == 1
    assert "FAILED  card:      actions must be numbers, each with name and range" in capsys.readouterr().out
    card.write_text("like: pendulum\nname: nim\n", encoding="utf-8")
    assert main(["check-task", "mine.yaml"]) == 2
    assert "name is 'nim', the task Nim-v0" in capsys.readouterr().err
