"""Environments that need an extra: without it, one line that names it."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from typing import Any

import gymnasium
import pytest

import r2po.envs
from r2po.cli import main
from r2po.envs.extras import EXTRAS, lacking
from r2po.envs.making import make
from r2po.errors import InputError
from r2po.tasks.spaces import read_spaces

NEEDS = {
    "LunarLander-v3": ("Box2D", "box2d"),
    "BipedalWalker-v3": ("Box2D", "box2d"),
    "r2po/PickPlace-v3": ("metaworld", "robotics"),
    "r2po/PointMazeLarge-v3": ("gymnasium_robotics", "robotics"),
}


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Behave as if no extra were installed."""
    modules = {module for _, module in EXTRAS.values()}
    find: Callable[..., Any] = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in modules else find(name))


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize("gym_id", NEEDS)
def test_without_it_the_extra_and_the_command_are_named(gym_id: str) -> None:
    module, extra = NEEDS[gym_id]
    expected = f"{gym_id} needs {module}, which is not installed: pip install 'r2po[{extra}]'"
    assert lacking(gym_id) == expected
    for attempt in (lambda: make(gym_id), lambda: read_spaces(gym_id, {})):
        with pytest.raises(InputError) as refusal:
            attempt()
        assert str(refusal.value) == expected


@pytest.mark.usefixtures("bare")
def test_a_run_says_so_in_one_line_and_makes_nothing(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "mine.yaml"
    config.write_text(
        f"method: props\ngym_env_name: r2po/PickPlace-v3\nllm_model_name: embedded/search\nlogdir: {tmp_path}/logs\n"
    )
    assert main(["run", "--config", str(config)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "r2po[robotics]" in error
    assert not (tmp_path / "logs").exists()


@pytest.mark.usefixtures("bare")
def test_other_environments_need_none() -> None:
    assert all(lacking(gym_id) == "" for gym_id in ("CartPole-v1", "Hopper-v5", "r2po/NoiseWorld1-v0"))


def test_importing_the_environments_loads_none_of_them() -> None:
    assert r2po.envs.ENVIRONMENTS
    code = (
        "import sys, r2po.envs, r2po.tasks; "
        "sys.exit(sum(name in sys.modules for name in ('metaworld', 'gymnasium_robotics', 'Box2D', 'mujoco')))"
    )
    import subprocess

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_is_missing_otherwise_is_no_unknown_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    def creator(_entry_point: str) -> Any:
        raise gymnasium.error.DependencyNotInstalled("Thing is not installed")

    monkeypatch.setattr("r2po.envs.making.load_env_creator", creator)
    with pytest.raises(InputError, match="cannot import the code of 'CartPole-v1': DependencyNotInstalled: Thing"):
        read_spaces("CartPole-v1", {})
