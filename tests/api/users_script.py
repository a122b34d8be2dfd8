"""A script as a user would write it; ``make lint`` checks its types, and a test runs it outside of the checkout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from typing_extensions import assert_type

import r2po


class Counter(r2po.Observer):
    def __init__(self) -> None:
        self.notes = 0

    def note(self, text: str) -> None:
        self.notes += 1


def main() -> None:
    config = {"gym_env_name": "CartPole-v1", "method": "r2po", "llm_model_name": "embedded/search", "logdir": "logs"}
    result = r2po.run(
        config,
        observer=Counter(),
        seed=3,
        rollout_engine="reference",
        num_iterations=2,
        num_evaluation_episodes=2,
        heldout_episodes=2,
        warmup_episodes=2,
    )
    assert_type(result, r2po.Result)
    assert_type(result.best_reward, float | None)
    assert_type(result.heldout_episodes, int)
    assert_type(result.policy, r2po.LoadedPolicy)
    mean: float = result.rewards.mean()
    action = result.policy(np.zeros(4))
    with r2po.load_policy(result.directory) as policy:
        assert policy.act_batch(np.zeros((2, 4))).tolist() == [action, action]
    written = r2po.export(result.directory, "policy.py")
    assert_type(written, Path)
    frames = r2po.load_runs("logs", calls=False)
    try:
        r2po.run(config, resume=9)
    except r2po.InputError as error:
        print(error)
    print(len(frames.runs), result.seed, np.isfinite(mean), written.exists())


if __name__ == "__main__":
    main()
