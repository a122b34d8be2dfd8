"""MountainCar: drive a weak car out of a valley."""

from __future__ import annotations

from r2po.tasks.task import Dimension, Task

TASK = Task(
    name="mountaincar",
    label="MountainCar",
    gym_id="MountainCar-v0",
    policy="linear",
    max_traj_length=200,
    optimum=-120.0,
    random_reward=-200.0,
    warmup_episodes=0,
    conservative_threshold=-120.0,
    search_step_size=1.0,
    summary=(
        "A car stands in a valley between two hills and has to reach the flag on the right hill. Each step adds "
        "0.001 * push - 0.0025 * cos(3 * position) to the velocity, where push is -1, 0 or 1 by the action, and then "
        "the velocity to the position: on the steep parts of the slope gravity is stronger than the engine. The "
        "valley's lowest point is at position -0.52. The car starts at rest, at a uniformly random position in "
        "[-0.6, -0.4]. The wall at position -1.2 stops it."
    ),
    observation=(
        Dimension("car position", "-1.2 to 0.6"),
        Dimension("car velocity (right is positive)", "-0.07 to 0.07"),
    ),
    actions=("accelerate to the left", "do not accelerate", "accelerate to the right"),
    reward="-1 for every step, the last one included.",
    ending="The episode ends when the position reaches 0.5, the flag, and after 200 steps at the latest.",
)
