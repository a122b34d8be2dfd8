"""The MuJoCo engine against plain Gymnasium: the same bits, for random and good policies, and at the edges."""

from __future__ import annotations

import inspect
import math
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from r2po.envs.making import creator_of
from r2po.policies import FunctionPolicy, Policy, clipped, make_policy
from r2po.policies.forms import NetworkPolicy, make_network
from r2po.rollout import GymnasiumEngine, Rollout
from r2po.rollout.mujoco.arguments import refused_arguments
from r2po.rollout.mujoco.engine import MujocoEngine, refusal
from r2po.tasks.spaces import Spaces, read_spaces

pytest.importorskip("numba")

from r2po.rollout.mujoco.evaluation import Evaluation

PENDULUM, DOUBLE, SWIMMER = "InvertedPendulum-v5", "InvertedDoublePendulum-v5", "Swimmer-v5"
CHEETAH, HOPPER, WALKER, ANT = "HalfCheetah-v5", "Hopper-v5", "Walker2d-v5", "Ant-v5"
REACHER, PUSHER, HUMANOID, STANDUP = "Reacher-v5", "Pusher-v5", "Humanoid-v5", "HumanoidStandup-v5"
ENVIRONMENTS = (PENDULUM, DOUBLE, SWIMMER, CHEETAH, HOPPER, WALKER, ANT, REACHER, PUSHER, HUMANOID, STANDUP)

# They balance for 1000 steps; the swimmer returns about 180.
GOOD: Mapping[str, tuple[float, ...]] = {
    PENDULUM: (0.4, 4.5, 0.5, 2.0, -0.2),
    DOUBLE: (-0.1, -0.8, -3.8, 0.0, 0.0, -0.2, -0.5, -0.5, 0.0, 0.0),
    SWIMMER: (0.5, -1.9, -2.3, 0.7, -0.3, -0.6, 3.6, -1.8, 2.2, 0.1, -5.0, -1.4, -0.4, 5.7, -1.2, -1.7, -3.7, -1.1),
}
FAMILIES = (
    *((gym_id, "linear") for gym_id in ENVIRONMENTS),
    (SWIMMER, "random_features"),
    (SWIMMER, "projected_mlp"),
)


class Pair:
    """The engine and its reference, for one environment."""

    def __init__(self, gym_id: str, arguments: Mapping[str, Any], max_steps: int, threads: int | None) -> None:
        self.gym_id = gym_id
        self.spaces = read_spaces(gym_id, arguments)
        self.engine = MujocoEngine(gym_id, arguments, self.spaces, max_steps=max_steps, threads=threads)
        self.reference = GymnasiumEngine(gym_id, arguments, self.spaces, max_steps=max_steps)

    @property
    def good(self) -> Policy:
        """A good policy, or one that does little."""
        params = GOOD.get(self.gym_id, np.random.default_rng(9).normal(0.0, 0.01, self.size).tolist())
        return self.linear(params)

    def same_everywhere(self, value: float) -> Policy:
        """The policy whose parameters all have this value."""
        return self.linear((value,) * self.size)

    @property
    def size(self) -> int:
        return (self.spaces.observation_size + 1) * self.spaces.action_size

    def linear(self, params: Sequence[float] | NDArray[np.float64]) -> Policy:
        return make_policy("linear", self.spaces).bind(tuple(params))

    def compare(self, policy: Policy, seeds: Sequence[int], trajectories: int = 1) -> None:
        """Compare the outcomes of all episodes and the trajectories of the first ones, bit by bit."""
        ours, expected = self.engine.evaluate(policy, seeds), self.reference.evaluate(policy, seeds)
        assert ours.seeds == expected.seeds
        assert ours.returns.tobytes() == expected.returns.tobytes()
        assert ours.lengths.tolist() == expected.lengths.tolist()
        assert ours.ends == expected.ends
        for index in range(trajectories):
            assert same(ours[index], expected[index])


def same(one: Rollout, other: Rollout) -> bool:
    return (one.seed, one.end) == (other.seed, other.end) and all(
        getattr(one, name).shape == getattr(other, name).shape
        and getattr(one, name).tobytes() == getattr(other, name).tobytes()
        for name in ("observations", "actions", "rewards")
    )


