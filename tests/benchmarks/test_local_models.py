"""The document on local models: its arithmetic, and that its tables are those of the benchmarks."""

from __future__ import annotations

from itertools import pairwise

import pytest

from benchmarks import contexts, greedy_decoding
from benchmarks.contexts import most_tokens, row
from benchmarks.documents import DOCS, read_table
from benchmarks.greedy_decoding import prompts, table

DOCUMENT = DOCS / "local-models.md"
GIB = 2**30
BITS = (4.9, 8.5)
CONTEXTS = (8192, 32768, 65536)


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_what_fits_into_memory_follows_from_the_formula() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    lines = text[text.index("| model |") :].split("\n\n")[0].splitlines()
    assert len(lines) > 5
    for name, billions, layers, heads, size, *shown in map(cells, lines[2:]):
        weights = [float(billions) * 1e9 * bits / 8 / GIB for bits in BITS]
        cache = [2 * int(layers) * int(heads) * int(size) * 2 * context / GIB for context in CONTEXTS]
        assert shown == [f"{number:.1f}" for number in (*weights, *cache)], name


def test_the_table_of_contexts_has_every_task_with_every_window() -> None:
    rows = [cells(line) for line in read_table(DOCUMENT, contexts.TABLE).splitlines()[2:]]
    assert len(rows) == len(contexts.TASKS) * len(contexts.WINDOWS)
    assert {line[0] for line in rows} == {"CartPole", "Swimmer"}
    assert rows[2] == row(contexts.TASKS[0], *contexts.WINDOWS[2])


@pytest.mark.slow
def test_the_table_of_contexts_is_that_of_the_dry_run() -> None:
    assert read_table(DOCUMENT, contexts.TABLE) == contexts.table()


def test_the_largest_figure_of_a_role_is_taken() -> None:
    told = (
        "search prompts: 9 characters in the first iteration (4 to 6 tokens), about 20 in the last (9 to 12 tokens)\n"
        "critic prompts: 9 in the first (1 to 2 tokens), 9,000 with the longest rollouts (4,100 to 6,200 tokens)\n"
        "prompt tokens in total: about 1 to 9,999,999 tokens\n"
    )
    assert [most_tokens(told, role) for role in contexts.ROLES] == [12, 6200]


def test_each_greedy_prompt_begins_with_the_one_before() -> None:
    asked = prompts(5)
    assert all(later.startswith(f"{earlier}\n") for earlier, later in pairwise(asked))
    assert asked == prompts(5)


def test_replies_are_compared_with_those_of_one_thread_without_a_cache() -> None:
    found = {"first": ["a", "b", "c"], "again": ["a", "b", "c"], "cached": ["a", "x", "y"]}
    assert [cells(line) for line in table(found).splitlines()[2:]] == [["again", "3", "0"], ["cached", "3", "2"]]


def test_the_document_has_a_measurement() -> None:
    rows = [cells(line) for line in read_table(DOCUMENT, greedy_decoding.TABLE).splitlines()[2:]]
    assert len(rows) == 3
    (_, again, same), (_, cached, different), _ = rows
    assert int(again) == int(cached) > 0
    assert int(same) <= int(different) <= int(cached)
