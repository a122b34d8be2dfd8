"""All own environments: registered once, conforming to Gymnasium, seeded, independent, drawable."""

from __future__ import annotations

import importlib
import subprocess
import sys
import warnings
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from r2po import envs

IDS = (
    *("maze-sample-3x3-v0", "maze-sample-5x5-v0", "maze-random-v0", "Nim-v0", "Pong-v0"),
    *("r2po/NoiseWorld0-v0", "r2po/NoiseWorld6-v0"),
)
SHAPES = {
    "maze-sample-3x3-v0": (492, 492, 3),
    "maze-sample-5x5-v0": (488, 488, 3),
    "maze-random-v0": (488, 488, 3),
    "Nim-v0": (400, 560, 3),
    "Pong-v0": (450, 600, 3),
    "r2po/NoiseWorld0-v0": (480, 480, 3),
    "r2po/NoiseWorld6-v0": (480, 480, 3),
}


@pytest.fixture(autouse=True)
def _no_display(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")


def play(env: gymnasium.Env[Any, Any], seed: int, steps: int = 300) -> list[Any]:
    """Play actions that depend on the seed alone and return everything that the environment says."""
    actions = np.random.default_rng(seed)
    first, count = int(env.action_space.start), int(env.action_space.n)  # type: ignore[attr-defined]
    observation, _ = env.reset(seed=seed)
    said: list[Any] = [np.asarray(observation).tolist()]
    for _ in range(steps):
        observation, reward, terminated, truncated, _ = env.step(int(actions.integers(first, first + count)))
        said.append((np.asarray(observation).tolist(), reward, terminated, truncated))
        if terminated or truncated:
            break
    return said


def test_exactly_these_environments_are_registered() -> None:
    boards = {f"r2po/NoiseWorld{board}-v0" for board in range(7)}
    arms = {f"r2po/{task}-v3" for task in ("PickPlace", "DoorOpen", "ButtonPress", "DrawerOpen")}
    mazes = {"r2po/PointMazeLarge-v3", "r2po/PointMazeLargeDiverse-v3"}
    assert {*IDS, *boards, *arms, *mazes} == set(envs.ENVIRONMENTS)
    assert all(gym_id in gymnasium.registry for gym_id in IDS)


@pytest.mark.parametrize("gym_id", IDS)
def test_gymnasium_finds_no_fault(gym_id: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", category=DeprecationWarning, module="pygame")
        check_env(gymnasium.make(gym_id, disable_env_checker=True).unwrapped)


@pytest.mark.parametrize("gym_id", IDS)
def test_same_seed_gives_the_same_trajectory(gym_id: str) -> None:
    env = gymnasium.make(gym_id)
    first = play(env, 5)
    play(env, 6)
    assert play(env, 5) == first
    assert play(gymnasium.make(gym_id), 5) == first


@pytest.mark.parametrize("gym_id", ["Nim-v0", "Pong-v0"])
def test_different_seeds_differ(gym_id: str) -> None:
    env = gymnasium.make(gym_id)
    assert len({str(play(env, seed)) for seed in range(10)}) > 1


@pytest.mark.parametrize("gym_id", IDS)
def test_environments_are_independent_of_each_other_and_of_global_random_state(gym_id: str) -> None:
    one, other = gymnasium.make(gym_id), gymnasium.make(gym_id)
    alone = play(one, 3)
    np.random.seed(0)  # noqa: NPY002 - the global state is what must not matter
    before = np.random.get_state()[1].tolist()  # type: ignore[index] # noqa: NPY002
    other.reset(seed=4)
    one.reset(seed=3)
    interleaved = []
    actions = np.random.default_rng(3)
    first, count = int(one.action_space.start), int(one.action_space.n)  # type: ignore[attr-defined]
    for _ in range(len(alone) - 1):
        observation, reward, terminated, truncated, _ = one.step(int(actions.integers(first, first + count)))
        interleaved.append((np.asarray(observation).tolist(), reward, terminated, truncated))
        if other.step(first)[2]:
            other.reset()
    assert interleaved == alone[1:]
    assert np.random.get_state()[1].tolist() == before  # type: ignore[index] # noqa: NPY002


@pytest.mark.parametrize(
    ("gym_id", "action"), [("maze-sample-3x3-v0", 4), ("Nim-v0", 0), ("Nim-v0", 4), ("Pong-v0", -1)]
)
def test_a_number_that_is_no_action_is_refused(gym_id: str, action: int) -> None:
    env = gymnasium.make(gym_id, disable_env_checker=True)
    env.reset(seed=0)
    with pytest.raises(gymnasium.error.InvalidAction, match=f"not {action}"):
        env.step(action)


@pytest.mark.parametrize("gym_id", IDS)
def test_pictures_have_one_shape_and_change_with_the_state(gym_id: str) -> None:
    env = gymnasium.make(gym_id, render_mode="rgb_array")
    env.reset(seed=0)
    before: Any = env.render()
    env.step(2)
    env.step(1)
    after: Any = env.render()
    assert before.shape == after.shape == SHAPES[gym_id]
    assert before.dtype == np.uint8
    assert (before != after).any()


def test_render_without_a_mode_warns_and_shows_nothing() -> None:
    env = gymnasium.make("Nim-v0").unwrapped
    env.reset()
    with pytest.warns(UserWarning, match="choose a render mode"):
        assert env.render() is None


def test_unknown_render_mode_is_refused() -> None:
    from r2po.envs.pong import PongEnv

    with pytest.raises(gymnasium.error.UnsupportedMode, match="rgb_array, human or None, not 'ansi'"):
        PongEnv(render_mode="ansi")


def test_human_rendering_without_pygame_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pygame", None)
    env = gymnasium.make("Pong-v0", render_mode="human")
    with pytest.raises(gymnasium.error.DependencyNotInstalled, match="pip install pygame"):
        env.reset()


def test_human_rendering_opens_a_window_and_closes_it() -> None:
    import pygame

    env = gymnasium.make("Nim-v0", render_mode="human")
    env.reset(seed=0)
    surface = pygame.display.get_surface()
    assert surface is not None
    assert surface.get_size() == (560, 400)
    assert env.render() is None
    env.close()
    assert not pygame.display.get_init()


def test_importing_again_changes_nothing_and_warns_of_nothing() -> None:
    before = {gym_id: gymnasium.registry[gym_id] for gym_id in IDS}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        importlib.reload(envs)
    assert all(gymnasium.registry[gym_id] is spec for gym_id, spec in before.items())


def test_a_foreign_environment_of_the_same_id_does_not_pass_for_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    foreign = gymnasium.envs.registration.EnvSpec("Pong-v0", entry_point="atari:Pong")
    monkeypatch.setitem(gymnasium.registry, "Pong-v0", foreign)
    envs.register_environments()
    assert gymnasium.registry["Pong-v0"].entry_point == "r2po.envs.pong:PongEnv"


def test_importing_the_package_loads_no_environment_and_no_pygame() -> None:
    modules = ["r2po.envs.maze", "r2po.envs.nim", "r2po.envs.pong", "pygame"]
    code = f"import sys, r2po.envs; print([m for m in {modules} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONPATH": ":".join(sys.path)}
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "entry_point", sorted({envs.ENVIRONMENTS[gym_id][0] for gym_id in IDS if not gym_id.startswith("r2po/")})
)
def test_the_folder_beside_the_package_has_the_same_environments(entry_point: str) -> None:
    module, name = entry_point.split(":")
    old = importlib.import_module(module.removeprefix("r2po."))
    assert getattr(old, name) is getattr(importlib.import_module(module), name)
    assert importlib.import_module("envs").ENVIRONMENTS is envs.ENVIRONMENTS
