"""What readers of a page meet in a real browser: resumed runs, long ones, links, Back, and other pages beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from r2po.report.blocks import Wanted
from r2po.report.report import write_report
from tests.analysis.made_logs import write_run
from tests.report.browsing import opened
from tests.report.runs import write_calls

BARE = Wanted(motion="none")


def page_of(folder: Path, *runs: Path) -> Path:
    """Write the page of runs, without rollouts."""
    page = folder / "page.html"
    write_report([str(run) for run in runs], page, BARE)
    return page


def test_a_question_that_a_kill_left_without_a_reply_was_answered_after_all(browser: Any, tmp_path: Path) -> None:
    """A resumed run asks the same once more: its log has two requests of one key, the second with a reply."""
    run = write_run(tmp_path / "a", 1, [1.0, 2.0])
    write_calls(run, [(1, "first question", "first reply"), (2, "second question", "second reply")])
    calls = (run / "llm_calls.jsonl").read_text().splitlines(keepends=True)
    again = [line.replace('"call": 2', '"call": 3') for line in calls[2:]]
    (run / "llm_calls.jsonl").write_text("".join([*calls[:3], *again]))
    lines = [json.loads(line) for line in (run / "iterations.jsonl").read_text().splitlines()]
    for number, line in enumerate(lines, 1):
        line["candidates"][-1]["call"] = f"{number}"
    (run / "iterations.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    with opened(browser, page_of(tmp_path, run), "#i=2") as watched:
        assert watched.texts(".reply > pre") == ["second reply"]
        assert "never answered" not in watched.text("#candidates")
        assert watched.texts("#prompts option") == ["sample 0, attempt 1 (never answered)", "sample 0, attempt 1"]
        assert watched.page.input_value("#prompts select") == "1"
        assert watched.text("#prompts .role .mute").endswith("not in the question before (iteration 1)")


_COUNT_SORTS = """
    window.sorts = 0;
    const sort = Array.prototype.sort;
    Array.prototype.sort = function (...by) { window.sorts += 1; return sort.apply(this, by); };
"""


def test_a_long_run_is_not_sorted_once_for_each_candidate(browser: Any, tmp_path: Path) -> None:
    """What grows with the square of the iterations freezes the browser; a clock would only tell on a quiet machine."""
    sorts = []
    for many in (20, 200):
        run = write_run(tmp_path / f"{many}", 1, [float(n % 7) for n in range(many)])
        with opened(browser, page_of(tmp_path, run), begin=_COUNT_SORTS) as watched:
            sorts.append(watched.page.evaluate("window.sorts"))
    assert 0 < sorts[1] <= sorts[0] + 10
