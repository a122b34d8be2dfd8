"""Play the best policy of a run, in a window or into an animation."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray
from PIL import Image

import r2po.envs  # noqa: F401 - registers the project's own environments
from r2po.config import Config
from r2po.errors import InputError
from r2po.experiment.loading import check_kind, load_best
from r2po.experiment.rendering import make_rendered, picture
from r2po.experiment.setting import Setting
from r2po.isolation.outcomes import PolicyFailed
from r2po.policies import Policy
from r2po.prompts.numbers import number
from r2po.runlog import RunDirectory
from r2po.seeding import derive_seed

FORMATS = (".gif", ".webp")
FRAMES_PER_SECOND = 25
DEFAULT_RENDER_FPS = 30


TELL_EVERY_S = 5.0
"""Drawing without a graphics card can take a second for each step."""


def watch(
    directory: RunDirectory, episode: int, output: str | None, tell: Callable[[str], None] = lambda _: None
) -> str:
    """Play one held-out episode of a run's best policy so far and return one line on how it went.

    ``output`` is the animation to write; None opens a window. ``tell`` is called with a line on how far it is.

    Raises:
        InputError: The run has no complete iteration or no such episode, the format is unknown, the file cannot be
            written, or rendering is not possible here.
    """
    if output is not None and Path(output).suffix not in FORMATS:
        raise InputError(f"--output {output!r}: expected a file name that ends in {' or '.join(FORMATS)}")
    description = directory.read_description()
    check_kind(directory, description)
    if output is None and not _has_display():
        raise InputError("there is no display here (DISPLAY is not set): --output best.gif records an animation")
    config = Config(**description["config"])
    last = max(config.heldout_episodes - 1, 0)
    if not 0 <= episode <= last:
        raise InputError(f"--episode {episode}: expected 0 to {last}, the held-out episodes of this run")
    best = load_best(directory, "to watch")
    setting, policy = best.setting, best.setting.bind(best.solution)
    with closing(setting), closing(make_rendered(setting, "human" if output is None else "rgb_array")) as environment:
        frames, rewards = _play(setting, environment, policy, derive_seed(setting.seed, "heldout", episode), tell)
        if output is not None:
            _write(Path(output), frames, environment.metadata.get("render_fps", DEFAULT_RENDER_FPS))
    where = "" if output is None else f"; written to {output}"
    stand_in = "embedded stand-in, no language model: " if description["stand_in"] else ""
    return (
        f"{stand_in}best policy of {directory.path} (iteration {best.iteration}, "
        f"mean return {number(best.facts['reward'])}): return {number(sum(rewards))} in {len(rewards)} steps{where}"
    )


def _play(
    setting: Setting, environment: gymnasium.Env[Any, Any], policy: Policy, seed: int, tell: Callable[[str], None]
) -> tuple[list[NDArray[np.uint8]], list[float]]:
    """Play an episode and return its pictures, none in a window, and its rewards."""
    observation = environment.reset(seed=seed)[0]
    pictures, over = _picture(environment), False
    rewards: list[float] = []
    told = time.monotonic()
    try:
        session = policy.begin([seed])
    except PolicyFailed as failed:
        raise InputError(f"the policy fails here: {failed.failure.line}") from None
    with closing(session):
        while not over and len(rewards) < setting.brief.max_traj_length:
            try:
                action = session([0], np.asarray(observation)[np.newaxis])[0]
            except PolicyFailed as failed:
                raise InputError(f"the policy fails in step {len(rewards) + 1}: {failed.failure.line}") from None
            observation, reward, terminated, truncated, _ = environment.step(action)
            rewards.append(float(reward))
            over = terminated or truncated
            pictures += _picture(environment)
            if time.monotonic() - told >= TELL_EVERY_S:
                told = time.monotonic()
                tell(f"step {len(rewards)} of at most {setting.brief.max_traj_length}")
    return pictures, rewards


def _has_display() -> bool:
    """Whether a window can be opened; SDL_VIDEODRIVER names other ways to draw than a desktop."""
    return sys.platform != "linux" or any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER")))


def _picture(environment: gymnasium.Env[Any, Any]) -> list[NDArray[np.uint8]]:
    drawn = picture(environment)
    return [] if drawn is None else [drawn]


def _write(path: Path, frames: list[NDArray[np.uint8]], fps: float) -> None:
    """Write an animation at real speed, leaving out frames that come faster than animations can show."""
    every = max(1, math.ceil(fps / FRAMES_PER_SECOND))
    images = [Image.fromarray(frame) for frame in frames[::every]]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        images[0].save(path, save_all=True, append_images=images[1:], duration=round(1000 * every / fps), loop=0)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from None
