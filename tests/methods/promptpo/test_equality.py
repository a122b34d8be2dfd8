"""Which programs count as the same."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from r2po.methods.promptpo.equality import canonical, first_of_equals

BASE = "import math\n\n\nclass Policy:\n    def act(self, obs):\n        return int(obs[0] > 0)\n"


@pytest.mark.parametrize(
    "other",
    [
        BASE.replace("    ", "  "),
        BASE.replace("\n\n\n", "\n"),
        BASE.replace("import math", "# The policy\nimport math  # for nothing"),
        BASE.replace("obs[0] > 0", "obs[0]>0"),
        BASE.replace("int(obs[0] > 0)", "int(\n            obs[0] > 0\n        )"),
    ],
    ids=["indentation", "blank lines", "comments", "blanks", "line breaks"],
)
def test_layout_and_comments_make_no_difference(other: str) -> None:
    assert ast.dump(ast.parse(other)) == ast.dump(ast.parse(BASE))
    assert canonical(other) == canonical(BASE)


@pytest.mark.parametrize(
    "other",
    [
        BASE.replace("> 0", "> 1"),
        BASE.replace("obs[0] > 0", "obs[0] >= 0"),
        BASE.replace("        return", "    return 0\n    def other(self):\n        return"),
        BASE.replace("import math", "'text'"),
    ],
    ids=["number", "sign", "block", "text"],
)
def test_anything_else_does(other: str) -> None:
    assert canonical(other) != canonical(BASE)


@pytest.mark.parametrize(
    "source",
    ["class", "x = (", "'", '"""', "\0", "  a\n b", "x = " + "(" * 15_000, "f'" + "{f'" * 5_000, "\\", "\ud800", "$?"],
)
def test_what_is_no_python_equals_itself_only(source: str) -> None:
    assert canonical(source) == canonical(source)
    assert canonical(source) != canonical(source + "\nx = 1")


@given(st.text(max_size=80))
def test_any_text_can_be_compared(source: str) -> None:
    assert canonical(source) == canonical(source)


def test_the_first_of_equals() -> None:
    assert first_of_equals([BASE, "x = 1", f"# new\n{BASE}", "x=1", "y"]) == [0, 1, 0, 1, 4]
    assert first_of_equals([]) == []
