"""What compiled episodes need to know of a MuJoCo environment, read from the environment itself."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import gymnasium

PENDULUM, DOUBLE_PENDULUM, SWIMMER = 0, 1, 2

KINDS: Mapping[str, int] = {
    "InvertedPendulum-v5": PENDULUM,
    "InvertedDoublePendulum-v5": DOUBLE_PENDULUM,
    "Swimmer-v5": SWIMMER,
}

# What only pictures show, and rollouts draw none.
_FOR_PICTURES = ("width", "height", "default_camera_config", "camera_id", "camera_name", "max_geom", "visual_options")

_NUMBERS: Mapping[str, tuple[str, ...]] = {
    "InvertedPendulum-v5": ("reset_noise_scale",),
    "InvertedDoublePendulum-v5": ("reset_noise_scale", "healthy_reward"),
    "Swimmer-v5": ("reset_noise_scale", "forward_reward_weight", "ctrl_cost_weight"),
}


class Task(NamedTuple):
    """The constants of an environment's reset, observation, reward and end.

    Attributes:
        kind: Which environment: a value of ``KINDS``.
        frame_skip: Physics steps per control step.
        dt: Seconds per control step.
        noise: Scale of the random initial state.
        skipped: Leading positions that a swimmer's observation leaves out.
        healthy_reward: Bonus per step of a double pendulum that stands.
        forward_weight: Weight of a swimmer's speed.
        control_weight: Weight of a swimmer's squared action.
        limit: Steps after which the environment truncates.
        cap: Steps after which the rollout is stopped.
        two: The exponent of squares that Gymnasium computes with ``**``, that is the C library's ``pow``. Compilers
            turn ``pow`` with a constant exponent into a product, which rounds otherwise.
    """

    kind: int
    frame_skip: int
    dt: float
    noise: float
    skipped: int
    healthy_reward: float
    forward_weight: float
    control_weight: float
    limit: int
    cap: int
    two: float = 2.0

    @property
    def horizon(self) -> int:
        """Steps of the longest episode."""
        return min(self.limit, self.cap)


def refused_setting(gym_id: str, env_kwargs: Mapping[str, Any]) -> str:
    """Name what compiled episodes do not know of an environment or its arguments; "" if there is nothing."""
    if gym_id not in KINDS:
        return f"it knows {', '.join(KINDS)}, not {gym_id}"
    for name, value in env_kwargs.items():
        if not _known(gym_id, name, value):
            return f"it does not know {gym_id} with {name}: {value!r}"
    return ""


def _known(gym_id: str, name: str, value: object) -> bool:
    if name in _FOR_PICTURES:
        return True
    if name in _NUMBERS[gym_id]:
        usable = isinstance(value, (int, float)) and math.isfinite(2.0 * value)
        return usable and (name != "reset_noise_scale" or value >= 0)  # type: ignore[operator]
    if name in ("frame_skip", "max_episode_steps"):
        return isinstance(value, int) and value > 0
    if name == "exclude_current_positions_from_observation":
        return gym_id == "Swimmer-v5" and isinstance(value, bool)
    return name == "render_mode" and value is None


def read_task(gym_id: str, environment: gymnasium.Env[Any, Any], max_steps: int) -> Task:
    """Read the constants of an environment made with arguments that ``refused_setting`` passed."""
    base: Any = environment.unwrapped
    limit = environment.spec.max_episode_steps if environment.spec else None
    return Task(
        kind=KINDS[gym_id],
        frame_skip=int(base.frame_skip),
        dt=float(base.dt),
        noise=float(base._reset_noise_scale),
        skipped=2 if getattr(base, "_exclude_current_positions_from_observation", False) else 0,
        healthy_reward=float(getattr(base, "_healthy_reward", 0.0)),
        forward_weight=float(getattr(base, "_forward_reward_weight", 0.0)),
        control_weight=float(getattr(base, "_ctrl_cost_weight", 0.0)),
        limit=max_steps if limit is None else int(limit),
        cap=max_steps,
    )
