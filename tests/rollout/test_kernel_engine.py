"""The kernel engine against the reference engine, bit by bit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from r2po.policies import FunctionPolicy, NumericFamily, Policy, PolicyConfig, clipped
from r2po.policies.forms import TablePolicy
from r2po.rollout import Engine, GymnasiumEngine
from r2po.tasks import TASKS
from r2po.tasks.spaces import Spaces, read_spaces
from tests.rollout.test_gymnasium_engine import GOOD, same_bits

pytest.importorskip("numba")
from r2po.rollout.kernel_engine import KernelEngine
from tests.builders import make_family

ENVIRONMENTS = ("cartpole", "mountaincar", "mountaincarcontinuous", "pong", "frozenlake", "maze", "nim")
IDS = {name: TASKS[name].gym_id for name in ENVIRONMENTS}
# A swing to the goal, so that the end of an episode is seen, too; and a push against the wall.
MORE: dict[str, list[tuple[float, ...]]] = {
    "mountaincar": [(0, 0, 0, -60, 0, 60, 0, 0, 0), (0, 0, 0, 0, 0, 0, 9, 0, 0)],
    "mountaincarcontinuous": [(0, 20, 0), (0, 6, 0), (0, -60, -1), (0, 0, -0.3), (0, 0, 0)],
}


@contextmanager
def engines(
    gym_id: str, kwargs: Mapping[str, Any] | None = None, max_steps: int = 1000
) -> Iterator[tuple[KernelEngine, GymnasiumEngine, Spaces]]:
    spaces = read_spaces(gym_id, kwargs or {})
    reference = GymnasiumEngine(gym_id, kwargs or {}, spaces, max_steps=max_steps)
    yield KernelEngine(gym_id, kwargs or {}, spaces, max_steps=max_steps), reference, spaces
    reference.close()


def family_of(spaces: Spaces) -> NumericFamily:
    return make_family("tabular" if spaces.discrete_observation else "linear", spaces)


def policies_of(family: NumericFamily, spaces: Spaces, count: int, seed: int = 0) -> Iterator[Policy]:
    """Random policies, of few and of many decimals; every other one moves its actions into their bounds."""
    rng = np.random.default_rng(seed)
    for index in range(count):
        params = family.sample(rng)
        if not spaces.discrete_observation and index % 3 == 2:
            params = tuple(value * rng.uniform(0, 2) for value in params)
        policy = family.bind(params)
        yield clipped(policy, spaces) if index % 2 else policy


def assert_equal(kernel: Engine, reference: Engine, policy: Policy, seeds: list[int]) -> None:
    """Returns, lengths and ends of all episodes, and every number of the first."""
    ours, theirs = kernel.evaluate(policy, seeds), reference.evaluate(policy, seeds)
    assert same_bits(ours.returns, theirs.returns)
    assert same_bits(ours.lengths, theirs.lengths)
    assert (ours.ends, ours.seeds) == (theirs.ends, theirs.seeds)
    one, other = ours[0], theirs[0]
    assert (one.seed, one.end, one.total) == (other.seed, other.end, ours.returns[0])
    for name in ("observations", "actions", "rewards"):
        mine, expected = getattr(one, name), getattr(other, name)
        assert mine.dtype == expected.dtype
        assert same_bits(mine, expected)


def assert_equal_for(environment: str, count: int, seed: int, max_steps: int = 1000) -> None:
    rng = np.random.default_rng(seed)
    with engines(IDS[environment], max_steps=max_steps) as (kernel, reference, spaces):
        family = family_of(spaces)
        good = [family.bind(params) for params in [GOOD[environment], *MORE.get(environment, [])]]
        for policy in [*good, *policies_of(family, spaces, count, seed)]:
            assert kernel.runs(policy)
            assert_equal(kernel, reference, policy, rng.integers(0, 2**63, 2).tolist())


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_number_is_that_of_the_reference(environment: str) -> None:
    assert_equal_for(environment, 24, seed=0)


@pytest.mark.slow
@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_number_is_that_of_the_reference_over_thousands_of_policies(environment: str) -> None:
    assert_equal_for(environment, 1000, seed=1, max_steps=150)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_good_policies_reach_what_makes_them_good(environment: str) -> None:
    """So that the comparisons above are known to see goals, returns of the ball and wins."""
    with engines(IDS[environment]) as (kernel, _, spaces):
        params = MORE[environment][0] if environment in MORE else GOOD[environment]
        rollouts = kernel.evaluate(family_of(spaces).bind(params), range(20))
    optimum = {"cartpole": 500, "mountaincar": -150, "mountaincarcontinuous": 80, "pong": 1, "frozenlake": 0.5}
    assert rollouts.mean >= {**optimum, "maze": 0.96, "nim": 1}[environment]


@pytest.mark.parametrize("count", [0, 1, 2, 20, 57])
def test_any_number_of_episodes(count: int) -> None:
    with engines("FrozenLake-v1") as (kernel, reference, spaces):
        policy = family_of(spaces).bind(GOOD["frozenlake"])
        ours, theirs = kernel.evaluate(policy, range(count)), reference.evaluate(policy, range(count))
    assert ours.returns.tolist() == theirs.returns.tolist()
    assert ours.ends == theirs.ends


@pytest.mark.filterwarnings("ignore:.*out of date")
@pytest.mark.parametrize("cap", [1, 2, 37, 200, 500])
@pytest.mark.parametrize("gym_id", ["CartPole-v1", "CartPole-v0", "MountainCar-v0", "Nim-v0"])
def test_caps_and_limits_end_episodes_alike(gym_id: str, cap: int) -> None:
    with engines(gym_id, max_steps=cap) as (kernel, reference, spaces):
        for policy in policies_of(family_of(spaces), spaces, 6):
            assert_equal(kernel, reference, policy, [3, 4])


@pytest.mark.parametrize(
    ("gym_id", "kwargs"),
    [
        ("CartPole-v1", {"sutton_barto_reward": True}),
        ("CartPole-v1", {"max_episode_steps": 17}),
        ("MountainCar-v0", {"goal_velocity": 0.02}),
        ("MountainCarContinuous-v0", {"goal_velocity": 0.03}),
        ("FrozenLake-v1", {"is_slippery": False}),
        ("FrozenLake-v1", {"success_rate": 0.8, "reward_schedule": (5, -3, -0.1)}),
        ("FrozenLake-v1", {"desc": ["SFS", "FHF", "FFG"]}),
        ("FrozenLake8x8-v1", {}),
        ("maze-sample-5x5-v0", {}),
        ("maze-random-v0", {"size": 7, "maze_seed": 3}),
        ("maze-random-v0", {"size": 4, "max_episode_steps": 9}),
    ],
)
def test_arguments_of_the_environment_count(gym_id: str, kwargs: dict[str, Any]) -> None:
    with engines(gym_id, kwargs) as (kernel, reference, spaces):
        family = family_of(spaces)
        swings = [family.bind(params) for params in MORE.get(gym_id.split("-")[0].lower(), [])]
        for policy in [*swings, *policies_of(family, spaces, 12)]:
            assert_equal(kernel, reference, policy, [5, 6])


@pytest.mark.parametrize("name", ["random_features", "projected_mlp"])
def test_networks_with_hidden_units(name: str) -> None:
    settings = {"latent_dim_layer1": 3, "latent_dim_layer2": 3} if name == "projected_mlp" else {}
    with engines("MountainCarContinuous-v0", max_steps=300) as (kernel, reference, spaces):
        family = make_family(name, spaces, PolicyConfig(seed=4, settings=settings))
        for policy in policies_of(family, spaces, 12):
            assert kernel.runs(policy)
            assert_equal(kernel, reference, policy, [7, 8])


def test_it_refuses_policies_that_do_not_fit() -> None:
    with engines("Nim-v0") as (nim, _, nim_spaces), engines("CartPole-v1") as (cartpole, _, cartpole_spaces):
        table, linear = family_of(nim_spaces).bind((1,) * 11), family_of(cartpole_spaces).bind((1.0,) * 10)
        pong = family_of(read_spaces("Pong-v0", {})).bind((1.0,) * 18)
        assert [nim.runs(policy) for policy in (table, linear)] == [True, False]
        assert [cartpole.runs(policy) for policy in (table, linear, pong)] == [False, True, False]
        assert not cartpole.runs(FunctionPolicy(lambda observations: np.zeros(len(observations), np.int64)))
        # No action 0 or 4, no state missing: a compiled loop would read beyond its arrays.
        for actions in ([0] * 11, [4] * 11, [1] * 10):
            assert not nim.runs(TablePolicy(np.array(actions)))