def make_pair(gym_id: str, max_steps: int = 1000, threads: int | None = 1, **arguments: Any) -> Pair:
    return Pair(gym_id, arguments, max_steps, threads)


@pytest.fixture(params=ENVIRONMENTS)
def gym_id(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def random_policies(family_name: str, spaces: Spaces, count: int, seed: int) -> Iterator[tuple[Policy, list[int]]]:
    """Policies as a warm-up draws them, every other one clipped, each with seeds of two episodes."""
    family = make_policy(family_name, spaces)
    rng = np.random.default_rng(seed)
    for number in range(count):
        policy = family.bind(family.sample(rng))
        yield clipped(policy, spaces) if number % 2 else policy, rng.integers(0, 2**63, 2).tolist()


@pytest.mark.parametrize(("gym_id", "family"), FAMILIES)
def test_random_policies(gym_id: str, family: str) -> None:
    pair = make_pair(gym_id, max_steps=100 if gym_id in GOOD else 25)
    count = 60 if gym_id in (PENDULUM, DOUBLE) else 6 if gym_id == SWIMMER else 3
    for policy, seeds in random_policies(family, pair.spaces, count, seed=1):
        pair.compare(policy, seeds, trajectories=2)


@pytest.mark.slow
@pytest.mark.parametrize(("gym_id", "family"), FAMILIES)
def test_thousands_of_random_policies(gym_id: str, family: str) -> None:
    pair = make_pair(gym_id, max_steps=1000 if gym_id in (PENDULUM, DOUBLE) else 50)
    count = 5000 if gym_id in (PENDULUM, DOUBLE) else 2000 if gym_id == SWIMMER else 300
    for policy, seeds in random_policies(family, pair.spaces, count, seed=2):
        pair.compare(policy, seeds, trajectories=1)


@pytest.mark.parametrize("gym_id", GOOD)
def test_good_policies(gym_id: str) -> None:
    pair = make_pair(gym_id)
    pair.compare(pair.good, [5], trajectories=1)
    assert pair.engine.evaluate(pair.good, [5]).ends == ("truncated",)


@pytest.mark.slow
@pytest.mark.parametrize("gym_id", GOOD)
def test_policies_around_good_ones(gym_id: str) -> None:
    pair = make_pair(gym_id)
    rng = np.random.default_rng(3)
    for number in range(20 if gym_id == SWIMMER else 200):
        noise = rng.normal(0.0, 0.2 * number / 200, len(GOOD[gym_id]))
        pair.compare(pair.linear(np.array(GOOD[gym_id]) + noise), rng.integers(0, 2**63, 2).tolist())


@pytest.mark.parametrize(
    ("max_steps", "limit", "end"), [(7, 1000, "cap"), (1, 1000, "cap"), (30, 7, "truncated"), (7, 7, "truncated")]
)
def test_limits(gym_id: str, max_steps: int, limit: int, end: str) -> None:
    pair = make_pair(gym_id, max_steps=max_steps, max_episode_steps=limit)
    policy = pair.good
    pair.compare(policy, [1, 2])
    assert pair.engine.evaluate(policy, [1]).ends == (end,)


def test_the_environments_own_end_comes_before_its_limit_and_the_cap() -> None:
    policy = (0.0,) * 5
    length = int(make_pair(PENDULUM).engine.evaluate(make_pair(PENDULUM).linear(policy), [3]).lengths[0])
    pair = make_pair(PENDULUM, max_steps=length, max_episode_steps=length)
    pair.compare(pair.linear(policy), [3])
    assert pair.engine.evaluate(pair.linear(policy), [3]).ends == ("terminated",)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e300, 1e10, -1e10, 0.0, -0.0])
