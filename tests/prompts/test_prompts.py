"""What each prompt shows and, as important, what it does not: the methods differ in nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from r2po.config import Config, load_config
from r2po.llm.providers.embedded import EmbeddedSearch
from r2po.llm.types import Reply, Request
from r2po.methods import Step
from r2po.prompts import Brief, critic_prompt, median_package, raw_rollout, search_prompt
from r2po.prompts.evidence import reached_target
from r2po.prompts.history import Lines
from r2po.rollout import Rollout, Rollouts
from r2po.rollout.types import End
from r2po.tasks import PUBLISHED, TASKS, Told
from r2po.trial import Candidate, Trial
from tests.builders import (
    CONFIGS,
    PROMPTED,
    act,
    make_brief,
    make_config,
    make_rollout,
    numbers,
    numeric,
    open_experiment,
)

TABLES = ("frozenlake", "maze", "nim")
REWARDS = (12.5, -3.25, 40.0)


def some_params(brief: Brief, seed: int) -> tuple[float, ...]:
    return numeric(brief.policy).sample(np.random.default_rng(seed))


def some_history(brief: Brief) -> list[Trial]:
    """Two warm-up trials and an evaluated one."""
    entries = [(some_params(brief, seed), reward) for seed, reward in enumerate(REWARDS)]
    return [Trial(params, params, reward, warmup=index < 2) for index, (params, reward) in enumerate(entries)]


def step_of(brief: Brief, history: list[Trial] | None = None, iteration: int = 3) -> Step:
    def nothing(*_: object) -> Rollouts:
        raise AssertionError("no rollout is needed to write a prompt")

    class Nobody:
        def ask(self, *_: object) -> object:
            raise AssertionError("no question is asked to write a prompt")

    trials = some_history(brief) if history is None else history
    return Step(brief, trials, iteration, Nobody(), nothing, clip=False)  # type: ignore[arg-type]


def candidate_of(brief: Brief, *rollouts: Rollout) -> Candidate:
    params = some_params(brief, 9)
    return Candidate("proposal", params, params, "key", Rollouts.of(rollouts))


def critic_text(brief: Brief, *rollouts: Rollout) -> str:
    shown = rollouts or (make_rollout([1.0, 2.0]), make_rollout([0.5]), make_rollout([9.0], "truncated"))
    return critic_prompt(
        step_of(brief), candidate_of(brief, *shown), evidence=median_package, lines="kinds", revision_rule=True
    )


def described_facts(environment: str, told: Told = "published") -> list[str]:
    """Return what a prompt with the environment's description says and no other does."""
    task = TASKS[environment]
    _, description = task.description(told, task.policy)
    observation, actions = description.observation, description.actions
    dimensions = [observation] if isinstance(observation, str) else [dim.name for dim in observation]
    names = [action if isinstance(action, str) else action.name for action in actions]
    ending = [description.ending] if description.ending else []
    return [task.label, description.summary, *dimensions, *names, description.reward, *ending]


each_environment = pytest.mark.parametrize("environment", PUBLISHED)


# ---- Search ----


@each_environment
@pytest.mark.parametrize("lines", ["values", "kinds"])
def test_a_black_box_search_is_told_nothing_of_the_environment(environment: str, lines: Lines) -> None:
    brief = make_brief(environment)
    prompt = search_prompt(step_of(brief), lines=lines)
    for fact in described_facts(environment):
        assert fact not in prompt
    words = ["reinforcement", "environment", "agent", "state", "action", "episode", "return", "->", "cap", "warm"]
    # Only a search that tells the kinds of trial apart speaks of policies and their rewards.
    for word in [*words, "step limit"] + (["rollout", "polic", "mean", "reward"] if lines == "values" else []):
        assert word not in prompt.casefold(), word


