"""What ``r2po check-task`` finds out about a task: whether its environment can be trusted, and its card with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import zip_longest

import gymnasium
import numpy as np

from r2po.commands.doctor import Finding
from r2po.commands.episodes import Episode, make_environment, play
from r2po.commands.reward_check import reward_difference
from r2po.envs.extras import lacking
from r2po.errors import InputError, R2POError
from r2po.isolation.wall import Isolation
from r2po.seeding import derive_seed
from r2po.tasks import Task
from r2po.tasks.fitting import misfit
from r2po.tasks.spaces import Spaces, read_spaces
from r2po.tasks.task import TODO

SEEDS = 3
SHORT, LONG = 7, 150
"""Steps of the episodes that are compared; environments that keep a state betray themselves within a few."""
ENOUGH_STEPS, MOST_EPISODES = 500, 60
"""How much is looked at where episodes are short."""
PROBE = 1000
"""Steps of the longest episode where neither the card nor the environment has a limit."""


def check_task(task: Task, isolation: Isolation = "auto") -> Iterator[Finding]:
    """Check one thing after the other; what cannot be made at all is the only finding."""
    problem = lacking(task.gym_id) if task.gym_id in gymnasium.registry else ""
    if problem:
        yield Finding("note", "skipped", problem)
        return
    try:
        spaces = read_spaces(task.gym_id, task.env_kwargs, flatten=task.flatten)
    except InputError as error:
        yield Finding("FAILED", "made", str(error))
        return
    try:
        yield from _played(task, spaces, isolation)
    except R2POError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever the code of an environment raises
        reason = " ".join(str(error).split())[:200]
        yield Finding("FAILED", "played", f"an episode of random actions ends with {type(error).__name__}: {reason}")


def _played(task: Task, spaces: Spaces, isolation: Isolation) -> Iterator[Finding]:
    seeds = [derive_seed(0, "check task", task.name, number) for number in range(SEEDS)]
    fresh = [_fresh(task, spaces, seed) for seed in seeds]
    yield _fresh_equals_fresh(task, spaces, seeds, fresh)
    yield _reused_equals_fresh(task, spaces, seeds, fresh)
    yield _seeds_differ(task, fresh)
    longest = _fresh(task, spaces, seeds[0], _cap(task, spaces))  # as long as in a run
    episodes = [*fresh, longest, *_more(task, spaces, [*fresh, longest])]
    yield _finite(episodes, spaces)
    yield _ends(task, spaces, longest)
    yield _rewarded(task, spaces, episodes, isolation)
    yield _described(task, spaces)


def _fresh(task: Task, spaces: Spaces, seed: int, steps: int = LONG) -> Episode:
    with closing(make_environment(task)) as environment:
        return play(task, spaces, environment, seed, steps)


def _more(task: Task, spaces: Spaces, played: Sequence[Episode]) -> Iterator[Episode]:
    """Play on where episodes are short, since the steps that end them are rewarded in a way of their own."""
    steps = sum(len(episode.rewards) for episode in played)
    with closing(make_environment(task)) as environment:
        for number in range(SEEDS, MOST_EPISODES):
            if steps >= ENOUGH_STEPS:
                return
            episode = play(task, spaces, environment, derive_seed(0, "check task", task.name, number), LONG)
            steps += len(episode.rewards)
            yield episode


def _cap(task: Task, spaces: Spaces) -> int:
    """Return the steps after which a run would cut an episode; so many as are looked at if nothing would."""
    return next((each for each in (task.max_traj_length, spaces.episode_limit) if each is not None), PROBE)


def _fresh_equals_fresh(task: Task, spaces: Spaces, seeds: Sequence[int], fresh: Sequence[Episode]) -> Finding:
    for seed, episode in zip(seeds, fresh, strict=True):
        if place := _difference(episode, _fresh(task, spaces, seed)):
            text = f"two new environments with the same seed and actions differ {place}"
            return Finding("FAILED", "seed", f"{text}; no entry mends it: reset(seed=...) must decide all chance")
    return Finding("ok", "seed", "new environments with the same seed and actions give the same episodes, bit for bit")


def _reused_equals_fresh(task: Task, spaces: Spaces, seeds: Sequence[int], fresh: Sequence[Episode]) -> Finding:
    """Compare after an episode that was cut short, and after one that was longer."""
    place = ""
    with closing(make_environment(task)) as environment:
        for number, (seed, expected) in enumerate(zip(seeds, fresh, strict=True)):
            play(task, spaces, environment, seed + 1, SHORT if number % 2 == 0 else LONG + SHORT)
            place = place or _difference(expected, play(task, spaces, environment, seed, LONG))
    if not place:
        needless = "" if task.reuse else "; the card says reuse: false, for which nothing was found here"
        return Finding("ok", "reuse", f"an environment that was used before equals a new one, bit for bit{needless}")
    if task.reuse:
        text = f"an environment that was used before differs from a new one {place}; the card must say reuse: false"
        return Finding("FAILED", "reuse", text)
    return Finding("ok", "reuse", "an environment that was used before is another one, and by the card none is reused")


def _seeds_differ(task: Task, fresh: Sequence[Episode]) -> Finding:
    starts = {episode.observations[0].tobytes() for episode in fresh}
    if task.fixed_start:
        if len(starts) > 1:
            return Finding("FAILED", "start", "the first observation differs with the seed; fixed_start: true must go")
        return Finding("ok", "start", "episodes start with the same observation, as the card says")
    if len(starts) < len(fresh):
        return Finding(
            "FAILED", "start", "other seeds start with the same observation; the card must say fixed_start: true"
        )
    return Finding("ok", "start", "other seeds start with other observations")


def _finite(episodes: Sequence[Episode], spaces: Spaces) -> Finding:
    for episode in episodes:
        observations = episode.observations
        if spaces.discrete_observation:
            wrong = not ((observations >= 0) & (observations < spaces.observation_size)).all()
            if wrong:
                return Finding("FAILED", "numbers", f"a state is not among 0 to {spaces.observation_size - 1}")
        elif observations.shape[1:] != (spaces.observation_size,) or not np.isfinite(observations).all():
            return Finding("FAILED", "numbers", f"an observation is not {spaces.observation_size} finite numbers")
        if not np.isfinite(episode.rewards).all():
            return Finding("FAILED", "numbers", "a reward is not finite")
        if not all(np.isfinite(list(record.values())).all() for record in episode.hidden):
            return Finding("FAILED", "numbers", "a hidden field is not finite")
    steps = sum(len(episode.rewards) for episode in episodes)
    return Finding(
        "ok", "numbers", f"all observations and rewards of {steps} steps are finite numbers of the right shape"
    )


def _ends(task: Task, spaces: Spaces, longest: Episode) -> Finding:
    steps, limit, cap = len(longest.rewards), spaces.episode_limit, _cap(task, spaces)
    if task.max_traj_length is None and limit is None:
        went = "ended" if longest.over else "went on"
        text = f"it has no limit, and an episode {went} after {steps} steps; the card must say max_traj_length"
        return Finding("FAILED", "end", text)
    if longest.over:
        return Finding("ok", "end", f"an episode ended after {steps} steps")
    if steps < 1:
        return Finding("FAILED", "end", f"max_traj_length is {cap}, so that no step is ever made; it must be 1 or more")
    if limit is not None and limit <= cap:
        return Finding(
            "FAILED", "end", f"an episode went on after {steps} steps, beyond the environment's limit {limit}"
        )
    own = "has no limit of its own" if limit is None else f"has a limit of {limit} steps"
    return Finding("ok", "end", f"the environment {own}; max_traj_length ends an episode after {cap} steps")


def _rewarded(task: Task, spaces: Spaces, episodes: Sequence[Episode], isolation: Isolation) -> Finding:
    if not task.reward_source:
        return Finding("note", "reward", "the card has no reward_source")
    try:
        difference = reward_difference(task, spaces, episodes, isolation)
    except R2POError as error:
        return Finding("FAILED", "reward", f"the card's reward_source could not be run: {error}")
    if difference:
        return Finding("FAILED", "reward", f"{difference}; reward_source or reward_tolerance must change")
    steps = sum(len(episode.rewards) for episode in episodes)
    close = f"within {task.reward_tolerance:g}" if task.reward_tolerance else "bit for bit"
    return Finding(
        "ok", "reward", f"the card's reward_source gives the environment's rewards of {steps} steps, {close}"
    )


def _described(task: Task, spaces: Spaces) -> Finding:
    if not task.is_described:
        return Finding("note", "card", "it describes nothing: for methods whose prompts tell nothing of the task")
    if problem := misfit(task, spaces):
        return Finding("FAILED", "card", problem)
    if task.unfinished:
        return Finding("note", "card", f"{TODO} in {', '.join(task.unfinished)}: for methods that tell nothing of it")
    return Finding("ok", "card", "it lists as many observations and actions as the environment has")


def _difference(one: Episode, other: Episode) -> str:
    """Return where two episodes part, in words; "" if they are equal to the last bit."""
    if one.observations[0].tobytes() != other.observations[0].tobytes():
        return "at the start"
    for step, (mine, its) in enumerate(zip_longest(one.steps(), other.steps()), start=1):
        if mine != its:
            return f"from step {step} on"
    return ""
