"""The pages of ``r2po view`` in a real browser, from a real server on loopback."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.analysis.made_logs import iteration, write_run
from tests.process.processes import environ
from tests.report.browsing import Watched, opened
from tests.report.runs import MARKUP
from tests.view.asked import serving

SOON_MS = 15_000
"""A page asks every 2 s while something runs; tests shorten that."""
QUICKLY = (
    "const later = setTimeout; window.setTimeout = (what, ms, ...more) => later(what, Math.min(ms, 150), ...more);"
)


@pytest.fixture(scope="module")
def address(browser: Any, cartpole: Path, frozenlake: Path, hostile: Path) -> Iterator[str]:
    with serving(cartpole.parent.parent) as found:
        yield found


def rows(watched: Watched) -> list[str]:
    return watched.texts("#runs tbody a")


def ready(watched: Watched) -> None:
    watched.page.wait_for_selector("html[data-ready=yes]", state="attached")


def test_the_list_shows_what_the_logs_hold(browser: Any, address: str, cartpole: Path) -> None:
    result = json.loads((cartpole / "result.json").read_text())
    with opened(browser, address) as watched:
        assert watched.page.url == address.split("?")[0]  # the token is gone from the address
        assert rows(watched) == ["cartpole/run_1", "frozenlake/run_1", "hostile_120000/run_1"]
        cells = watched.texts("#runs tbody tr:first-child td")
        assert cells[1:3] == ["CartPole", "R2PO"]
        assert cells[3:6] == ["embedded/searchstand-in", "done", "5 of 5"]
        assert float(cells[6]) == pytest.approx(result["best_reward"], rel=1e-3)
        assert float(cells[7]) == pytest.approx(result["heldout_reward"], rel=1e-3)
        assert cells[8] == "\N{EN DASH}"
        points = watched.page.locator("#runs polyline").first.get_attribute("points").split(" ")
        assert len(points) == 5
        assert watched.text("#many") == "3 runs"


def test_filters_sorting_and_the_address(browser: Any, address: str) -> None:
    with opened(browser, address) as watched:
        page = watched.page
        page.select_option("#environment", "FrozenLake")
        assert rows(watched) == ["frozenlake/run_1"]
        assert watched.text("#many") == "1 of 3 runs"
        page.click("#all")
        page.fill("#text", "RUN_1 r2po")
        assert rows(watched) == ["cartpole/run_1", "frozenlake/run_1"]
        page.click("[data-column=best]")
        assert rows(watched) == ["cartpole/run_1", "frozenlake/run_1"]
        page.click("[data-column=best]")
        assert rows(watched) == ["frozenlake/run_1", "cartpole/run_1"]
        assert page.locator("th[aria-sort]").get_attribute("aria-sort") == "ascending"
        page.reload()
        ready(watched)
        assert rows(watched) == ["frozenlake/run_1", "cartpole/run_1"]
        page.fill("#text", "nothing is like this")
        assert page.locator("#none").is_visible()
        for name in ("method", "model", "state"):
            page.click("#all")
            page.select_option(f"#{name}", index=1)
            assert 0 < len(rows(watched)) <= 3


def test_every_control_is_reached_by_tab_and_every_key_works(browser: Any, address: str) -> None:
    with opened(browser, address) as watched:
        page = watched.page
        name = "(each) => each.id || each.dataset.column || each.getAttribute('aria-label') || each.textContent"
        controls = set(
            page.evaluate(
                "[...document.querySelectorAll('a, button, input, select, summary')].filter((each) => "
                f"each.checkVisibility() && !each.disabled).map({name})"
            )
        )
        reached = set()
        for _ in range(40):
            watched.press("Tab")
            reached.add(page.evaluate(f"({name})(document.activeElement)"))
        assert controls - reached == set()
        page.evaluate("document.activeElement.blur()")
        watched.press("j", "j", "k", "ArrowDown")
        assert page.evaluate("document.activeElement.textContent") == "frozenlake/run_1"
        watched.press("x")
        assert watched.text("#compare") == "Compare"
        assert page.locator("tr[data-id] input:checked").count() == 1
        watched.press("?")
        assert page.locator("#keys").is_visible()
        watched.press("x")  # not while the list of keys is open
        watched.press("?", "/")
        page.keyboard.type("xj")
        assert page.input_value("#text") == "xj"
        watched.press("Escape")
        assert page.evaluate("document.activeElement === document.body")
        page.click("#all")
        page.click("#tick-all")
        assert watched.text("#compare") == "Compare 3 runs"
        page.click("#untick")
        assert page.locator("tr[data-id] input:checked").count() == 0
        page.locator("tr[data-id] input").nth(1).check()
        page.evaluate("document.activeElement.blur()")
        watched.press("c")
        ready(watched)
        assert watched.text("#title") == "R2PO on FrozenLake"


def test_the_page_of_a_run_is_that_of_its_report(browser: Any, address: str, cartpole: Path) -> None:
    result = json.loads((cartpole / "result.json").read_text())
    with opened(browser, address) as watched:
        page = watched.page
        page.click("#runs tbody tr:first-child a")
        ready(watched)
        assert watched.iteration == result["best_iteration"]
        assert page.locator("#stage canvas").count() == 2
        assert "exactly the logged return" in watched.text("#motion-words")
        assert watched.texts(".reply > pre")
        watched.press("Home", "f")
        assert watched.iteration == 5
        assert page.get_attribute("#follow", "aria-pressed") == "true"
        watched.press("ArrowLeft")  # who goes elsewhere does not follow
        assert (watched.iteration, page.get_attribute("#follow", "aria-pressed")) == (4, "false")
        page.click("#follow")
        page.click("#follow")
        assert page.get_attribute("#follow", "aria-pressed") == "false"
        page.reload()
        ready(watched)
        assert watched.iteration == 5
        watched.press("?")
        assert "follow: always the newest iteration" in watched.text("#keys-list")
        watched.press("Escape", "a")
        ready(watched)
        assert page.locator("#runs").is_visible()


def test_runs_side_by_side(browser: Any, address: str) -> None:
    with opened(browser, address) as watched:
        page = watched.page
        for place in (0, 1):
            page.locator("#runs tbody input").nth(place).check()
        page.click("#compare")
        ready(watched)
        assert watched.texts("#panels h3") == ["CartPole", "FrozenLake"]
        assert watched.texts("#marks .badge") == ["embedded stand-in: all of these runs"]
        page.locator("#outcomes button").nth(1).click()
        page.wait_for_selector("#candidates article .reply")
        assert watched.text("#title") == "R2PO on FrozenLake"
        assert page.evaluate("location.hash").startswith("#run=r")
        page.go_back()
        assert not page.locator("#run").is_visible()


@pytest.mark.parametrize(
    ("size", "scheme"),
    [
        ("narrow", "dark"),
        ("wide", "light"),
        pytest.param("narrow", "light", marks=pytest.mark.slow),
        pytest.param("wide", "dark", marks=pytest.mark.slow),
    ],
)
@pytest.mark.sampled(2)
def test_what_should_not_be_obeyed_is_shown(size: str, scheme: str, browser: Any, address: str, tmp_path: Path) -> None:
    with opened(browser, address, size=size, color_scheme=scheme) as watched:
        page = watched.page
        assert watched.fits()
        page.screenshot(path=tmp_path / "list.png", full_page=True)
        assert any(MARKUP[:60] in text for text in watched.texts("#runs td"))
        assert page.locator("img").count() == 0
        page.locator("#runs tbody a").last.click()
        ready(watched)
        assert MARKUP in watched.text("#title")
        assert watched.fits()
        page.screenshot(path=tmp_path / "run.png", full_page=True)


INSIDE = """() => [...document.querySelectorAll('#panels svg')].flatMap((svg) => {
  const edge = svg.getBoundingClientRect();
  return [...svg.querySelectorAll('text')].map((each) => each.getBoundingClientRect()).filter((each) => each.width
    && (each.left < edge.left - 1 || each.right > edge.right + 1)).map((each) => each.left - edge.left);
})"""


def test_long_names_on_a_narrow_page(browser: Any, tmp_path: Path) -> None:
    long = "an_experiment_that_sweeps_make_with_all_of_its_settings_in_its_name_W"
    for name in (f"{long}1", f"{long}2"):
        write_run(tmp_path / name, 1, [1.0, 2.0], config={"optimum": float(name[-1])})
    with serving(tmp_path) as address, opened(browser, address, size="narrow") as watched:
        page = watched.page
        for place in (0, 1):
            row = page.locator("#runs tbody tr").nth(place)
            tick, name = row.locator("input").bounding_box(), row.locator("a").bounding_box()
            assert tick["x"] + tick["width"] < name["x"]
        page.click("#tick-all")
        page.click("#compare")
        ready(watched)
        assert watched.fits()
        assert page.evaluate(INSIDE) == []
        assert {"W1)", "W2)"} <= {each[-3:] for each in watched.texts("#panels svg text") if "…" in each}
        page.evaluate("document.querySelectorAll('#panels svg').forEach((each) => { each.dataset.narrow = 'yes'; })")
        page.set_viewport_size({"width": 1200, "height": 800})
        page.wait_for_selector("#panels svg:not([data-narrow])")  # drawn anew
        assert page.evaluate(INSIDE) == []
        page.go_back()
        ready(watched)
        page.locator("#runs tbody input").first.focus()
        watched.press("Enter")  # on the box to tick, too
        page.wait_for_url("**/run/*")


def test_a_run_that_goes_on_updates_itself(browser: Any, cartpole: Path, tmp_path: Path) -> None:
    run = tmp_path / "logs/exp/run_1"
    shutil.copytree(cartpole, run)
    result = (run / "result.json").read_bytes()
    (run / "result.json").unlink()
    lines = (run / "iterations.jsonl").read_text().splitlines(keepends=True)
    (run / "iterations.jsonl").write_text("".join(lines[:2]))
    with serving(tmp_path / "logs") as address, opened(browser, address, begin=QUICKLY) as watched:
        page = watched.page
        assert watched.texts("#runs .state") == ["stopped"]
        add(run, lines[2])
        page.wait_for_selector("#runs .state.running", timeout=SOON_MS)
        assert "3 of 5" in watched.text("#runs tbody tr")
        page.click("#runs tbody a")
        ready(watched)
        watched.press("Home")
        page.evaluate("document.querySelector('#candidates article').dataset.mine = 'still here'")
        add(run, lines[3])
        page.wait_for_selector("#slider[max='4']", timeout=SOON_MS)
        assert watched.iteration == 1  # where the reader put it, and not even drawn anew
        assert page.locator("#candidates article[data-mine]").count() == 1
        watched.press("f")
        assert watched.iteration == 4
        add(run, lines[4])
        page.wait_for_selector("#slider[max='5']", timeout=SOON_MS)
        assert watched.iteration == 5
        page.wait_for_selector("#stage canvas >> nth=1", timeout=SOON_MS)
        assert any("not complete" in badge for badge in watched.texts("#badges .badge"))
        (run / "result.json").write_bytes(result)
        page.wait_for_selector("#badges:not(:has-text('not complete'))", state="attached", timeout=SOON_MS)
        assert "result.json" not in watched.text("#missing")
        (run / "result.json").write_bytes(result.replace(b"heldout_std", b"heldout_xyz"))
        page.wait_for_selector("#missing:has-text('result.json')", timeout=SOON_MS)


def add(run: Path, text: str) -> None:
    with (run / "iterations.jsonl").open("a") as file:
        file.write(text)


def test_the_list_and_a_comparison_keep_up(browser: Any, tmp_path: Path) -> None:
    for number in (1, 2):
        write_run(tmp_path / "exp", number, [1.0, 2.0], complete=False)
    (tmp_path / "none").mkdir()
    begin = f"{QUICKLY} const now = Date.now; Date.now = () => 100 * now();"
    with serving(tmp_path) as address, opened(browser, address, begin=begin) as watched:
        page = watched.page
        page.locator("#runs tbody a").first.focus()
        write_run(tmp_path / "exp", 3, [7.0])
        write_run(tmp_path / "none", 1, [7.0])
        page.wait_for_selector("#runs tbody tr:nth-child(4)", timeout=SOON_MS)
        assert page.evaluate("document.activeElement.textContent") == "exp/run_1"
        shutil.rmtree(tmp_path / "none")
        (tmp_path / "exp/run_4").mkdir()
        page.wait_for_selector("#runs tbody tr:has-text('nothing is logged yet')", timeout=SOON_MS)
        assert len(rows(watched)) == 4
        page.click("#tick-all")
        page.click("#compare")
        ready(watched)
        assert watched.texts("#left-out li") == ["exp/run_4 is left out: nothing is logged yet"]
        shutil.copytree(tmp_path / "exp/run_3", tmp_path / "exp/run_4", dirs_exist_ok=True)
        page.wait_for_selector("#outcomes button:has-text('exp/run_4')", timeout=SOON_MS)
        assert watched.texts("#left-out li") == []
        add(tmp_path / "exp/run_1", json.dumps(iteration(3, 9.5)) + "\n")
        page.wait_for_selector("#outcomes td:has-text('9.5')", timeout=SOON_MS)


def test_a_page_that_nobody_looks_at_does_not_ask(browser: Any, address: str) -> None:
    hidden = "Object.defineProperty(document, 'hidden', { get: () => window.away === true });"
    with opened(browser, address, begin=f"{QUICKLY} {hidden}") as watched:
        page = watched.page
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.wait_for_timeout(600)
        assert len(asked) > 1
        page.evaluate("window.away = true")
        page.wait_for_timeout(400)
        asked.clear()
        page.wait_for_timeout(600)
        assert asked == []
        page.evaluate("window.away = false; document.dispatchEvent(new Event('visibilitychange'))")
        page.wait_for_timeout(300)
        assert asked


def test_a_server_that_has_ended_is_said(browser: Any, tmp_path: Path) -> None:
    write_run(tmp_path / "exp", 1, [1.0])
    with serving(tmp_path) as address, opened(browser, address, ready=False, begin=QUICKLY) as watched:
        ready(watched)
        watched.page.route("**/api/**", lambda route: route.abort())
        watched.page.wait_for_selector("#live:has-text('The server does not answer')", timeout=SOON_MS)
        watched.page.unroute("**/api/**")
        watched.page.context.clear_cookies()
        watched.page.wait_for_selector("#live:has-text('open the address that it printed')", timeout=SOON_MS)
        assert rows(watched) == ["exp/run_1"]  # what was there before


def test_a_run_that_is_gone_is_said(browser: Any, tmp_path: Path) -> None:
    run = write_run(tmp_path / "exp", 1, [1.0])
    with serving(tmp_path) as address, opened(browser, address, ready=False) as watched:
        ready(watched)
        name = watched.page.get_attribute("#runs tbody a", "href")
        shutil.rmtree(run)
        watched.page.wait_for_timeout(1100)
        answer = watched.page.goto(f"{address.split('?')[0]}{name.lstrip('/')}")
        assert answer.status == 404
        assert "there is no such run" in watched.page.content()


def test_another_page_may_link_here_but_not_look_in(browser: Any, address: str, tmp_path: Path) -> None:
    """As from a notebook or a mail: a link with the token opens the runs; frames and requests get nothing."""
    host = address.split("?")[0]
    page = tmp_path / "other.html"
    page.write_text(f'<a id="a" href="{address}">runs</a><iframe src="{host}"></iframe><img src="{host}static/d3.js">')
    with opened(browser, page, ready=False) as watched:
        watched.page.context.set_offline(False)
        asked = "(place) => fetch(place, {mode: 'no-cors'}).then((answer) => answer.text()).catch(() => 'refused')"
        assert watched.page.evaluate(asked, f"{host}api/changes") in ("", "refused")
        watched.page.click("#a")
        ready(watched)
        assert watched.page.locator("#runs tbody tr").count() == 3
        assert watched.page.url == host


@pytest.mark.slow
def test_a_real_run_is_followed_to_its_end(browser: Any, tmp_path: Path) -> None:
    from tests.builders import CONFIGS

    (config,) = CONFIGS.rglob("cartpole_props.yaml")
    values = ["num_iterations=60", "num_evaluation_episodes=5", "rollout_engine=reference", f"logdir={tmp_path}/exp"]
    command = [sys.executable, "-m", "r2po", "run", "--config", str(config), "--quiet", "--set", *values]
    command += ["llm_model_name=embedded/search"]
    (tmp_path / "exp").mkdir()
    with serving(tmp_path) as address, opened(browser, address, begin=QUICKLY) as watched:
        with subprocess.Popen(command, env=environ()) as process:
            watched.page.wait_for_selector("#runs .state.running", timeout=60_000)
            watched.page.click("#runs tbody a")
            ready(watched)
            watched.press("f")
            assert process.wait(120) == 0
        watched.page.wait_for_selector("#slider[max='60']", timeout=60_000)
        watched.page.wait_for_selector("#badges:not(:has-text('not complete'))", state="attached", timeout=60_000)
        assert watched.iteration == 60
