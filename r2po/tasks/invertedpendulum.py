"""InvertedPendulum: balance a pole with a force of any size, in MuJoCo."""

from __future__ import annotations

from r2po.tasks.task import Dimension, Task

TASK = Task(
    name="invertedpendulum",
    label="InvertedPendulum",
    gym_id="InvertedPendulum-v5",
    policy="linear",
    max_traj_length=1000,
    optimum=1000.0,
    random_reward=6.185,
    warmup_episodes=20,
    conservative_threshold=950.0,
    search_step_size=1.0,
    summary=(
        "A pole of 0.6 m is hinged to a cart that slides on a rail. At each step of 0.04 s a force along the rail acts "
        "on the cart; the pole has to stay upright. All four state values start uniformly random in [-0.01, 0.01]."
    ),
    observation=(
        Dimension("cart position (m, right is positive)", "about -1 to 1, the stops at the ends of the rail"),
        Dimension("pole angle from upright (rad, leaning right is positive)", "unbounded; upright within -0.2 to 0.2"),
        Dimension("cart velocity (m/s, right is positive)", "unbounded"),
        Dimension("pole angular velocity (rad/s, falling to the right is positive)", "unbounded"),
    ),
    actions=(Dimension("force on the cart (in 100 N, right is positive)", "-3 to 3"),),
    reward="+1 for every step after which the pole angle is within [-0.2, 0.2] rad, 0 for the step that leaves it.",
    ending="The episode ends when the pole angle leaves [-0.2, 0.2] rad, and after 1000 steps at the latest.",
)
