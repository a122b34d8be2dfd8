"""The MuJoCo environments of Gymnasium, told in the terms of compiled episodes: read from an environment that was made.

Each function repeats the arithmetic of Gymnasium's class in the same order. What is the same for several of them, such
as weights and the noise of resets, is read from the environment by the names that Gymnasium uses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import gymnasium

from r2po.rollout.mujoco.description import (
    ALIVE,
    BALANCE,
    CLIPPED,
    CLOSED,
    COSINE,
    DIFFERENCE,
    MOST_SQUARES,
    NOT_BELOW,
    OPEN,
    REACH,
    RISE,
    SINE,
    Check,
    Contact,
    Description,
    Number,
    Reward,
    Seen,
    Start,
    Target,
    numbers,
)
from r2po.rollout.mujoco.shared import (
    SPEED_LIMIT,
    body_position,
    bonus_of,
    bounds_of,
    describe_runner,
    felt_numbers,
    finite_checks,
    moving_reward,
    seen_as_is,
    shaken_start,
    shown_state,
    state_of,
    upright_checks,
)


def describe(environment: gymnasium.Env[Any, Any]) -> Description:
    """Describe an environment that was made with arguments that ``refused_arguments`` lets pass."""
    assert environment.spec is not None
    base: Any = environment.unwrapped
    description = DESCRIBE[str(environment.spec.entry_point)](base)
    if (len(description.observation),) != base.observation_space.shape:
        raise ValueError(f"{environment.spec.id} has observations of another size")
    if max(base.model.nu, base.data.cfrc_ext.size) > MOST_SQUARES:
        raise ValueError(f"{environment.spec.id} has more actions or bodies than expected")
    return description


def _inverted_pendulum(base: Any) -> Description:
    state = (*numbers("qpos", range(2)), *numbers("qvel", range(2)))
    upright = Check(Number("qpos", 1), CLOSED, (-0.2, 0.2))
    return Description(
        frame_skip=base.frame_skip,
        start=shaken_start(base),
        observation=seen_as_is(state),
        reward=Reward(ALIVE, bonus=(1.0, 0.0)),
        checks=(*finite_checks(state), upright),
        terminates=True,
    )


def _inverted_double_pendulum(base: Any) -> Description:
    angles = numbers("qpos", (1, 2))
    bounded = (*numbers("qvel", range(3)), Number("qfrc_constraint", 0))
    return Description(
        frame_skip=base.frame_skip,
        start=shaken_start(base, normal=True),
        observation=(
            Seen(Number("qpos", 0)),
            *(Seen(angle, SINE) for angle in angles),
            *(Seen(angle, COSINE) for angle in angles),
            *(Seen(number, CLIPPED, SPEED_LIMIT) for number in bounded),
        ),
        reward=Reward(
            BALANCE,
            operands=(*numbers("site_xpos", (0, 2)), *numbers("qvel", (1, 2))),
            bonus=bonus_of(base),
        ),
        checks=(Check(Number("site_xpos", 2), NOT_BELOW, (1.0, 1.0)),),
        terminates=True,
    )


def _reacher(base: Any) -> Description:
    arm = range(2)
    fingertip, target = body_position(base, "fingertip"), body_position(base, "target")
    return Description(
        frame_skip=base.frame_skip,
        start=Start(
            positions=tuple(base.init_qpos),
            velocities=tuple(base.init_qvel),
            position_noise=0.1,
            velocity_noise=0.005,
            target=Target(base.model.nq - 2, (-0.2, -0.2), (0.2, 0.2), 0.2, inside=True),
            still=2,
        ),
        observation=(
            *(Seen(Number("qpos", joint), COSINE) for joint in arm),
            *(Seen(Number("qpos", joint), SINE) for joint in arm),
            *seen_as_is(numbers("qpos", range(2, base.model.nq))),
            *seen_as_is(numbers("qvel", arm)),
            *(Seen(fingertip[axis], DIFFERENCE, minus=target[axis]) for axis in range(2)),
        ),
        reward=Reward(
            REACH,
            operands=(*fingertip, *target),
            weights=(float(base._reward_dist_weight),),
            control_weight=float(base._reward_control_weight),
        ),
    )


def _pusher(base: Any) -> Description:
    tip, cylinder, goal = (body_position(base, name) for name in ("tips_arm", "object", "goal"))
    return Description(
        frame_skip=base.frame_skip,
        start=Start(
            positions=(*base.init_qpos[:-2], 0.0, 0.0),
            velocities=tuple(base.init_qvel),
            position_noise=None,
            velocity_noise=0.005,
            target=Target(base.model.nq - 4, (-0.3, -0.2), (0.0, 0.2), 0.17, inside=False),
            still=4,
        ),
        observation=seen_as_is((*numbers("qpos", range(7)), *numbers("qvel", range(7)), *tip, *cylinder, *goal)),
        reward=Reward(
            REACH,
            operands=(*cylinder, *goal, *cylinder, *tip),
            weights=(float(base._reward_dist_weight), float(base._reward_near_weight)),
            control_weight=float(base._reward_control_weight),
        ),
    )


def _swimmer(base: Any) -> Description:
    return describe_runner(base, hidden=2)


def _half_cheetah(base: Any) -> Description:
    return describe_runner(base, normal=True)


def _hopper(base: Any) -> Description:
    qpos, qvel = state_of(base)
    others = (*qpos, *qvel)[2:]
    return describe_runner(
        base,
        clipped=True,
        checks=(
            *(Check(number, OPEN, bounds_of(base._healthy_state_range)) for number in others),
            *upright_checks(base),
        ),
    )


def _walker2d(base: Any) -> Description:
    return describe_runner(base, clipped=True, checks=upright_checks(base))


def _ant(base: Any) -> Description:
    qpos, qvel = state_of(base)
    forces = bounds_of(base._contact_force_range)
    felt = numbers("cfrc_ext", range(6, base.data.cfrc_ext.size)) if base._include_cfrc_ext_in_observation else ()
    return Description(
        frame_skip=base.frame_skip,
        start=shaken_start(base, normal=True),
        observation=(
            *seen_as_is(shown_state(base, 2)),
            *(Seen(number, CLIPPED, forces) for number in felt),
        ),
        reward=moving_reward(
            base,
            operands=(Number("xpos", 3 * base.data.body(base._main_body).id),),
            contact=Contact(float(base._contact_cost_weight), force_bounds=forces),
        ),
        checks=(*finite_checks((*qpos, *qvel)), Check(qpos[2], CLOSED, bounds_of(base._healthy_z_range))),
        terminates=base._terminate_when_unhealthy,
        forces=True,
    )


def _humanoid(base: Any) -> Description:
    masses = base.model.body_mass
    return Description(
        frame_skip=base.frame_skip,
        start=shaken_start(base),
        observation=seen_as_is((*shown_state(base, 2), *felt_numbers(base))),
        reward=moving_reward(
            base,
            operands=numbers("xipos", range(0, 3 * len(masses), 3)),
            weights=tuple(masses),
            scale=float(masses.sum()),
            applied=True,
            contact=Contact(float(base._contact_cost_weight), cost_bounds=bounds_of(base._contact_cost_range)),
        ),
        checks=(Check(Number("qpos", 2), OPEN, bounds_of(base._healthy_z_range)),),
        terminates=base._terminate_when_unhealthy,
        forces=True,
    )


def _humanoid_standup(base: Any) -> Description:
    return Description(
        frame_skip=base.frame_skip,
        start=shaken_start(base),
        observation=seen_as_is((*shown_state(base, 2), *felt_numbers(base))),
        reward=Reward(
            RISE,
            operands=(Number("qpos", 2),),
            weights=(1.0,),
            seconds=float(base.model.opt.timestep),
            control_weight=float(base._ctrl_cost_weight),
            applied=True,
            contact=Contact(float(base._impact_cost_weight), cost_bounds=bounds_of(base._impact_cost_range)),
        ),
        forces=True,
    )


DESCRIBE: Mapping[str, Callable[[Any], Description]] = {
    f"gymnasium.envs.mujoco.{module}_v5:{name}Env": function
    for module, name, function in (
        ("ant", "Ant", _ant),
        ("half_cheetah", "HalfCheetah", _half_cheetah),
        ("hopper", "Hopper", _hopper),
        ("humanoid", "Humanoid", _humanoid),
        ("humanoidstandup", "HumanoidStandup", _humanoid_standup),
        ("inverted_double_pendulum", "InvertedDoublePendulum", _inverted_double_pendulum),
        ("inverted_pendulum", "InvertedPendulum", _inverted_pendulum),
        ("pusher", "Pusher", _pusher),
        ("reacher", "Reacher", _reacher),
        ("swimmer", "Swimmer", _swimmer),
        ("walker2d", "Walker2d", _walker2d),
    )
}
"""The environments by entry point."""
