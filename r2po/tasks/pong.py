"""Pong: return the ball to an opponent that follows it."""

from __future__ import annotations

from r2po.tasks.task import Dimension, Task

TASK = Task(
    name="pong",
    label="Pong",
    gym_id="Pong-v0",
    policy="linear",
    max_traj_length=1000,
    optimum=3.0,
    random_reward=0.181,
    warmup_episodes=20,
    conservative_threshold=2.8,
    search_step_size=1.0,
    summary=(
        "You move the left paddle on a field 800 wide and 600 high; x grows to the right, y grows downward. Paddles "
        "are 10 wide and 80 high and move by 5 per step, the ball is a square of 10. The opponent's paddle on the "
        "right follows the ball's height. The ball starts at x = 400, y = 300, with dx = -5 or 5 and dy uniformly "
        "random in [-5, 5]; it bounces off the top and bottom walls. A paddle whose top edge is at y = p returns a "
        "ball that arrives at its side with p <= ball y <= p + 80: dx changes its sign, and dy becomes "
        "5 * (2 * (ball y - p) / 80 - 1)."
    ),
    observation=(
        Dimension("y of your paddle's centre", "40 to 560"),
        Dimension("x of the ball's left edge", "-5 to 795"),
        Dimension("y of the ball's top edge", "-10 to 600"),
        Dimension("dx, the ball's horizontal velocity (negative flies towards you)", "-5 to 5"),
        Dimension("dy, the ball's vertical velocity (positive flies downward)", "-5 to 5"),
    ),
    actions=("move your paddle up by 5 (y decreases)", "move your paddle down by 5 (y increases)", "stay"),
    reward="+1 each time your paddle returns the ball, else 0. At most 3 returns fit into an episode.",
    ending=(
        "The episode ends when the ball leaves the field, x < 0 behind your paddle or x > 790 behind the opponent's, "
        "and after 1000 steps at the latest."
    ),
)
