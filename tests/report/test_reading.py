"""What readers of a page meet in a real browser: resumed runs, long ones, links, Back, and other pages beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from r2po.report import report
from r2po.report.blocks import Wanted
from r2po.report.report import write_report
from tests.analysis.made_logs import K, write_run
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
    for many in (10, 80):
        run = write_run(tmp_path / f"{many}", 1, [float(n % 7) for n in range(many)])
        with opened(browser, page_of(tmp_path, run), begin=_COUNT_SORTS) as watched:
            sorts.append(watched.page.evaluate("window.sorts"))
    assert 0 < sorts[1] <= sorts[0] + 10


def five(folder: Path, name: str = "a") -> Path:
    """Write a run of five iterations, of which the fourth is the best."""
    return write_run(folder / name, 1, [1.0, 2.0, 3.0, 9.0, 5.0])


def test_back_returns_to_what_was_shown_before(browser: Any, tmp_path: Path) -> None:
    with opened(browser, page_of(tmp_path, five(tmp_path))) as watched:
        page = watched.page
        assert page.evaluate("location.hash") == "#i=4"
        watched.press("Home", "End")
        assert watched.iteration == 5
        page.focus(".skip")
        watched.press("Enter")  # names an element, and chooses nothing
        assert watched.iteration == 5
        for expected in (5, 1, 4):
            page.go_back()
            assert watched.iteration == expected
        page.go_forward()
        assert watched.iteration == 1


def test_back_from_a_run_to_the_overview(browser: Any, tmp_path: Path) -> None:
    page = page_of(tmp_path, five(tmp_path), five(tmp_path, "b"))
    with opened(browser, page) as watched:
        for place, name in enumerate("ab"):
            watched.page.locator("#outcomes button").nth(place).click()
            watched.page.wait_for_selector(f"#about:has-text('{name}/run_1')")
            assert watched.page.evaluate("location.hash") == f"#run=run{place + 1}&i=4"
        watched.press("Home")
        watched.page.go_back()
        assert watched.iteration == 4
        watched.page.go_back()
        watched.page.wait_for_selector("#about:has-text('a/run_1')")
        watched.page.go_back()
        watched.page.wait_for_selector("#run", state="hidden")
        watched.press("Home", "m")  # of no run
        assert watched.page.evaluate("location.hash") == ""
        watched.page.go_forward()
        watched.page.wait_for_selector("#run")
        assert watched.iteration == 4


def test_what_was_sought_in_one_run_is_not_said_of_the_next(browser: Any, tmp_path: Path) -> None:
    runs = [five(tmp_path), five(tmp_path, "b")]
    write_calls(runs[0], [(2, "a needle", "reply")])
    with opened(browser, page_of(tmp_path, *runs), "#run=run1&i=2") as watched:
        watched.page.wait_for_selector("#prompts .role")
        watched.page.fill("#sought", "needle")
        watched.page.press("#sought", "Enter")
        assert watched.text("#found") == "in 1 iteration: 2 "
        watched.page.locator("#outcomes button").nth(1).click()
        watched.page.wait_for_selector("#about:has-text('b/run_1')")
        assert watched.text("#found") == ""
        assert watched.page.input_value("#sought") == ""


def test_an_old_link_is_not_a_damaged_page(browser: Any, tmp_path: Path) -> None:
    page = page_of(tmp_path, five(tmp_path), five(tmp_path, "b"))
    with opened(browser, page, "#run=run9&i=2") as watched:
        assert watched.text("#failure") == "The address asks for a run called run9, which this page does not have."
        watched.page.evaluate("location.hash = '#run=run2&i=99'")
        watched.page.wait_for_selector("#run")
        assert watched.text("#failure").startswith("The address asks for an iteration that this run does not have")
        assert watched.iteration == 4
        watched.page.evaluate("location.hash = '#run=run2&i=2'")
        watched.page.wait_for_selector("#failure", state="hidden")
        assert watched.iteration == 2


_RAW = r"""() => {
    const raw = /[\u061c\u200e\u200f\u2028-\u202e\u2060\u2066-\u2069\ufeff\x00-\x08\x0b-\x1f\x7f-\x9f]/;
    for (const fold of document.querySelectorAll("details")) fold.open = true;
    const found = raw.test(document.title) ? ["title"] : [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        const texts = node.data != null ? [node.data] : Array.from(node.attributes, (each) => each.value);
        if (!node.parentElement.closest("script") && node.nodeName !== "SCRIPT") {
            found.push(...texts.filter((each) => raw.test(each)));
        }
    }
    return found;
}"""


def test_no_name_of_a_log_turns_a_line_of_the_page(browser: Any, tmp_path: Path, hostile: Path) -> None:
    """Neither as text nor in a label; first folds are opened, then what they are filled with is looked at.

    Plot itself writes spaces of no width (U+200B) into tips.
    """
    page = page_of(tmp_path, hostile, five(tmp_path))
    with opened(browser, page, "#run=run1&i=2") as watched:
        for mode in ("changed", "full"):
            watched.page.click(f"[data-mode={mode}]")
            watched.page.evaluate(_RAW)
            watched.page.locator("#curve svg > g[aria-label=dot] circle").first.hover(force=True)
            assert watched.page.evaluate(_RAW) == []
        assert "b⟦U+202E⟧live" in watched.text("#curve svg > g[aria-label=tip]")
        assert watched.page.title().endswith("hostile_120000/run_1")
        assert "⟦U+202E⟧live" in watched.text("#calls")
        assert "⟦U+202E⟧live" in watched.text("#settings")


@pytest.mark.slow
def test_pages_beside_the_overview_are_found_whatever_its_name(
    browser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In an address, # begins a fragment, and %25 is a percent sign."""
    monkeypatch.setattr(report, "LARGEST", 10)
    runs = [five(tmp_path), five(tmp_path, "b")]
    page = tmp_path / "sweep #2 100%25.html"
    write_report([str(run) for run in runs], page, BARE)
    with opened(browser, page) as watched:
        watched.page.locator("#outcomes button").nth(1).click()
        watched.page.wait_for_selector("#about:has-text('b/run_1')")
        assert watched.iteration == 4
    with opened(browser, page, "#run=run1&i=2", ready=False) as watched:
        watched.page.wait_for_selector("#about:has-text('a/run_1')")
        assert watched.iteration == 2


@pytest.mark.slow
def test_an_axis_of_equal_returns_tells_them(browser: Any, tmp_path: Path) -> None:
    """Plot alone would write the one tick as 5.000000, in the curve and in the overview."""
    runs = [write_run(tmp_path / name, 1, [5.0, 5.0], heldout=5.0, config={"optimum": None}) for name in "ab"]
    for run in runs:
        lines = [json.loads(line) for line in (run / "iterations.jsonl").read_text().splitlines()]
        for line in lines:
            line["candidates"] = [{**each, "returns": [5.0] * K} for each in line["candidates"]]
        (run / "iterations.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    with opened(browser, page_of(tmp_path, *runs), "#run=run1&i=1") as watched:
        for axis in (
            "#curve svg [aria-label='y-axis tick label']",
            "#panels figure > svg [aria-label='y-axis tick label']",
        ):
            ticks = [float(text) for text in watched.texts(f"{axis} text")]
            assert min(ticks) < 5.0 < max(ticks)
        shown = watched.texts("#panels [aria-label$='axis tick label'] text")
        assert "5.0" in shown
        assert not [text for text in shown if "000" in text]
