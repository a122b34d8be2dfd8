"""EnvPool for comparison, where it is installed (``pip install envpool``): its CartPole under one policy."""

from __future__ import annotations

import time
from importlib import import_module
from typing import Any

import numpy as np

from r2po.policies import Policy


def cartpole_rate(policy: Policy, episodes: int, rounds: int) -> float | None:
    """Return the steps per second of ``episodes`` CartPole environments that EnvPool steps together.

    Its physics and start states are its own, so this compares speed, not returns.

    Args:
        policy: Maps (B, 4) observations to B actions; its episodes should run to the limit.
        episodes: Environments in the pool, one episode each per round.
        rounds: The median over so many is returned.

    Returns:
        The rate, or None if EnvPool is not installed.
    """
    try:
        envpool: Any = import_module("envpool")
    except ImportError:
        return None
    pool = envpool.make("CartPole-v1", env_type="gymnasium", num_envs=episodes, seed=0)
    rates = [_round(pool, policy, episodes) for _ in range(rounds)]
    pool.close()
    return float(np.median(rates))


def _round(pool: Any, policy: Policy, episodes: int) -> float:
    start = time.perf_counter()
    observations, _ = pool.reset()
    session, slots = policy.begin(range(episodes)), range(episodes)
    over = np.zeros(episodes, bool)
    steps = 0
    while not over.all():
        steps += int((~over).sum())
        actions = session(slots, observations.astype(np.float64)).astype(np.int32)
        observations, _, terminated, truncated, _ = pool.step(actions)
        over |= terminated | truncated
    return steps / (time.perf_counter() - start)