def test_impossible_actions(gym_id: str, value: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pair = make_pair(gym_id, max_steps=30 if gym_id in GOOD else 5)
    shape = (pair.spaces.observation_size, pair.spaces.action_size)
    policy = NetworkPolicy(make_network(np.full(shape, value), np.full(shape[1], value)), None)
    with np.errstate(all="ignore"):
        pair.compare(policy, [1, 2], trajectories=2)
        pair.compare(clipped(policy, pair.spaces), [1, 2], trajectories=2)
    assert not list(tmp_path.iterdir()), "MuJoCo wrote its log"


def test_episodes_do_not_depend_on_those_before_them(gym_id: str) -> None:
    pair = make_pair(gym_id, max_steps=40)
    good, bad = pair.good, pair.same_everywhere(math.nan)
    before = pair.engine.roll_out(good, 8)
    pair.engine.evaluate(bad, [1, 2, 3])
    assert same(pair.engine.roll_out(good, 8), before)


@pytest.mark.parametrize("threads", [2, 3])
def test_any_number_of_threads(gym_id: str, threads: int) -> None:
    seeds = np.random.default_rng(4).integers(0, 2**63, 130 if gym_id in GOOD else 12).tolist()
    one, several = make_pair(gym_id, max_steps=20), make_pair(gym_id, max_steps=20, threads=threads)
    for policy in (one.good, one.same_everywhere(math.nan)):
        expected, outcomes = one.engine.evaluate(policy, seeds), several.engine.evaluate(policy, seeds)
        assert outcomes.returns.tobytes() == expected.returns.tobytes()
        assert outcomes.lengths.tolist() == expected.lengths.tolist()
        assert outcomes.ends == expected.ends
        assert same(outcomes[-1], expected[-1])


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The simulations that take part in what follows the first steps of an evaluation."""
    taking_part: list[object] = []
    finish = Evaluation.finish

    def noted(*arguments: Any) -> None:
        taking_part.append(arguments[1])
        finish(*arguments)

    monkeypatch.setattr(Evaluation, "finish", noted)
    return taking_part


@pytest.mark.parametrize(
    ("threads", "max_steps", "expected"), [(3, 300, 3), (9, 300, 4), (9, 100, 2), (1, 300, 1), (3, 20, 0)]
)
def test_others_help_as_long_as_there_are_episodes_for_them(
    threads: int, max_steps: int, expected: int, workers: list[object]
) -> None:
    pair = make_pair(SWIMMER, max_steps, threads)
    pair.engine.evaluate(pair.good, [1, 2, 3, 4])
    assert len(workers) == len(set(map(id, workers))) == expected


@pytest.mark.parametrize(("share", "expected"), [(None, 4), (3, 3), (1, 1), (9, 4)])
def test_an_evaluation_uses_no_more_cores_than_its_share(
    share: int | None, expected: int, workers: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("r2po.cores.available", lambda: 4)
    monkeypatch.setattr("r2po.cores._most", share)
    pair = make_pair(SWIMMER, 60, threads=None)
    pair.engine.evaluate(pair.good, range(20))
    assert len(workers) == expected


def test_an_interruption_is_noticed_within_an_episode(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C arrives while both threads are in the middle of an episode of a hundred thousand steps."""
    pair = make_pair(SWIMMER, max_steps=100_000, threads=2, max_episode_steps=100_000)
    work, calls = Evaluation.work, []

    def interrupted(*arguments: Any) -> bool:
        calls.append(threading.current_thread())
        if len(calls) > 6 and threading.current_thread() is threading.main_thread():
            raise KeyboardInterrupt
        return work(*arguments)

    monkeypatch.setattr(Evaluation, "work", interrupted)
    with pytest.raises(KeyboardInterrupt):
        pair.engine.evaluate(pair.good, [1, 2, 3])
    assert len(set(calls)) == 2
    assert len(calls) < 50, "the other thread went on"
    monkeypatch.setattr(Evaluation, "work", work)
    short = make_pair(SWIMMER, max_steps=30, threads=2)
    short.compare(short.good, [1, 2, 3])


def test_no_episodes(gym_id: str) -> None:
    pair = make_pair(gym_id, threads=2)
    assert len(pair.engine.evaluate(pair.good, [])) == 0


def test_a_closed_engine_starts_anew(gym_id: str) -> None:
    pair = make_pair(gym_id, max_steps=20)
    policy = pair.good
    before = pair.engine.evaluate(policy, [1, 2]).returns
    pair.engine.close()
    pair.engine.close()
    assert pair.engine.evaluate(policy, [1, 2]).returns.tobytes() == before.tobytes()


@pytest.mark.parametrize(
    ("gym_id", "arguments"),
    [
        (PENDULUM, {"reset_noise_scale": 0.15}),
        (PENDULUM, {"reset_noise_scale": 0, "frame_skip": 5}),
        (DOUBLE, {"healthy_reward": 3, "reset_noise_scale": 0.01}),
        (DOUBLE, {"frame_skip": 1, "width": 100, "render_mode": None}),
        (SWIMMER, {"forward_reward_weight": 2, "ctrl_cost_weight": 0.3, "reset_noise_scale": 1.0}),
        (SWIMMER, {"exclude_current_positions_from_observation": False, "frame_skip": 2}),
    ],
)
def test_arguments_of_environments(gym_id: str, arguments: dict[str, Any]) -> None:
    assert refusal(gym_id, arguments) == ""
    pair = make_pair(gym_id, max_steps=60, **arguments)
    for policy, seeds in random_policies("linear", pair.spaces, 4, seed=5):
        pair.compare(policy, seeds, trajectories=2)


def arguments_of(gym_id: str) -> st.SearchStrategy[dict[str, Any]]:
    """Draw some of the arguments of an environment, with values of each kind that the engine supports."""
    weights = st.sampled_from((0, -0.0, 1, 2.5, -3)) | st.floats(-10.0, 10.0)
    bounds = st.floats(-5.0, 5.0) | st.sampled_from((-math.inf, math.inf, 1))
    creator: Any = creator_of(gym_id)
    drawn: dict[str, st.SearchStrategy[Any]] = {"frame_skip": st.integers(1, 3)}
    for name in inspect.signature(creator).parameters:
        if name == "reset_noise_scale":
            drawn[name] = st.floats(0.0, 0.2)
        elif name == "main_body":
            drawn[name] = st.sampled_from((1, 3, "torso"))
        elif name.endswith(("_weight", "_reward")):
            drawn[name] = weights
        elif name.endswith("_range"):
            drawn[name] = st.lists(bounds, min_size=2, max_size=2).map(lambda pair: sorted(map(float, pair)))
        elif name.startswith(("exclude_", "include_", "terminate_")):
            drawn[name] = st.booleans()
    return st.fixed_dictionaries({}, optional=drawn)


def check_any(data: st.DataObject) -> None:
    gym_id = data.draw(st.sampled_from(ENVIRONMENTS), label="environment")
    arguments = data.draw(arguments_of(gym_id), label="arguments")
    assert refused_arguments(gym_id, arguments) == ""
    pair = make_pair(gym_id, max_steps=data.draw(st.integers(1, 25)), threads=2, **arguments)
    seed = data.draw(st.integers(0, 2**63 - 1), label="seed")
    # Up to a thousand times what actuators can do.
    scale = 10.0 ** data.draw(st.integers(-3, 3), label="scale")
    rng, shape = np.random.default_rng(seed), (pair.spaces.observation_size, pair.spaces.action_size)
    policy = NetworkPolicy(make_network(rng.normal(0, scale, shape), rng.normal(0, scale, shape[1])), None)
    with np.errstate(all="ignore"):
        pair.compare(policy, [seed, seed + 1], trajectories=2)
        pair.compare(clipped(policy, pair.spaces), [seed], trajectories=1)


@given(st.data())
@settings(max_examples=25, deadline=None)
def test_any_arguments_and_actions(data: st.DataObject) -> None:
    check_any(data)


@pytest.mark.slow
@given(st.data())
@settings(max_examples=2000, deadline=None)
def test_many_arguments_and_actions(data: st.DataObject) -> None:
    check_any(data)


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1, 2**32, 2**63, 2**64 - 1])
def test_seeds_at_the_edges(gym_id: str, seed: int) -> None:
    pair = make_pair(gym_id, max_steps=3)
    pair.compare(pair.good, [seed])


