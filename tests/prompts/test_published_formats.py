"""How numbers, histories and rollouts are written, with known answers from the published formats."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from r2po.methods import METHODS, Step
from r2po.policies import Parameters
from r2po.prompts import (
    Brief,
    critic_only_prompt,
    critic_prompt,
    median_package,
    raw_rollout,
    search_prompt,
    three_rollouts,
)
from r2po.prompts.history import Lines, write_excerpts, write_history
from r2po.rollout import Rollout, Rollouts
from r2po.rollout.types import End
from r2po.runlog.events import read_calls
from r2po.trial import Candidate, Trial
from tests.builders import answer, make_brief, make_config, make_rollout, open_experiment
from tests.scripted import Scripted

CAR = make_brief("mountaincarcontinuous")
MAZE = make_brief("maze")
TABLE: Parameters = (0, 1, 2, 3, 0, 1, 2, 3, 0)
OFF_GRID: Parameters = (1.23456789, -0.0, -10.8)


def trial(
    reward: float, *, warmup: bool = False, params: Parameters = OFF_GRID, rollout: Rollout | None = None
) -> Trial:
    return Trial(params, params, reward, warmup, rollout)


def candidate(*rollouts: Rollout, params: Parameters = TABLE) -> Candidate:
    return Candidate("proposal", params, params, "key", Rollouts.of(rollouts))


def step_of(brief: Brief, history: list[Trial]) -> Step:
    """Return a step in which nothing is asked or rolled out."""
    return Step(brief, history, 1, None, None, clip=False)  # type: ignore[arg-type]


def critic_text(brief: Brief, *rollouts: Rollout) -> str:
    return critic_prompt(step_of(brief, []), candidate(*rollouts), evidence=median_package)


# ---- Histories ----


@pytest.mark.parametrize(
    ("lines", "written"),
    [
        (
            "values",
            [
                "params[0]: 1.2346, params[1]: 0.0, params[2]: -10.8; f(params): 12.35",
                "params[0]: 1.2346, params[1]: 0.0, params[2]: -10.8; f(params): 0.00",
            ],
        ),
        (
            "rewards",
            [
                "Trial 0: params = [1.23, 0.0, -10.8]; reward: 12.35",
                "Trial 1: params = [1.23, 0.0, -10.8]; reward: 0.00",
            ],
        ),
        (
            "kinds",
            [
                "Trial 0: params = [1.23, 0.0, -10.8]; rollout reward: 12.35",
                "Trial 1: params = [1.23, 0.0, -10.8]; mean reward: 0.00",
            ],
        ),
        (
            "phases",
            [
                "Warm-up trial 0: params = [1.23, 0.0, -10.8]; rollout reward: 12.35",
                "Training trial 1: params = [1.23, 0.0, -10.8]; mean reward: 0.00",
            ],
        ),
    ],
)
def test_the_lines_of_a_history(lines: Lines, written: list[str]) -> None:
    history = [trial(12.345678, warmup=True), trial(-0.0012)]
    assert write_history(history, CAR, lines).splitlines() == written


def test_a_history_has_all_trials_in_their_order() -> None:
    rewards = [float(value) for value in np.random.default_rng(1).permutation(900)]
    written = write_history([trial(reward) for reward in rewards], CAR, "rewards").splitlines()
    assert [line.split(": ")[0] for line in written] == [f"Trial {index}" for index in range(900)]
    assert [float(line.split(": ")[-1]) for line in written] == rewards


def test_a_tables_entries_are_integers() -> None:
    assert write_history([trial(1.0, params=TABLE)], MAZE, "kinds") == (
        "Trial 0: params = [0, 1, 2, 3, 0, 1, 2, 3, 0]; mean reward: 1.00"
    )


def test_propsp_shows_a_whole_rollout_of_each_table_without_its_end() -> None:
    rewards = [-0.1 / 9] * 30 + [1.0]
    history = [trial(0.5, params=TABLE, rollout=make_rollout(rewards)), trial(0.25, params=TABLE)]
    text = search_prompt(step_of(MAZE, history), described=True)
    shown = text.split("f(params): 0.50\n")[1].split("\n\n")[0].splitlines()
    assert shown == [
        "Its rollout, as state | action | reward:",
        *(f"{state} | 0 | -0.0111" for state in range(30)),
        "30 | 0 | 1",
    ]


RETURNS = np.array([5.0, 1.0, 4.0, 2.0, 8.0])
"""Mean 4, median 4; of 1, 3: both are 1 from the mean."""


@pytest.mark.parametrize(
    ("method", "environment", "returns", "index"),
    [
        ("propsp", "maze", RETURNS, 0),
        ("propsp", "cartpole", RETURNS, None),
        ("reptraj", "maze", RETURNS, 2),
        ("always_critic", "cartpole", RETURNS, 2),
        ("critic_only", "maze", np.array([3.0, 1.0, 2.0, 2.0]), 2),
        ("reptraj", "maze", np.array([9.0, 3.0, 1.0, 3.0, -6.0]), 1),
    ],
)
def test_which_rollout_a_history_shows(method: str, environment: str, returns: Any, index: int | None) -> None:
    chosen = METHODS[method].history_rollout
    assert chosen is not None
    assert chosen(returns, make_brief(environment)) == index


# ---- What a critic sees ----


def test_the_package_of_r2po() -> None:
    # Median 2.5: 3 and 2 are equally near, and the first one counts.
    rollouts = [make_rollout([4.0]), make_rollout([1.0, 2.0]), make_rollout([2.0]), make_rollout([0.0, 1.0])]
    assert median_package(candidate(*rollouts), make_brief("maze", optimum=3.0)).splitlines() == [
        "Statistics of the 4 rollouts:",
        "- return: mean 2.50, min 1.00, max 4.00",
        "- length in steps: mean 1.5, min 1, max 2",
        "- reached the target of 3.00: 2/4",
        "- did not reach it: 2/4",
        "",
        "Median rollout, as an example: rollout 1, return 3.0000, length 2 steps. "
        "Each line is state->action->next state:",
        "0->0->1",
        "1->0->[ended]",
    ]


def test_k_is_stated_to_critics_of_tables_only() -> None:
    rollouts = [make_rollout([1.0])] * 7
    texts = [
        function(candidate(*rollouts), make_brief(environment))
        for function in (median_package, three_rollouts, raw_rollout)
        for environment in ("maze", "cartpole")
    ]
    assert [text.splitlines()[0].count("7 rollouts") for text in texts] == [1, 0, 1, 0, 0, 0]
    assert [len(re.findall(r"\b7\b", text)) for text in texts] == [4, 3, 1, 0, 0, 0]


@pytest.mark.parametrize(
    ("target", "value", "reached"),
    [
        (500.0, 500.0, True),
        (500.0, 499.4951, True),
        (500.0, 499.4949, False),
        (500.0, 9999.0, True),
        (-120.0, -120.1211, True),
        (-120.0, -120.1213, False),
        (0.9, 0.898992, True),
        (0.9, 0.89899, False),
    ],
)
def test_what_counts_as_a_success(target: float, value: float, reached: bool) -> None:
    text = median_package(candidate(make_rollout([value])), make_brief("maze", optimum=target))
    assert f"- reached the target of {target:.2f}: {int(reached)}/1\n- did not reach it: {int(not reached)}/1\n" in text


@pytest.mark.parametrize(
    ("returns", "mean"),
    [([1.0, 0.0, 0.0], "0.3333333333333333"), ([2.0], "2.0"), ([-0.0], "0.0"), ([1e-7, 0.0], "5e-08")],
)
def test_the_mean_has_all_its_digits(returns: list[float], mean: str) -> None:
    assert f"\nMean return: {mean}\n" in critic_text(MAZE, *(make_rollout([value]) for value in returns))


def test_the_proposal_has_three_digits_where_it_is_not_on_the_grid() -> None:
    text = critic_prompt(
        step_of(CAR, []), candidate(make_rollout([1.0]), params=OFF_GRID), evidence=median_package, lines="kinds"
    )
    assert "\nProposed parameters: params[0]: 1.23, params[1]: 0.0, params[2]: -10.8\n" in text


def test_the_raw_record() -> None:
    rollout = Rollout(
        0,
        np.array([[0.12345, -2.0], [1e-5, -0.0], [9.0, 9.0]]),
        np.array([[1.0, -0.5], [-0.0, 0.25]]),
        np.array([-0.012345, 1.0]),
        "truncated",
    )
    steps = ["0: [0.123, -2] | [1, -0.5] | -0.0123", "1: [1e-05, 0] | [0, 0.25] | 1"]
    assert raw_rollout(candidate(rollout), MAZE).splitlines() == [
        "One rollout, length 2 steps, return 0.99. Each line is step: state | action | reward:",
        *steps,
    ]
    latest = critic_only_prompt(step_of(CAR, [trial(0.987655, rollout=rollout)]))
    assert latest.split("\n# The latest rollout\n")[1].splitlines() == [
        "A recent rollout, length 2 steps. Each line is step: state | action | reward:",
        *steps,
    ]


def test_the_raw_record_is_the_first_of_those_nearest_to_the_mean_and_whole() -> None:
    rollouts = [make_rollout([9.0]), make_rollout([0.0] * 299 + [3.0]), make_rollout([3.0]), make_rollout([1.0])]
    shown = candidate(*rollouts)  # mean 4
    lines = raw_rollout(shown, MAZE).splitlines()
    assert lines[0].startswith("One rollout, length 300 steps, return 3.00.")
    assert [line.split(":")[0] for line in lines[1:]] == [str(number) for number in range(300)]
    assert shown.shown == {1}


def test_the_three_rollouts() -> None:
    shown = candidate(*(make_rollout(rewards) for rewards in ([5.0], [0.0, 1.0], [9.0], [1.0, 0.0], [9.0])))
    assert three_rollouts(shown, MAZE).splitlines() == [
        "Of 5 rollouts. Each line is state->action->next state:",
        "",
        "Worst rollout: rollout 1, return 1.0000",
        "0->0->1",
        "1->0->[ended, last reward above 0]",
        "",
        "Median rollout: rollout 0, return 5.0000",
        "0->0->[ended, last reward above 0]",
        "",
        "Best rollout: rollout 2, return 9.0000",
        "0->0->[ended, last reward above 0]",
    ]


@pytest.mark.parametrize(("length", "gap"), [(1, ""), (50, ""), (51, "1 step"), (52, "2 steps"), (900, "850 steps")])
def test_one_of_three_rollouts_is_cut_to_its_first_and_last_25_steps(length: int, gap: str) -> None:
    text = three_rollouts(candidate(make_rollout([0.0] * length)), MAZE)
    lines = text.split("\n\nWorst rollout: rollout 0, return 0.0000\n")[1].split("\n\n")[0].splitlines()
    steps = [f"{t}->0->{t + 1}" for t in range(length - 1)] + [f"{length - 1}->0->[ended, last reward not above 0]"]
    assert lines == ([*steps[:25], f"... ({gap} left out) ...", *steps[-25:]] if gap else steps)


@pytest.mark.parametrize(("length", "gap"), [(1, ""), (8, ""), (9, "1 step"), (10, "2 steps"), (400, "392 steps")])
def test_an_excerpt_has_the_first_and_the_last_four_steps(length: int, gap: str) -> None:
    brief = make_brief("maze", max_traj_length=1000)
    steps = [f"{t}->0->{t + 1}" for t in range(length - 1)] + [f"{length - 1}->0->[ended]"]
    written = [*steps[:4], f"... ({gap} left out) ...", *steps[-4:]] if gap else steps
    assert write_excerpts([trial(1.0, rollout=make_rollout([0.0625] * length))], brief) == (
        f"Trial 0: {'; '.join(written)}"
    )


@pytest.mark.parametrize(("count", "first"), [(1, 4), (3, 2), (5, 0), (100, 0)])
def test_the_latest_trials_have_excerpts_warm_up_included(count: int, first: int) -> None:
    brief = make_brief("maze", traj_history_last_n=count)
    history = [trial(1.0, warmup=index < 4, rollout=make_rollout([1.0])) for index in range(5)]
    lines = write_excerpts(history, brief).splitlines()
    assert [line.split(":")[0] for line in lines] == [f"Trial {index}" for index in range(first, 5)]


# ---- Ends ----

ENDS: tuple[End, ...] = ("terminated", "truncated", "cap")


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize(
    ("environment", "cap", "length", "label"),
    [
        ("cartpole", 1000, 500, "[ended]"),
        ("mountaincarcontinuous", 1000, 999, "[ended]"),
        ("mountaincar", 1000, 200, "[ended]"),
        ("mountaincar", 200, 200, "[step cap]"),
        ("mountaincar", 200, 199, "[ended]"),
        ("invertedpendulum", 1000, 1000, "[step cap]"),
        ("swimmer", 1000, 1000, "[step cap]"),
        ("frozenlake", 100, 100, "[step cap]"),
        ("maze", 20, 20, "[step cap]"),
        ("maze", 20, 19, "[ended]"),
    ],
)
def test_r2po_and_excerpts_tell_the_cap_from_all_other_ends(
    environment: str, cap: int, length: int, label: str, end: End
) -> None:
    brief = make_brief(environment, max_traj_length=cap)
    rollout = make_rollout([1.0] * length, end)
    assert median_package(candidate(rollout), brief).endswith(f"\n{length - 1}->0->{label}")
    assert write_excerpts([trial(1.0, rollout=rollout)], brief).endswith(f"; {length - 1}->0->{label}")


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("length", [1, 20, 1000])
@pytest.mark.parametrize(
    ("last", "label"),
    [(1.0, "above 0"), (0.001, "above 0"), (0.0, "not above 0"), (-0.0, "not above 0"), (-1.0, "not above 0")],
)
def test_three_traj_tells_ends_by_the_last_reward(last: float, label: str, length: int, end: End) -> None:
    rollout = make_rollout([-last] * (length - 1) + [last], end)
    lines = three_rollouts(candidate(rollout), MAZE).splitlines()
    assert [line for line in lines if "[" in line] == [f"{length - 1}->0->[ended, last reward {label}]"] * 3


@pytest.mark.parametrize("end", ENDS)
def test_no_format_shows_the_final_state(end: End) -> None:
    rollout = Rollout(0, np.array([0, 1, 777]), np.zeros(2, np.int64), np.array([0.0, 1.0]), end)
    history = [trial(1.0, warmup=True, rollout=rollout, params=TABLE)]
    texts = [function(candidate(rollout), MAZE) for function in (median_package, raw_rollout, three_rollouts)]
    texts += [critic_only_prompt(step_of(MAZE, history)), search_prompt(step_of(MAZE, history), described=True)]
    assert not any("777" in text for text in texts)
    for word in ("terminated", "truncated", "goal reached", "GOAL", "limit"):
        assert not any(word in text for text in texts), word


def test_raw_records_and_tables_have_no_label() -> None:
    rollout = make_rollout([1.0] * 20, "cap")
    texts = [
        raw_rollout(candidate(rollout), MAZE),
        critic_only_prompt(step_of(MAZE, [trial(1.0, params=TABLE, rollout=rollout)])).split("# The latest rollout")[1],
        search_prompt(step_of(MAZE, [trial(1.0, params=TABLE, rollout=rollout)]), described=True),
    ]
    assert not any(label in text for text in texts for label in ("[step cap]", "[ended", "->"))


def test_arrows_show_no_rewards() -> None:
    rollout = make_rollout([0.0625, 0.1875])
    texts = [median_package(candidate(rollout), MAZE), three_rollouts(candidate(rollout), MAZE)]
    texts += [write_excerpts([trial(1.0, rollout=rollout)], MAZE)]
    assert not any(value in text for text in texts for value in ("0.0625", "0.06", "0.188", "0.19"))


def test_states_and_actions_have_three_digits_and_no_negative_zero() -> None:
    states = np.array([[-0.0, 12345.678], [-0.00012345, 0.5], [1.0, 1.0]])
    rollout = Rollout(0, states, np.array([[-0.0], [0.98765]]), np.array([1.0, 1.0]), "terminated")
    assert median_package(candidate(rollout, params=OFF_GRID), CAR).splitlines()[-2:] == [
        "[0, 1.23e+04]->0->[-0.000123, 0.5]",
        "[-0.000123, 0.5]->0.988->[ended]",
    ]


# ---- Replies and what ran ----


def prompts_after(config: dict[str, Any], replies: list[Parameters], folder: Path) -> list[str]:
    """Return the prompts of a run with these replies."""
    settings = {"num_evaluation_episodes": 1, "warmup_episodes": 0, "heldout_episodes": 0, "max_traj_length": 5}
    scripted = Scripted([answer(reply) for reply in replies])
    with open_experiment(make_config(**{**settings, **config}), scripted, folder) as experiment:
        experiment.run()
        return [call.prompt for call in read_calls(experiment.directory.path)]


@pytest.mark.parametrize(("protocol", "value"), [("published", "9.5"), ("controlled", "6.0")])
@pytest.mark.parametrize("policy", ["projected_mlp", "linear"])
@pytest.mark.parametrize("method", ["props", "propsp"])
def test_histories_show_the_reply_or_what_ran(
    method: str, policy: str, protocol: str, value: str, tmp_path: Path
) -> None:
    size = 10 if policy == "projected_mlp" else 18
    config = {"environment": "swimmer", "method": method, "policy": policy, "protocol": protocol, "num_iterations": 2}
    prompts = prompts_after(config, [(9.5,) * size, (0.1,) * size], tmp_path)
    line = ", ".join(f"params[{index}]: {value}" for index in range(size))
    assert f"\n{line}; f(params): " in prompts[1]


@pytest.mark.parametrize(
    ("protocol", "environment", "policy", "value"),
    [
        ("published", "mountaincarcontinuous", "linear", "-9.5"),
        ("controlled", "mountaincarcontinuous", "linear", "-6.0"),
        ("published", "swimmer", "projected_mlp", "-9.5"),
        ("controlled", "swimmer", "projected_mlp", "-6.0"),
    ],
)
@pytest.mark.parametrize("method", ["r2po", "three_traj", "reptraj"])
def test_critics_are_shown_the_reply_or_what_ran(
    method: str, protocol: str, environment: str, policy: str, value: str, tmp_path: Path
) -> None:
    size = 3 if policy == "linear" else 10
    config = {"environment": environment, "method": method, "policy": policy, "protocol": protocol}
    replies: list[Parameters] = [(-9.5,) * size] * 4
    prompts = prompts_after({**config, "num_iterations": 2}, replies, tmp_path)
    assert f"\nProposed parameters: {', '.join(f'params[{i}]: {value}' for i in range(size))}\n" in prompts[1]
    assert f"rial 0: params = [{', '.join([value] * size)}]; " in prompts[3]


def test_a_second_pass_is_shown_the_reply_to_the_first(tmp_path: Path) -> None:
    config = {"environment": "swimmer", "method": "actor_second_pass", "policy": "projected_mlp", "num_iterations": 1}
    prompts = prompts_after(config, [(-9.5,) * 10, (0.0,) * 10], tmp_path)
    assert "\nparams[0]: -9.5, params[1]: -9.5, " in prompts[1]
