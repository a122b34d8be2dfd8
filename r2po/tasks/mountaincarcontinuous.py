"""MountainCarContinuous: drive a weak car out of a valley, and save fuel."""

from __future__ import annotations

from r2po.tasks.task import Dimension, Task

TASK = Task(
    name="mountaincarcontinuous",
    label="MountainCarContinuous",
    gym_id="MountainCarContinuous-v0",
    policy="linear",
    max_traj_length=1000,
    optimum=100.0,
    random_reward=-80.08,
    warmup_episodes=20,
    conservative_threshold=97.0,
    search_step_size=1.0,
    summary=(
        "A car stands in a valley between two hills and has to reach the flag on the right hill with little fuel. "
        "Each step adds 0.0015 * action - 0.0025 * cos(3 * position) to the velocity, and then the velocity to the "
        "position: on the steep parts of the slope gravity is stronger than the engine. The valley's lowest point is "
        "at position -0.52. The car starts at rest, at a uniformly random position in [-0.6, -0.4]. The wall at "
        "position -1.2 stops it."
    ),
    observation=(
        Dimension("car position", "-1.2 to 0.6"),
        Dimension("car velocity (right is positive)", "-0.07 to 0.07"),
    ),
    actions=(Dimension("acceleration of the car (right is positive; only the part in this range acts)", "-1 to 1"),),
    reward=(
        "-0.1 * action^2 for every step, and +100 more for the step that reaches the flag. An episode that never "
        "reaches the flag therefore returns at most 0."
    ),
    ending="The episode ends when the position reaches 0.45, the flag, and after 999 steps at the latest.",
)
