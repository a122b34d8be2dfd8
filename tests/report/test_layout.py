from __future__ import annotations

import pytest

from r2po.report.layout import is_discrete, layout_of, short


def test_parameters_of_a_linear_policy_have_the_names_of_the_card() -> None:
    layout = layout_of("linear", True, "cartpole", 10)
    assert layout["kind"] == "matrix"
    assert layout["rows"] == [
        "cart position",
        "cart velocity",
        "pole angle from upright",
        "pole angular velocity",
        "bias",
    ]
    assert layout["columns"] == ["push the cart to the left", "push the cart to the right"]
    assert layout_of("linear", False, "cartpole", 8)["rows"][-1] == "pole angular velocity"


@pytest.mark.parametrize(
    ("policy", "task"), [("linear", "cartpole"), ("linear", "no card"), ("projected_mlp", "cartpole")]
)
def test_what_does_not_fit_the_card_has_no_names(policy: str, task: str) -> None:
    assert layout_of(policy, True, task, 7)["kind"] == "rows"


def test_choices_have_the_numbers_of_the_actions() -> None:
    assert layout_of("tabular", True, "frozenlake", 16)["values"][0] == [0, "move left"]
    assert layout_of("tabular", True, "nim", 11)["values"] == [
        [1, "take 1 stick"],
        [2, "take 2 sticks"],
        [3, "take 3 sticks"],
    ]


def test_without_parameters_there_is_nothing_to_lay_out() -> None:
    assert layout_of("code", True, "cartpole", 0) == {"kind": "none", "words": "The policy is a program."}


def test_short_names() -> None:
    assert short("pole angle from upright (rad, leaning right is positive)") == "pole angle from upright"
    assert len(short("a" * 80)) == 34


def test_discrete_actions() -> None:
    assert is_discrete("cartpole")
    assert not is_discrete("mountaincarcontinuous")
    assert not is_discrete("no card")
