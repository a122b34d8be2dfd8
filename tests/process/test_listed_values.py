"""Structured output on llama.cpp: over all methods, no reply leaves the range or has other decimals than asked for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from r2po.runlog.events import read_calls
from tests.process.test_real_server import ASKING, run
from tests.real_server import byte_server, needs_server

REPLIES = 500


def first_list(reply: str) -> list[float]:
    """Return the parameters of a reply, which may have been cut off in its reasons below them."""
    numbers: list[float] = json.loads(f"[{reply.partition('[')[2].partition(']')[0]}]")
    return numbers


@needs_server
@pytest.mark.slow
def test_of_500_replies_none_leaves_what_was_asked(tmp_path: Path) -> None:
    values: list[float] = []
    refused: list[str] = []
    replies = 0
    with byte_server(context=65_536) as served:
        for method in ASKING:
            folder = tmp_path / method
            run(folder, served, method=method, num_iterations=REPLIES // len(ASKING) + 1, max_output_tokens=200)
            calls = read_calls(folder / "run_1")
            replies += len(calls)
            refused += [call.refusal for call in calls if call.refusal]
            values += [value for call in calls for value in first_list(call.reply or "")]
    assert replies >= REPLIES
    assert refused == []
    assert len(values) == 10 * replies
    assert [value for value in values if not -6 <= value == round(value, 1) <= 6] == []
    assert len(set(values)) > 60, "the values vary"