@each_environment
@pytest.mark.parametrize("told", ["published", "detailed"])
def test_a_described_search_is_told_all_of_it(environment: str, told: Told) -> None:
    brief = make_brief(environment, description=told)
    prompt = search_prompt(step_of(brief), described=True)
    facts = described_facts(environment, told)
    for fact in [*facts, brief.policy.form(brief.observation_names, brief.action_names)]:
        assert fact in prompt
    assert "episodic return" in prompt
    assert (f"stopped after {brief.max_traj_length} steps" in prompt) == (told == "detailed")
    assert "warm-up" not in prompt
    other = described_facts(environment, "detailed" if told == "published" else "published")
    assert other[1] not in prompt


def test_a_task_without_published_prompts_has_one_description() -> None:
    published, detailed = (make_brief("maze5x5", description=told) for told in ("published", "detailed"))
    assert (published.source, detailed.source) == ("own", "own")
    assert published.description == detailed.description
    prompt = search_prompt(step_of(published), described=True)
    assert TASKS["maze5x5"].ending in prompt
    assert "A rollout is stopped after 200 steps at the latest." in prompt


@each_environment
def test_what_every_search_says(environment: str) -> None:
    brief = make_brief(environment)
    size = numeric(brief.policy).size
    for prompt in (
        search_prompt(step_of(brief)),
        search_prompt(step_of(brief), described=True),
        search_prompt(step_of(brief), lines="kinds"),
    ):
        assert f"There are {size} parameters, params[0] to params[{size - 1}]" in prompt
        assert re.search(rf"The (optimum of f|optimal return) is around {brief.optimum:g}\.", prompt)
        assert "Never propose parameters again" in prompt
        assert f"params[0]: v, params[1]: v, ..., params[{size - 1}]: v\nBelow it, write " in prompt
        assert "iteration 3 of 100." in prompt
        if environment in TABLES:
            assert f"one of the integers {', '.join(map(str, brief.policy.choices))}." in prompt
            assert "step size" not in prompt
            assert "positive and negative" not in prompt
            assert "decimal" not in prompt
        else:
            assert "a real number from -6.0 to 6.0 with 1 decimal." in prompt
            assert f"use a step size of {brief.search_step_size:g}." in prompt
            assert "both positive and negative values" in prompt
            assert "integers" not in prompt
        for threshold in ("Revision rule", f"{brief.conservative_threshold:g} or more"):
            assert threshold not in prompt


def test_nim_lists_its_own_actions() -> None:
    assert "one of the integers 1, 2, 3." in search_prompt(step_of(make_brief("nim")))


@pytest.mark.parametrize("environment", ["cartpole", "maze"])
def test_how_trials_are_written(environment: str) -> None:
    brief = make_brief(environment)
    policy, trials = numeric(brief.policy), some_history(brief)
    labelled = [policy.write(numbers(trial.solution)) for trial in trials]
    listed = [f"params = [{', '.join(re.findall(r': ([^,]+)', text))}]" for text in labelled]
    values = ["12.50", "-3.25", "40.00"]
    kinds = ["rollout ", "rollout ", "mean "]
    points = [f"{text}; f(params): {value}" for text, value in zip(labelled, values, strict=True)]
    rewards = [f"{text}; {{}}reward: {value}" for text, value in zip(listed, values, strict=True)]
    apart = [f"Trial {index}: {text.format(kinds[index])}" for index, text in enumerate(rewards)]
    phases = [text.replace("Trial", "Warm-up trial" if "rollout" in text else "Training trial") for text in apart]
    alike = [f"Trial {index}: {text.format('')}" for index, text in enumerate(rewards)]
    forms = [points, apart, phases, alike]
    raw = critic_prompt(step_of(brief), candidate_of(brief, make_rollout([1.0])), evidence=raw_rollout)
    for prompt, lines in (
        (search_prompt(step_of(brief)), points),
        (search_prompt(step_of(brief), described=True), points),
        (search_prompt(step_of(brief), lines="kinds"), apart),
        (search_prompt(step_of(brief), lines="phases"), phases),
        (critic_text(brief), apart),
        (raw, alike),
    ):
        history = "\n".join(lines)
        assert f"\n{history}\n\n# " in prompt
        assert all(f"\n{line}\n" not in prompt for form in forms if form is not lines for line in form)


