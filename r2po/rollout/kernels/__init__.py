"""Environments with compiled dynamics. Adding one is a file here and a line in ``KERNELS``."""

from __future__ import annotations

# Entry point of the environment, whatever its id and arguments -> module of this package with its KERNEL.
KERNELS = {
    "gymnasium.envs.classic_control.cartpole:CartPoleEnv": "cartpole",
    "gymnasium.envs.classic_control.mountain_car:MountainCarEnv": "mountaincar",
    "gymnasium.envs.classic_control.continuous_mountain_car:Continuous_MountainCarEnv": "mountaincarcontinuous",
    "gymnasium.envs.toy_text.frozen_lake:FrozenLakeEnv": "frozenlake",
    "r2po.envs.maze:SampleMazeEnv": "maze",
    "r2po.envs.maze:RandomMazeEnv": "maze",
    "r2po.envs.nim:NimEnv": "nim",
    "r2po.envs.pong:PongEnv": "pong",
}
