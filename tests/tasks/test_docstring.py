"""What is read from the docstrings of environments."""

from __future__ import annotations

import gymnasium
import pytest
from gymnasium.envs.registration import load_env_creator
from hypothesis import given
from hypothesis import strategies as st

from r2po.tasks.docstring import section_like, sections, table_names

TEXT = """
    Says what it is.

    ## Action Space

    | Num | Action | Unit |
    |:---:|--------|------|
    | 0 | **Push** `left` | force (N) |
    | 1 | Push \\| right | force (N) |

    ## Observation Space ##
    ```python
    ## no heading
    | Num | Observation |
    ```

    ## Rewards:
    One for each step.

    ### At the end
    None.

    ## Rewards
    Another one.
"""


def test_a_docstring_falls_into_sections() -> None:
    found = sections(TEXT)
    assert list(found) == ["action space", "observation space", "rewards", "at the end"]
    assert found["rewards"] == "One for each step.\n\n### At the end\nNone."
    assert "## no heading" in found["observation space"]
    assert section_like(TEXT, "reward") == found["rewards"]
    assert section_like(TEXT, "ending", "episode") == ""
    assert sections(None) == {}


def test_a_table_names_its_rows_with_units() -> None:
    assert table_names(section_like(TEXT, "action")) == ["Push left (N)", "Push | right (N)"]


@pytest.mark.parametrize(
    ("table", "names"),
    [
        ("| Num | Name |\n|---|---|\n| 0 | a |\n| 1 | b |\n| excluded | c |", ["a", "b"]),
        ("| Num | Name |\n|---|---|\n| 1 | a |", []),
        ("| Num | Name |\n| 0 | a |", []),
        ("| Key | Name |\n|---|---|\n| 0 | a |", []),
        ("| Num |\n|---|\n| 0 |", []),
        ("text | Num | Name |\n", []),
        (
            "| Num | Name | Unit |\n|---|---|---|\n| 0 | angle (rad) | angle (rad) |\n| 1 | hand",
            ["angle (rad)", "hand"],
        ),
        (
            "| Num | Name | Type (Unit) |\n|---|---|---|\n| 0 | cosine | unitless |\n| 1 | mass | kg |",
            ["cosine", "mass (kg)"],
        ),
    ],
)
def test_only_numbered_tables_count(table: str, names: list[str]) -> None:
    assert table_names(table) == names


@given(st.text(), st.text())
def test_any_text_can_be_read(docstring: str, table: str) -> None:
    assert all(isinstance(text, str) for text in sections(docstring).values())
    assert isinstance(table_names(table), list)


cells = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=8)


@given(st.lists(cells, min_size=1, max_size=30), st.text(st.characters(exclude_characters="|#`")))
def test_a_table_that_is_written_is_read(names: list[str], around: str) -> None:
    rows = [f"| {number} | {name} | -Inf |" for number, name in enumerate(names)]
    head = ["| Num | Observation | Min |", "|-----|-----|-----|"]
    text = "\n".join([around, "", "## Observation Space", *head, *rows, "", "## Rewards", around])
    assert table_names(section_like(text, "observation")) == names


@pytest.mark.parametrize(
    ("gym_id", "observations", "actions"),
    [
        ("CartPole-v1", 4, 0),
        ("Acrobot-v1", 6, 3),
        ("Pendulum-v1", 3, 1),
        ("Hopper-v5", 11, 3),
        ("Reacher-v5", 10, 2),
        ("CliffWalking-v1", 0, 0),
        ("LunarLander-v3", 0, 0),
        ("BipedalWalker-v3", 0, 0),
    ],
)
def test_the_tables_of_gymnasium(gym_id: str, observations: int, actions: int) -> None:
    if gym_id[:5] in ("Lunar", "Biped"):
        pytest.importorskip("Box2D", reason="needs Box2D: pip install 'r2po[box2d]'")
    entry_point = gymnasium.spec(gym_id).entry_point
    assert isinstance(entry_point, str)
    docstring = load_env_creator(entry_point).__doc__
    assert len(table_names(section_like(docstring, "observation"))) == observations
    assert len(table_names(section_like(docstring, "action"))) == actions
    assert section_like(docstring, "reward")
    assert section_like(docstring, "episode")
