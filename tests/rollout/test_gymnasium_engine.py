"""The engine against a plain Gymnasium loop in a fresh environment per episode, bit by bit, in all ten environments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import reduce
from operator import add
from typing import Any, cast

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces as gymnasium_spaces
from numpy.typing import NDArray

from r2po.experiment.setting import Setting
from r2po.policies import FunctionPolicy, NumericFamily, Policy, Session, clipped
from r2po.rollout import GymnasiumEngine, Rollout, Rollouts, gymnasium_engine
from r2po.tasks import PUBLISHED, TASKS
from r2po.tasks.spaces import Spaces, read_spaces
from tests.builders import act, make_config, make_family

# Long enough for every environment's own end where it is cheap, short enough for the test where it is not.
CAPS = {
    "cartpole": 1000,
    "mountaincar": 1000,
    "mountaincarcontinuous": 150,
    "invertedpendulum": 60,
    "inverteddoublependulum": 40,
    "swimmer": 25,
    "pong": 250,
    "frozenlake": 100,
    "maze": 20,
    "nim": 1000,
}
GOOD = {
    "cartpole": (-0.5, 0.5, -1, 1, -6, 6, -3, 3, 0, 0),
    "mountaincar": (0, 0, 0, -6, 0, 6, 0, 0, 0),
    "mountaincarcontinuous": (0, 100, 0),
    "invertedpendulum": (0, 6, 0.5, 1, 0),
    "pong": (6, -6, 0, 0, 0, 0, -6, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
    "frozenlake": (0, 3, 3, 3, 0, 0, 0, 0, 3, 1, 0, 0, 0, 2, 1, 0),
    "maze": (1, 0, 0, 1, 0, 0, 2, 2, 0),
    "nim": (1, 1, 1, 2, 3, 1, 1, 2, 3, 1, 1),
}


@contextmanager
def engine_for(environment: str, **changes: Any) -> Iterator[tuple[GymnasiumEngine, NumericFamily, Spaces]]:
    task = TASKS[environment]
    spaces = read_spaces(task.gym_id, task.env_kwargs)
    engine = GymnasiumEngine(
        task.gym_id, task.env_kwargs, spaces, **{"max_steps": CAPS.get(environment, 1000), **changes}
    )
    yield engine, make_family(task.policy, spaces), spaces
    engine.close()


def plain_rollout(environment: str, policy: Policy, spaces: Spaces, seed: int, cap: int) -> Rollout:
    """One episode as anyone would write it."""
    task = TASKS[environment]
    env = gymnasium.make(task.gym_id, **task.env_kwargs)
    observation, _ = env.reset(seed=seed)
    observations, actions, rewards, end = [observation], [], [], ""
    while not end:
        batch = np.array([observation], np.int64 if spaces.discrete_observation else np.float64)
        action = act(policy, batch)[0]
        observation, reward, terminated, truncated, _ = env.step(int(action) if spaces.discrete_action else action)
        observations.append(observation)
        actions.append(action)
        rewards.append(float(reward))
        end = "terminated" if terminated else "truncated" if truncated else "cap" if len(rewards) == cap else ""
    env.close()
    return Rollout(seed, np.array(observations), np.array(actions), np.array(rewards), end)  # type: ignore[arg-type]


def same_bits(one: NDArray[Any], other: NDArray[Any]) -> bool:
    """Compare values and signs of zero; float32 observations become float64 without loss."""
    return one.shape == other.shape and one.tobytes() == other.astype(one.dtype).tobytes()


def assert_same(rollouts: Rollouts, expected: list[Rollout]) -> None:
    assert len(rollouts) == len(expected)
    for one, other in zip(rollouts, expected, strict=True):
        assert (one.seed, one.length, one.end) == (other.seed, other.length, other.end)
        assert same_bits(one.observations, other.observations)
        assert same_bits(one.actions, other.actions)
        assert same_bits(one.rewards, other.rewards)
    assert rollouts.returns.tolist() == [reduce(add, rollout.rewards.tolist(), 0.0) for rollout in expected]
    assert rollouts.lengths.tolist() == [len(rollout.rewards) for rollout in expected]


@pytest.mark.filterwarnings("ignore:.*")  # the checker of gymnasium.make speaks up on published policies' actions
@pytest.mark.parametrize("environment", PUBLISHED)
def test_every_episode_equals_one_in_a_fresh_environment(environment: str) -> None:
    cap = CAPS[environment]
    with engine_for(environment) as (engine, family, spaces):
        candidates = [family.sample(np.random.default_rng(seed)) for seed in range(2)]
        candidates += [GOOD[environment]] if environment in GOOD else []
        for number, params in enumerate(candidates):
            policy = clipped(family.bind(params), spaces)
            # The second evaluation has more seeds than the pool has environments.
            seeds = [1000 * number + index for index in range(23 if number == 1 else 20)]
            expected = [plain_rollout(environment, policy, spaces, seed, cap) for seed in seeds]
            assert_same(engine.evaluate(policy, seeds), expected)


@pytest.mark.parametrize("environment", ["mountaincarcontinuous", "swimmer"])
def test_unclipped_actions_reach_the_environment_as_they_are(environment: str) -> None:
    with engine_for(environment, max_steps=5) as (engine, family, spaces):
        policy = family.bind((50.0,) * family.size)
        rollouts = engine.evaluate(policy, [1, 2])
        assert max(abs(rollout.actions).max() for rollout in rollouts) > 10
        assert_same(rollouts, [plain_rollout(environment, policy, spaces, seed, 5) for seed in (1, 2)])


def test_an_evaluation_leaves_no_trace_in_the_next() -> None:
    with engine_for("cartpole", max_steps=30) as (engine, family, _):
        policy, other = family.bind(GOOD["cartpole"]), family.bind((1.0,) * family.size)
        first = engine.evaluate(policy, range(20))
        engine.evaluate(other, range(100, 113))
        assert_same(engine.evaluate(policy, range(20)), list(first))


@pytest.mark.parametrize("environment", ["frozenlake", "maze", "nim"])
def test_state_numbers_are_integers(environment: str) -> None:
    with engine_for(environment) as (engine, family, _):
        rollout = engine.evaluate(family.bind(GOOD[environment]), [0])[0]
    assert rollout.observations.dtype == rollout.actions.dtype == np.int64


def test_observation_vectors_are_float64() -> None:
    with engine_for("cartpole") as (engine, family, _):
        rollout = engine.evaluate(family.bind(GOOD["cartpole"]), [0])[0]
    assert rollout.observations.dtype == np.float64
    assert rollout.actions.dtype == np.int64


def test_environments_are_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    make = gymnasium.make

    def counting(*args: Any, **kwargs: Any) -> Any:
        made.append(args)
        return make(*args, **kwargs)

    with engine_for("nim") as (engine, family, _):
        monkeypatch.setattr(gymnasium, "make", counting)
        policy = family.bind(GOOD["nim"])
        engine.evaluate(policy, [1])
        engine.evaluate(policy, range(20))
        engine.evaluate(policy, range(75))
        engine.evaluate(policy, range(20))
        assert len(made) == 20


@pytest.mark.parametrize("environment", ["cartpole", "maze", "nim"])
def test_how_many_advance_together_makes_no_difference(environment: str) -> None:
    seeds = range(7)
    with engine_for(environment) as (engine, family, _), engine_for(environment, parallel=1) as (alone, _, _):
        policy = family.bind(family.sample(np.random.default_rng(0)))
        assert_same(engine.evaluate(policy, seeds), list(alone.evaluate(policy, seeds)))


# ---- Known answers ----


def test_a_cartpole_that_stands_is_truncated_at_500() -> None:
    with engine_for("cartpole") as (engine, family, _):
        rollouts = engine.evaluate(family.bind(GOOD["cartpole"]), range(5))
    assert {rollout.end for rollout in rollouts} == {"truncated"}
    assert rollouts.lengths.tolist() == [500] * 5
    assert rollouts.mean == 500.0


def test_a_cartpole_that_falls_is_terminated() -> None:
    with engine_for("cartpole") as (engine, family, _):
        rollouts = engine.evaluate(family.bind((0.0,) * 10), range(5))
    assert {rollout.end for rollout in rollouts} == {"terminated"}
    assert rollouts.lengths.max() < 15


def test_a_shorter_cap_is_the_end() -> None:
    with engine_for("cartpole", max_steps=100) as (engine, family, _):
        rollout = engine.evaluate(family.bind(GOOD["cartpole"]), [0])[0]
    assert (rollout.end, rollout.length, rollout.total) == ("cap", 100, 100.0)
    assert len(rollout.observations) == 101


def test_the_shortest_way_through_the_maze() -> None:
    with engine_for("maze") as (engine, family, _):
        rollout = engine.evaluate(family.bind(GOOD["maze"]), [0])[0]
    assert rollout.observations.tolist() == [0, 3, 6, 7, 8]
    assert rollout.actions.tolist() == [1, 1, 2, 2]
    assert rollout.total == pytest.approx(1 - 3 * 0.1 / 9)
    assert rollout.end == "terminated"


def test_nim_is_won_with_the_optimal_table() -> None:
    with engine_for("nim") as (engine, family, _):
        rollouts = engine.evaluate(family.bind(GOOD["nim"]), range(20))
    assert rollouts.returns.tolist() == [1.0] * 20


class Ending(gymnasium.Env[Any, Any]):
    """Ends as it is told: terminated or truncated at given steps; every step is worth 1."""

    def __init__(self, terminated_at: int = 0, truncated_at: int = 0) -> None:
        self.observation_space = self.action_space = gymnasium_spaces.Discrete(2)
        self.at = (terminated_at, truncated_at)
        self.time = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        self.time = 0
        return 0, {}

    def step(self, action: int) -> tuple[int, float, bool, bool, dict[str, Any]]:
        self.time += 1
        return 1, 1.0, self.time == self.at[0], self.time == self.at[1], {}


@pytest.mark.parametrize(
    ("terminated_at", "truncated_at", "cap", "end", "length"),
    [
        (3, 5, 9, "terminated", 3),
        (5, 3, 9, "truncated", 3),
        (5, 9, 3, "cap", 3),
        (4, 4, 9, "terminated", 4),
        (4, 9, 4, "terminated", 4),
        (9, 4, 4, "truncated", 4),
        (4, 4, 4, "terminated", 4),
        (1, 1, 1, "terminated", 1),
    ],
)
def test_which_end_is_reported(terminated_at: int, truncated_at: int, cap: int, end: str, length: int) -> None:
    name = "r2po-tests/Ending-v0"
    if name not in gymnasium.registry:
        gymnasium.register(name, entry_point=f"{__name__}:Ending")
    kwargs = {"terminated_at": terminated_at, "truncated_at": truncated_at}
    engine = GymnasiumEngine(name, kwargs, read_spaces(name, kwargs), max_steps=cap)
    rollout = engine.evaluate(FunctionPolicy(lambda states: states), [0])[0]
    engine.close()
    assert (rollout.end, rollout.length, rollout.total) == (end, length, length)


def test_episodes_of_different_length_are_kept_apart() -> None:
    # Losing tables end Nim after one to three moves, at different times in one batch.
    with engine_for("nim") as (engine, family, spaces):
        policy = family.bind((1, 1, 3, 1, 1, 2, 3, 1, 2, 1, 1))
        rollouts = engine.evaluate(policy, range(20))
        assert len(set(rollouts.lengths.tolist())) > 1
        assert_same(rollouts, [plain_rollout("nim", policy, spaces, seed, 1000) for seed in range(20)])


# ---- Policies with a memory ----


class Counting(Policy):
    """Takes action 0 or 1 by the seed and the step of the episode alone, and fails at a step if told to."""

    def __init__(self, *, replayable: bool, fails_at: int = 0) -> None:
        self.replayable = replayable
        self.fails_at = fails_at
        self.begun: list[list[int]] = []
        self.open = 0

    def begin(self, seeds: Sequence[int], /) -> Session:
        self.begun.append(list(seeds))
        self.open += 1
        return CountingSession(self, seeds)


class CountingSession(Session):
    def __init__(self, policy: Counting, seeds: Sequence[int]) -> None:
        self.policy = policy
        self.seeds = seeds
        self.made = [0] * len(seeds)

    def __call__(self, slots: Sequence[int], observations: NDArray[Any], /) -> NDArray[Any]:
        assert len(slots) == len(observations)
        for slot in slots:
            self.made[slot] += 1
        assert self.policy.fails_at not in self.made, "as told"
        return np.array([(self.seeds[slot] * 7 + self.made[slot] * (self.seeds[slot] + 3)) % 5 % 2 for slot in slots])

    def close(self) -> None:
        self.policy.open -= 1


def test_a_policy_with_a_memory_is_told_which_episodes_it_acts_in() -> None:
    seeds = range(23)
    with engine_for("cartpole") as (engine, _, _), engine_for("cartpole", parallel=1) as (alone, _, _):
        policy, one_by_one = Counting(replayable=True), Counting(replayable=True)
        together = engine.evaluate(policy, seeds)
        assert len(set(together.lengths.tolist())) > 3
        assert_same(together, list(alone.evaluate(one_by_one, seeds)))
    assert policy.begun == [list(range(20)), [20, 21, 22], *[[seed] for seed in seeds]]  # trajectories: made again
    assert (policy.open, one_by_one.open) == (0, 0)


@pytest.mark.parametrize("environment", ["cartpole", "maze"])
def test_a_policy_that_is_not_replayable_is_rolled_out_once(environment: str) -> None:
    with engine_for(environment) as (engine, _, _):
        once, expected = Counting(replayable=False), Counting(replayable=True)
        rollouts = engine.evaluate(once, range(23))
        assert_same(rollouts, list(engine.evaluate(expected, range(23))))
    assert once.begun == [list(range(20)), [20, 21, 22]]


def test_a_session_is_closed_after_an_error() -> None:
    with engine_for("cartpole") as (engine, family, _):
        policy = Counting(replayable=True, fails_at=4)
        with pytest.raises(AssertionError, match="as told"):
            engine.evaluate(policy, range(3))
        assert policy.open == 0
        stands = engine.evaluate(family.bind(GOOD["cartpole"]), range(3))
        assert stands.lengths.tolist() == [500] * 3


class Succeeds(gymnasium.Wrapper[Any, Any, Any, Any]):
    """CartPole that says in its third step that it has succeeded, under any key, if the first action was 1."""

    def __init__(self, env: Any, key: str) -> None:
        super().__init__(env)
        self._key = key or "success"

    def reset(self, **options: Any) -> Any:
        self._actions: list[int] = []
        return self.env.reset(**options)

    def step(self, action: Any) -> Any:
        self._actions.append(int(action))
        observation, reward, terminated, truncated, info = self.env.step(action)
        done = len(self._actions) == 3 and self._actions[0] == 1
        return observation, reward, terminated, truncated, {**info, self._key: np.float64(done)}


@pytest.mark.parametrize("success", ["success", "done", ""])
def test_an_episode_succeeded_that_ever_said_so(success: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gymnasium_engine, "make", lambda gym_id: Succeeds(gymnasium.make(gym_id), success))
    engine = GymnasiumEngine("CartPole-v1", {}, read_spaces("CartPole-v1", {}), max_steps=20, success=success)
    rises = FunctionPolicy(lambda rows: (rows[:, 1] <= 0).astype(np.int64))
    rollouts = engine.evaluate(rises, range(6))
    first = [int(rollout.actions[0] == 1) for rollout in rollouts]
    assert 0 < sum(first) < 6
    assert rollouts.successes == (tuple(map(bool, first)) if success else None)
    assert [rollout.success for rollout in rollouts] == (list(map(bool, first)) if success else [None] * 6)
    engine.close()


class Remembering(gymnasium.Env[Any, Any]):
    """Remembers how many episodes it has played, as no environment should: that is its reward."""

    made = 0

    def __init__(self) -> None:
        self.observation_space = self.action_space = gymnasium_spaces.Discrete(2)
        self.episodes, self.closed = 0, False
        type(self).made += 1

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        assert not self.closed
        self.episodes += 1
        return 0, {}

    def step(self, action: int) -> tuple[int, float, bool, bool, dict[str, Any]]:
        return 1, float(self.episodes), True, False, {}

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize(("reuse", "returns", "made"), [(True, [1, 1, 2, 2, 3], 2), (False, [1, 1, 1, 1, 1], 5)])
def test_without_reuse_each_episode_has_an_environment_of_its_own(
    reuse: bool, returns: list[float], made: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = gymnasium.envs.registration.EnvSpec("Remembering-v0", entry_point=cast("Any", Remembering))
    monkeypatch.setitem(gymnasium.registry, "Remembering-v0", spec)
    spaces = read_spaces("Remembering-v0", {})
    before = Remembering.made
    engine = GymnasiumEngine("Remembering-v0", {}, spaces, max_steps=5, parallel=2, reuse=reuse)
    policy = FunctionPolicy(lambda states: np.zeros(len(states), np.int64))
    assert engine.evaluate(policy, range(5)).returns.tolist() == returns
    assert Remembering.made - before == made
    assert engine.roll_out(policy, 0).total == (4 if reuse else 1)
    engine.close()


def test_a_card_decides_whether_a_run_reuses_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = []
    monkeypatch.setattr(
        "r2po.experiment.setting.select_engine", lambda *_args, **kwargs: chosen.append(kwargs["reuse"])
    )
    for reuse in (True, False):
        monkeypatch.setitem(TASKS._items, "nim", replace(TASKS["nim"], reuse=reuse))
        Setting(make_config("nim", "props"), seed=1).engine  # noqa: B018 - made when first used
    assert chosen == [True, False]
