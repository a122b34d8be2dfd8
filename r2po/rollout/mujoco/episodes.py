"""Whole episodes of the MuJoCo environments, compiled: policy, physics, observation, reward and end.

The physics are those of MuJoCo's own library, called by address. Everything else repeats Gymnasium's arithmetic,
operation by operation. ``mj_rnePostConstraint``, which Gymnasium calls after every control step, is left out: neither
these observations and rewards nor the next step depend on what it computes.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from r2po.policies.forms import Network
from r2po.rollout.compilation import compiled, inlined
from r2po.rollout.compiled_engine import Floats, Limits, Outcomes, Trajectory
from r2po.rollout.compiled_policies import act_continuous, clip
from r2po.rollout.kernels.loop import GOING, copy_row, end_of
from r2po.rollout.mujoco.library import Simulation
from r2po.rollout.mujoco.task import DOUBLE_PENDULUM, PENDULUM, Constants
from r2po.rollout.random_numbers import STREAM_SIZE, Stream, draw_normal, draw_uniform, seed_stream


def _generate_call(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
    """Generate the call of the C function at an address, with the other arguments as they are."""
    address, *others = arguments
    function = ir.FunctionType(ir.VoidType(), [other.type for other in others])
    builder.call(builder.inttoptr(address, function.as_pointer()), others)
    return ir.Constant(ir.IntType(8).as_pointer(), None)


def _call(_context: Any, _address: Any, _model: Any, _data: Any) -> tuple[Any, Any]:
    return types.void(types.intp, types.intp, types.intp), _generate_call


def _call_with_state(_context: Any, _address: Any, _model: Any, _data: Any, _state: Any, _kind: Any) -> tuple[Any, Any]:
    return types.void(types.intp, types.intp, types.intp, types.intp, types.int32), _generate_call


call: Any = intrinsic(_call)
"""Calls the ``void (*)(mjModel *, mjData *)`` at an address."""

call_with_state: Any = intrinsic(_call_with_state)
"""Calls the ``void (*)(mjModel *, mjData *, double *, int)`` at an address."""


@compiled
def run_episodes(
    simulation: Simulation,
    task: Constants,
    limits: Limits,
    network: Network,
    seeds: NDArray[np.uint64],
    outcomes: Outcomes,
    trajectory: Trajectory,
) -> None:
    """Run one episode per seed, (K,), one after the other; overwrites the simulation's state."""
    stream = np.empty(STREAM_SIZE, np.uint64)
    hidden = np.empty(len(network.hidden_biases))
    action, observation = np.empty(len(simulation.ctrl)), np.empty(trajectory.observations.shape[1])
    keep = len(trajectory.rewards) > 0
    for episode in range(len(seeds)):
        seed_stream(stream, seeds[episode])
        _reset(simulation, task, stream)
        _observe(simulation, task, observation)
        total, time, end = 0.0, 0, GOING
        while end == GOING:
            act_continuous(network, observation, hidden, action)
            if keep:
                copy_row(observation, trajectory.observations, time)
                copy_row(action, trajectory.actions, time)
            before = simulation.qpos[0]
            _step(simulation, task, action)
            _observe(simulation, task, observation)
            terminated = _terminated(simulation, task)
            reward = _reward(simulation, task, before, action, terminated)
            if keep:
                trajectory.rewards[time] = reward
            total += reward
            time += 1
            end = end_of(limits, time, terminated)
        if keep:
            copy_row(observation, trajectory.observations, time)
        outcomes.returns[episode], outcomes.lengths[episode], outcomes.ends[episode] = total, time, end


@inlined
def _reset(simulation: Simulation, task: Constants, stream: Stream) -> None:
    # As mj_resetData, which also clears statistics that nothing depends on, for a third of the time of a control step.
    start = simulation.start.ctypes.data
    call_with_state(simulation.set_state, simulation.model, simulation.data, start, np.int32(simulation.state_kind))
    for index in range(len(simulation.qpos)):
        simulation.qpos[index] = simulation.initial_qpos[index] + draw_uniform(stream, -task.noise, task.noise)
    for index in range(len(simulation.qvel)):
        if task.kind == DOUBLE_PENDULUM:
            deviation = draw_normal(stream) * task.noise
        else:
            deviation = draw_uniform(stream, -task.noise, task.noise)
        simulation.qvel[index] = simulation.initial_qvel[index] + deviation
    call(simulation.forward, simulation.model, simulation.data)


@inlined
def _step(simulation: Simulation, task: Constants, action: Floats) -> None:
    for index in range(len(action)):
        simulation.ctrl[index] = action[index]
    for _ in range(task.frame_skip):
        call(simulation.step, simulation.model, simulation.data)


@inlined
def _observe(simulation: Simulation, task: Constants, observation: Floats) -> None:
    if task.kind == DOUBLE_PENDULUM:
        _observe_double_pendulum(simulation, observation)
        return
    shown = len(simulation.qpos) - task.skipped
    for index in range(shown):
        observation[index] = simulation.qpos[task.skipped + index]
    for index in range(len(simulation.qvel)):
        observation[shown + index] = simulation.qvel[index]


@inlined
def _observe_double_pendulum(simulation: Simulation, observation: Floats) -> None:
    observation[0] = simulation.qpos[0]
    for link in range(2):
        observation[1 + link] = math.sin(simulation.qpos[1 + link])
        observation[3 + link] = math.cos(simulation.qpos[1 + link])
    for index in range(3):
        observation[5 + index] = clip(simulation.qvel[index], 10.0)
    observation[8] = clip(simulation.constraint[0], 10.0)


@inlined
def _terminated(simulation: Simulation, task: Constants) -> bool:
    if task.kind == PENDULUM:
        finite = True
        for index in range(2):
            finite = finite and math.isfinite(simulation.qpos[index]) and math.isfinite(simulation.qvel[index])
        return not finite or abs(simulation.qpos[1]) > 0.2
    if task.kind == DOUBLE_PENDULUM:
        height: float = simulation.sites[0, 2]
        return height <= 1.0
    return False


@inlined
def _reward(simulation: Simulation, task: Constants, before: float, action: Floats, terminated: bool) -> float:
    if task.kind == PENDULUM:
        return 0.0 if terminated else 1.0
    if task.kind == DOUBLE_PENDULUM:
        return _reward_double_pendulum(simulation, task, terminated)
    forward: float = task.forward_weight * ((simulation.qpos[0] - before) / task.dt)
    effort: float = action[0] * action[0] + action[1] * action[1]
    return forward - task.control_weight * effort


@inlined
def _reward_double_pendulum(simulation: Simulation, task: Constants, terminated: bool) -> float:
    side, height = simulation.sites[0, 0], simulation.sites[0, 2]
    distance: float = 0.01 * math.pow(side, task.two) + math.pow(height - 2.0, task.two)
    lower, upper = simulation.qvel[1], simulation.qvel[2]
    speed: float = 1e-3 * math.pow(lower, task.two) + 5e-3 * math.pow(upper, task.two)
    bonus = 0.0 if terminated else task.healthy_reward
    return bonus - distance - speed
