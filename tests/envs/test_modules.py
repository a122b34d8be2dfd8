"""Ids with a module, which Gymnasium would import: wherever one is used, nothing runs that the user has not let run."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

import r2po
from r2po import plugins
from r2po.commands.check_task import check_task
from r2po.commands.episodes import make_environment
from r2po.envs import making
from r2po.errors import InputError
from r2po.experiment.setting import Setting
from r2po.plugins import loading
from r2po.policies import FunctionPolicy
from r2po.rollout.gymnasium_engine import GymnasiumEngine
from r2po.rollout.mujoco.arguments import refused_arguments
from r2po.rollout.refusal import kernel_refusal
from r2po.tasks import TASKS
from r2po.tasks.spaces import read_spaces
from tests.builders import make_config

WORLDS = """
import gymnasium
from pathlib import Path
with Path("imported").open("a") as file:
    file.write("x")
gymnasium.register("InWorlds-v0", "gymnasium.envs.classic_control.cartpole:CartPoleEnv", max_episode_steps=9)
"""
ID = "worlds_of_tests:InWorlds-v0"
TASK = replace(TASKS["cartpole"], gym_id=ID)
STILL = FunctionPolicy(lambda observations: np.zeros(len(observations), np.int64))
WAYS: dict[str, Callable[[], Any]] = {
    "make": lambda: making.make(ID),
    "spec": lambda: making.spec(ID),
    "creator": lambda: making.creator_of(ID),
    "spaces": lambda: read_spaces(ID, {}),
    "kernel": lambda: kernel_refusal(ID, {}),
    "mujoco": lambda: refused_arguments(ID, {}),
    "engine": lambda: GymnasiumEngine(ID, {}, read_spaces("CartPole-v1", {}), max_steps=5).roll_out(STILL, 1),
    "task": lambda: make_environment(TASK),
    "setting": lambda: Setting(make_config("nim").model_copy(update={"gym_env_name": ID}), 1).close(),
}


@pytest.fixture(autouse=True)
def worlds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module of environments in the working directory, in which Python looks for modules, too."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setattr(loading, "_state", loading.State())
    monkeypatch.delenv("R2PO_PLUGINS", raising=False)
    monkeypatch.delitem(sys.modules, "worlds_of_tests", raising=False)
    monkeypatch.setitem(TASKS._items, "cartpole", TASK)
    monkeypatch.setattr(gymnasium.envs.registration, "registry", dict(gymnasium.registry))
    Path("worlds_of_tests.py").write_text(WORLDS, encoding="utf-8")


@pytest.mark.parametrize("way", WAYS)
def test_no_way_leads_to_a_module_that_nobody_named(way: str) -> None:
    with pytest.raises(InputError, match=f"environment '{ID}' asks for the plugin 'worlds_of_tests'"):
        WAYS[way]()
    assert not Path("imported").exists()


def test_the_check_of_a_task_says_what_to_do() -> None:
    (finding,) = check_task(TASK, "limits")
    assert (finding.verdict, finding.what) == ("FAILED", "made")
    assert "--plugin worlds_of_tests" in finding.text
    assert not Path("imported").exists()


def test_a_module_that_is_named_is_imported_once_and_its_environment_made() -> None:
    plugins.load_told(["worlds_of_tests"])
    environment = making.make(ID)
    assert environment.spec is not None
    assert (environment.spec.id, environment.spec.max_episode_steps) == ("InWorlds-v0", 9)
    assert read_spaces(ID, {}).episode_limit == 9
    assert Path("imported").read_text() == "x"


@pytest.mark.parametrize("gym_id", ["a:b:C-v0", "worlds_of_tests:", ":InWorlds-v0", "worlds of tests:InWorlds-v0"])
def test_what_is_no_id(gym_id: str) -> None:
    with pytest.raises(InputError, match=r"unknown environment|asks for the plugin"):
        making.make(gym_id)
    assert not Path("imported").exists()


def test_only_one_file_hands_ids_to_gymnasium() -> None:
    found = set()
    folder = Path(r2po.__file__).parent
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = {"make", "make_vec", "spec", "_find_spec"}
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("gymnasium", "gym"):
                found |= {str(path.relative_to(folder))} if node.attr in names else set()
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("gymnasium"):
                found |= {str(path.relative_to(folder))} if names & {each.name for each in node.names} else set()
    assert found == {"envs/making.py", "envs/extras.py"}  # the latter is given ids without a module
