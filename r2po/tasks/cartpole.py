"""CartPole: balance a pole with pushes of a fixed size."""

from __future__ import annotations

from r2po.tasks.task import Dimension, Task

TASK = Task(
    name="cartpole",
    label="CartPole",
    gym_id="CartPole-v1",
    policy="linear",
    max_traj_length=1000,
    optimum=500.0,
    random_reward=19.67,
    warmup_episodes=20,
    conservative_threshold=480.0,
    search_step_size=1.0,
    summary=(
        "A pole stands on a cart and turns freely on its joint. At each step of 0.02 s the cart is pushed to the left "
        "or to the right along a frictionless track; the pole has to stay upright and the cart on its track. All "
        "four state values start uniformly random in [-0.05, 0.05]."
    ),
    observation=(
        Dimension("cart position (0 is the middle of the track, right is positive)", "-4.8 to 4.8"),
        Dimension("cart velocity (right is positive)", "unbounded"),
        Dimension("pole angle from upright (rad, leaning right is positive)", "-0.418 to 0.418"),
        Dimension("pole angular velocity (rad/s, falling to the right is positive)", "unbounded"),
    ),
    actions=("push the cart to the left with a force of 10", "push the cart to the right with a force of 10"),
    reward="+1 for every step, the last one included.",
    ending=(
        "The episode ends when the cart position leaves [-2.4, 2.4] or the pole angle leaves [-0.2095, 0.2095] rad "
        "(12 degrees), and after 500 steps at the latest."
    ),
)
