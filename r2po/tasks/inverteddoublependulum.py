"""InvertedDoublePendulum: balance two poles on top of each other, in MuJoCo."""

from __future__ import annotations

from r2po.tasks.task import Dimension, Task

TASK = Task(
    name="inverteddoublependulum",
    label="InvertedDoublePendulum",
    gym_id="InvertedDoublePendulum-v5",
    policy="linear",
    max_traj_length=1000,
    optimum=500.0,
    random_reward=36.65,
    warmup_episodes=20,
    conservative_threshold=450.0,
    search_step_size=0.1,
    summary=(
        "A pole of 0.6 m is hinged to a cart that slides on a rail, and a second pole of 0.6 m is hinged to the end of "
        "the first. At each step of 0.05 s a force along the rail acts on the cart; both poles have to stay upright. "
        "Cart position and angles start uniformly random in [-0.1, 0.1], velocities normally distributed with "
        "standard deviation 0.1. Positive angles lean to the right; the second angle is measured from the first pole."
    ),
    observation=(
        Dimension("cart position (m, right is positive)", "about -1 to 1, the stops at the ends of the rail"),
        Dimension("sine of the first pole's angle from upright", "-1 to 1"),
        Dimension("sine of the angle between the second pole and the first", "-1 to 1"),
        Dimension("cosine of the first pole's angle from upright", "-1 to 1"),
        Dimension("cosine of the angle between the second pole and the first", "-1 to 1"),
        Dimension("cart velocity (m/s, clipped, right is positive)", "-10 to 10"),
        Dimension("angular velocity of the first pole (rad/s, clipped)", "-10 to 10"),
        Dimension("angular velocity of the second pole relative to the first (rad/s, clipped)", "-10 to 10"),
        Dimension("force of the rail's stops on the cart (clipped, 0 away from the stops)", "-10 to 10"),
    ),
    actions=(Dimension("force on the cart (in 500 N, right is positive)", "-1 to 1"),),
    reward=(
        "10 for every step that does not end the episode by a fall, minus, in every step, "
        "0.01 * x^2 + (y - 2)^2 + 0.001 * v1^2 + 0.005 * v2^2, where x and y are the second pole's tip (m, y = 1.2 "
        "when both poles are upright) and v1, v2 the two angular velocities. Standing still upright at x = 0 gives "
        "9.36 per step."
    ),
    ending=(
        "The episode ends when the tip of the second pole is at a height of 1 m or less above the rail, and after "
        "1000 steps at the latest."
    ),
)