def test_the_first_prompt_of_a_run_without_warm_up() -> None:
    assert "(no trials yet)" in search_prompt(step_of(make_brief("nim"), history=[]))


@pytest.mark.parametrize(
    ("config", "iterations", "announced"),
    [
        ("maze/maze_props.yaml", 200, 400),
        ("maze/maze_propsp.yaml", 200, 400),
        ("maze/maze_reflective_prompted_policy_optimization.yaml", 100, 100),
    ],
)
def test_the_number_of_iterations_that_the_model_is_told(
    config: str, iterations: int, announced: int, tmp_path: Path
) -> None:
    published, controlled = load_config(CONFIGS / config), load_config(CONFIGS / config, protocol="controlled")
    assert published.num_iterations == controlled.num_iterations == iterations
    assert f"This is iteration 1 of {announced}." in first_search_prompt(published, tmp_path)
    assert f"This is iteration 1 of {iterations}." in first_search_prompt(controlled, tmp_path)


def first_search_prompt(config: Config, folder: Path) -> str:
    """Run the warm-up and a first iteration, and return its first prompt."""
    provider = Recorder()
    with open_experiment(config, provider, folder) as experiment:
        experiment.warm_up()
        experiment.iterate(1)
    return provider.asked[0][1]


def test_no_number_of_iterations_if_none_is_announced() -> None:
    brief = make_brief("maze", announced_iterations=None)
    prompt = search_prompt(step_of(brief))
    assert "This is iteration 3. Answer" in prompt
    assert "You have" not in prompt


# ---- Critic ----


@each_environment
def test_what_every_critic_says(environment: str) -> None:
    brief = make_brief(environment)
    prompt = critic_text(brief)
    for fact in [*described_facts(environment), brief.policy.form(brief.observation_names, brief.action_names)]:
        assert fact in prompt
    assert f"Target: a mean return around {brief.optimum:g}." in prompt
    assert f"Proposed parameters: {brief.policy.write(some_params(brief, 9))}\n" in prompt
    assert "Mean return: 4.166666666666667\n" in prompt
    tabular = environment in TABLES
    rule = " and no failure is consistent, change nothing, or make at most" if tabular else ", prefer to change nothing"
    assert f"if the mean return is {brief.conservative_threshold:g} or more{rule}" in prompt
    if tabular:
        assert f"must be one of the integers {', '.join(map(str, brief.policy.choices))}." in prompt
        assert "Prefer to change a parameter" not in prompt
    else:
        assert f"Prefer to change a parameter by {brief.search_step_size:g} or less; change it more only" in prompt
        assert "Each is a real number from -6.0 to 6.0 with 1 decimal." in prompt
        assert "integers" not in prompt
    assert "iteration" not in prompt


def test_no_revision_rule_without_a_threshold() -> None:
    prompt = critic_text(make_brief("cartpole", critic_llm_conservative_threshold=None))
    assert "Revision rule" not in prompt
    assert "or more" not in prompt


def test_the_revision_rule_can_be_put_as_the_tau_c_study_puts_it() -> None:
    prompt = critic_text(make_brief("cartpole", revision_rule="order"))
    assert "if the mean return is 480 or more and no failure is consistent, change nothing, or make at most" in prompt


@pytest.mark.parametrize(("environment", "count"), [("maze", "4 rollouts"), ("cartpole", "rollouts")])
def test_the_median_package_by_hand(environment: str, count: str) -> None:
    # Returns 1.5, -1, 4, 1: median 1.25, to which 1.5 and 1 are equally close; lengths 2, 1, 3, 4.
    rollouts = [
        make_rollout([1.0, 0.5]),
        make_rollout([-1.0]),
        make_rollout([1.0, 1.0, 2.0], "truncated"),
        make_rollout([0.25] * 4, "cap"),
    ]
    brief = make_brief(environment, optimum=1.5)
    candidate = candidate_of(brief, *rollouts)
    assert median_package(candidate, brief) == (
        f"Statistics of the {count}:\n"
        "- return: mean 1.38, min -1.00, max 4.00\n"
        "- length in steps: mean 2.5, min 1, max 4\n"
        "- reached the target of 1.50: 2/4\n"
        "- did not reach it: 2/4\n"
        "\n"
        "Median rollout, as an example: rollout 0, return 1.5000, length 2 steps. "
        "Each line is state->action->next state:\n"
        "0->0->1\n"
        "1->0->[ended]"
    )
    assert candidate.shown == {0}


