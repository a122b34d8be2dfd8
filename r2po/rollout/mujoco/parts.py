"""The parts of a step, compiled: start, observation, checks and reward of any of the MuJoCo environments.

The physics are those of MuJoCo's own library, called by address. Everything else repeats Gymnasium's arithmetic,
operation by operation.
"""

from __future__ import annotations

import math

import numpy as np

from r2po.rollout.compilation import inlined
from r2po.rollout.mujoco.calls import call, call_with_state, fused, load
from r2po.rollout.mujoco.constants import NOWHERE, Floats, ObservationConstants, RewardConstants, StartConstants
from r2po.rollout.mujoco.description import (
    ALIVE,
    BALANCE,
    CLIPPED,
    CLOSED,
    COSINE,
    DIFFERENCE,
    NOT_BELOW,
    OPEN,
    PLAIN,
    REACH,
    RISE,
    SINE,
)
from r2po.rollout.mujoco.library import Addresses, Simulation
from r2po.rollout.random_numbers import Stream, draw_normal, draw_uniform


@inlined
def reset(simulation: Simulation, start: StartConstants, stream: Stream) -> None:
    """Start an episode."""
    # As mj_resetData, which also clears statistics that nothing depends on, for a third of the time of a control step.
    state = simulation.start.ctypes.data
    functions, model, data = simulation.functions, simulation.model, simulation.data
    call_with_state(functions.set_state, model, data, state, np.int32(simulation.state_kind))
    for index in range(len(simulation.forces)):
        simulation.forces[index] = 0.0
    for index in range(len(simulation.qpos)):
        position = start.positions[index]
        if start.shakes_positions:
            position += draw_uniform(stream, -start.position_noise, start.position_noise)
        simulation.qpos[index] = position
    if start.place != NOWHERE:
        _place_target(simulation.qpos, start, stream)
    for index in range(len(simulation.qvel)):
        if start.normal:
            deviation = draw_normal(stream) * start.velocity_noise
        else:
            deviation = draw_uniform(stream, -start.velocity_noise, start.velocity_noise)
        simulation.qvel[index] = start.velocities[index] + deviation
    for index in range(len(simulation.qvel) - start.still, len(simulation.qvel)):
        simulation.qvel[index] = 0.0
    call(functions.forward, model, data)


@inlined
def _place_target(qpos: Floats, start: StartConstants, stream: Stream) -> None:
    while True:
        first = draw_uniform(stream, start.low[0], start.high[0])
        second = draw_uniform(stream, start.low[1], start.high[1])
        distance = math.sqrt(_plus_square(first * first, second, start.fused))
        if distance < start.radius if start.inside else distance > start.radius:
            break
    qpos[start.place], qpos[start.place + 1] = first, second


@inlined
def advance(simulation: Simulation, frame_skip: int, action: Floats) -> None:
    """Make a control step.

    ``mj_rnePostConstraint``, which Gymnasium calls after every control step, is left out where neither observations nor
    rewards depend on what it computes; the next step never does.
    """
    functions, model, data = simulation.functions, simulation.model, simulation.data
    for index in range(len(action)):
        simulation.ctrl[index] = action[index]
    for _ in range(frame_skip):
        call(functions.step, model, data)
    if len(simulation.forces) > 0:
        call(functions.forces, model, data)


@inlined
def observe(simulation: Simulation, seen: ObservationConstants, observation: Floats) -> None:
    """Write the observation, (d,)."""
    functions, observed = seen.functions, simulation.observed
    for index in range(len(observation)):
        value, function = load(observed[index]), functions[index]
        if function == PLAIN:
            observation[index] = value
        elif function == CLIPPED:
            observation[index] = _between(value, seen.low[index], seen.high[index])
        elif function == SINE:
            observation[index] = math.sin(value)
        elif function == COSINE:
            observation[index] = math.cos(value)
        elif function == DIFFERENCE:
            observation[index] = value - load(simulation.subtracted[index])


@inlined
def is_healthy(simulation: Simulation, seen: ObservationConstants) -> bool:
    """Return whether all checks are passed."""
    for index in range(len(seen.checks)):
        value, low, high = load(simulation.checked[index]), seen.check_low[index], seen.check_high[index]
        kind = seen.checks[index]
        if kind == OPEN:
            passed = low < value < high
        elif kind == CLOSED:
            passed = low <= value <= high
        elif kind == NOT_BELOW:
            passed = not value <= low
        if not passed:
            return False
    return True


