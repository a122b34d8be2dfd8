"""A script as a user would write it, beside the plugin: run, load and export from Python, and the plugin let run."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import gymnasium

import r2po


def total(act: Callable[[Any], Any], environment: gymnasium.Env[Any, Any], space: gymnasium.Space[Any]) -> float:
    """Play an episode; a space makes one vector of its observations."""
    observation, _ = environment.reset(seed=7)
    rewards, ended = 0.0, False
    while not ended:
        action = act(gymnasium.spaces.flatten(space, observation))
        observation, reward, terminated, truncated, _ = environment.step(action)
        rewards, ended = rewards + float(reward), terminated or truncated
    return rewards


def main() -> None:
    before, refusal = Path("imported.txt").read_text(), ""
    try:
        r2po.run("lab.yaml", logdir="refused")
    except r2po.InputError as error:
        refusal = str(error)
    assert "lab.yaml asks for the plugin 'lab' (./lab)" in refusal
    assert (Path("imported.txt").read_text(), Path("refused").exists()) == (before, False)

    import_module("lab")  # this lets it run
    result = r2po.run("lab.yaml", seed=1, logdir="python")
    written = r2po.export(result.directory, "best.py")
    exported = runpy.run_path(str(written))["Policy"]()
    environment = gymnasium.make("Lab-v0")
    with r2po.load_policy(result.directory) as policy:
        loaded = total(policy, environment, environment.observation_space)
        flat = policy.make_environment()
        assert loaded == total(policy, flat, flat.observation_space)
    assert loaded == total(exported.act, environment, environment.observation_space)


if __name__ == "__main__":
    main()
