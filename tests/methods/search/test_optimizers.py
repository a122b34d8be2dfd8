"""The searches that ask no model, on functions whose best policies are known."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import cache
from itertools import islice
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from r2po.errors import InputError
from r2po.methods import Step
from r2po.methods.search import evolution_strategy
from r2po.methods.search.ars import DIRECTIONS, TOP_DIRECTIONS, augmented_random_search, update
from r2po.methods.search.black_box import Optimizer, next_candidate
from r2po.methods.search.cma_es import covariance_matrix_adaptation
from r2po.methods.search.evolution_strategy import CHILDREN, mutated, one_plus_lambda
from r2po.methods.search.random_search import uniform_policies
from r2po.policies import Choices, NumericFamily, Parameters, Range
from r2po.prompts import Brief
from r2po.trial import Trial
from tests.builders import make_brief, make_rollouts, numbers, numeric

BUDGET = 200
REAL = {"random": uniform_policies, "cma": covariance_matrix_adaptation, "ars": augmented_random_search}
TABLES = {"random": uniform_policies, "es": one_plus_lambda}
EACH = [("cartpole", search) for search in REAL] + [("maze", search) for search in TABLES]
SEEDS = range(5)


@cache
def brief_of(environment: str) -> Brief:
    return make_brief(environment)


def optimizer_of(environment: str, search: str) -> tuple[NumericFamily, Optimizer]:
    return numeric(brief_of(environment).policy), (REAL if environment == "cartpole" else TABLES)[search]


def drive(
    optimizer: Optimizer,
    policy: NumericFamily,
    reward: Callable[[Parameters], float],
    seed: int = 0,
    evaluations: int = BUDGET,
    start: Parameters | None = None,
) -> list[Parameters]:
    """Return what an optimizer asks for, in order."""
    search = optimizer(policy, start, np.random.default_rng(seed))
    asked = [next(search)]
    while len(asked) < evaluations:
        asked.append(search.send(reward(asked[-1])))
    return asked


# ---- Known functions ----


def sphere(params: Parameters) -> float:
    """Return 0 at (2, ..., 2), less elsewhere."""
    return -float(np.sum((np.array(params) - 2.0) ** 2))


def slope(params: Parameters) -> float:
    return float(np.sum(params))


def matches(params: Parameters) -> float:
    """Count the states with the right action: OneMax with four letters."""
    return float(np.sum(np.array(params) == np.arange(len(params)) % 4))


def best(optimizer: Optimizer, policy: NumericFamily, reward: Callable[[Parameters], float], seed: int) -> float:
    return max(map(reward, drive(optimizer, policy, reward, seed)))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("search", ["cma", "ars"])
@pytest.mark.parametrize("reward", [sphere, slope])
def test_a_search_beats_guessing(search: str, reward: Callable[[Parameters], float], seed: int) -> None:
    policy, optimizer = optimizer_of("cartpole", search)
    assert best(optimizer, policy, reward, seed) > best(uniform_policies, policy, reward, seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_cma_es_comes_close_to_the_optimum_of_a_sphere(seed: int) -> None:
    policy, optimizer = optimizer_of("cartpole", "cma")
    assert best(optimizer, policy, sphere, seed) > -10 > best(uniform_policies, policy, sphere, seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_evolution_strategy_solves_a_table(seed: int) -> None:
    policy, optimizer = optimizer_of("maze", "es")
    assert best(optimizer, policy, matches, seed) == policy.size == 9
    assert best(uniform_policies, policy, matches, seed) < 9


# ---- What every search keeps to ----


def is_legal(params: Parameters, policy: NumericFamily) -> bool:
    if isinstance(policy.values, Choices):
        legal = all(type(value) is int and value in policy.values.options for value in params)
    else:
        legal = all(type(value) is float and policy.values.low <= value <= policy.values.high for value in params)
    return legal and len(params) == policy.size


@pytest.mark.parametrize(("environment", "search"), EACH)
@settings(max_examples=15)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60), st.sampled_from([None, -6.0, 6.0, 0.0]))
def test_parameters_are_legal_whatever_the_rewards(
    environment: str, search: str, rewards: list[float], corner: float | None
) -> None:
    policy, optimizer = optimizer_of(environment, search)
    start = None if corner is None or environment == "maze" else (corner,) * policy.size
    scripted = iter(rewards)
    asked = drive(optimizer, policy, lambda _: next(scripted), evaluations=len(rewards) + 1, start=start)
    assert all(is_legal(params, policy) for params in asked)


@pytest.mark.parametrize(("environment", "search"), EACH)
def test_nothing_but_the_given_generator_is_random(environment: str, search: str) -> None:
    policy, optimizer = optimizer_of(environment, search)
    before = repr(np.random.get_state(legacy=True)), random.getstate()  # noqa: NPY002 - it is to stay as it is
    once = drive(optimizer, policy, slope, evaluations=60)
    after = repr(np.random.get_state(legacy=True)), random.getstate()  # noqa: NPY002
    assert after == before
    np.random.seed(1)  # noqa: NPY002 - it is not to matter
    assert drive(optimizer, policy, slope, evaluations=60) == once
    assert drive(optimizer, policy, slope, seed=1, evaluations=60) != once


@pytest.mark.parametrize(("environment", "search"), EACH)
def test_a_flat_reward_ends_no_search(environment: str, search: str) -> None:
    policy, optimizer = optimizer_of(environment, search)
    asked = drive(optimizer, policy, lambda _: -200.0)
    assert len(set(asked)) > BUDGET / 2


@pytest.mark.parametrize("environment", ["swimmer", "maze"])
def test_random_search_is_uniform(environment: str) -> None:
    policy = numeric(brief_of(environment).policy)
    asked = np.array(list(islice(uniform_policies(policy, None, np.random.default_rng(0)), 2000)))
    if isinstance(policy.values, Range):
        shares = np.histogram(asked, bins=12, range=(-6, 6))[0] / asked.size
    else:
        shares = np.bincount(asked.ravel()) / asked.size
    assert shares == pytest.approx(1 / len(shares), abs=0.01)


@pytest.mark.parametrize(("name", "width"), [("random_features", 4.0), ("projected_mlp", 12.0)])
@pytest.mark.parametrize("search", REAL)
def test_the_range_is_that_of_the_policy(search: str, name: str, width: float) -> None:
    policy = numeric(make_brief("swimmer", policy=name).policy)
    values = np.array(drive(REAL[search], policy, slope))
    assert 0.4 * width < np.ptp(values) <= width


# ---- CMA-ES ----


def test_cma_es_restarts_elsewhere_when_all_returns_are_equal() -> None:
    policy, optimizer = optimizer_of("cartpole", "cma")
    asked = np.array(drive(optimizer, policy, lambda _: 0.0))
    population = 4 + int(3 * np.log(policy.size))
    centres = asked[: BUDGET // population * population].reshape(-1, population, policy.size).mean(axis=1)
    assert np.abs(np.diff(centres, axis=0)).max() > 2


# ---- ARS ----

pairs = arrays(np.float64, (DIRECTIONS, 2), elements=st.floats(-1000, 1000))


def test_an_update_by_hand() -> None:
    directions = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [-1.0, 1.0]])
    rewards = np.array([[4.0, 0.0], [0.0, 2.0], [1.0, 1.0], [-9.0, -9.0]])
    assert TOP_DIRECTIONS == 2
    # The first two count; the standard deviation of 4, 0, 0, 2 is sqrt(11) / 2.
    assert update(directions, rewards) == pytest.approx(np.array([4.0, -2.0]) / np.sqrt(11))


def test_directions_that_make_no_difference_make_no_step() -> None:
    assert update(np.ones((DIRECTIONS, 3)), np.full((DIRECTIONS, 2), 7.0)).tolist() == [0, 0, 0]


@given(arrays(np.float64, (DIRECTIONS, 3), elements=st.floats(-3, 3)), pairs.map(np.round), st.integers(1, 8))
def test_the_scale_of_rewards_does_not_matter(directions: np.ndarray, rewards: np.ndarray, power: int) -> None:  # type: ignore[type-arg]
    scaled = update(directions, rewards * 2.0**power)
    assert scaled == pytest.approx(update(directions, rewards), rel=1e-9, abs=1e-12)


@given(
    arrays(np.float64, (DIRECTIONS, 3), elements=st.floats(-3, 3)),
    arrays(np.float64, 3, elements=st.floats(-10, 10)),
)
def test_a_step_never_goes_down_a_slope(directions: np.ndarray, gradient: np.ndarray) -> None:  # type: ignore[type-arg]
    heights = directions @ gradient
    assert update(directions, np.stack([heights, -heights], axis=1)) @ gradient >= -1e-9


def test_ars_tries_both_sides_of_its_start() -> None:
    policy, optimizer = optimizer_of("cartpole", "ars")
    start = tuple(np.linspace(-1, 1, policy.size).tolist())
    asked = np.array(drive(optimizer, policy, sphere, evaluations=2 * DIRECTIONS, start=start))
    assert asked.reshape(DIRECTIONS, 2, -1).mean(axis=1) == pytest.approx(np.tile(start, (DIRECTIONS, 1)))


# ---- (1+λ)-ES ----


def test_a_mutation_changes_one_state_or_a_few() -> None:
    random, table = np.random.default_rng(0), (1, 2, 3, 1, 2, 3, 1, 2)
    children = [mutated(table, (1, 2, 3), random) for _ in range(4000)]
    changed = np.array(children) != table
    assert changed.any(axis=1).all()
    # Given that there is one, 1 / (1 - (1 - 1/n)^n) are expected.
    assert changed.sum() / 4000 == pytest.approx(1 / (1 - (7 / 8) ** 8), rel=0.05)
    assert {child[0] for child in children} == {1, 2, 3}


@pytest.mark.parametrize(
    ("rewards", "chosen"),
    [([0.5, 0.4, 0.1, 0.1, 0.3], None), ([0.5, 0.5, 0.1, 0.5, 0.3], 1), ([0.5, 0.4, 0.1, 0.7, 0.6], 3)],
    ids=["all are worse", "a tie goes to the child", "the best one"],
)
def test_which_child_is_the_next_parent(
    rewards: list[float], chosen: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    parents: list[Parameters] = []

    def watched(table: Parameters, options: tuple[int, ...], generator: np.random.Generator) -> Parameters:
        parents.append(table)
        return mutated(table, options, generator)

    monkeypatch.setattr(evolution_strategy, "mutated", watched)
    assert len(rewards) == 1 + CHILDREN
    policy, scripted = numeric(brief_of("maze").policy), iter(rewards)
    start: Parameters = (0, 1, 2, 3, 0, 1, 2, 3, 0)
    asked = drive(one_plus_lambda, policy, lambda _: next(scripted), evaluations=2 + CHILDREN, start=start)
    assert asked[0] == start
    assert parents == [start] * CHILDREN + [asked[chosen or 0]]


# ---- From the history to the next candidate ----


NOBODY: Any = None


def step_with(trials: Sequence[tuple[Parameters, float, bool]], seed: int = 3) -> Step:
    history = [Trial(params, params, reward, warmup) for params, reward, warmup in trials]
    return Step(
        brief=brief_of("maze"),
        history=history,
        iteration=len(history) + 1,
        asker=NOBODY,
        roll_out=lambda params, _: make_rollouts([matches(numbers(params))]),
        clip=False,
        seed=seed,
    )


def test_the_first_parent_is_the_first_of_the_best_warmup_tables() -> None:
    tables: list[Parameters] = [(each,) * 9 for each in range(4)]
    warmup = [(table, reward, True) for table, reward in zip(tables, [0.0, 0.5, 0.5, 0.2], strict=True)]
    candidate = next_candidate(step_with(warmup), one_plus_lambda)
    assert (candidate.solution, candidate.raw, candidate.call) == (tables[1], tables[1], "")


def test_each_candidate_follows_from_the_history_and_the_seed() -> None:
    trials: list[tuple[Parameters, float, bool]] = []
    for _ in range(12):
        candidate = next_candidate(step_with(trials), one_plus_lambda)
        trials.append((numbers(candidate.solution), candidate.reward, False))
    assert next_candidate(step_with([]), one_plus_lambda).solution == trials[0][0]
    assert next_candidate(step_with(trials[:7]), one_plus_lambda).solution == trials[7][0]
    assert next_candidate(step_with([], seed=4), one_plus_lambda).solution != trials[0][0]


def test_a_history_of_another_search_is_refused() -> None:
    first = numbers(next_candidate(step_with([]), one_plus_lambda).solution)
    other = (*first[:-1], (first[-1] + 1) % 4)
    with pytest.raises(InputError, match="the search tries other parameters in iteration 1 than the run has on record"):
        next_candidate(step_with([(other, 0.0, False)]), one_plus_lambda)