def test_initial_states_of_many_seeds() -> None:
    """The tail of the normal distribution is drawn once in 4000 numbers."""
    for gym_id, count in ((DOUBLE, 2500), (REACHER, 300), (PUSHER, 300), (CHEETAH, 100)):
        pair = make_pair(gym_id, max_steps=1)
        pair.compare(pair.good, np.random.default_rng(6).integers(0, 2**63, count).tolist())


@pytest.mark.parametrize(
    ("gym_id", "arguments", "reason"),
    [
        ("CartPole-v1", {}, "CartPole-v1 is not one of the MuJoCo environments that it supports"),
        ("InvertedPendulum-v4", {}, "InvertedPendulum-v4 is not one of"),
        (PENDULUM, {"xml_file": "/other.xml"}, "xml_file: '/other.xml'"),
        (PENDULUM, {"healthy_reward": 1.0}, "healthy_reward"),
        (PENDULUM, {"reset_noise_scale": -0.1}, "reset_noise_scale: -0.1"),
        (PENDULUM, {"reset_noise_scale": math.nan}, "reset_noise_scale: nan"),
        (PENDULUM, {"render_mode": "human"}, "render_mode: 'human'"),
        (DOUBLE, {"healthy_reward": "10"}, "healthy_reward: '10'"),
        (SWIMMER, {"frame_skip": 0}, "frame_skip: 0"),
        (HOPPER, {"healthy_z_range": [0.7]}, "healthy_z_range: [0.7]"),
        (WALKER, {"healthy_angle_range": [-1.0, math.nan]}, "healthy_angle_range: [-1.0, nan]"),
        (WALKER, {"xml_file": "walker2d.xml"}, "xml_file: 'walker2d.xml'"),
        (ANT, {"main_body": True}, "main_body: True"),
        (HUMANOID, {"include_cvel_in_observation": 1}, "include_cvel_in_observation: 1"),
        (REACHER, {"reset_noise_scale": 0.1}, "reset_noise_scale: 0.1"),
        (SWIMMER, {"max_episode_steps": -1}, "max_episode_steps: -1"),
    ],
)
def test_refusals(gym_id: str, arguments: dict[str, Any], reason: str) -> None:
    assert reason in refusal(gym_id, arguments)


