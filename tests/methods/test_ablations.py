"""The ablations and R2PO's other thresholds: what is asked and evaluated, in which order, and what is remembered."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from r2po.config import load_config
from r2po.experiment.loop import Experiment
from r2po.llm.client import Client
from r2po.llm.types import Question, Received, T
from r2po.methods import METHODS, Step
from r2po.policies import Solution
from r2po.rollout import Rollout, Rollouts
from r2po.runlog import RunDirectory
from r2po.runlog.events import Call, read_calls
from r2po.trial import Trial
from tests.builders import CONFIGS, PROMPTED, answer, make_config, make_rollouts, numbers, open_client, open_experiment
from tests.methods.one_iteration import BRIEF, PROPOSAL, REVISION, Evaluations, iterate
from tests.scripted import Scripted

# In the 3x3 maze: the way to the goal in four steps; and tables that run against a wall until the cap of 20 steps.
BEST = [1, 0, 0, 1, 0, 0, 2, 2, 0]
WORST = [0] * 9
WORST_TOO = [0] * 8 + [1]
GOOD, BAD = 1 - 3 * 0.1 / 9, -20 * 0.1 / 9

# FrozenLake: slippery, so that the returns of a table differ.
LAKE = [0, 3, 3, 3, 0, 0, 0, 0, 3, 1, 0, 0, 0, 2, 1, 0]

CHOOSING = ["r2po", "reptraj", "three_traj", "pure_search", "actor_second_pass"]
"""Methods that keep the better of two."""


# ---- One iteration ----


@dataclass
class Trace:
    """Asks, and evaluates, and remembers both in their order."""

    client: Client
    returns: list[Sequence[float]]
    events: list[tuple[Any, ...]] = field(default_factory=list)

    def ask(self, question: Question, read: Callable[[str], T]) -> Received[T]:
        self.events.append(("ask", question.role, question.sample))
        return self.client.ask(question, read)

    def roll_out(self, params: Solution, candidate: int) -> Rollouts:
        self.events.append(("evaluate", params, candidate))
        return make_rollouts(self.returns.pop(0))


SEARCH, CRITIC = ("ask", "search", 0), ("ask", "critic", 0)
FIRST, SECOND = ("evaluate", PROPOSAL, 0), ("evaluate", REVISION, 1)
TRACES: dict[str, tuple[list[tuple[Any, ...]], list[str]]] = {
    "props": ([SEARCH, FIRST], ["proposal"]),
    "propsp": ([SEARCH, FIRST], ["proposal"]),
    "critic_only": ([CRITIC, FIRST], ["proposal"]),
    "r2po": ([SEARCH, FIRST, CRITIC, SECOND], ["proposal", "revision"]),
    "reptraj": ([SEARCH, FIRST, CRITIC, SECOND], ["proposal", "revision"]),
    "three_traj": ([SEARCH, FIRST, CRITIC, SECOND], ["proposal", "revision"]),
    "always_critic": ([SEARCH, FIRST, CRITIC, SECOND], ["proposal", "revision"]),
    "pure_search": ([SEARCH, ("ask", "search", 1), FIRST, SECOND], ["proposal_a", "proposal_b"]),
    "actor_second_pass": ([SEARCH, FIRST, SEARCH, SECOND], ["first_pass", "second_pass"]),
}


@pytest.mark.parametrize("method", PROMPTED)
def test_asks_and_evaluations_in_their_order(method: str, tmp_path: Path) -> None:
    events, stages = TRACES[method]
    provider = Scripted([answer(PROPOSAL), answer(REVISION)][: len(stages)])
    with open_client(provider, tmp_path) as client:
        trace = Trace(client, [[0.25, 0.5], [0.0, 0.5]])
        step = Step(BRIEF, [], 4, trace, trace.roll_out, clip=False)
        accepted = METHODS[method].iterate(step)
    assert trace.events == events
    assert [candidate.stage for candidate in step.candidates] == stages
    assert [candidate.solution for candidate in step.candidates] == [PROPOSAL, REVISION][: len(stages)]
    assert any(accepted is candidate for candidate in step.candidates)
    assert METHODS[method].calls_per_iteration({}) == len(stages)
    provider.assert_played_out()


@pytest.mark.parametrize("method", [*CHOOSING, "always_critic"])
@pytest.mark.parametrize(
    ("first", "second", "better"),
    [
        ([0.5, 0.75], [0.0, 0.5], 0),
        ([0.0, 0.5], [0.5, 0.75], 1),
        ([0.25, 0.75], [0.75, 0.25], 1),  # a tie
        ([9.0, -9.0], [0.125, 0.0], 1),  # the mean decides, not the best rollout
    ],
)
def test_what_is_kept(method: str, first: list[float], second: list[float], better: int, tmp_path: Path) -> None:
    provider, evaluations = Scripted([answer(PROPOSAL), answer(REVISION)]), Evaluations(first, second)
    accepted, step = iterate(method, provider, evaluations, tmp_path)
    assert accepted is step.candidates[1 if method == "always_critic" else better]


FIVE_RETURNS = [0.0, 1.0, 2.0, 9.0, 30.0]  # mean 8.4: rollout 3; median 2: rollout 2


@pytest.mark.parametrize(
    ("method", "shown"),
    [
        ("r2po", {2}),
        ("reptraj", {3}),
        ("always_critic", {3}),
        ("three_traj", {0, 2, 4}),
        ("pure_search", set()),
        ("actor_second_pass", set()),
    ],
)
def test_the_rollouts_that_a_prompt_shows_are_remembered(method: str, shown: set[int], tmp_path: Path) -> None:
    provider = Scripted([answer(PROPOSAL), answer(REVISION)])
    _, step = iterate(method, provider, Evaluations(FIVE_RETURNS, [0.5] * 5), tmp_path)
    assert [candidate.shown for candidate in step.candidates] == [shown, set()]


@pytest.mark.parametrize("method", PROMPTED)
def test_parameters_are_clipped_before_they_are_evaluated_shown_and_remembered(method: str, tmp_path: Path) -> None:
    wild, tame = (9.0, *[0.0] * 9), (6.0, *[0.0] * 9)
    calls = METHODS[method].calls_per_iteration({})
    config = make_config(
        "cartpole", method, protocol="controlled", num_iterations=2, heldout_episodes=0, num_evaluation_episodes=2
    )
    provider = Scripted([answer(wild)] * 2 * calls)
    with open_experiment(config, provider, tmp_path) as experiment:
        experiment.run()
        records = experiment.directory.read_iterations()
    for record in records:
        assert [candidate["params"] for candidate in record["candidates"]] == [list(tame)] * calls
        assert [candidate["raw_params"] for candidate in record["candidates"]] == [list(wild)] * calls
    assert all("params[0]: 9" not in prompt and "[9.0," not in prompt for prompt in provider.prompts)
    assert "params[0]: 6.0" in provider.prompts[-1] or "params = [6.0, " in provider.prompts[-1]


# ---- What the next iteration sees ----


@contextmanager
def playing(
    method: str, script: Sequence[Sequence[float]], folder: Path, environment: str = "maze", **values: Any
) -> Iterator[tuple[Experiment, Scripted]]:
    """Play a whole run of scripted answers."""
    calls = METHODS[method].calls_per_iteration({})
    config = make_config(
        environment,
        method,
        **{"num_iterations": len(script) // calls, "heldout_episodes": 0, "warmup_episodes": 1, **values},
    )
    provider = Scripted([answer(params) for params in script])
    with open_experiment(config, provider, folder) as experiment:
        experiment.run()
        provider.assert_played_out()
        yield experiment, provider


def trials_in(prompt: str) -> list[str]:
    """Return the lines of the trials in the history."""
    history = prompt.split("# History\n")[1].split("\n\n# ")[0]
    return [line for line in history.splitlines() if re.search(r"; (f\(params\)|[a-z ]*reward): ", line)]


def written(params: Sequence[float], reward: float) -> str:
    """Write a trial as ProPS does."""
    return f"{BRIEF.policy.write(tuple(params))}; f(params): {reward:.2f}"


@pytest.mark.parametrize("method", [*CHOOSING, "always_critic"])
@pytest.mark.parametrize(
    ("first", "second", "better"), [(BEST, WORST, 0), (WORST, BEST, 1), (WORST, WORST_TOO, 1), (BEST, BEST, 1)]
)
def test_what_was_kept_and_nothing_else_enters_the_next_history(
    method: str, first: list[int], second: list[int], better: int, tmp_path: Path
) -> None:
    kept = 1 if method == "always_critic" else better
    with playing(method, [first, second, BEST, BEST], tmp_path) as (experiment, provider):
        record = experiment.directory.read_iterations()[0]
    assert record["accepted"] == kept
    assert record["candidates"][kept]["params"] == [first, second][kept]
    assert record["reward"] == pytest.approx(GOOD if [first, second][kept] is BEST else BAD)
    lines = trials_in(provider.prompts[2])
    assert len(lines) == 2
    params, reward = [first, second][kept], float(record["reward"] or 0)
    expected = {
        "r2po": f"Trial 1: {BRIEF.policy.write_briefly(tuple(params))}; mean reward: {reward:.2f}",
        "three_traj": f"Training trial 1: {BRIEF.policy.write_briefly(tuple(params))}; mean reward: {reward:.2f}",
    }
    assert lines[1] == expected.get(method, written(params, reward))


@pytest.mark.parametrize("method", ["props", "propsp", "critic_only"])
def test_one_call_methods_remember_also_what_is_worse(method: str, tmp_path: Path) -> None:
    with playing(method, [BEST, WORST, BEST], tmp_path) as (experiment, provider):
        rewards = [record["reward"] for record in experiment.directory.read_iterations()]
    assert rewards == pytest.approx([GOOD, BAD, GOOD])
    tried = [(1, BEST, GOOD), (2, WORST, BAD)]
    assert trials_in(provider.prompts[2])[1:] == [
        f"Trial {index}: {BRIEF.policy.write_briefly(tuple(params))}; reward: {reward:.2f}"
        if method == "critic_only"
        else written(params, reward)
        for index, params, reward in tried
    ]


def test_always_critic_keeps_a_worse_revision_but_not_as_the_best_of_the_run(tmp_path: Path) -> None:
    with playing("always_critic", [BEST, WORST, BEST, WORST_TOO], tmp_path) as (experiment, _):
        result = experiment.directory.read_result()
        records = experiment.directory.read_iterations()
    assert [record["accepted"] for record in records] == [1, 1]
    assert [list(numbers(trial.solution)) for trial in experiment.history[1:]] == [WORST, WORST_TOO]
    # The best of a run is the best that was accepted.
    assert result["best_reward"] == pytest.approx(BAD)
    assert result["best_params"] == WORST


# ---- PureSearch, ActorSecondPass ----


def calls_of(experiment: Experiment) -> list[Call]:
    return read_calls(experiment.directory.path)


def test_pure_search_asks_the_same_prompt_for_a_second_sample_and_the_log_says_so(tmp_path: Path) -> None:
    with playing("pure_search", [BEST, WORST, WORST, BEST], tmp_path) as (experiment, provider):
        calls = calls_of(experiment)
    assert [(call.iteration, call.role, call.sample, call.attempt) for call in calls] == [
        (1, "search", 0, 1),
        (1, "search", 1, 1),
        (2, "search", 0, 1),
        (2, "search", 1, 1),
    ]
    assert calls[0].prompt == calls[1].prompt == provider.prompts[0]
    assert calls[2].prompt == calls[3].prompt != calls[0].prompt
    assert [request.sample for request in provider.requests] == [0, 1, 0, 1]


def test_the_second_sample_keeps_its_number_when_it_is_asked_for_again(tmp_path: Path) -> None:
    provider = Scripted([answer(BEST), "no", answer(WORST)])
    config = make_config("maze", "pure_search", num_iterations=1, warmup_episodes=0, heldout_episodes=0)
    with open_experiment(config, provider, tmp_path) as experiment:
        experiment.run()
    assert [(request.sample, request.attempt) for request in provider.requests] == [(0, 1), (1, 1), (1, 2)]


def test_the_second_search_of_actor_second_pass_ends_with_the_result_of_the_first(tmp_path: Path) -> None:
    with playing("actor_second_pass", [BEST, WORST, WORST, BEST], tmp_path) as (_, provider):
        histories = [trials_in(prompt) for prompt in provider.prompts]
    first, second, third, fourth = histories
    assert second == [*first, written(BEST, GOOD)]
    # The worse second pass is forgotten; the first pass, which was kept, stays.
    assert third == second
    assert fourth == [*third, written(WORST, BAD)]
    ends = [prompt.split("# Now\n")[1] for prompt in provider.prompts]
    assert ends[0] == ends[1] == f"This is iteration 1 of 2. {LAST}"
    assert ends[2] == ends[3] == f"This is iteration 2 of 2. {LAST}"


LAST = "Answer with the next parameters in the reply format, and add nothing else."

# ---- CriticOnly ----


def raw_lines(rollout: Rollout) -> list[str]:
    """Write a rollout of a table with 0/1 rewards as CriticOnly is to see it."""
    steps = zip(rollout.observations[:-1], rollout.actions, rollout.rewards, strict=True)
    return [f"{t}: {state} | {action} | {int(reward)}" for t, (state, action, reward) in enumerate(steps)]


def latest_rollout(prompt: str) -> list[str]:
    headline, *steps = prompt.split("# The latest rollout\n")[1].splitlines()
    length = f"length {len(steps)} steps"
    assert headline == f"A recent rollout, {length}. Each line is step: state | action | reward:"
    return steps


def test_critic_only_shows_the_last_warm_up_rollout_first_and_then_the_one_closest_to_the_mean(tmp_path: Path) -> None:
    tables = [LAKE, [1] * 16, LAKE, LAKE]
    with playing("critic_only", tables, tmp_path, "frozenlake", warmup_episodes=3) as (experiment, provider):
        setting = experiment.setting
        warmup = experiment.directory.read_warmup()[-1]
        last = experiment.history[2].rollout
        assert last is not None
        assert (last.total, last.length, last.end) == (warmup["reward"], warmup["length"], warmup["end"])
        assert latest_rollout(provider.prompts[0]) == raw_lines(last)
        for iteration in (1, 2, 3):
            rollouts = setting.evaluate(tuple(tables[iteration - 1]), setting.seeds(iteration, 0))
            returns = [rollout.total for rollout in rollouts]
            distances = [abs(value - np.mean(returns)) for value in returns]
            shown = rollouts[distances.index(min(distances))]
            assert latest_rollout(provider.prompts[iteration]) == raw_lines(shown)


def test_critic_only_without_warm_up_begins_with_nothing(tmp_path: Path) -> None:
    with playing("critic_only", [BEST, WORST], tmp_path, warmup_episodes=0) as (_, provider):
        first, second = provider.prompts
    assert first.endswith("# The latest rollout\n(none yet)")
    assert "# History\nEarlier policies with their rewards:\n(no trials yet)\n" in first
    assert latest_rollout(second) == ["0: 0 | 1 | -0.0111", "1: 3 | 1 | -0.0111", "2: 6 | 2 | -0.0111", "3: 7 | 2 | 1"]


# ---- Excerpts ----


@pytest.mark.parametrize("method", ["reptraj", "always_critic", "critic_only"])
def test_the_excerpts_are_of_what_was_accepted(method: str, tmp_path: Path) -> None:
    pairs = [BEST, WORST] * 2 if METHODS[method].calls_per_iteration({}) == 2 else [BEST, WORST]
    with playing(method, pairs, tmp_path, warmup_episodes=0) as (_, provider):
        last = provider.prompts[-1]
    excerpts = last.split("as state->action->next state:\n")[1].split("\n\n")[0].splitlines()
    goal = "0->1->3; 3->1->6; 6->2->7; 7->2->[ended]"
    wall = (
        "0->0->0; 0->0->0; 0->0->0; 0->0->0; ... (12 steps left out) ...; 0->0->0; 0->0->0; 0->0->0; 0->0->[step cap]"
    )
    assert excerpts == [f"Trial 0: {wall if method == 'always_critic' else goal}"]


@pytest.mark.parametrize("method", ["reptraj", "always_critic", "critic_only"])
def test_the_history_shows_the_rollout_closest_to_the_mean_and_not_to_the_median(method: str, tmp_path: Path) -> None:
    pole = [0.8, 0.8, 0.1, -1.4, -0.1, -0.8, -1.4, 0.3, -0.6, -1.0]
    calls = METHODS[method].calls_per_iteration({})
    with playing(method, [pole] * 2 * calls, tmp_path, "cartpole") as (experiment, _):
        record = experiment.directory.read_iterations()[0]
    returns = np.array(record["candidates"][-1]["returns"])
    index = int(np.argmin(np.abs(returns - returns.mean())))
    assert returns[index] != returns[int(np.argmin(np.abs(returns - np.median(returns))))]
    shown = experiment.history[1].rollout
    assert shown is not None
    assert (shown.total, shown.length) == (returns[index], record["candidates"][-1]["lengths"][index])
    assert shown.seed == experiment.setting.seeds(1, calls - 1)[index]


# ---- Resuming ----


@pytest.mark.parametrize("method", PROMPTED)
def test_a_resumed_run_asks_what_an_uninterrupted_one_asks(method: str, tmp_path: Path) -> None:
    """The rollouts that the history shows are made again: the prompts must be the same to the letter."""
    calls = METHODS[method].calls_per_iteration({})
    tables = [LAKE, [1] * 16, [2] * 16, LAKE, [0] * 16, LAKE, LAKE, [3] * 16][: 4 * calls]
    with playing(method, tables, tmp_path / "whole", "frozenlake", warmup_episodes=2) as (_, whole):
        pass
    with playing(method, tables[: 2 * calls], tmp_path, "frozenlake", warmup_episodes=2, num_iterations=2) as (half, _):
        (half.directory.path / "result.json").unlink()
    rest = Scripted([answer(params) for params in tables[2 * calls :]])
    config = make_config("frozenlake", method, warmup_episodes=2, num_iterations=4, heldout_episodes=0)
    with open_experiment(config, rest, tmp_path, directory=RunDirectory(half.directory.path)) as experiment:
        experiment.run()
    rest.assert_played_out()
    assert rest.prompts == whole.prompts[2 * calls :]


# ---- R2PO with another threshold ----


def critic_of(file: str, folder: Path, **options: Any) -> str:
    config = load_config(
        CONFIGS / file, ["num_iterations=1", "warmup_episodes=1", "num_evaluation_episodes=2"], **options
    )
    size = 10 if "cartpole" in file else 18
    provider = Scripted([answer([0.0] * size), answer([0.0] * size)])
    with open_experiment(config, provider, folder) as experiment:
        experiment.iterate(1)
    return provider.prompts[1]


@pytest.mark.parametrize("protocol", ["published", "controlled"])
@pytest.mark.parametrize(("environment", "default", "half"), [("cartpole", "480", "240"), ("pong", "2.8", "1.4")])
def test_the_variants_of_r2po_differ_in_the_revision_rule_alone(
    environment: str, default: str, half: str, protocol: str, tmp_path: Path
) -> None:
    main, same, halved, none = (
        critic_of(f"{environment}/{environment}_{name}.yaml", tmp_path / name, protocol=protocol)
        for name in (
            "reflective_prompted_policy_optimization",
            "tau_c_sensitivity_default",
            "tau_c_sensitivity_half",
            "tau_c_sensitivity_none",
        )
    )
    rule, order = (
        next(line for line in prompt.splitlines() if line.startswith("- Revision rule")) for prompt in (main, same)
    )
    # The study tells it as an order, with a second condition.
    assert rule != order
    assert same == main.replace(rule, order)
    assert f" is {half} or more" in halved
    assert halved.replace(f" is {half} or more", f" is {default} or more") == same
    assert none == main.replace(f"{rule}\n", "")
    assert "Revision rule" not in none


# ---- Trials by hand ----


def test_the_history_that_a_method_was_given_stays_as_it_is(tmp_path: Path) -> None:
    trial = Trial(PROPOSAL, PROPOSAL, 0.125, warmup=True)
    for method in PROMPTED:
        history = [trial]
        provider = Scripted([answer(PROPOSAL), answer(REVISION)][: METHODS[method].calls_per_iteration({})])
        (tmp_path / method).mkdir()
        iterate(method, provider, Evaluations([0.5], [0.5]), tmp_path / method, history=history)
        assert history == [trial]
