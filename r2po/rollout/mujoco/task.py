"""What compiled episodes need to know about a MuJoCo environment, read from the environment itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import gymnasium

from r2po.envs import making

PENDULUM, DOUBLE_PENDULUM, SWIMMER = 0, 1, 2

KINDS: Mapping[str, int] = {
    "gymnasium.envs.mujoco.inverted_pendulum_v5:InvertedPendulumEnv": PENDULUM,
    "gymnasium.envs.mujoco.inverted_double_pendulum_v5:InvertedDoublePendulumEnv": DOUBLE_PENDULUM,
    "gymnasium.envs.mujoco.swimmer_v5:SwimmerEnv": SWIMMER,
}
"""The environments by entry point."""

# Far below where sums with it would overflow, and where integers no longer fit a floating-point number.
_LARGEST_NUMBER = 1e300

# These change only pictures, and rollouts draw none.
_FOR_PICTURES = ("width", "height", "default_camera_config", "camera_id", "camera_name", "max_geom", "visual_options")

_WEIGHTS: Mapping[int, tuple[str, ...]] = {
    PENDULUM: (),
    DOUBLE_PENDULUM: ("healthy_reward",),
    SWIMMER: ("forward_reward_weight", "ctrl_cost_weight"),
}


class Constants(NamedTuple):
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
        two: The exponent of squares that Gymnasium computes with ``**``, that is the C library's ``pow``. Compilers
            turn ``pow`` with a constant exponent into a product, which rounds differently.
    """

    kind: int
    frame_skip: int
    dt: float
    noise: float
    skipped: int
    healthy_reward: float
    forward_weight: float
    control_weight: float
    two: float = 2.0


def refused_setting(gym_id: str, env_kwargs: Mapping[str, Any]) -> str:
    """Say what compiled episodes do not support in an environment or its arguments; "" if they support it all."""
    spec = making.spec(gym_id)
    kind = KINDS.get(spec.entry_point) if isinstance(spec.entry_point, str) else None
    if kind is None:
        return f"{gym_id} is not one of the MuJoCo environments that it supports"
    if spec.additional_wrappers:
        return f"{gym_id} is registered with wrappers, which it does not support"
    for name, value in {**spec.kwargs, **env_kwargs}.items():
        if not _known(kind, name, value):
            return f"it does not support {gym_id} with {name}: {value!r}"
    return ""


def _known(kind: int, name: str, value: Any) -> bool:
    if name in _FOR_PICTURES:
        return True
    if name == "reset_noise_scale":
        return _is_number(value) and value >= 0
    if name in ("frame_skip", "max_episode_steps"):
        return isinstance(value, int) and value > 0
    if name == "exclude_current_positions_from_observation":
        return kind == SWIMMER and isinstance(value, bool)
    if name == "render_mode":
        return value is None
    return name in _WEIGHTS[kind] and _is_number(value)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and abs(value) <= _LARGEST_NUMBER


def read_task(environment: gymnasium.Env[Any, Any]) -> Constants:
    """Read the constants of an environment that was made with arguments that ``refused_setting`` lets pass."""
    assert environment.spec is not None
    base: Any = environment.unwrapped
    return Constants(
        kind=KINDS[str(environment.spec.entry_point)],
        frame_skip=int(base.frame_skip),
        dt=float(base.dt),
        noise=float(base._reset_noise_scale),
        skipped=2 if getattr(base, "_exclude_current_positions_from_observation", False) else 0,
        healthy_reward=float(getattr(base, "_healthy_reward", 0.0)),
        forward_weight=float(getattr(base, "_forward_reward_weight", 0.0)),
        control_weight=float(getattr(base, "_ctrl_cost_weight", 0.0)),
    )