def test_refusal_of_a_registration_with_wrappers() -> None:
    wrapped = gymnasium.make(PENDULUM)
    spec = gymnasium.wrappers.ClipReward(wrapped, 0.0, 0.5).spec
    assert spec is not None
    gymnasium.registry["WrappedPendulum-v0"] = spec
    try:
        assert "wrappers" in refusal("WrappedPendulum-v0", {})
    finally:
        del gymnasium.registry["WrappedPendulum-v0"]
        wrapped.close()


def test_refusal_without_numba(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    assert "numba is not installed" in refusal(PENDULUM, {})


def test_refusal_where_results_would_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "gymnasium.envs.mujoco.inverted_pendulum_v5.InvertedPendulumEnv._get_obs",
        lambda self: np.nextafter(np.concatenate([self.data.qpos, self.data.qvel]), 1.0),
    )
    assert "differs from that of Gymnasium" in refusal(PENDULUM, {})


def test_policies_that_it_runs(gym_id: str) -> None:
    pair = make_pair(gym_id)
    inputs, outputs = pair.spaces.observation_size, pair.spaces.action_size
    assert pair.engine.runs(pair.good)
    assert not pair.engine.runs(FunctionPolicy(lambda observations: observations[:, :outputs]))
    assert not pair.engine.runs(NetworkPolicy(make_network(np.ones((inputs, outputs)), None), 0))
    assert not pair.engine.runs(NetworkPolicy(make_network(np.ones((inputs + 1, outputs)), None), None))
    assert not pair.engine.runs(NetworkPolicy(make_network(np.ones((inputs, outputs)), np.ones(outputs + 1)), None))


def test_numba_is_imported_only_where_it_is_needed() -> None:
    code = "import sys, r2po.rollout.mujoco.engine as m; m.refusal('CartPole-v1', {}); print('numba' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
