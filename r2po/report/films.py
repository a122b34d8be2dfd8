"""Pictures of a rollout by the environment's own renderer, for environments that the page cannot draw.

The pictures stand in one image, row by row, so that they can be paused and scrubbed: animated images cannot.
"""

from __future__ import annotations

import base64
import io
import math
from contextlib import closing
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from r2po.errors import InputError
from r2po.experiment.rendering import make_rendered, picture
from r2po.experiment.setting import Setting
from r2po.policies import Policy
from r2po.report.packing import Values

DRAWN = frozenset(
    {
        *("cartpole", "invertedpendulum", "inverteddoublependulum", "mountaincar", "mountaincarcontinuous"),
        *("swimmer", "pong", "pendulum", "acrobot", "nim"),
    }
)
"""Tasks that the page draws from their states; a test compares them with its script. Maps are drawn as well."""

WIDTH = 320
PER_SECOND = 12.5
SECONDS = 10
MOST = int(PER_SECOND * SECONDS)
COLUMNS = 12
DEFAULT_RENDER_FPS = 30
QUALITY = 50


def film_of(setting: Setting, policy: Policy, seed: int, total: float) -> Values | None:
    """Return pictures of a rollout, given its seed and its logged return.

    Returns:
        ``image``, all pictures in ``columns`` columns, of ``width`` and ``height`` each, as WebP in base64; their
        number ``many``, and ``every``, by how many steps they are apart. None if the return came out otherwise.

    Raises:
        InputError: It cannot be drawn here, or gives no pictures.
    """
    with closing(make_rendered(setting, "rgb_array")) as environment:
        fps = environment.metadata.get("render_fps") or DEFAULT_RENDER_FPS
        every = max(1, math.ceil(fps / PER_SECOND))
        pictures, found = _play(setting, environment, policy, seed, every)
    if not pictures:
        raise InputError(f"{setting.brief.task.gym_id} gives no pictures")
    if found != total:
        return None
    return {**_sheet(pictures), "every": every}


def _play(
    setting: Setting, environment: Any, policy: Policy, seed: int, every: int
) -> tuple[list[NDArray[np.uint8]], float]:
    """Play a rollout to its end, and take pictures of its beginning; returns them and the return."""
    observation, total, step, over = environment.reset(seed=seed)[0], 0.0, 0, False
    pictures = _taken(environment)
    with closing(policy.begin([seed])) as session:
        while not over and step < setting.brief.max_traj_length:
            action = session([0], np.asarray(observation)[np.newaxis])[0]
            observation, reward, terminated, truncated, _ = environment.step(action)
            total, step, over = total + float(reward), step + 1, terminated or truncated
            if step % every == 0 and len(pictures) < MOST:
                pictures += _taken(environment)
    return pictures, total


def _taken(environment: Any) -> list[NDArray[np.uint8]]:
    drawn = picture(environment)
    return [] if drawn is None else [drawn]


def _sheet(pictures: list[NDArray[np.uint8]]) -> Values:
    images = [Image.fromarray(each).convert("RGB") for each in pictures]
    height = max(1, round(WIDTH * images[0].height / images[0].width))
    columns = min(COLUMNS, len(images))
    sheet = Image.new("RGB", (columns * WIDTH, math.ceil(len(images) / columns) * height))
    for place, image in enumerate(images):
        sheet.paste(image.resize((WIDTH, height)), (place % columns * WIDTH, place // columns * height))
    buffer = io.BytesIO()
    sheet.save(buffer, "WEBP", quality=QUALITY)
    image64 = base64.b64encode(buffer.getvalue()).decode()
    return {"image": image64, "columns": columns, "width": WIDTH, "height": height, "many": len(images)}
