"""Policy families against independent formulas, and the promise that no state's action depends on its batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from r2po.errors import InputError
from r2po.policies import (
    Choices,
    FunctionPolicy,
    NumericFamily,
    Policy,
    PolicyConfig,
    Program,
    ProgramFamily,
    Range,
    Session,
    clipped,
    make_policy,
)
from r2po.policies.linear import Linear
from r2po.policies.tabular import Tabular
from r2po.tasks.spaces import Spaces
from tests.builders import act

Matrix = NDArray[np.float64]


def discrete(observations: int = 3, actions: int = 4, first: int = 0) -> Spaces:
    return Spaces(False, observations, True, actions, first, (), (), None)


def continuous(observations: int = 3, actions: int = 2, bound: float = 1.0) -> Spaces:
    return Spaces(False, observations, False, actions, 0, (-bound,) * actions, (bound,) * actions, None)


def numbered(states: int = 5, actions: int = 3, first: int = 0) -> Spaces:
    return Spaces(True, states, True, actions, first, (), (), None)


reals = st.floats(-1e6, 1e6)
batches = st.integers(1, 12).flatmap(
    lambda count: st.lists(st.lists(reals, min_size=3, max_size=3), min_size=count, max_size=count)
)


def parameters(family: NumericFamily, seed: int) -> tuple[float, ...]:
    return tuple(np.random.default_rng(seed).normal(0, 3, family.size).tolist())


def scores_by_hand(params: tuple[float, ...], observation: Matrix, columns: int, bias: bool) -> list[float]:
    """Sum s[i] * W[i, j], in the order of i, then the bias: from the flat layout, with Python floats."""
    scores = []
    for column in range(columns):
        total = float(observation[0]) * params[column]
        for row in range(1, len(observation)):
            total += float(observation[row]) * params[row * columns + column]
        scores.append(total + params[len(observation) * columns + column] if bias else total)
    return scores


@given(batches, st.integers(0, 1000), st.booleans())
def test_a_continuous_linear_policy_is_s_w_plus_b(batch: list[list[float]], seed: int, bias: bool) -> None:
    family, observations = Linear(continuous(), PolicyConfig(bias=bias)), np.array(batch)
    params = parameters(family, seed)
    actions = family.bind(params)(observations)
    assert actions.shape == (len(batch), 2)
    assert actions.tolist() == [scores_by_hand(params, row, 2, bias) for row in observations]
    matrix = np.array(params).reshape(-1, 2)
    expected = observations @ matrix[:3] + (matrix[3] if bias else 0.0)
    np.testing.assert_allclose(actions, expected, rtol=1e-9, atol=1e-6)


@given(batches, st.integers(0, 1000), st.booleans(), st.sampled_from([0, 1, 5]))
def test_a_discrete_linear_policy_takes_the_highest_score(
    batch: list[list[float]], seed: int, bias: bool, first: int
) -> None:
    family, observations = Linear(discrete(first=first), PolicyConfig(bias=bias)), np.array(batch)
    params = parameters(family, seed)
    scores = [scores_by_hand(params, row, 4, bias) for row in observations]
    assert family.bind(params)(observations).tolist() == [first + row.index(max(row)) for row in scores]


def test_a_tie_goes_to_the_first_action() -> None:
    policy = Linear(discrete(observations=1, actions=3, first=1), PolicyConfig(bias=True)).bind(
        (0.0, 0.0, 0.0, 1.0, 2.0, 2.0)
    )
    assert policy(np.array([[7.0], [0.0]])).tolist() == [2, 2]


def test_the_flat_layout_is_row_major_with_the_bias_last() -> None:
    policy = Linear(continuous(observations=2, actions=2), PolicyConfig(bias=True)).bind((1, 10, 100, 1000, 0.5, 0.25))
    assert policy(np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])).tolist() == [
        [1.5, 10.25],
        [100.5, 1000.25],
        [0.5, 0.25],
    ]


@pytest.mark.parametrize(("bias", "size"), [(True, 16), (False, 12)])
def test_the_number_of_parameters(bias: bool, size: int) -> None:
    assert Linear(discrete(), PolicyConfig(bias=bias)).size == size


def test_the_observations_stay_as_they_are() -> None:
    observations = np.ones((2, 3))
    Linear(continuous(), PolicyConfig(bias=True)).bind((1.0,) * 8)(observations)
    assert (observations == 1).all()


@given(st.data())
def test_an_action_does_not_depend_on_its_batch(data: st.DataObject) -> None:
    spaces = data.draw(st.sampled_from([continuous(9, 2), discrete(9, 3), numbered(9)]))
    family = make_policy("tabular" if spaces.discrete_observation else "linear", spaces)
    rng = np.random.default_rng(data.draw(st.integers(0, 10_000)))
    policy = clipped(family.bind(family.sample(rng)), spaces)
    count = data.draw(st.integers(1, 40))
    states = rng.integers(0, 9, count) if spaces.discrete_observation else rng.normal(0, 10, (count, 9))
    whole = act(policy, states)
    chosen = data.draw(st.lists(st.integers(0, count - 1), min_size=1, max_size=50))
    assert act(policy, states[chosen]).tobytes() == whole[chosen].tobytes()
    for index in chosen:
        assert act(policy, states[[index]]).tobytes() == whole[[index]].tobytes()


@given(st.lists(st.integers(1, 3), min_size=11, max_size=11), st.lists(st.integers(0, 10), max_size=20))
def test_a_table_is_looked_up(table: list[int], states: list[int]) -> None:
    policy = Tabular(numbered(11, 3, first=1)).bind(tuple(table))
    assert policy(np.array(states, np.int64)).tolist() == [table[state] for state in states]


# ---- Warm-up ----


@pytest.mark.parametrize(("bias", "observations"), [(True, 99), (False, 100)])
def test_linear_warm_up_is_normal_with_one_decimal_and_not_clipped(bias: bool, observations: int) -> None:
    family = Linear(discrete(observations=observations, actions=100), PolicyConfig(bias=bias))
    params = np.array(family.sample(np.random.default_rng(3)))
    assert params.shape == (10_000,)
    assert abs(params.mean()) < 0.1
    assert abs(params.std() - 3.0) < 0.07
    assert (params == np.round(params, 1)).all()
    assert params.max() > 6
    assert params.min() < -6
    # Normal, not just of this width: 68.3 % within one standard deviation, 4.6 % beyond two.
    assert abs((np.abs(params) < 3.0).mean() - 0.673) < 0.03
    assert abs((np.abs(params) > 6.0).mean() - 0.046) < 0.01


def test_tabular_warm_up_draws_every_legal_action_alike() -> None:
    family = Tabular(numbered(120, 3, first=1))
    rng = np.random.default_rng(4)
    entries = [entry for _ in range(100) for entry in family.sample(rng)]
    assert all(type(entry) is int for entry in entries)
    counts = [entries.count(action) for action in (1, 2, 3)]
    assert sum(counts) == 12_000
    assert all(abs(count - 4000) < 250 for count in counts)


@pytest.mark.parametrize(
    "family", [Linear(discrete(), PolicyConfig(bias=True)), Tabular(numbered())], ids=["linear", "tabular"]
)
def test_warm_up_comes_from_its_generator_alone(family: NumericFamily) -> None:
    np.random.seed(0)  # noqa: NPY002 - it must not matter
    first = family.sample(np.random.default_rng(5))
    np.random.seed(1)  # noqa: NPY002
    assert family.sample(np.random.default_rng(5)) == first
    assert family.sample(np.random.default_rng(6)) != first
    assert "-0.0" not in map(repr, first)


# ---- Bounds ----


def test_actions_are_clipped_to_the_bounds_of_the_environment() -> None:
    spaces = Spaces(False, 1, False, 2, 0, (-3.0, -0.5), (3.0, 0.25), None)
    policy = clipped(Linear(spaces, PolicyConfig(bias=False)).bind((1.0, 1.0)), spaces)
    assert act(policy, np.array([[10.0], [-10.0], [0.125]])).tolist() == [[3.0, 0.25], [-3.0, -0.5], [0.125, 0.125]]


def test_the_actions_of_any_policy_are_clipped() -> None:
    spaces, closed = Spaces(False, 1, False, 1, 0, (-3.0,), (3.0,), None), []

    class Echo(Session):
        def __call__(self, slots: Sequence[int], observations: Matrix, /) -> Matrix:
            scaled: Matrix = observations * np.array(slots)[:, np.newaxis]
            return scaled

        def close(self) -> None:
            closed.append(self)

    class Once(Policy):
        replayable = False

        def begin(self, _seeds: Sequence[int], /) -> Session:
            return Echo()

    policy = clipped(Once(), spaces)
    session = policy.begin([7, 8, 9])
    assert session([0, 2], np.array([[2.0], [-2.0]])).tolist() == [[0.0], [-3.0]]
    session.close()
    assert (len(closed), policy.replayable, clipped(FunctionPolicy(np.sin), spaces).replayable) == (1, False, True)


def test_discrete_actions_are_not_clipped() -> None:
    policy = Tabular(numbered()).bind((0, 1, 2, 0, 1))
    assert clipped(policy, numbered()) is policy


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
def test_parameters_are_clipped_to_what_prompts_ask_for(params: list[float]) -> None:
    result = Linear(discrete(), PolicyConfig(bias=True)).clip(tuple(params))
    assert result == tuple(np.clip(params, -6.0, 6.0).tolist())


def test_tables_are_not_clipped() -> None:
    assert Tabular(numbered(3, 4, first=7)).clip((7, 10, 8)) == (7, 10, 8)


def test_a_solution_is_what_its_record_says() -> None:
    table, program = Tabular(numbered(3, 4)), Program("left")
    assert table.load({"stage": "proposal", **table.record((0, 3, 1))}) == (0, 3, 1)
    assert ProgramFamily.load(None, ProgramFamily.record(None, program)) == program  # type: ignore[arg-type]
    with pytest.raises(InputError, match="damaged log: params of a policy is missing"):
        table.load({"source": "left"})


def test_what_prompts_ask_for() -> None:
    assert Linear(discrete(), PolicyConfig(bias=True)).values == Range(-6.0, 6.0, 1)
    assert Tabular(numbered(5, 3, first=1)).values == Choices((1, 2, 3))


# ---- What does not fit ----


def test_a_table_of_120_states_is_the_largest() -> None:
    assert Tabular(numbered(120)).size == 120
    with pytest.raises(InputError, match=r"at most 120 states; this environment has 121"):
        Tabular(numbered(121))


@pytest.mark.parametrize(
    ("name", "spaces", "hint"),
    [
        ("linear", numbered(), "'tabular'"),
        ("tabular", discrete(), "'linear'"),
        ("tabular", continuous(), "'linear'"),
        ("tabular", Spaces(True, 5, False, 1, 0, (-1.0,), (1.0,), None), "discrete actions"),
    ],
)
def test_a_family_that_does_not_fit_the_environment(name: str, spaces: Spaces, hint: str) -> None:
    with pytest.raises(InputError) as caught:
        make_policy(name, spaces)
    assert hint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_family() -> None:
    with pytest.raises(InputError, match=r"unknown policy 'liner' \(did you mean 'linear'\?\)"):
        make_policy("liner", discrete())
