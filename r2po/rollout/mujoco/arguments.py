"""Which arguments of MuJoCo's environments compiled episodes support."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from r2po.envs import making
from r2po.rollout.mujoco.environments import DESCRIBE

# Far below where sums with it would overflow, and where integers no longer fit a floating-point number.
_LARGEST_NUMBER = 1e300


def refused_arguments(gym_id: str, env_kwargs: Mapping[str, Any]) -> str:
    """Say what compiled episodes do not support in an environment or its arguments; "" if they support it all."""
    spec = making.spec(gym_id)
    if spec.entry_point not in DESCRIBE:
        return f"{gym_id} is not one of the MuJoCo environments that it supports"
    if spec.additional_wrappers:
        return f"{gym_id} is registered with wrappers, which it does not support"
    creator = making.creator_of(gym_id)
    assert creator is not None
    own = inspect.signature(creator).parameters
    for name, value in {**spec.kwargs, **env_kwargs}.items():
        known = _OF_ALL.get(name) or (_OF_SOME.get(name) if name in own else None)
        if known is None or not known(value):
            return f"it does not support {gym_id} with {name}: {value!r}"
    return ""


def _anything(_value: object) -> bool:
    return True


def _is_none(value: object) -> bool:
    return value is None


def _is_count(value: object) -> bool:
    return isinstance(value, int) and value > 0


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and abs(value) <= _LARGEST_NUMBER


def _is_scale(value: object) -> bool:
    return isinstance(value, (int, float)) and 0 <= value <= _LARGEST_NUMBER


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


def _is_range(value: object) -> bool:
    return isinstance(value, Sequence) and len(value) == 2 and all(map(_is_bound, value))


def _is_bound(value: object) -> bool:
    return _is_number(value) or (isinstance(value, float) and math.isinf(value))


def _is_body(value: object) -> bool:
    return isinstance(value, (int, str)) and not isinstance(value, bool)


_Known = Callable[[object], bool]

_OF_ALL: Mapping[str, _Known] = {
    "frame_skip": _is_count,
    "max_episode_steps": _is_count,
    "render_mode": _is_none,
    # These change only pictures, and rollouts draw none.
    "width": _anything,
    "height": _anything,
    "default_camera_config": _anything,
    "camera_id": _anything,
    "camera_name": _anything,
    "max_geom": _anything,
    "visual_options": _anything,
}

_OF_SOME: Mapping[str, _Known] = {
    "reset_noise_scale": _is_scale,
    "main_body": _is_body,
    **dict.fromkeys(
        (
            "contact_cost_weight",
            "ctrl_cost_weight",
            "forward_reward_weight",
            "healthy_reward",
            "impact_cost_weight",
            "reward_control_weight",
            "reward_dist_weight",
            "reward_near_weight",
            "uph_cost_weight",
        ),
        _is_number,
    ),
    **dict.fromkeys(
        (
            "exclude_current_positions_from_observation",
            "include_cfrc_ext_in_observation",
            "include_cinert_in_observation",
            "include_cvel_in_observation",
            "include_qfrc_actuator_in_observation",
            "terminate_when_unhealthy",
        ),
        _is_flag,
    ),
    **dict.fromkeys(
        (
            "contact_cost_range",
            "contact_force_range",
            "healthy_angle_range",
            "healthy_state_range",
            "healthy_z_range",
            "impact_cost_range",
        ),
        _is_range,
    ),
}
