"""The cards: their settings, their texts against the environments, and what they must not say."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

from r2po.envs.extras import lacking
from r2po.errors import InputError
from r2po.tasks import PUBLISHED, TASKS, Dimension, Task, read_card, task_for
from r2po.tasks.hidden import READERS, hidden_reader, step_record
from r2po.tasks.spaces import read_spaces

# name: gym id, policy, cap, target, step size, tau_c, warm-up
SETTINGS: dict[str, tuple[str, str, int, float, float | None, float, int]] = {
    "cartpole": ("CartPole-v1", "linear", 1000, 500, 1.0, 480, 20),
    "mountaincar": ("MountainCar-v0", "linear", 200, -120, 1.0, -120, 0),
    "mountaincarcontinuous": ("MountainCarContinuous-v0", "linear", 1000, 100, 1.0, 97, 20),
    "invertedpendulum": ("InvertedPendulum-v5", "linear", 1000, 1000, 1.0, 950, 20),
    "inverteddoublependulum": ("InvertedDoublePendulum-v5", "linear", 1000, 500, 0.1, 450, 20),
    "swimmer": ("Swimmer-v5", "linear", 1000, 250, 0.1, 230, 100),
    "pong": ("Pong-v0", "linear", 1000, 3, 1.0, 2.8, 20),
    "frozenlake": ("FrozenLake-v1", "tabular", 100, 1.0, None, 0.85, 0),
    "maze": ("maze-sample-3x3-v0", "tabular", 20, 0.9, None, 0.9, 20),
    "nim": ("Nim-v0", "tabular", 1000, 1.0, None, 0.95, 0),
}
# name: dimensions or states, dimensions or number of actions, the environment's own limit
SPACES: dict[str, tuple[int, int, int | None]] = {
    "cartpole": (4, 2, 500),
    "mountaincar": (2, 3, 200),
    "mountaincarcontinuous": (2, 1, 999),
    "invertedpendulum": (4, 1, 1000),
    "inverteddoublependulum": (9, 1, 1000),
    "swimmer": (8, 2, 1000),
    "pong": (5, 3, 1000),
    "frozenlake": (16, 4, 100),
    "maze": (9, 4, 200),
    "nim": (11, 3, None),
    "maze5x5": (25, 4, 200),
    "mazerandom": (25, 4, 200),
    "cliffwalking": (48, 4, None),
    "acrobot": (6, 3, 500),
    "pendulum": (3, 1, 200),
    "reacher": (10, 2, 50),
    "hopper": (11, 3, 1000),
    "walker2d": (17, 6, 1000),
    "halfcheetah": (17, 6, 1000),
    "noise_world_0": (29, 4, 25),
    **{f"noise_world_{board}": (104, 4, 100) for board in (1, 2, 3)},
    **{f"noise_world_{board}": (106, 4, 100) for board in (4, 5, 6)},
    **dict.fromkeys(("pickplace", "dooropen", "buttonpress", "draweropen"), (39, 4, 500)),
    **dict.fromkeys(("pointmazelarge", "pointmazelargediverse"), (6, 2, 800)),
    "lunarlander": (8, 4, 1000),
}
FINITE = re.compile(r"(-?[\d.]+) to (-?[\d.]+)")

every_task = pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
every_task_here = pytest.mark.parametrize(
    "task",
    [
        pytest.param(task, id=name, marks=pytest.mark.skipif(bool(lacking(task.gym_id)), reason=lacking(task.gym_id)))
        for name, task in TASKS.items()
    ],
)


def text_of(task: Task) -> str:
    """Return all that a card says to a model."""
    dimensions = [task.observation] if isinstance(task.observation, str) else task.observation
    parts = [task.summary, *dimensions, *task.actions, task.reward, task.ending]
    return "\n".join(part if isinstance(part, str) else f"{part.name}, {part.range}" for part in parts)


def rollouts(task: Task, episodes: int) -> list[Any]:
    """Return the observations of random play with actions that change rarely, to get far."""
    env = gymnasium.make(task.gym_id, disable_env_checker=True, **task.env_kwargs)
    env.action_space.seed(0)
    rng = np.random.default_rng(0)
    seen = []
    for seed in range(episodes):
        observation, _ = env.reset(seed=seed)
        seen.append(observation)
        action, over, keep = env.action_space.sample(), False, rng.uniform(0, 1)
        while not over:
            observation, _, terminated, truncated, _ = env.step(action)
            seen.append(observation)
            over = terminated or truncated
            if rng.uniform() > keep:
                action = env.action_space.sample()
    env.close()
    return seen


def test_the_ten_come_first_and_in_order() -> None:
    assert tuple(SETTINGS) == PUBLISHED
    assert tuple(TASKS) == tuple(SPACES)
    assert all(task.name == name for name, task in TASKS.items())


@pytest.mark.parametrize("name", SETTINGS)
def test_published_settings(name: str) -> None:
    task = TASKS[name]
    assert SETTINGS[name] == (
        task.gym_id,
        task.policy,
        task.max_traj_length,
        task.optimum,
        task.search_step_size,
        task.conservative_threshold,
        task.warmup_episodes,
    )


def test_environment_arguments() -> None:
    assert dict(TASKS["frozenlake"].env_kwargs) == {"map_name": "4x4", "is_slippery": True}
    assert dict(TASKS["mazerandom"].env_kwargs) == {"size": 5, "maze_seed": 0}
    assert all(not task.env_kwargs for name, task in TASKS.items() if name not in ("frozenlake", "mazerandom"))


@every_task_here
def test_card_agrees_with_the_spaces(task: Task) -> None:
    spaces = read_spaces(task.gym_id, task.env_kwargs)
    assert (spaces.observation_size, spaces.action_size, spaces.episode_limit) == SPACES[task.name]
    assert isinstance(task.observation, str) == spaces.discrete_observation == (task.policy == "tabular")
    if not isinstance(task.observation, str):
        assert len(task.observation) == spaces.observation_size
    assert len(task.actions) == spaces.action_size
    assert all(isinstance(action, str) == spaces.discrete_action for action in task.actions)
    for action, low, high in zip(task.actions, spaces.action_low, spaces.action_high, strict=False):
        assert isinstance(action, Dimension)
        assert action.range == f"{low:g} to {high:g}"


@every_task
def test_ending_names_the_own_limit_and_no_cap(task: Task) -> None:
    limit = SPACES[task.name][2]
    assert re.findall(r"after (\d+) steps", task.ending) == ([] if limit is None else [str(limit)])


@every_task_here
def test_stated_ranges_hold(task: Task) -> None:
    if isinstance(task.observation, str):
        size = SPACES[task.name][0]
        assert all(0 <= int(state) < size for state in rollouts(task, 20))
        return
    seen = np.array(rollouts(task, 3 if (SPACES[task.name][2] or 0) >= 500 and task.name != "cartpole" else 60))
    for index, dimension in enumerate(task.observation):
        if match := FINITE.fullmatch(dimension.range):
            low, high = float(match[1]), float(match[2])
            assert seen[:, index].min() >= low - 1e-3, dimension
            assert seen[:, index].max() <= high + 1e-3, dimension
        else:
            assert "unbounded" in dimension.range or dimension.range.startswith("about"), dimension


@every_task_here
def test_finite_ranges_are_those_of_the_space(task: Task) -> None:
    if isinstance(task.observation, str):
        return
    env = gymnasium.make(task.gym_id, **task.env_kwargs)
    box = env.observation_space
    assert isinstance(box, gymnasium.spaces.Box)
    for index, dimension in enumerate(task.observation):
        if math.isfinite(box.high[index]):
            match = FINITE.fullmatch(dimension.range)
            assert match
            assert float(match[1]) == pytest.approx(float(box.low[index]), abs=1e-3)
            assert float(match[2]) == pytest.approx(float(box.high[index]), abs=1e-3)
    env.close()


@every_task
def test_texts_are_plain_sentences(task: Task) -> None:
    text = text_of(task)
    assert text.isascii()
    assert "  " not in text
    for sentence in (task.summary, task.reward, task.ending):
        assert sentence.endswith(".")
    # Dimensions that differ only in a number are one entry of the card.
    assert len("\n".join(dict.fromkeys(re.sub(r"\b\d+\b", "0", text).splitlines()))) < 2600


@every_task
def test_no_card_speaks_of_policies(task: Task) -> None:
    assert not re.search(r"param|weight|argmax|policy|table of|linear", text_of(task).replace("on the table", ""))


def test_published_errors_are_not_repeated() -> None:
    texts = {name: text_of(task) for name, task in TASKS.items()}
    assert not re.search(r"\b18\b", texts["cartpole"])
    assert not re.search(r"argmax|\b5\b", texts["swimmer"])
    assert "0.01" not in texts["maze"]
    assert "-0.1 divided by the number of cells" in texts["maze"]
    assert not re.search(r"\b11\b", texts["nim"])
    assert "10 sticks" in texts["nim"]


@pytest.mark.parametrize("name", ["maze", "maze5x5", "mazerandom"])
def test_mazes_do_not_tell_their_walls_nor_a_size(name: str) -> None:
    text = text_of(TASKS[name])
    assert "where they are is not told" in text
    assert not re.search(r"\d+x\d+|\d-\d|\b(3|5|8|9|24|25)\b", text)


def test_frozen_lake_is_truthful_and_does_not_tell_its_holes() -> None:
    text = text_of(TASKS["frozenlake"])
    assert "probability 1/3" in text
    assert "perpendicular" in text
    assert not re.search(r"hole at|holes at|\b(5|7|11|12)\b", text)


def test_nim_does_not_tell_how_to_win() -> None:
    assert not re.search(r"mod|%|multiple|leave", text_of(TASKS["nim"]))


def test_cartpole_ends_at_the_stated_limits() -> None:
    env: Any = gymnasium.make("CartPole-v1").unwrapped
    assert env.x_threshold == 2.4
    assert env.theta_threshold_radians == pytest.approx(0.2095, abs=1e-4)
    assert "[-2.4, 2.4]" in TASKS["cartpole"].ending
    assert "[-0.2095, 0.2095]" in TASKS["cartpole"].ending
    env.reset(seed=0)
    env.state = np.array([2.39, 1.0, 0.0, 0.0])
    assert env.step(1)[1:3] == (1.0, True), "the last step is rewarded too"


@pytest.mark.parametrize(("name", "goal"), [("mountaincar", 0.5), ("mountaincarcontinuous", 0.45)])
def test_cars_end_at_the_stated_flag_and_move_as_stated(name: str, goal: float) -> None:
    env: Any = gymnasium.make(TASKS[name].gym_id).unwrapped
    assert f"position reaches {goal}," in TASKS[name].ending
    env.reset(seed=0)
    env.state = np.array([goal - 0.01, 0.05])
    push = 2 if name == "mountaincar" else np.array([1.0], dtype=np.float32)
    power = 0.001 if name == "mountaincar" else 0.0015
    observation, reward, terminated, _, _ = env.step(push)
    velocity = 0.05 + power - 0.0025 * math.cos(3 * (goal - 0.01))
    assert observation == pytest.approx([goal - 0.01 + velocity, velocity], abs=1e-6)
    assert terminated
    assert reward == pytest.approx(-1.0 if name == "mountaincar" else 100 - 0.1)


def test_inverted_pendulum_rewards_and_ends_as_stated() -> None:
    env: Any = gymnasium.make("InvertedPendulum-v5").unwrapped
    env.reset(seed=0)
    still = np.zeros(1, dtype=np.float32)
    assert env.step(still)[1:3] == (1, False)
    env.set_state(np.array([0.0, 0.25]), np.zeros(2))
    assert env.step(still)[1:3] == (0, True)
    assert env.dt == pytest.approx(0.04)
    assert env.model.actuator_gear[0, 0] == 100


def test_inverted_double_pendulum_rewards_and_ends_as_stated() -> None:
    env: Any = gymnasium.make("InvertedDoublePendulum-v5").unwrapped
    env.reset(seed=0)
    still = np.zeros(1, dtype=np.float32)
    for position in ([0.0, 0.0, 0.0], [0.3, 0.2, -0.3], [0.0, 0.7, 0.4]):
        env.set_state(np.array(position), np.array([0.1, 0.2, -0.3]))
        _, reward, terminated, _, _ = env.step(still)
        x, _, y = env.data.site_xpos[0]
        v1, v2 = env.data.qvel[1:]
        alive = 10 if y > 1 else 0
        assert terminated == (y <= 1)
        assert reward == pytest.approx(alive - 0.01 * x**2 - (y - 2) ** 2 - 0.001 * v1**2 - 0.005 * v2**2)
    env.set_state(np.zeros(3), np.zeros(3))
    assert env.step(still)[1] == pytest.approx(9.36, abs=1e-4)
    assert env.dt == pytest.approx(0.05)
    assert env.model.actuator_gear[0, 0] == 500


def test_swimmer_rewards_as_stated() -> None:
    env: Any = gymnasium.make("Swimmer-v5").unwrapped
    env.reset(seed=0)
    assert env.dt == pytest.approx(0.04)
    assert env.model.actuator_gear[:, 0].tolist() == [150, 150]
    for action in ([1.0, -0.5], [-1.0, 0.25]):
        before = env.data.qpos[0]
        _, reward, terminated, _, _ = env.step(np.array(action))
        assert reward == pytest.approx((env.data.qpos[0] - before) / 0.04 - 0.0001 * sum(a * a for a in action))
        assert not terminated
    # Leaning, falling, right and counterclockwise are signs that only a picture of the body can settle.
    env.set_state(np.array([0.0, 0.0, 0.5, 0.0, 0.0]), np.zeros(5))
    assert env.data.body("mid").xpos[1] > 0.2, "the front link turns counterclockwise"
    for joint, (link, next_link) in ((3, ("mid", "torso")), (4, ("back", "mid"))):
        position = np.zeros(5)
        position[joint] = 0.5
        env.set_state(position, np.zeros(5))
        turn = env.data.body(link).xmat.reshape(3, 3) - env.data.body(next_link).xmat.reshape(3, 3)
        assert turn[1, 0] == pytest.approx(math.sin(0.5)), "counterclockwise seen from above"


@pytest.mark.parametrize(("gym_id", "part"), [("InvertedPendulum-v5", "pole"), ("InvertedDoublePendulum-v5", "pole2")])
def test_positive_angles_lean_to_the_right(gym_id: str, part: str) -> None:
    env: Any = gymnasium.make(gym_id).unwrapped
    env.reset(seed=0)
    position = np.zeros(env.model.nq)
    position[1] = 0.1
    env.set_state(position, np.zeros(env.model.nv))
    assert env.data.body(part).xipos[0] > 0.02


def test_acrobot_starts_moves_and_ends_as_stated() -> None:
    env: Any = gymnasium.make("Acrobot-v1").unwrapped
    starts = np.array([env.reset(seed=seed)[0] for seed in range(50)])
    angles = np.arctan2(starts[:, [1, 3]], starts[:, [0, 2]])
    assert 0.08 < np.abs([*angles.flat, *starts[:, 4:].flat]).max() <= 0.1
    assert (env.LINK_LENGTH_1, env.LINK_LENGTH_2, env.LINK_MASS_1, env.LINK_MASS_2, env.dt) == (1, 1, 1, 1, 0.2)
    assert env.AVAIL_TORQUE == [-1, 0, 1]
    for action, sign in ((0, -1), (1, 0), (2, 1)):
        env.state = np.zeros(4)
        observation, reward, terminated, _, _ = env.step(action)
        assert np.sign(np.round(observation[[3, 5]], 6)).tolist() == [sign, sign], (
            "the second link turns with it"
        )
        assert (reward, terminated) == (-1, False)
    for fraction in (0.99, 1.01):  # of the height, reached at rest with the second link straight on
        env.state = np.array([math.acos(-fraction / 2), 0.0, 0.0, 0.0])
        assert bool(env._terminal()) == (fraction > 1)
    env.state = np.array([math.pi - 0.1, 0.0, 0.0, 0.0])
    assert env.step(1)[1:3] == (0, True)
    assert is_drawn_right_of_the_middle("Acrobot-v1", [0.5, 0.0, 0.0, 0.0], (0, 204, 204)), (
        "counterclockwise from below"
    )
    assert is_drawn_right_of_the_middle("Acrobot-v1", [0.0, 0.5, 0.0, 0.0], (0, 204, 204)), "so is the second link"


def test_pendulum_starts_moves_and_is_rewarded_as_stated() -> None:
    env: Any = gymnasium.make("Pendulum-v1").unwrapped
    starts = np.array([env.reset(seed=seed)[0] for seed in range(200)])
    assert 3 < np.abs(np.arctan2(starts[:, 1], starts[:, 0])).max() <= math.pi
    assert 0.95 < np.abs(starts[:, 2]).max() <= 1
    assert (env.l, env.m, env.dt, env.max_torque) == (1, 1, 0.05, 2)
    for torque in (-2.0, 1.5):
        env.state = np.array([0.0, 0.0])
        assert np.sign(env.step(np.array([torque]))[0][2]) == np.sign(torque), "torque turns as velocity counts"
    env.state = np.array([0.5, -1.0])
    observation, reward, terminated, _, _ = env.step(np.array([1.5]))
    assert reward == pytest.approx(-(0.5**2 + 0.1 * 1.0 + 0.001 * 1.5**2)), "angle and velocity before the step"
    angle = math.atan2(observation[1], observation[0])
    assert angle == pytest.approx(0.5 + 0.05 * observation[2]), "the angle grows with positive velocity"
    assert not terminated
    env.state = np.array([math.pi / 2, 0.0])
    assert env.step(np.array([-2.0]))[0][2] > 0, "the motor is too weak"
    assert not is_drawn_right_of_the_middle("Pendulum-v1", [0.5, 0.0], (204, 77, 77)), "counterclockwise from above"


def is_drawn_right_of_the_middle(gym_id: str, state: list[float], colour: tuple[int, int, int]) -> bool:
    """Whether what has this colour in a picture of the environment is more to the right than to the left."""
    env: Any = gymnasium.make(gym_id, render_mode="rgb_array").unwrapped
    env.reset(seed=0)
    env.state = np.array(state)
    picture = env.render()
    env.close()
    columns = np.nonzero((picture == colour).all(axis=2))[1]
    assert len(columns) > 500
    return bool(columns.mean() > picture.shape[1] / 2)


def test_frozen_lake_slips_as_stated() -> None:
    env: Any = gymnasium.make("FrozenLake-v1", **TASKS["frozenlake"].env_kwargs).unwrapped
    inner = 6  # row 1, column 2: all four neighbours are inside
    left, down, right, up = inner - 1, inner + 4, inner + 1, inner - 4
    for action, targets in enumerate([(up, left, down), (left, down, right), (down, right, up), (right, up, left)]):
        outcomes = env.P[inner][action]
        assert [outcome[1] for outcome in outcomes] == list(targets)
        assert [outcome[0] for outcome in outcomes] == pytest.approx([1 / 3] * 3)


@every_task
def test_every_task_is_found_by_its_id(task: Task) -> None:
    assert task_for(task.gym_id) is task


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("cartpole-v1", "CartPole-v1"),
        ("cartpole", "CartPole-v1"),
        ("Cartpole", "CartPole-v1"),
        ("CartPole-v0", "CartPole-v1"),
        ("maze", "maze-sample-3x3-v0"),
        ("nim", "Nim-v0"),
        ("Swimmer-v4", "Swimmer-v5"),
        ("inverteddoublependulum", "InvertedDoublePendulum-v5"),
    ],
)
def test_unknown_ids_get_the_nearest_one(given: str, meant: str) -> None:
    with pytest.raises(InputError) as refusal:
        task_for(given)
    assert f"unknown environment {given!r} (did you mean {meant!r}?); known: CartPole-v1, " in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_an_id_like_no_other_gets_no_hint() -> None:
    with pytest.raises(InputError, match=r"unknown environment 'xyzzy'; known: CartPole-v1"):
        task_for("xyzzy")


CARD = (files("r2po") / "tasks" / "cards" / "cartpole.yaml").read_text(encoding="utf-8")
WRONG_CARDS = {
    "an entry that is missing": (CARD.replace("label: CartPole\n", ""), "label: field required"),
    "an entry that nobody knows": (CARD.replace("label:", "lable:"), "unknown entry 'lable' (did you mean 'label'?)"),
    "a value of the wrong type": (
        CARD.replace("optimum: 500.0", "optimum: high"),
        "optimum: input should be a valid number",
    ),
    "no mapping": ("- cartpole\n", "expected a task card"),
    "no YAML": ("name: [\n", "cannot read the task card"),
    "the like of a card that is not there": ("like: nothing\n", "nothing.yaml"),
}


@pytest.mark.parametrize("kind", WRONG_CARDS)
def test_what_is_wrong_with_a_card_is_said_in_one_line(kind: str, tmp_path: Path) -> None:
    content, expected = WRONG_CARDS[kind]
    (tmp_path / "mine.yaml").write_text(content, encoding="utf-8")
    with pytest.raises(InputError) as failed:
        read_card(tmp_path / "mine.yaml")
    assert expected in str(failed.value)
    assert "\n" not in str(failed.value)


def test_a_card_takes_over_what_another_one_says(tmp_path: Path) -> None:
    (tmp_path / "cartpole.yaml").write_text(CARD, encoding="utf-8")
    (tmp_path / "mine.yaml").write_text("like: cartpole\nname: mine\noptimum: 100\n", encoding="utf-8")
    mine = read_card(tmp_path / "mine.yaml")
    assert mine == replace(TASKS["cartpole"], name="mine", optimum=100.0)


def write_card(folder: Path, **changes: str) -> Path:
    """Write the card of CartPole with entries replaced or added, given as YAML."""
    lines = [line for line in CARD.splitlines() if line.partition(":")[0] not in changes]
    (folder / "mine.yaml").write_text(
        "\n".join([*lines, *(f"{key}: {value}" for key, value in changes.items())]), encoding="utf-8"
    )
    return folder / "mine.yaml"


def test_a_reward_is_a_text_or_a_function_of_a_file_which_is_not_run(tmp_path: Path) -> None:
    source = "def reward(obs, action, next_obs, terminated):\n    return 1.0\n"
    (tmp_path / "rewards.py").write_text(f"raise SystemExit\n\n\n{source}\n\nother = 1\n", encoding="utf-8")
    assert read_card(write_card(tmp_path, reward_source="rewards.py")).reward_source == source
    text = "|\n  def reward(obs, action, next_obs, terminated):\n      return 1.0"
    assert read_card(write_card(tmp_path, reward_source=text)).reward_source == source.rstrip("\n")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "reward_source: cannot read"),
        ("def reward(:", "reward_source: cannot read"),
        ("x = 1\0", "reward_source: cannot read"),
        ("def bonus(obs): return 1.0", "has no function 'reward'"),
    ],
)
def test_a_file_without_a_reward_is_refused_in_one_line(content: str | None, message: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "rewards.py").write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=message) as failed:
        read_card(write_card(tmp_path, reward_source="rewards.py"))
    assert "\n" not in str(failed.value)


def test_one_entry_may_stand_for_several_dimensions(tmp_path: Path) -> None:
    card = write_card(tmp_path, observation="[{name: 'cell {i}', range: 0 to 6, count: 3}, {name: x}]")
    assert read_card(card).observation == (*(Dimension(f"cell {i}", "0 to 6") for i in range(3)), Dimension("x"))


@pytest.mark.parametrize("count", ["0", "-1", "many", "true", "1.5"])
def test_a_count_that_is_none_is_refused(count: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="count must be an integer of at least 1"):
        read_card(write_card(tmp_path, observation=f"[{{name: x, count: {count}}}]"))


def test_hidden_fields_need_a_function_that_takes_them() -> None:
    with pytest.raises(InputError, match="task 'nim': hidden fields are for the function of reward_source"):
        replace(TASKS["nim"], reward_source="", hidden={"x": "x"})


def test_reading_hidden_fields_needs_a_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = replace(TASKS["swimmer"], name="mine")
    with pytest.raises(InputError, match=r"task 'mine' has hidden fields \(x\), but nothing reads them"):
        hidden_reader(mine)
    monkeypatch.setitem(READERS, "mine", lambda _env: {"x": 1.0})
    assert hidden_reader(mine)(None) == {"x": 1.0}
    assert hidden_reader(TASKS["nim"])(None) == {}
    assert step_record({"x": 1.0}, {"x": 2.0}) == {"x_before": 1.0, "x_after": 2.0}
