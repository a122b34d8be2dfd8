"""Pong's rules, restated."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st

from r2po.envs.pong import PongEnv

UP, DOWN, STAY = range(3)


def place(**state: float) -> PongEnv:
    env = PongEnv()
    env.reset(seed=0)
    for name, value in state.items():
        assert hasattr(env, name)
        setattr(env, name, value)
    return env


def ball(env: PongEnv) -> tuple[float, float, float, float]:
    return env.ball_x, env.ball_y, env.ball_dx, env.ball_dy


class Reference:
    """The rules as one plain function of a list: own paddle, opponent, x, y, dx, dy."""

    def __init__(self, dx: float, dy: float) -> None:
        self.own, self.opponent, self.x, self.y, self.dx, self.dy = 260.0, 260.0, 400.0, 300.0, dx, dy

    def step(self, action: int) -> tuple[list[float], float, bool]:
        self.own = min(max(self.own + {0: -5, 1: 5, 2: 0}[action], 0), 520)
        self.opponent = min(max(self.opponent + (5 if self.opponent + 40 < self.y else -5), 0), 520)
        self.x, self.y = self.x + self.dx, self.y + self.dy
        if self.y <= 0 or self.y >= 590:
            self.dy = -self.dy
        reward = 0.0
        if self.dx < 0 and self.x <= 10 and self.own <= self.y <= self.own + 80:
            self.dx, self.dy, reward = 5.0, 5 * (2 * (self.y - self.own) / 80 - 1), 1.0
        elif self.dx > 0 and self.x >= 780 and self.opponent <= self.y <= self.opponent + 80:
            self.dx, self.dy = -5.0, 5 * (2 * (self.y - self.opponent) / 80 - 1)
        return [self.own + 40, self.x, self.y, self.dx, self.dy], reward, self.x < 0 or self.x > 790


def test_spaces() -> None:
    env = gymnasium.make("Pong-v0")
    low, high = np.array([40, -5, -10, -5, -5]), np.array([560, 795, 600, 5, 5])
    assert env.observation_space == spaces.Box(low.astype(np.float32), high.astype(np.float32))
    assert env.action_space == spaces.Discrete(3)


@pytest.mark.parametrize("seed", range(20))
def test_start_and_order_of_the_draws(seed: int) -> None:
    rng, _ = gymnasium.utils.seeding.np_random(seed)
    dx = rng.choice([-5, 5])
    dy = rng.uniform(-5, 5)
    observation, _ = PongEnv().reset(seed=seed)
    assert observation.dtype == np.float32
    assert observation.tolist() == np.array([300, 400, 300, dx, dy], dtype=np.float32).tolist()


@given(seed=st.integers(0, 2**31), wish=st.sampled_from(["random", "follow", "stay"]))
@settings(max_examples=60, deadline=None)
def test_whole_episodes_equal_the_reference(seed: int, wish: str) -> None:
    env = gymnasium.make("Pong-v0")
    observation, _ = env.reset(seed=seed)
    unwrapped: Any = env.unwrapped
    reference = Reference(unwrapped.ball_dx, unwrapped.ball_dy)
    actions = np.random.default_rng(seed)
    over = False
    while not over:
        follow = DOWN if observation[2] > observation[0] else UP
        action = {"random": int(actions.integers(3)), "follow": follow, "stay": STAY}[wish]
        observation, reward, terminated, truncated, _ = env.step(action)
        expected, expected_reward, expected_end = reference.step(action)
        assert observation.dtype == np.float32
        assert observation.tolist() == np.array(expected, dtype=np.float32).tolist()
        assert (reward, terminated) == (expected_reward, expected_end)
        assert observation in env.observation_space
        over = terminated or truncated


def test_paddles_move_by_five_and_stay_inside() -> None:
    env = place(own_y=3.0)
    assert env.step(UP)[0][0] == 40
    assert env.step(UP)[0][0] == 40
    env = place(own_y=518.0)
    assert env.step(DOWN)[0][0] == 560
    assert env.step(STAY)[0][0] == 560
    assert env.step(UP)[0][0] == 555


def test_opponent_follows_the_ball_where_it_was_before_the_step() -> None:
    env = place(ball_y=300.0, ball_dy=5.0)
    env.step(STAY)
    assert env.opponent_y == 255.0, "level with the ball it moves up"
    env = place(ball_y=300.5, ball_dy=-5.0)
    env.step(STAY)
    assert env.opponent_y == 265.0
    env = place(ball_y=20.0, ball_dy=0.0, opponent_y=2.0)
    env.step(STAY)
    assert env.opponent_y == 0.0
    env = place(ball_y=589.0, ball_dy=0.0, opponent_y=519.0)
    env.step(STAY)
    assert env.opponent_y == 520.0


@pytest.mark.parametrize(
    ("y", "dy", "new_y", "new_dy"),
    [
        (5.0, -5.0, 0.0, 5.0),
        (3.0, -4.0, -1.0, 4.0),
        (5.5, -5.0, 0.5, -5.0),
        (585.0, 5.0, 590.0, -5.0),
        (588.0, 4.0, 592.0, -4.0),
        (584.5, 5.0, 589.5, 5.0),
    ],
)
def test_walls_flip_dy_and_do_not_move_the_ball(y: float, dy: float, new_y: float, new_dy: float) -> None:
    env = place(ball_x=400.0, ball_y=y, ball_dx=5.0, ball_dy=dy)
    env.step(STAY)
    assert ball(env) == (405.0, new_y, 5.0, new_dy)


@pytest.mark.parametrize(
    ("y", "new_dy"),
    [(200.0, -5.0), (220.0, -2.5), (240.0, 0.0), (250.0, 1.25), (280.0, 5.0), (199.9, None), (280.1, None)],
)
def test_own_hits(y: float, new_dy: float | None) -> None:
    env = place(own_y=200.0, ball_x=15.0, ball_y=y, ball_dx=-5.0, ball_dy=0.0)
    _, reward, terminated, _, _ = env.step(STAY)
    assert (reward, terminated) == (0.0 if new_dy is None else 1.0, False)
    assert ball(env) == ((10.0, y, -5.0, 0.0) if new_dy is None else (10.0, y, 5.0, new_dy))


def test_own_paddle_moves_before_the_ball_is_hit() -> None:
    env = place(own_y=200.0, ball_x=15.0, ball_y=284.0, ball_dx=-5.0, ball_dy=0.0)
    assert env.step(DOWN)[1] == 1.0
    assert env.ball_dy == 5 * (2 * (284 - 205) / 80 - 1)


def test_no_hit_before_the_paddle_and_late_hits_behind_its_front() -> None:
    env = place(own_y=200.0, ball_x=20.0, ball_y=240.0, ball_dx=-5.0, ball_dy=0.0)
    assert env.step(STAY)[1] == 0.0
    assert env.step(STAY)[1] == 1.0
    late = place(own_y=200.0, ball_x=10.0, ball_y=240.0, ball_dx=-5.0, ball_dy=0.0)
    assert late.step(STAY)[1:3] == (1.0, False)
    assert ball(late) == (5.0, 240.0, 5.0, 0.0)


def test_a_hit_after_the_ball_left_counts_and_the_episode_ends() -> None:
    env = place(own_y=200.0, ball_x=0.0, ball_y=240.0, ball_dx=-5.0, ball_dy=0.0)
    assert env.step(STAY)[1:3] == (1.0, True)


def test_a_ball_that_flies_away_is_not_hit_again() -> None:
    env = place(own_y=200.0, ball_x=0.0, ball_y=240.0, ball_dx=5.0, ball_dy=0.0)
    assert env.step(STAY)[1] == 0.0
    assert env.ball_dx == 5.0


def test_opponent_hits_give_no_reward() -> None:
    env = place(opponent_y=205.0, ball_x=775.0, ball_y=220.0, ball_dx=5.0, ball_dy=0.0)
    _, reward, terminated, _, _ = env.step(STAY)
    assert (reward, terminated) == (0.0, False)
    assert ball(env) == (780.0, 220.0, -5.0, -2.5)
    early = place(opponent_y=205.0, ball_x=770.0, ball_y=220.0, ball_dx=5.0, ball_dy=0.0)
    early.step(STAY)
    assert ball(early) == (775.0, 220.0, 5.0, 0.0)


def test_wall_bounce_comes_before_the_hit() -> None:
    env = place(own_y=520.0, ball_x=15.0, ball_y=588.0, ball_dx=-5.0, ball_dy=4.0)
    assert env.step(STAY)[1] == 1.0
    assert ball(env) == (10.0, 592.0, 5.0, 5 * (2 * 72 / 80 - 1))


@pytest.mark.parametrize(
    ("x", "dx", "ends"), [(0.0, -5.0, True), (5.0, -5.0, False), (790.0, 5.0, True), (785.0, 5.0, False)]
)
def test_ends_when_the_ball_leaves_on_either_side(x: float, dx: float, ends: bool) -> None:
    env = place(own_y=500.0, opponent_y=500.0, ball_x=x, ball_y=100.0, ball_dx=dx, ball_dy=0.0)
    assert env.step(STAY)[2] is ends


def episode(seed: int, offset: float) -> tuple[float, int, bool]:
    """Follow the ball with the paddle, ``offset`` off its centre: return, length, truncated."""
    env = gymnasium.make("Pong-v0")
    observation, _ = env.reset(seed=seed)
    total, steps, terminated, truncated = 0.0, 0, False, False
    while not (terminated or truncated):
        gap = observation[2] + offset - observation[0]
        observation, reward, terminated, truncated, _ = env.step(STAY if abs(gap) < 5 else DOWN if gap > 0 else UP)
        total += float(reward)
        steps += 1
    return total, steps, truncated


def test_at_most_three_own_hits_fit() -> None:
    episodes = [episode(seed, offset) for seed in range(25) for offset in (-35.0, 0.0, 20.0)]
    assert max(total for total, _, _ in episodes) == 3
    assert all(steps == 1000 for total, steps, truncated in episodes if truncated)
    assert any(truncated for _, _, truncated in episodes)


def test_a_paddle_that_never_moves_loses_most_balls() -> None:
    returns = []
    for seed in range(40):
        env = gymnasium.make("Pong-v0")
        env.reset(seed=seed)
        total, over = 0.0, False
        while not over:
            _, reward, terminated, truncated, _ = env.step(STAY)
            total, over = total + float(reward), terminated or truncated
        returns.append(total)
    assert 0 < np.mean(returns) < 2


def test_a_ball_that_creeps_along_the_bottom_wall_can_pass_its_bound_by_less_than_a_step() -> None:
    # The opponent hits it against the wall, then the own paddle one step late: it arrives there in its lower phase.
    env = place(ball_x=400.0, ball_y=300.0, ball_dx=5.0, ball_dy=290.01 / 76)
    lowest, over = 0.0, False
    while not over:
        behind = env.ball_dx < 0 and env.ball_x <= 10
        target = 510 if not behind and not env.own_hits else 515
        over = env.step(STAY if env.own_y == target else DOWN if env.own_y < target else UP)[2]
        lowest = max(lowest, env.ball_y)
    assert 600 < lowest < 605


def test_picture_shows_paddles_ball_and_hits() -> None:
    env = PongEnv(render_mode="rgb_array")
    env.reset(seed=0)
    image: Any = env.render()
    field = image[440, 150].tolist()
    assert image[225, 3].tolist() != field  # own paddle
    assert image[225, 597].tolist() != field  # opponent
    assert image[228, 303].tolist() == [250, 250, 247]  # ball
    assert image[100, 3].tolist() == image[100, 597].tolist() == field
    env.own_hits = 1
    again: Any = env.render()
    assert (again[:120, :300] != image[:120, :300]).any()
    assert (again[120:] == image[120:]).all()
