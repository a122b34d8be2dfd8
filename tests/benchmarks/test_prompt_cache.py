"""The benchmark of caches: its bill, and the table in the document."""

from __future__ import annotations

import pytest

from benchmarks.documents import read_table
from benchmarks.prompt_cache import CASES, NAME_IN_PAGE, PAGE, STYLES, measure, table


@pytest.mark.parametrize("style", STYLES)
def test_most_of_a_search_prompt_is_read_and_nothing_is_paid_for_in_vain(style: str) -> None:
    """A character is a token here."""
    bill = measure("cartpole/cartpole_props", style, len, num_iterations=5, num_evaluation_episodes=1)
    assert bill.usual == sum(map(len, bill.prompts))
    assert bill.charge.read > bill.usual / 2
    assert 1 <= bill.near < 1.05


def test_the_table_in_the_document_has_all_cases_and_none_is_far_from_the_least() -> None:
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in read_table(PAGE, NAME_IN_PAGE).splitlines()
    ]
    assert rows[0] == [cell.strip() for cell in table([]).splitlines()[0].strip("|").split("|")]
    assert [tuple(row[:2]) for row in rows[2:]] == [(name, style) for _, name in CASES for style in STYLES]
    for row in rows[2:]:
        assert float(row[-1]) <= 1.05
        assert float(row[-2]) < 1