@pytest.mark.parametrize(
    ("cap", "end", "label"),
    [
        (401, "terminated", "[ended]"),
        (401, "truncated", "[ended]"),
        (400, "terminated", "[step cap]"),  # as published: the number of steps decides, whatever ended the rollout
        (400, "truncated", "[step cap]"),
        (400, "cap", "[step cap]"),
    ],
)
def test_the_median_rollout_is_whole_and_ends_in_a_label(cap: int, end: End, label: str) -> None:
    prompt = critic_text(make_brief("maze", max_traj_length=cap), make_rollout([0.0] * 400, end))
    steps = prompt.split("Each line is state->action->next state:\n")[1].splitlines()
    assert steps[0] == "0->0->1"
    assert steps[200] == "200->0->201"
    assert steps[-1] == f"399->0->{label}"
    assert len(steps) == 400


def test_a_critic_sees_no_rewards_of_single_steps() -> None:
    prompt = critic_text(make_brief("maze"), make_rollout([0.0123, 0.0456]))
    assert "0.0123" not in prompt
    assert "0.0456" not in prompt


def test_the_numbers_of_a_rollout_have_three_digits_and_no_negative_zero() -> None:
    observations = np.array([[-0.0, 0.123456, -123456.0, 1e-7], [-1e-9, 2.0, 0.99999, -0.0], [9.0] * 4])
    rollout = Rollout(0, observations, np.array([[-0.0], [1.0]]), np.array([1.0, 1.0]), "terminated")
    text = median_package(candidate_of(make_brief("invertedpendulum"), rollout), make_brief("invertedpendulum"))
    assert text.splitlines()[-2:] == [
        "[0, 0.123, -1.23e+05, 1e-07]->0->[-1e-09, 2, 1, 0]",
        "[-1e-09, 2, 1, 0]->1->[ended]",
    ]


@pytest.mark.parametrize(
    ("value", "optimum", "reached"),
    [
        (500.0, 500.0, True),
        (499.6, 500.0, True),  # within 0.5 + 0.005
        (499.495, 500.0, True),
        (499.494, 500.0, False),
        (1e9, 500.0, True),
        (0.9667, 0.9, True),
        (0.899, 0.9, True),  # within 0.001 + 0.000009
        (0.8989, 0.9, False),
        (-120.1, -120.0, True),
        (-120.13, -120.0, False),
        (-0.0005, 0.0, True),
        (-0.0011, 0.0, False),
    ],
)
def test_reaching_the_target(value: float, optimum: float, reached: bool) -> None:
    assert reached_target(value, optimum) is reached


@given(st.floats(-1e6, 1e6), st.floats(-1e4, 1e4))
def test_reaching_the_target_is_what_numpy_says(value: float, optimum: float) -> None:
    close = np.isclose(value, optimum, rtol=1e-5, atol=max(1e-6, 1e-3 * max(1, abs(optimum))))
    assert reached_target(value, optimum) == (value > optimum or bool(close))


# ---- History over a run ----

TRIAL = re.compile(r"; (?:f\(params\)|[a-z ]*reward): -?\d")


def play(environment: str, method: str, folder: Path, **values: object) -> list[tuple[str, str]]:
    """Run a few iterations; return (role, prompt) of every call."""
    provider = Recorder()
    config = make_config(environment, method, heldout_episodes=0, warmup_episodes=1, **values)
    with open_experiment(config, provider, folder) as experiment:
        experiment.run()
    return provider.asked


