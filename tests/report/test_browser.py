"""Pages in a real browser: they show what the log holds, obey nothing in it, and can be used with keys alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from r2po.report.blocks import Wanted
from r2po.report.report import write_report
from r2po.runlog.events import read_calls
from tests.analysis.published_format import folder_name, write_published_run
from tests.report.browsing import Watched, opened
from tests.report.runs import LONG, LONGER, MARKUP, make_hostile_run, make_run


def page_of(pages: Path, *runs: Path) -> Path:
    """Write the page of runs, once."""
    page = pages / f"{'_'.join(run.parent.name for run in runs)}.html"
    if not page.exists():
        write_report([str(run) for run in runs], page, Wanted())
    return page


def lines_of(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "iterations.jsonl").read_text(encoding="utf-8").splitlines()]


def test_the_page_shows_what_the_log_holds(browser: Any, pages: Path, cartpole: Path) -> None:
    lines = lines_of(cartpole)
    result = json.loads((cartpole / "result.json").read_text(encoding="utf-8"))
    with opened(browser, page_of(pages, cartpole)) as watched:
        assert watched.iteration == result["best_iteration"]
        drawn = watched.page.locator("#curve svg > g[aria-label=dot] circle").count()
        below = watched.page.locator("#curve svg > g[aria-label=dot] path").count() - 1  # the diamond
        assert drawn + below == sum(len(line["candidates"]) for line in lines)
        candidates = lines[watched.iteration - 1]["candidates"]
        for place, candidate in enumerate(candidates):
            shown = watched.page.locator("#candidates article").nth(place)
            cells = [cell.split("was")[0] for cell in shown.locator("td[title]").all_text_contents()]
            assert [float(cell) for cell in cells] == candidate["params"]
        edited = watched.page.locator("#candidates .edited").count()
        first, second = (candidate["params"] for candidate in candidates)
        assert edited == sum(one != other for one, other in zip(first, second, strict=True))
        assert watched.fits()


def test_a_tip_tells_the_numbers_of_the_log(browser: Any, pages: Path, cartpole: Path) -> None:
    with opened(browser, page_of(pages, cartpole)) as watched:
        watched.page.locator("#curve svg > g[aria-label=dot] circle").nth(0).hover(force=True)
        tip = watched.text("#curve svg > g[aria-label=tip]")
        candidate = lines_of(cartpole)[0]["candidates"][0]
        assert "iteration 1, proposal" in tip
        assert f"{candidate['reward']:.4g}" in tip


def test_prompts_and_replies_are_those_of_the_log(browser: Any, pages: Path, cartpole: Path) -> None:
    with opened(browser, page_of(pages, cartpole), "#i=3") as watched:
        watched.page.click("[data-mode=full]")
        sent = {call.role: call for call in read_calls(cartpole) if call.iteration == 3}
        for place, role in enumerate(("search", "critic")):
            assert watched.texts("#prompts .whole")[place] == f"{sent[role].prompt}\n"
            assert watched.texts("#candidates .reply > pre")[place] == sent[role].reply
        watched.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        watched.page.locator("#prompts .bar button").first.click()
        watched.page.wait_for_selector("#prompts .bar button:has-text('Copied')")
        assert watched.page.evaluate("navigator.clipboard.readText()") == sent["search"].prompt
        watched.page.click("[data-mode=changed]")
        before = {call.role: call for call in read_calls(cartpole) if call.iteration == 2}
        new = "".join(watched.texts("#prompts .role:first-child .new")).splitlines()
        old = set(before["search"].prompt.split("\n"))
        assert new == [line for line in sent["search"].prompt.split("\n") if line.strip() and line not in old]


def test_every_key_and_the_address(browser: Any, pages: Path, cartpole: Path) -> None:
    lines = lines_of(cartpole)
    bests = [line["iteration"] for line in lines if line["reward"] == line["best_reward"]]
    with opened(browser, page_of(pages, cartpole), "#i=2") as watched:
        assert watched.iteration == 2
        watched.press("ArrowRight", "j")
        assert watched.iteration == 4
        watched.press("ArrowLeft", "k", "k")
        assert watched.iteration == 1
        watched.press("End")
        assert watched.iteration == len(lines)
        watched.press("b")
        best = watched.iteration
        assert lines[best - 1]["reward"] == max(line["reward"] for line in lines)
        watched.press("Home", "n")
        assert watched.iteration in bests
        watched.press("N")
        assert watched.iteration == 1
        assert watched.page.evaluate("location.hash") == "#i=1"
        watched.page.go_back()
        assert watched.iteration != 1
        watched.press("m")
        assert watched.text("#play") == "Pause"
        watched.press("m", "?")
        assert watched.page.locator("#keys").is_visible()
        watched.press("Escape", "5")
        assert watched.page.evaluate("document.activeElement.querySelector('h2').textContent") == "Policy space"
        watched.press("/")
        watched.page.keyboard.type("kb")
        assert watched.page.input_value("#sought") == "kb"


def test_every_control_is_reached_by_tab_and_works(browser: Any, pages: Path, cartpole: Path) -> None:
    with opened(browser, page_of(pages, cartpole), "#i=2") as watched:
        page = watched.page
        controls = set(page.evaluate(_CONTROLS))
        reached = set()
        for _ in range(120):
            watched.press("Tab")
            reached.add(page.evaluate(_NAME_OF_ACTIVE))
        assert controls - reached == set()
        assert {"slider", "play", "scrub", "speed", "sought"} <= controls
        _use(watched)


_NAME = "(each) => each.id || each.dataset.mode || each.dataset.plane || each.textContent"
_NAME_OF_ACTIVE = f"({_NAME})(document.activeElement)"
_CONTROLS = f"""[...document.querySelectorAll('button, input, select, summary')]
    .filter((each) => each.checkVisibility()).map({_NAME})"""


def _use(watched: Watched) -> None:
    """Use each control once."""
    page = watched.page
    page.click("#next")
    assert watched.iteration == 3
    page.click("#previous")
    page.focus("#slider")
    watched.press("ArrowRight", "ArrowRight")
    assert watched.iteration == 4
    page.click("#to-best")
    page.click("#keys-open")
    page.click("#keys-close")
    page.click("#play")
    page.wait_for_timeout(120)
    page.click("#play")
    page.select_option("#speed", "4")
    page.evaluate("document.querySelector('#scrub').value = 3")
    page.dispatch_event("#scrub", "input")
    assert "step 3 of" in watched.text("#stage figcaption")
    for mode in ("sections", "full", "changed"):
        page.click(f"[data-mode={mode}]")
    page.fill("#sought", "Reply format")
    page.press("#sought", "Enter")
    assert watched.text("#found").startswith("in 5 iterations: 1 2 3 4 5")
    assert page.locator("#prompts mark").count() + page.locator("#prompts .unchanged").count() > 0
    for plane in ("distance", "components"):
        page.click(f"[data-plane={plane}]")
    page.click("#iterations-fold summary")
    page.click("#iterations [data-column='3']")
    page.locator("#iterations tbody tr").last.click()
    assert page.locator("#iterations tr[aria-current]").count() == 1
    page.click("#calls-fold summary")
    assert watched.texts("#calls tbody th") == ["search", "critic"]
    page.mouse.move(*_middle(page, "#heat"))
    assert "params[" in watched.text("#heat-note")
    page.mouse.click(*_middle(page, "#curve svg"))
    assert watched.iteration == 3


def _middle(page: Any, selector: str) -> tuple[float, float]:
    page.locator(selector).scroll_into_view_if_needed()
    box = page.locator(selector).bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


@pytest.mark.parametrize("long", [LONG, pytest.param(LONGER, marks=pytest.mark.slow)])
def test_what_should_not_be_obeyed_is_shown(long: int, browser: Any, pages: Path, tmp_path: Path) -> None:
    hostile = make_hostile_run(tmp_path, long)
    with opened(browser, page_of(pages, hostile), "#i=1", size="narrow", color_scheme="dark") as watched:
        page = watched.page
        assert watched.fits()
        assert MARKUP in watched.text("#title")
        assert watched.texts(".reply > pre") == [MARKUP]
        assert MARKUP in watched.text("#prompts")
        assert page.locator("img").count() == 0
        watched.press("ArrowRight")
        reply = watched.texts(".reply > pre")[0]
        assert reply.startswith("␛[31mred␛[0m ⟦U+202E⟧evil⟦U+202C⟧ ⟦U+2028⟧ ⟦U+FEFF⟧ ")
        assert reply.endswith(" ␀")
        watched.press("ArrowRight")
        assert len(watched.texts(".reply > pre")[0]) < 30_000
        page.click(".reply > pre .more")
        assert watched.texts(".reply > pre")[0] == f"a long line: {'x' * long}"
        assert watched.fits()


def test_the_policy_of_the_page_forbids_handlers(browser: Any, pages: Path, hostile: Path) -> None:
    """The last fence: markup that came into the page by force runs nothing."""
    with opened(browser, page_of(pages, hostile), ready=False) as watched:
        page = watched.page
        page.wait_for_selector("html[data-ready=yes]", state="attached")
        page.evaluate("""document.body.insertAdjacentHTML('beforeend',
            '<img src="data:," onerror="window.hit = 1"><a id="bait" href="javascript:window.hit = 2">x</a>')""")
        page.evaluate("document.body.append(Object.assign(document.createElement('script'), {text: 'window.hit = 3'}))")
        page.evaluate("document.querySelector('#bait').click()")
        page.wait_for_timeout(150)
        assert page.evaluate("window.hit") is None
        assert any("Content Security Policy" in fault for fault in watched.faults)


def test_several_runs(browser: Any, pages: Path, cartpole: Path, frozenlake: Path) -> None:
    with opened(browser, page_of(pages, cartpole, frozenlake)) as watched:
        page = watched.page
        assert watched.texts("#panels h3") == ["CartPole", "FrozenLake"]
        assert not page.locator("#run").is_visible()
        page.locator("#outcomes button").nth(1).click()
        page.wait_for_selector("#candidates article .reply")
        assert watched.text("#title") == "R2PO on FrozenLake"
        assert page.locator("#stage canvas").count() == 2
        watched.press("Home", "End")
        assert page.evaluate("location.hash") == "#run=run2&i=5"
        assert watched.fits()


def test_without_scripts_the_head_and_the_curve_are_left(browser: Any, pages: Path, cartpole: Path) -> None:
    page = page_of(pages, cartpole)
    with opened(browser, page, ready=False, java_script_enabled=False) as watched:
        assert watched.text("#title") == "R2PO on CartPole"
        assert watched.page.locator("#tiles .tile").count() > 4
        assert watched.page.locator("#curve svg").is_visible()
        assert "open this file in a browser" in watched.text("noscript")
        assert watched.faults == []


def test_in_a_frame_without_rights(browser: Any, pages: Path, frozenlake: Path) -> None:
    """As trackers show pages: scripts, but an origin of its own."""
    inner = page_of(pages, frozenlake)
    outer = pages / "frame.html"
    outer.write_text(f'<iframe sandbox="allow-scripts" src="{inner.name}" width="900" height="900"></iframe>')
    with opened(browser, outer, ready=False) as watched:
        frame = watched.page.frame_locator("iframe")
        frame.locator("html[data-ready=yes]").wait_for(state="attached")
        frame.locator("#to-best").click()
        frame.locator("#next").click()
        frame.locator("#previous").click()
        assert watched.faults == []


def test_a_damaged_page_says_so(browser: Any, pages: Path, frozenlake: Path) -> None:
    text = page_of(pages, frozenlake).read_text(encoding="utf-8")
    damaged = pages / "damaged.html"
    damaged.write_text(text.replace('id="data-run-core">', 'id="data-run-core">AAAA'), encoding="utf-8")
    with opened(browser, damaged, ready=False) as watched:
        watched.page.wait_for_selector("html[data-ready=failed]", state="attached")
        assert "This page cannot be read: a block is damaged" in watched.text("#failure")


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", ["wide", "narrow"])
@pytest.mark.parametrize(
    "config",
    [
        "cartpole_props",
        "cartpole_cma_es",
        "cartpole_promptpo",
        "frozenlake_pure_search",
        "nim_propsp",
        "maze_critic_only",
        "mountaincar_always_critic",
        "mountaincar_continuous_reptraj",
        "pong_three_traj",
        "swimmer_propsp",
        "swimmer_props_random_projection_qr",
        "invertedpendulum_props",
        "inverteddoublependulum_propsp",
        "acrobot_props",
        "pendulum_props",
        "hopper_props",
        "cliffwalking_props",
    ],
)
def test_each_method_and_task(
    config: str, size: str, scheme: str, browser: Any, pages: Path, logs: Path, tmp_path: Path
) -> None:
    run = logs / config / "run_1"
    if not run.exists():
        make_run(logs, config, "num_iterations=3", *(["candidates=3"] if "promptpo" in config else []), name=config)
    with opened(browser, page_of(pages, run), size=size, color_scheme=scheme) as watched:
        assert watched.fits()
        watched.press("Home", "ArrowRight", "m")
        watched.page.wait_for_timeout(200)
        assert watched.fits()
        watched.page.screenshot(path=tmp_path / "page.png", full_page=True)


@pytest.mark.slow
@pytest.mark.parametrize("size", ["wide", "narrow"])
def test_other_kinds_of_logs(size: str, browser: Any, pages: Path, programs: Path, tmp_path: Path) -> None:
    published = write_published_run(tmp_path / folder_name("cartpole", "r2po"), 1, [3.0, 5.0], method="r2po")
    for run in (programs, published):
        with opened(browser, page_of(pages, run), size=size) as watched:
            watched.press("Home", "ArrowRight")
            assert watched.fits()
            assert watched.iteration == 2
        (pages / f"{run.parent.name}.html").unlink()


@pytest.mark.slow
def test_colours_and_print_follow_the_reader(browser: Any, pages: Path, cartpole: Path) -> None:
    with opened(browser, page_of(pages, cartpole)) as watched:
        ink = "getComputedStyle(document.body).color"
        light = watched.page.evaluate(ink)
        watched.page.emulate_media(color_scheme="dark")
        assert watched.page.evaluate(ink) != light
        watched.page.emulate_media(media="print", color_scheme="dark")
        assert watched.page.evaluate(ink) == light
        assert watched.page.pdf()
        watched.page.set_viewport_size({"width": 794, "height": 1123})  # A4
        watched.page.evaluate("document.querySelectorAll('details').forEach((each) => (each.open = true))")
        assert watched.page.evaluate("document.documentElement.scrollWidth") <= 794, "no column is cut off"
        assert watched.page.locator("#iterations tbody tr").count() == 5


@pytest.mark.slow
def test_pictures_by_the_renderer_of_an_environment(browser: Any, pages: Path, logs: Path) -> None:
    pytest.importorskip("Box2D", reason="needs the extra box2d")
    run = make_run(logs, "lunarlander_props", "num_iterations=2", name="pictures")
    page = pages / "pictures.html"
    write_report([str(run)], page, Wanted(films=True))
    with opened(browser, page) as watched:
        watched.page.wait_for_timeout(300)
        pixels = (
            "Array.from(document.querySelector('#stage canvas').getContext('2d').getImageData(0, 0, 2000, 200).data)"
        )
        assert len(set(watched.page.evaluate(f"{pixels}.slice(0, 400000)"))) > 20
