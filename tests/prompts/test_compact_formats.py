"""How compact prompts write numbers, histories and rollouts."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from r2po.llm.providers.embedded import _read
from r2po.policies import Parameters
from r2po.prompts import critic_only_prompt, critic_prompt, median_package, search_prompt, three_rollouts
from r2po.prompts.compact_evidence import COMPACT
from r2po.prompts.compact_history import value, write_excerpts, write_history
from r2po.prompts.compact_rollouts import columns, numbered, transitions
from r2po.prompts.history import Lines
from r2po.prompts.rollouts import by_length
from r2po.rollout import Rollout
from r2po.runlog import RunDirectory
from r2po.runlog.events import read_calls
from r2po.trial import Trial
from tests.builders import answer, make_brief, make_config, make_rollout, open_experiment
from tests.prompts.real import asked
from tests.prompts.test_published_formats import candidate, step_of
from tests.scripted import Scripted

CAR = make_brief("mountaincarcontinuous", prompts="compact")
MAZE = make_brief("maze", prompts="compact")
TABLE: Parameters = (0, 1, 2, 3, 0, 1, 2, 3, 0)
OFF_GRID: Parameters = (1.23456789, -0.0, -10.8)


def trial(
    reward: float, *, warmup: bool = False, params: Parameters = OFF_GRID, rollout: Rollout | None = None, **more: Any
) -> Trial:
    return Trial(params, params, reward, warmup, rollout, **more)


# ---- Numbers ----


@pytest.mark.parametrize(
    ("numbers", "written"),
    [
        ([0.52345, -0.0123, 0.00081], [".523", "-.012", ".001"]),  # 3 decimals: the largest has no more
        ([0.0512, -0.00123, 0.00004], [".0512", "-.0012", "0"]),  # 4: as the largest
        ([12.345, 0.12345, -1.5], ["12.3", ".123", "-1.5"]),
        ([123456.0, 0.5, -2000.04], ["123456", ".5", "-2000"]),
        ([0.0, -0.0, 10.0], ["0", "0", "10"]),
        ([-0.0004, 1.0], ["0", "1"]),
        ([3e-9, 1e-9], [".000000003", ".000000001"]),
    ],
)
def test_numbers_have_as_many_digits_as_matter(numbers: list[float], written: list[str]) -> None:
    assert columns(np.array(numbers)) == [written]


def test_states_of_tables_and_actions_are_integers() -> None:
    assert columns(np.array([10, 0, 120])) == [["10", "0", "120"]]


@given(st.lists(st.floats(-1e5, 1e5), min_size=1, max_size=20))
@settings(max_examples=60, deadline=None)
def test_a_written_number_is_near_its_value(numbers: list[float]) -> None:
    largest = max(map(abs, numbers))
    for number, text in zip(numbers, columns(np.array(numbers))[0], strict=True):
        assert re.fullmatch(r"-?(?:0|[1-9]\d*)?(?:\.\d*[1-9])?", text)
        assert text not in ("", "-", "-0")
        # Either 3 significant digits, or as fine as the largest number's.
        assert abs(float(text) - number) <= max(0.006 * abs(number), 0.006 * min(largest, 0.1), 1e-9)


@pytest.mark.parametrize(
    ("reward", "text"), [(198.5, "198.5"), (-0.0012, "0"), (12.345678, "12.35"), (-1234.56, "-1234.6"), (500.0, "500")]
)
def test_the_value_of_f(reward: float, text: str) -> None:
    assert value(reward) == text


# ---- Histories ----


@pytest.mark.parametrize(
    ("lines", "written"),
    [
        ("values", ["f = 12.35; [1.23, 0, -10.8]", "f = 0; [1.23, 0, -10.8]"]),
        ("rewards", ["Trial 0: f = 12.35; [1.23, 0, -10.8]", "Trial 1: f = 0; [1.23, 0, -10.8]"]),
        ("kinds", ["Trial 0 (warm-up): f = 12.35; [1.23, 0, -10.8]", "Trial 1: f = 0; [1.23, 0, -10.8]"]),
        ("phases", ["Trial 0 (warm-up): f = 12.35; [1.23, 0, -10.8]", "Trial 1: f = 0; [1.23, 0, -10.8]"]),
    ],
)
def test_the_lines_of_a_history(lines: Lines, written: list[str]) -> None:
    history = [trial(12.345678, warmup=True), trial(-0.0012)]
    assert write_history(history, CAR, lines).splitlines() == written


def test_a_trial_that_failed_says_why() -> None:
    assert write_history([trial(-math.inf, failure="error: x")], CAR, "kinds") == (
        "Trial 0: failed: error: x; [1.23, 0, -10.8]"
    )


def test_values_that_were_moved_are_told() -> None:
    history = [trial(1.0, params=(6.0, 0.1, -6.0), moved=(0, 2)), trial(2.0, params=(6.0, 0.1, 1.0), moved=(0,))]
    assert write_history(history, CAR).splitlines() == [
        "f = 1; [6, 0.1, -6] (params[0], params[2] moved to their bounds)",
        "f = 2; [6, 0.1, 1] (params[0] moved to its bound)",
    ]


def test_a_window_on_the_history_holds_here_too() -> None:
    brief = make_brief("mountaincarcontinuous", prompts="compact", history_window={"best": 1, "last": 1})
    written = write_history([trial(9.0), trial(1.0), trial(2.0)], brief, "kinds").splitlines()
    assert written[0].startswith("(Of 3 trials, only ")
    assert [line.split(";")[0] for line in written[1:]] == ["Trial 0: f = 9", "Trial 2: f = 2"]


def test_propsp_shows_the_rollout_of_each_table_once() -> None:
    rewards = [-0.1 / 9] * 3 + [1.0]
    history = [
        trial(0.5, params=TABLE, rollout=make_rollout(rewards)),
        trial(0.25, params=TABLE),
        trial(0.5, params=TABLE, rollout=make_rollout(rewards, seed=4)),
    ]
    text = search_prompt(step_of(MAZE, history), described=True)
    assert text.split("from the step before.\n")[1].split("\n\n")[0].splitlines() == [
        "Trial 0: f = 0.5; [0, 1, 2, 3, 0, 1, 2, 3, 0]",
        "Rollout: 0:0=-.011 1:0 2:0 3:0=1",
        "Trial 1: f = 0.25; [0, 1, 2, 3, 0, 1, 2, 3, 0]",
        "Trial 2: f = 0.5; [0, 1, 2, 3, 0, 1, 2, 3, 0]",
        "Rollout as in trial 0.",
    ]


def test_excerpts_show_equal_rollouts_once() -> None:
    brief = make_brief("maze", prompts="compact", max_traj_length=20)
    rollouts = [make_rollout([0.0] * 10), make_rollout([0.0] * 2), make_rollout([0.0] * 10, seed=3)]
    history = [trial(1.0, rollout=rollout) for rollout in rollouts]
    assert write_excerpts(history, brief).splitlines() == [
        "Trial 0: 0 | 0; 1 | 0; 2 | 0; 3 | 0; 4 ... (2 steps left out) ...; 6 | 0; 7 | 0; 8 | 0; 9 | 0; [ended]",
        "Trial 1: 0 | 0; 1 | 0; [ended]",
        "Trial 2: as trial 0",
    ]


def test_critic_only_shows_its_latest_rollout_in_one_section() -> None:
    history = [trial(1.0, params=TABLE, rollout=make_rollout([1.0] * count)) for count in (1, 3)]
    prompt = critic_only_prompt(step_of(MAZE, history))
    excerpts = prompt.split("# How the latest policies behaved\n")[1].split("\n\n")[0]
    assert [line.split(":")[0] for line in excerpts.splitlines()[1:]] == ["Trial 0"]
    assert prompt.split("# The latest rollout\n")[1].split("\n\n")[0].splitlines()[1:] == [
        "0: 0 | 0 | 1",
        "1 | 0",
        "2 | 0",
    ]


# ---- Rollouts ----


def test_the_package_of_r2po() -> None:
    rollouts = [make_rollout([4.0]), make_rollout([1.0, 2.0]), make_rollout([2.0]), make_rollout([0.0, 1.0])]
    brief = make_brief("maze", optimum=3.0, prompts="compact")
    text = critic_prompt(step_of(brief, []), candidate(*rollouts), evidence=median_package)
    assert text.split("# The policy to revise\n")[1].split("\n\n# Now")[0].splitlines() == [
        "Proposed parameters: [0, 1, 2, 3, 0, 1, 2, 3, 0]",
        "Mean return: 2.5",
        "Returns: from 1 to 4",
        "Steps: mean 1.5, from 1 to 2",
        "Return of at least 3 (the target): 2 of 4; less: 2",
        "",
        "Median rollout, as an example: rollout 1, return 3, 2 steps. Each line is a state and the action taken in it, "
        "state | action; the last one says how it ended:",
        "0 | 0",
        "1 | 0",
        "[ended]",
    ]


def test_each_state_stands_once_and_the_last_one_never() -> None:
    rollout = Rollout(0, np.array([[0.1, 2.0], [0.3, -2.5], [7.7, 7.7]]), np.array([[0.5], [-1.0]]), np.zeros(2), "cap")
    assert transitions(rollout, by_length(2)) == [".1 2 | .5", ".3 -2.5 | -1", "[step cap]"]
    assert numbered(rollout) == ["0: .1 2 | .5 | 0", ".3 -2.5 | -1"]


def test_records_have_the_number_of_every_tenth_step_and_of_the_first_after_a_gap() -> None:
    rollout = make_rollout([float(step // 15) for step in range(30)])
    lines = numbered(rollout)
    assert lines[0] == "0: 0 | 0 | 0"
    assert lines[9:11] == ["9 | 0", "10: 10 | 0"]
    assert lines[15] == "15 | 0 | 1"
    assert numbered(rollout, 2, 3) == [
        "0: 0 | 0 | 0",
        "1 | 0",
        "... (25 steps left out) ...",
        "27: 27 | 0",
        "28 | 0",
        "29 | 0",
    ]


def test_of_three_rollouts_equal_ones_are_shown_once() -> None:
    write = COMPACT[three_rollouts.__name__]
    one = candidate(*(make_rollout(rewards) for rewards in ([1.0, 0.0], [0.0, 1.0], [5.0])))
    assert write(one, MAZE).splitlines()[2:] == [
        "Worst and median rollout: rollout 0, return 1",
        "0 | 0",
        "1 | 0",
        "[ended, last reward not above 0]",
        "",
        "Best rollout: rollout 2, return 5",
        "0 | 0",
        "[ended, last reward above 0]",
    ]
    alike = candidate(*(make_rollout(rewards) for rewards in ([1.0, 1.0], [5.0, 1.0], [9.0, 1.0])))
    lines = write(alike, MAZE).splitlines()
    assert lines[2:6] == [
        "Worst rollout: rollout 0, return 2",
        "Median rollout: rollout 1, return 6",
        "Best rollout: rollout 2, return 10",
        "These have the same steps:",
    ]
    assert lines.count("0 | 0") == 1


# ---- The environment ----


@pytest.mark.parametrize(
    ("cap", "told"), [(1000, "and after 500 steps at the latest"), (200, "and after 200 steps at the latest")]
)
def test_one_limit_is_told_and_it_is_the_one_that_holds(cap: int, told: str) -> None:
    brief = make_brief("cartpole", prompts="compact", description="detailed", max_traj_length=cap)
    ending = next(line for line in search_prompt(step_of(brief, []), described=True).splitlines() if "ends" in line)
    assert told in ending
    assert re.findall(r"\d+ steps", ending) == [told.split("after ")[1].split(" at")[0]]


def test_a_task_that_names_no_limit_is_given_the_cap() -> None:
    brief = make_brief("nim", prompts="compact", description="detailed", max_traj_length=77)
    assert "It is stopped after 77 steps at the latest." in brief.ending


def test_parameters_are_named_by_action() -> None:
    form = make_brief("mountaincar").policy.form_briefly([], [])
    assert "- params[3], params[4], params[5]: weights W of s[1] for actions 0, 1, 2" in form.splitlines()
    assert form.splitlines()[-1] == "- params[6], params[7], params[8]: biases b of actions 0, 1, 2"
    assert CAR.policy.form_briefly([], []).splitlines()[1:] == [
        "- params[0]: weight W of s[0] for a[0]",
        "- params[1]: weight W of s[1] for a[0]",
        "- params[2]: bias b of a[0]",
    ]


# ---- Runs ----


def test_compact_prompts_take_about_half_the_pieces() -> None:
    """Pieces as tokenizers make them: words, up to 3 digits, marks with the space before them, line ends."""
    piece = re.compile(r" ?[^\W\d]+|\d{1,3}| ?[^\w\s]+\n*|\s+")
    sizes = {}
    for style in ("published", "compact"):
        values = {"prompts": style, "max_traj_length": 200, "num_iterations": 1}
        prompts = [each.prompt for each in asked("swimmer", "r2po", **values)]
        sizes[style] = sum(len(piece.findall(prompt)) for prompt in prompts)
    assert sizes["compact"] <= 0.5 * sizes["published"]


@pytest.mark.parametrize(
    ("environment", "values"),
    [
        ("cartpole", {}),
        ("maze", {}),
        ("swimmer", {"policy": "random_features"}),
        ("swimmer", {"policy": "projected_mlp"}),
    ],
)
def test_the_stand_in_reads_the_same_in_both_styles(environment: str, values: dict[str, Any]) -> None:
    for method in ("r2po", "reptraj", "props"):
        firsts = [
            [question for question in asked(environment, method, prompts=style, **values) if question.iteration == 1]
            for style in ("published", "compact")
        ]
        for published, compact in zip(*firsts, strict=True):
            one, other = _read(published.prompt), _read(compact.prompt)
            for name in ("size", "choices", "low", "high", "decimals", "step", "content"):
                assert getattr(other, name) == getattr(one, name), (method, compact.role, name)
            assert len(other.trials) == len(one.trials) == 2
            assert all(trial.size == one.size for trial, _ in [*one.trials, *other.trials])
            assert (other.proposal is None) == (one.proposal is None)


@pytest.mark.parametrize(("policy", "protocol"), [("projected_mlp", "published"), ("linear", "controlled")])
def test_a_moved_value_is_told_in_history_and_by_r2po_prompt(
    policy: str, protocol: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from r2po.cli import main

    size = 10 if policy == "projected_mlp" else 18
    config = make_config(
        "swimmer",
        "props",
        policy=policy,
        protocol=protocol,
        prompts="compact",
        num_iterations=2,
        num_evaluation_episodes=1,
        warmup_episodes=0,
        heldout_episodes=0,
        max_traj_length=5,
    )
    replies = [answer((9.5, *[0.1] * (size - 1))), answer((0.0,) * size)]
    with open_experiment(config, Scripted(replies), tmp_path) as experiment:
        experiment.run()
        path = experiment.directory.path
    prompts = [call.prompt for call in read_calls(path)]
    assert "a value of yours outside is moved to the nearest bound" in prompts[0]
    vector = ", ".join(["6", *["0.1"] * (size - 1)])
    assert f"; [{vector}] (params[0] moved to its bound)" in prompts[1]
    facts = RunDirectory(path).read_iterations()
    assert facts[0]["candidates"][0]["raw_params"][0] == 9.5
    if (path / "run.yaml").exists():
        assert main(["prompt", str(path), "1", "search"]) == 0
        assert "(moved to its bounds: params[0] from 9.5 to 6)" in capsys.readouterr().out