class Recorder(EmbeddedSearch):
    """The stand-in, with a memory of what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def complete(self, request: Request) -> Reply:
        role = "critic" if "Proposed parameters" in request.prompt else "search"
        self.asked.append((role, request.prompt))
        return super().complete(request)


@pytest.mark.parametrize("environment", ["maze", "nim", "cartpole"])
@pytest.mark.parametrize("method", ["props", "propsp", "r2po"])
def test_consecutive_prompts_share_everything_up_to_the_end_of_the_old_history(
    environment: str, method: str, tmp_path: Path
) -> None:
    # One warm-up trial, so that the first history is not empty; it only grows from there.
    asked = play(environment, method, tmp_path, num_iterations=6, num_evaluation_episodes=3)
    for role in {role for role, _ in asked}:
        prompts = [prompt for asker, prompt in asked if asker == role]
        heads = [prompt.rsplit("\n\n# ", 1)[0] for prompt in prompts]
        assert len(prompts) == 6
        for number, (old, new, prompt) in enumerate(zip(heads[:-1], heads[1:], prompts[1:], strict=True), 1):
            assert prompt.startswith(old)
            assert len(TRIAL.findall(old)) == number
            assert len(TRIAL.findall(new[len(old) :])) == 1


@pytest.mark.parametrize("environment", TABLES)
def test_a_described_table_shows_a_rollout_of_every_trial(environment: str, tmp_path: Path) -> None:
    provider = Recorder()
    config = make_config(environment, "propsp", warmup_episodes=2, num_iterations=2, heldout_episodes=0)
    with open_experiment(config, provider, tmp_path) as experiment:
        experiment.run()
    history = provider.asked[-1][1].split("# History\n")[1].split("\n\n# ")[0]
    blocks = [block.splitlines() for block in history.split("\n\n")]
    assert len(blocks) == 3
    assert all(block[1] == "Its rollout, as state | action | reward:" for block in blocks)
    third = experiment.directory.read_iterations()[0]["candidates"][0]
    assert len(blocks[2]) - 2 == third["lengths"][0]
    assert all(re.fullmatch(r"\d+ \| \d \| -?[\d.]+", line) for line in blocks[2][2:])
    first = experiment.history[2].rollout
    assert first is not None
    assert first.seed == experiment.setting.seeds(1, 0)[0]
    assert first.total == third["returns"][0]


@pytest.mark.parametrize(("environment", "method"), [("cartpole", "propsp"), ("maze", "props"), ("maze", "r2po")])
def test_no_other_history_shows_rollouts(environment: str, method: str, tmp_path: Path) -> None:
    asked = play(environment, method, tmp_path, num_iterations=2, num_evaluation_episodes=2)
    history = asked[-1][1].split("# History\n")[1].split("\n\n# ")[0]
    assert "->" not in history
    assert " | " not in history
    assert len(TRIAL.findall(history)) == 2


# ---- How numbers and parameters are written ----


@given(st.lists(st.integers(-80, 80).map(lambda tenths: tenths / 10), min_size=10, max_size=10))
@settings(deadline=None)
def test_parameters_on_the_grid_are_written_with_their_decimals(params: list[float]) -> None:
    brief = BRIEFS["cartpole"]
    text = brief.policy.write(tuple(params))
    assert ": -0.0" not in text
    assert text == ", ".join(f"params[{index}]: {value + 0.0:.1f}" for index, value in enumerate(params))


@pytest.mark.parametrize(
    ("digits", "written"),
    [
        (5, ["0.25", "-1.2346", "0.0", "7.0", "1e-09", "12345.6"]),
        (3, ["0.25", "-1.23", "0.0", "7.0", "1e-09", "12345.6"]),
    ],
)
def test_parameters_between_the_grid_have_significant_digits(digits: int, written: list[str]) -> None:
    policy = numeric(BRIEFS["cartpole"].policy)
    assert [policy.format(value, digits) for value in (0.25, -1.23456, -0.0, 7.0, 1e-9, 12345.6)] == written


# ---- The policy's form ----

BRIEFS = {name: make_brief(name) for name in ("cartpole", "mountaincarcontinuous", "swimmer", "nim")}


def columns_of_form(text: str, rows: int) -> list[tuple[int, int]]:
    """Read from the text which parameters belong to each row: (first, last), in the order of the rows."""
    spans = []
    for line in text.splitlines()[-rows:]:
        names = [int(part.split("]")[0]) for part in line.split(":")[0].split("params[")[1:]]
        spans.append((names[0], names[-1]))
    return spans


@pytest.mark.parametrize("environment", ["cartpole", "mountaincarcontinuous", "swimmer", "pong"])
@pytest.mark.parametrize("bias", [True, False])
def test_a_linear_form_names_every_parameter_once_and_says_what_it_does(environment: str, bias: bool) -> None:
    brief = make_brief(environment, bias=bias)
    dimensions, columns = brief.spaces.observation_size, brief.spaces.action_size
    rows = dimensions + bias
    text = brief.policy.form(brief.observation_names, brief.action_names)
    spans = columns_of_form(text, rows)
    assert [index for first, last in spans for index in range(first, last + 1)] == list(
        range(numeric(brief.policy).size)
    )
    lines = text.splitlines()[-rows:]
    for row, (first, last) in enumerate(spans):
        assert last - first + 1 == columns
        assert f"s[{row}], {brief.observation_names[row]}" in lines[row] if row < dimensions else "bias" in lines[row]
        for column in range(columns):
            assert responds_to(brief, first + column) == (row, column)
    assert ("b" in text.split("s W")[1].split(",")[0].split(".")[0]) == bias


def responds_to(brief: Brief, index: int) -> tuple[int, int]:
    """Find, from the bound policy alone, which row of [s, 1] and which column a parameter connects."""
    policy, dimensions = numeric(brief.policy), brief.spaces.observation_size
    params = np.zeros(policy.size)
    params[index] = 1.0
    # A bias acts also where the observation is zero; a weight where its own dimension is not.
    probes = np.vstack([np.zeros(dimensions), np.eye(dimensions)])
    # With a positive parameter its action wins, and with a negative one it loses to action 0 or 1.
    raised, lowered = (act(policy.bind(tuple(each)), probes) for each in (params, -params))
    if not brief.spaces.discrete_action:
        row = dimensions if raised[0].any() else int(np.flatnonzero(raised.any(axis=1))[0]) - 1
        return row, int(np.flatnonzero(raised.any(axis=0))[0])
    changed = raised != lowered
    row = dimensions if changed[0] else int(np.flatnonzero(changed)[0]) - 1
    return row, int(raised[0 if changed[0] else row + 1]) - brief.spaces.first_action


def test_a_table_form_says_what_its_policy_does() -> None:
    brief = BRIEFS["nim"]
    text = brief.policy.form(brief.observation_names, brief.action_names)
    assert "params[s] is the action taken in state s, for s = 0 to 10." in text
    table = (1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2)
    assert act(brief.policy.bind(table), np.arange(11)).tolist() == list(table)


@each_environment
@pytest.mark.parametrize("method", PROMPTED)
def test_no_two_bullets_stand_on_one_line(environment: str, method: str, tmp_path: Path) -> None:
    for _, prompt in play(
        environment, method, tmp_path, num_iterations=1, num_evaluation_episodes=1, max_traj_length=30
    ):
        fixed = prompt.split("# History\n")[0]
        assert not re.search(r"\S- [A-Z]", fixed)
        assert "\n\n- " not in fixed


def test_the_policy_text_says_that_actions_are_clipped() -> None:
    said = "An action outside its range is moved to the nearest value in it."
    for environment, clips, told in [("swimmer", True, True), ("swimmer", False, False), ("cartpole", True, False)]:
        brief = make_brief(environment, "propsp", clip_actions=clips, description="detailed")
        assert (said in search_prompt(step_of(brief), described=True)) == told
        assert said not in search_prompt(step_of(make_brief(environment, clip_actions=clips)), described=True)
