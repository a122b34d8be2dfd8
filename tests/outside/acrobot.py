"""A task from outside the package, with an environment from outside."""

from __future__ import annotations

import gymnasium

from r2po.tasks import TASKS, Dimension, Task

gymnasium.register("lab/Acrobot-v1", "gymnasium.envs.classic_control:AcrobotEnv", max_episode_steps=500)
TASK = TASKS.register(
    Task(
        name="lab_acrobot",
        label="Acrobot swing-up",
        gym_id="lab/Acrobot-v1",
        policy="linear",
        max_traj_length=40,
        optimum=-30.0,
        random_reward=-40.0,
        warmup_episodes=3,
        conservative_threshold=-36.0,
        search_step_size=1.0,
        summary="Two links hang from a joint; the lower one is to swing above a line.",
        observation=tuple(Dimension(name, "-1 to 1") for name in ("cos 1", "sin 1", "cos 2", "sin 2", "w1", "w2")),
        actions=("turn left", "do nothing", "turn right"),
        reward="-1 for every step.",
        ending="The episode ends when the line is reached.",
    )
)