@inlined
def position_of(simulation: Simulation, reward: RewardConstants) -> float:
    """Return the weighted mean of the operands."""
    weights, operands = reward.weights, simulation.operands
    total: float = weights[0] * load(operands[0])
    for index in range(1, len(weights)):
        total += weights[index] * load(operands[index])
    return total / reward.scale


@inlined
def reward_of(
    simulation: Simulation, reward: RewardConstants, before: float, action: Floats, squares: Floats, healthy: bool
) -> float:
    """Return the reward of a step; ``before`` is the position before it, ``squares`` scratch."""
    bonus = reward.bonus[0] if healthy else reward.bonus[1]
    if reward.kind == ALIVE:
        return bonus
    if reward.kind == BALANCE:
        return bonus - _tip_cost(simulation.operands, reward) - _speed_cost(simulation.operands, reward)
    effort = _sum_of_squares(simulation.ctrl if reward.applied else action, -math.inf, math.inf, squares)
    if reward.kind == REACH:
        return _reach(simulation.operands, reward, effort)
    cost = reward.control_weight * effort
    contact = _contact_cost(simulation.forces, reward, squares)
    position = position_of(simulation, reward)
    if reward.kind == RISE:
        return position / reward.seconds - cost - contact + 1
    return (reward.forward_weight * ((position - before) / reward.seconds) + bonus) - (cost + contact)


@inlined
def _contact_cost(forces: Floats, reward: RewardConstants, squares: Floats) -> float:
    if not reward.costs_contact:
        return -0.0
    low, high = reward.force_bounds
    cost = reward.contact_weight * _sum_of_squares(forces, low, high, squares)
    return _between(cost, reward.cost_bounds[0], reward.cost_bounds[1])


@inlined
def _tip_cost(operands: Addresses, reward: RewardConstants) -> float:
    side, height = load(operands[0]), load(operands[1])
    return 0.01 * math.pow(side, reward.two) + math.pow(height - 2.0, reward.two)


@inlined
def _speed_cost(operands: Addresses, reward: RewardConstants) -> float:
    lower, upper = load(operands[2]), load(operands[3])
    return 1e-3 * math.pow(lower, reward.two) + 5e-3 * math.pow(upper, reward.two)


@inlined
def _reach(operands: Addresses, reward: RewardConstants, effort: float) -> float:
    total: float = -_distance(operands, 0, reward.fused) * reward.weights[0] + -effort * reward.control_weight
    for index in range(1, len(reward.weights)):
        total += -_distance(operands, 6 * index, reward.fused) * reward.weights[index]
    return total


@inlined
def _distance(operands: Addresses, first: int, fuses: bool) -> float:
    """Return the distance between the three numbers from ``first`` on and the next three."""
    total = 0.0
    for axis in range(first, first + 3):
        total = _plus_square(total, load(operands[axis]) - load(operands[axis + 3]), fuses)
    return math.sqrt(total)


@inlined
def _plus_square(total: float, number: float, fuses: bool) -> float:
    """Return a sum and the square of one more number, see ``are_fused``."""
    added: float = fused(number, number, total) if fuses else total + number * number
    return added


@inlined
def _sum_of_squares(values: Floats, low: float, high: float, squares: Floats) -> float:
    """Sum the squares of at most 128 clipped values as numpy does: eight sums in turn, which are added in pairs."""
    count = len(values)
    for index in range(count):
        value = _between(values[index], low, high)
        squares[index] = value * value
    whole = count - count % 8
    total: float = 0.0
    if whole > 0:
        for index in range(8, whole):
            squares[index % 8] += squares[index]
        total = ((squares[0] + squares[1]) + (squares[2] + squares[3])) + (
            (squares[4] + squares[5]) + (squares[6] + squares[7])
        )
    for index in range(whole, count):
        total += squares[index]
    return total


@inlined
def _between(value: float, low: float, high: float) -> float:
    """Bound a value; not a number stays."""
    if value < low:
        value = low
    return high if value > high else value
