"""Values of the zoo are parsed, and nothing of them is ever evaluated."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from r2po.baselines.sb3.expressions import ClassName, LinearDecay, parse_value
from r2po.errors import InputError

RELU = ClassName("nn.ReLU")

UNDERSTOOD: list[tuple[Any, Any]] = [
    ("lin_3e-4", LinearDecay(3e-4)),
    ("dict(net_arch=[400, 300])", {"net_arch": [400, 300]}),
    (
        "dict(log_std_init=-2,\n  ortho_init=False,\n  activation_fn=nn.ReLU,\n  net_arch=dict(pi=[256], vf=[64, 64]))",
        {"log_std_init": -2, "ortho_init": False, "activation_fn": RELU, "net_arch": {"pi": [256], "vf": [64, 64]}},
    ),
    (
        "dict(optimizer_class=RMSpropTFLike, optimizer_kwargs=dict(eps=1e-5))",
        {"optimizer_class": ClassName("RMSpropTFLike"), "optimizer_kwargs": {"eps": 1e-5}},
    ),
    ("{'norm_obs': True, 'norm_reward': False}", {"norm_obs": True, "norm_reward": False}),
    ("th.nn.ReLU", RELU),
    ({"activation_fn": "torch.nn.ReLU", "net_arch": [8]}, {"activation_fn": RELU, "net_arch": [8]}),
    ([1, "episode"], [1, "episode"]),
    ("auto_0.1", "auto_0.1"),
    (0.5, 0.5),
    (None, None),
]


@pytest.mark.parametrize(("value", "expected"), UNDERSTOOD)
def test_what_the_zoo_writes(value: Any, expected: Any) -> None:
    assert parse_value(value, "x") == expected


REFUSED = [
    "dict(a=__import__('os').system('false'))",
    "dict(a=open('x'))",
    "dict(**{'a': 1})",
    "dict([('a', 1)])",
    "[x for x in (1, 2)]",
    "[1][0]",
    "dict(a=nn.Module)",
    "dict(a=nn.ReLU.__init__)",
    "dict(a=1",
    "{[1]: 2}",
    "{**{}}",
    "[not True]",
    "(lambda: 1)()",
    "__import__('os')",
    "nn.Relo",
    "lin_fast",
    "[" * 10_000,
]


@pytest.mark.parametrize("text", REFUSED)
def test_anything_else_is_one_clear_line(text: str) -> None:
    with pytest.raises(InputError, match=r"^PPO: policy_kwargs is ") as refused:
        parse_value(text, "PPO: policy_kwargs")
    assert "\n" not in str(refused.value)


def test_the_nearest_class_is_named() -> None:
    with pytest.raises(InputError, match=r"did you mean 'nn\.ReLU'"):
        parse_value("dict(activation_fn=nn.Relo)", "x")


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@settings(max_examples=40)
@given(st.lists(PLAIN) | st.dictionaries(st.text(), PLAIN))
def test_literals_come_back_as_they_are(value: Any) -> None:
    assert parse_value(repr(value), "x") == value
