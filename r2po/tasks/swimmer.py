"""Swimmer: move a body of three links through a viscous fluid, in MuJoCo."""

from __future__ import annotations

from r2po.tasks.task import Dimension, Task

TASK = Task(
    name="swimmer",
    label="Swimmer",
    gym_id="Swimmer-v5",
    policy="linear",
    max_traj_length=1000,
    optimum=250.0,
    random_reward=-0.7449,
    warmup_episodes=100,
    conservative_threshold=230.0,
    search_step_size=0.1,
    summary=(
        "A swimmer of three links in a row, joined by two motorised joints, lies in a viscous fluid in the plane and "
        "has to swim to the right, along the positive x axis, as fast as it can. Each step takes 0.04 s. It starts "
        "stretched out along the x axis, its front to the right, every position and velocity uniformly random within "
        "0.1 of that. Its own x and y position is not observed."
    ),
    observation=(
        Dimension("angle of the front link (rad, 0 points along +x, counterclockwise is positive)", "unbounded"),
        Dimension(
            "angle of the first joint (rad, middle link counterclockwise of the front one is positive)",
            "about -1.75 to 1.75",
        ),
        Dimension(
            "angle of the second joint (rad, back link counterclockwise of the middle one is positive)",
            "about -1.75 to 1.75",
        ),
        Dimension("velocity of the front link's reference point along x (m/s)", "unbounded"),
        Dimension("velocity of the front link's reference point along y (m/s)", "unbounded"),
        Dimension("angular velocity of the front link (rad/s)", "unbounded"),
        Dimension("angular velocity of the first joint (rad/s)", "unbounded"),
        Dimension("angular velocity of the second joint (rad/s)", "unbounded"),
    ),
    actions=(
        Dimension("torque of the first joint's motor (in 150 N m)", "-1 to 1"),
        Dimension("torque of the second joint's motor (in 150 N m)", "-1 to 1"),
    ),
    reward=(
        "For every step the velocity along x, that is the change of x of the front link's reference point divided by "
        "0.04 s, minus 0.0001 * (sum of the squared actions). Swimming to the left is negative."
    ),
    ending="Nothing ends the episode early; it ends after 1000 steps.",
)
