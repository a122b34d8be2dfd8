"""What each method asks and evaluates, in which order, and what it keeps: with scripted replies and returns."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from r2po.errors import InputError, RunStopped
from r2po.llm.providers.embedded import EmbeddedSearch
from r2po.llm.types import AttemptFailed, Reply
from r2po.methods import METHODS, Method
from r2po.policies import Parameters
from r2po.trial import Trial
from tests.builders import answer, make_brief, make_config, numbers, open_experiment
from tests.methods.one_iteration import BRIEF, PROPOSAL, REVISION, Evaluations, iterate
from tests.scripted import Scripted

# ---- One iteration ----


@pytest.mark.parametrize("method", ["props", "propsp"])
def test_one_call_methods_keep_their_proposal(method: str, tmp_path: Path) -> None:
    provider, evaluations = Scripted([answer(PROPOSAL)]), Evaluations([0.25, 0.75])
    accepted, step = iterate(method, provider, evaluations, tmp_path)
    assert evaluations.made == [(PROPOSAL, 0)]
    assert step.candidates == [accepted]
    assert (accepted.stage, accepted.solution, accepted.reward) == ("proposal", PROPOSAL, 0.5)
    assert ("Environment: Maze" in provider.prompts[0]) == (method == "propsp")
    provider.assert_played_out()


@pytest.mark.parametrize(
    ("proposed", "revised", "kept"),
    [
        ([0.5, 0.75], [0.0, 0.5], "proposal"),
        ([0.5, 0.75], [1.0, 1.0], "revision"),
        ([0.25, 0.75], [0.75, 0.25], "revision"),  # a tie
        ([-1.0], [-1.0], "revision"),
    ],
)
def test_r2po_searches_revises_and_keeps_the_better(
    proposed: list[float], revised: list[float], kept: str, tmp_path: Path
) -> None:
    provider, evaluations = Scripted([answer(PROPOSAL), answer(REVISION)]), Evaluations(proposed, revised)
    accepted, step = iterate("r2po", provider, evaluations, tmp_path)
    assert evaluations.made == [(PROPOSAL, 0), (REVISION, 1)]
    assert [candidate.stage for candidate in step.candidates] == ["proposal", "revision"]
    assert accepted is step.candidates[["proposal", "revision"].index(kept)]
    search, critic = provider.prompts
    assert "iteration 4 of 100" in search
    assert "Environment" not in search
    assert f"Proposed parameters: {BRIEF.policy.write(PROPOSAL)}\n" in critic
    assert f"Mean return: {sum(proposed) / len(proposed)}\n" in critic
    assert "Median rollout, as an example: rollout 0" in critic
    assert [candidate.shown for candidate in step.candidates] == [{0}, set()]
    provider.assert_played_out()


def test_both_prompts_of_an_iteration_show_the_same_history(tmp_path: Path) -> None:
    history = [Trial(PROPOSAL, PROPOSAL, 0.125, warmup=True)]
    provider, evaluations = Scripted([answer(PROPOSAL), answer(REVISION)]), Evaluations([0.5], [0.5])
    iterate("r2po", provider, evaluations, tmp_path, history=history)
    for prompt in provider.prompts:
        assert prompt.count("\nTrial ") == 1
        assert "; rollout reward: 0.12\n" in prompt


@pytest.mark.parametrize(("method", "samples"), [("r2po", [0, 0]), ("pure_search", [0, 1])])
def test_the_same_prompt_twice_in_an_iteration_asks_for_a_second_sample(
    method: str, samples: list[int], tmp_path: Path
) -> None:
    provider, evaluations = Scripted([answer(PROPOSAL), answer(REVISION)]), Evaluations([0.5], [0.5])
    iterate(method, provider, evaluations, tmp_path)
    assert [request.sample for request in provider.requests] == samples
    assert len(set(provider.prompts)) == 2 - max(samples)


def test_candidates_are_reported_as_they_are_evaluated(tmp_path: Path) -> None:
    seen: list[str] = []
    provider, evaluations = Scripted([answer(PROPOSAL), answer(REVISION)]), Evaluations([0.5], [0.5])
    iterate("r2po", provider, evaluations, tmp_path, on_candidate=lambda candidate: seen.append(candidate.stage))
    assert seen == ["proposal", "revision"]


# ---- Replies that cannot be used ----


def test_an_unusable_reply_is_asked_for_again_and_told_why(tmp_path: Path) -> None:
    provider = Scripted(["I refuse.", answer(PROPOSAL[:-1]), answer([9, *PROPOSAL[1:]]), answer(PROPOSAL)])
    evaluations = Evaluations([0.5])
    accepted, _ = iterate("props", provider, evaluations, tmp_path)
    first, *again = provider.prompts
    assert [prompt[: len(first)] for prompt in again] == [first] * 3
    reasons = (
        "no parameters found; expected params[0] to params[8]",
        "missing params[8]",
        "params[0] is 9, not one of 0, 1, 2, 3",
    )
    assert [prompt[len(first) :].strip() for prompt in again] == [
        f"Your previous reply could not be used: {reasons[0]}. Keep to the reply format.",
        f"Your previous 2 replies could not be used:\n1. {reasons[0]}.\n2. {reasons[1]}.\n"
        "This is attempt 3. Keep to the reply format.",
        f"Your previous 3 replies could not be used:\n1. {reasons[0]}.\n2. {reasons[1]}.\n3. {reasons[2]}.\n"
        "This is attempt 4. Keep to the reply format.",
    ]
    assert [(request.sample, request.attempt) for request in provider.requests] == [(0, 1), (0, 2), (0, 3), (0, 4)]
    assert evaluations.made == [(PROPOSAL, 0)]
    assert accepted.solution == PROPOSAL
    provider.assert_played_out()


def test_each_further_attempt_asks_something_else_even_if_the_model_repeats_itself(tmp_path: Path) -> None:
    """At temperature 0, a model that is asked the same gives the same unusable reply until the run stops."""
    stubborn = Scripted(["no"] * 5 + [answer(PROPOSAL)])
    iterate("props", stubborn, Evaluations([0.5]), tmp_path)
    assert len(set(stubborn.prompts)) == 6


def test_a_reply_that_was_cut_off_is_refused_even_if_it_can_be_read(tmp_path: Path) -> None:
    provider = Scripted([Reply(answer(REVISION), finish="length"), answer(PROPOSAL)])
    accepted, _ = iterate("props", provider, Evaluations([0.5]), tmp_path)
    assert accepted.solution == PROPOSAL
    assert "it was cut off at the token limit" in provider.prompts[1]


def test_the_fifth_reask_is_the_last(tmp_path: Path) -> None:
    accepted, _ = iterate("props", Scripted(["no"] * 5 + [answer(PROPOSAL)]), Evaluations([0.5]), tmp_path)
    assert accepted.solution == PROPOSAL


def test_the_run_stops_after_it(tmp_path: Path) -> None:
    provider, evaluations = Scripted([answer(PROPOSAL)] + ["no"] * 6), Evaluations([0.5])
    with pytest.raises(
        RunStopped, match=r"iteration 4, critic: no usable reply in 6 attempts; .*: no parameters found"
    ):
        iterate("r2po", provider, evaluations, tmp_path)
    provider.assert_played_out()
    assert len(evaluations.made) == 1


# ---- What is rolled out ----

WILD: Parameters = (7.5, -6.5, *[1.0] * 8)


@pytest.mark.parametrize(("clip", "rolled_out"), [(True, (6.0, -6.0, *[1.0] * 8)), (False, WILD)])
def test_parameters_outside_the_range(clip: bool, rolled_out: Parameters, tmp_path: Path) -> None:
    evaluations = Evaluations([1.0])
    accepted, _ = iterate(
        "props", Scripted([answer(WILD)]), evaluations, tmp_path, brief=make_brief("cartpole"), clip=clip
    )
    assert evaluations.made == [(rolled_out, 0)]
    assert (accepted.solution, accepted.raw) == (rolled_out, WILD)


@pytest.mark.parametrize("protocol", ["published", "controlled"])
def test_the_log_has_the_raw_parameters_where_they_were_clipped(protocol: str, tmp_path: Path) -> None:
    config = make_config("cartpole", protocol=protocol, warmup_episodes=0, num_evaluation_episodes=2)
    with open_experiment(config, Scripted([answer(WILD), answer([0.0] * 10)]), tmp_path) as experiment:
        proposal, revision = experiment.iterate(1)["candidates"]
    if protocol == "controlled":
        assert proposal["raw_params"] == list(WILD)
        assert proposal["params"] == [6.0, -6.0, *[1.0] * 8]
    else:
        assert proposal["params"] == list(WILD)
        assert "raw_params" not in proposal
    assert "raw_params" not in revision


@pytest.mark.parametrize("protocol", ["published", "controlled"])
def test_only_the_controlled_protocol_pairs_the_seeds_of_an_iteration(protocol: str, tmp_path: Path) -> None:
    # The same table twice, on slippery ice: equal returns if and only if the seeds are equal.
    table = answer([0, 3, 3, 3, 0, 0, 0, 0, 3, 1, 0, 0, 0, 2, 1, 0])
    config = make_config("frozenlake", protocol=protocol, num_iterations=2, heldout_episodes=0)
    with open_experiment(config, Scripted([table] * 4), tmp_path) as experiment:
        experiment.run()
        records = experiment.directory.read_iterations()
    lengths = [[candidate["lengths"] for candidate in record["candidates"]] for record in records]
    assert (lengths[0][0] == lengths[0][1]) == (protocol == "controlled")
    assert (lengths[1][0] == lengths[1][1]) == (protocol == "controlled")
    assert lengths[0][0] != lengths[1][0]


@pytest.mark.parametrize("protocol", ["published", "controlled"])
def test_a_proposal_is_rolled_out_alike_whatever_follows(protocol: str, tmp_path: Path) -> None:
    table = [0, 3, 3, 3, 0, 0, 0, 0, 3, 1, 0, 0, 0, 2, 1, 0]
    returns = []
    for number, revision in enumerate((table, [1] * 16)):
        config = make_config("frozenlake", protocol=protocol)
        script = Scripted([answer(table), answer(revision)])
        with open_experiment(config, script, tmp_path / str(number)) as experiment:
            returns.append(experiment.iterate(1)["candidates"][0]["lengths"])
    assert returns[0] == returns[1]


@pytest.mark.parametrize(("clip_actions", "largest"), [(True, 1.0), (False, 60.0)])
@pytest.mark.parametrize("warmup", [True, False])
def test_warm_up_rollouts_always_clip_actions(clip_actions: bool, largest: float, warmup: bool, tmp_path: Path) -> None:
    config = make_config("mountaincarcontinuous", clip_actions=clip_actions, max_traj_length=5)
    with open_experiment(config, Scripted([]), tmp_path) as experiment:
        rollout = experiment.setting.roll_out((0.0, 0.0, 60.0), 1, warmup=warmup)
    assert rollout.actions.max() == (1.0 if warmup else largest)


# ---- Over a run ----


def test_the_accepted_candidate_and_no_other_enters_the_history(tmp_path: Path) -> None:
    # In the maze: straight to the goal (0.967), against walls for ever (-0.2), and a detour-free second best.
    best, worst = [1, 0, 0, 1, 0, 0, 2, 2, 0], [0] * 9
    script = Scripted([answer(best), answer(worst), answer(worst), answer(best), answer(worst), answer(worst)])
    config = make_config("maze", num_iterations=3, warmup_episodes=1, heldout_episodes=4)
    with open_experiment(config, script, tmp_path) as experiment:
        result = experiment.run()
        records = experiment.directory.read_iterations()
    assert [record["accepted"] for record in records] == [0, 1, 1]
    assert [list(numbers(trial.solution)) for trial in experiment.history[1:]] == [best, best, worst]
    assert [trial.warmup for trial in experiment.history] == [True, False, False, False]
    rewards = [float(record["reward"] or 0) for record in records]
    assert rewards == pytest.approx([0.966667, 0.966667, -0.222222], abs=1e-5)
    assert [record["best_reward"] for record in records] == [rewards[0]] * 3
    assert (result["best_iteration"], result["best_params"]) == (1, best)
    assert (result["best_reward"], result["final_reward"]) == (rewards[0], rewards[2])
    assert result["heldout_reward"] == pytest.approx(rewards[0])
    assert result["mean_reward"] == pytest.approx(sum(rewards) / 3)
    script.assert_played_out()


def test_refused_replies_are_counted(tmp_path: Path) -> None:
    script = Scripted(["no", answer(PROPOSAL), answer(REVISION)])
    config = make_config("maze", num_iterations=1, warmup_episodes=0, heldout_episodes=0)
    with open_experiment(config, script, tmp_path) as experiment:
        result = experiment.run()
        record = experiment.directory.read_iterations()[0]
    assert (result["llm_calls"], result["refused_replies"]) == (3, 1)
    assert record["llm_calls"] == 3


@pytest.mark.parametrize(
    ("environment", "method", "calls", "episodes"),
    [
        ("maze", "r2po", 200, 4020),
        ("nim", "props", 200, 4000),
    ],
)
def test_a_full_run_spends_the_budget_of_the_paper(
    environment: str, method: str, calls: int, episodes: int, tmp_path: Path
) -> None:
    with open_experiment(make_config(environment, method), EmbeddedSearch(), tmp_path) as experiment:
        result = experiment.run()
        records = experiment.directory.read_iterations()
    assert len(records) == result["iterations"] == (100 if method == "r2po" else 200)
    assert (result["llm_calls"], result["refused_replies"], result["failed_attempts"]) == (calls, 0, 0)
    assert result["episodes"] == records[-1]["episodes"] == episodes
    evaluated = [len(candidate["returns"]) for record in records for candidate in record["candidates"]]
    assert evaluated == [20] * 200
    assert result["steps"] == records[-1]["steps"]
    assert len(experiment.history) == len(records) + (episodes - 4000)
    assert result["heldout_episodes"] == 100


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_every_method_spends_two_hundred_evaluations(method: Method) -> None:
    assert method.default_iterations({}) * method.evaluations_per_iteration({}) == 200
    calls = 220 if method.searches == "programs" else 200 if method.asks_model else 0  # with a reflection in each round
    assert method.default_iterations({}) * method.calls_per_iteration({}) == calls


def test_calls_and_evaluations_may_depend_on_the_config() -> None:
    method = Method(
        "many",
        "Many",
        METHODS["props"].iterate,
        calls=lambda config: config["num_evaluation_episodes"] + 1,
        evaluations=lambda config: 300 // config["num_evaluation_episodes"],
    )
    assert method.asks_model
    assert [method.calls_per_iteration({"num_evaluation_episodes": n}) for n in (1, 20)] == [2, 21]
    assert [method.default_iterations({"num_evaluation_episodes": n}) for n in (1, 20)] == [1, 13]
    facts = method.facts({"num_evaluation_episodes": 20})
    assert (facts["calls_per_iteration"], facts["evaluations_per_iteration"], facts["roles"]) == (21, 15, ("search",))


# ---- Stop and resume ----


def test_a_run_that_stopped_at_unusable_replies_goes_on_with_fresh_attempts(tmp_path: Path) -> None:
    config = make_config("maze", "props", num_iterations=2, warmup_episodes=2, heldout_episodes=0)
    stopped = Scripted([answer(PROPOSAL)] + ["no"] * 6)
    with open_experiment(config, stopped, tmp_path) as experiment, pytest.raises(RunStopped, match="in 6 attempts"):
        experiment.run()
    directory = experiment.directory
    assert len(directory.read_iterations()) == 1
    # Still no luck; then one usable reply. What is on record is not asked for again.
    again = Scripted(["no"] * 6)
    resumed = open_experiment(config, again, tmp_path, directory=directory)
    with resumed as experiment, pytest.raises(RunStopped, match="in 12 attempts"):
        experiment.run()
    last = Scripted(["no", answer(REVISION)])
    with open_experiment(config, last, tmp_path, directory=directory) as experiment:
        result = experiment.run()
    for provider in (stopped, again, last):
        provider.assert_played_out()
    assert [request.attempt for request in last.requests] == [13, 14]
    assert (result["llm_calls"], result["refused_replies"], result["iterations"]) == (15, 13, 2)
    assert [record["candidates"][0]["params"] for record in directory.read_iterations()] == [
        list(PROPOSAL),
        list(REVISION),
    ]


def test_an_iteration_that_was_interrupted_is_done_again_from_the_record(tmp_path: Path) -> None:
    config = make_config("maze", num_iterations=1, warmup_episodes=2, heldout_episodes=0)
    whole = Scripted(["no", answer(PROPOSAL), answer(REVISION)])
    with open_experiment(config, whole, tmp_path / "whole") as experiment:
        expected = experiment.run()
    failed = AttemptFailed("server gone", retryable=False)
    broken = Scripted(["no", answer(PROPOSAL), failed])
    with open_experiment(config, broken, tmp_path / "broken") as experiment, pytest.raises(RunStopped):
        experiment.run()
    rest = Scripted([answer(REVISION)])
    with open_experiment(config, rest, tmp_path, directory=experiment.directory) as experiment:
        resumed = experiment.run()
    rest.assert_played_out()
    assert rest.prompts == whole.prompts[2:]
    other = ("times", "failed_attempts", "accounting", "sums")
    timeless = {key: value for key, value in expected.items() if key not in other}
    assert {key: value for key, value in resumed.items() if key in timeless} == timeless
    assert resumed["failed_attempts"] == 1
    assert (resumed["accounting"]["critic"]["attempts"], expected["accounting"]["critic"]["attempts"]) == (2, 1)


# ---- What cannot be registered ----


@pytest.mark.parametrize(
    ("numbers_of", "said"),
    [
        ({"evaluations": 0}, "evaluations per iteration is 0; expected a whole number, at least 1"),
        ({"calls": -1}, "calls per iteration is -1; expected a whole number, at least 0"),
    ],
)
def test_numbers_that_cannot_be_are_refused(numbers_of: dict[str, int], said: str) -> None:
    with pytest.raises(InputError, match=f"^method 'props': {said}$"):
        replace(METHODS["props"], **numbers_of)  # type: ignore[arg-type]
