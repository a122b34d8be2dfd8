"""The page in a real browser: it shows every cell, runs nothing, asks nobody, and fits."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from r2po.reproduce.part import Experiment
from tests.report.browsing import opened
from tests.report.runs import MARKUP, TURNED
from tests.reproduce.made import VERSIONS, make_runs, outcome, request_for, write_page

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def numbered(each: Experiment, number: int) -> Sequence[float]:
    return [0.0, (300.0 if each.method == "props" else 495.0) + number]


def page_of(folder: Path, **changes: Any) -> Path:
    request = request_for(folder, only=["cartpole", "swimmer"])
    for each in request.runs:
        make_runs(request.place.logs, each, 3, numbered, **changes)
    return write_page(request)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page that no test changes; its logs lie beside its folder."""
    return page_of(tmp_path_factory.mktemp("page"))


def test_it_shows_each_cell_with_its_distance(browser: Any, page: Path) -> None:
    found = outcome(request_for(page.parents[1], only=["cartpole", "swimmer"]))
    with opened(browser, page) as watched:
        cells = watched.texts("tbody td")
        assert len(cells) == len(found.cells) == 16
        shown = [re.match(r"[+-]\d+\.\d\d(?= s\.e\.)", text) for text in cells]
        assert sum(each is not None for each in shown) == len(found.told) == 12
        told = {f"{cell.distance.value:+.2f}" for cell in found.told}
        assert {each[0] for each in shown if each} == told
        assert watched.page.locator("svg.chart path").count() == len(found.told)
        assert watched.fits()


def test_links_to_reasons_can_be_reached_by_keys(browser: Any, page: Path) -> None:
    with opened(browser, page) as watched:
        for _ in range(4):  # the chart and the table can be scrolled by keys; then comes the first link
            watched.press("Tab")
            if watched.page.evaluate("document.activeElement.tagName") == "A":
                break
        target = watched.page.evaluate("document.activeElement.getAttribute('href')")
        watched.press("Enter")
        assert watched.page.evaluate("location.hash") == target
        assert watched.page.locator(f"{target}:target").count() == 1


@pytest.mark.parametrize(("size", "scheme"), [("narrow", "light"), ("narrow", "dark"), ("wide", "dark")])
def test_it_fits_and_can_be_read(browser: Any, page: Path, size: str, scheme: str) -> None:
    with opened(browser, page, size=size, color_scheme=scheme) as watched:
        assert watched.fits()
        for kind in ("td.far", "td.near", "body"):
            ratio = watched.page.evaluate(CONTRAST, kind)
            assert ratio >= 4.5, kind


CONTRAST = """(selector) => {
  const style = getComputedStyle(document.querySelector(selector));
  const light = (text) => {
    const [r, g, b] = text.match(/[\\d.]+/g).slice(0, 3).map((c) => {
      const share = c / 255;
      return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const [one, other] = [light(style.color), light(style.backgroundColor)].sort((a, b) => b - a);
  return (one + 0.05) / (other + 0.05);
}"""


def test_hostile_names_are_text(browser: Any, tmp_path: Path) -> None:
    request = request_for(tmp_path, only=["cartpole", "swimmer"])
    versions = {**VERSIONS, "mujoco": MARKUP}
    for each in request.runs:
        changes: dict[str, Any] = {"model": f"ollama/{MARKUP}{TURNED}", "versions": versions}
        changes["config"] = {"llm_model_name": f"ollama/{MARKUP}", "reasoning_effort": f"{MARKUP}{TURNED}"}
        make_runs(request.place.logs, each, 2, numbered, **changes)
    problem = f"/data/secret/x.yaml: {MARKUP}{TURNED}"
    page = write_page(request, problems=[problem], missing=[MARKUP], commands=[MARKUP])
    with opened(browser, page) as watched:
        assert "<…/script><script>alert(1)" in watched.text("#missing")  # what looks like a path is cut short
        assert MARKUP in watched.text("pre")
        text = watched.text("main")
        assert "⟦U+202E⟧" in text
        assert "\u202e" not in text
        assert "\x1b" not in text
        assert "secret" not in text
        assert watched.page.locator("script, main img").count() == 0
        assert watched.fits()


def test_nothing_is_asked_for_and_no_script_may_run(browser: Any, page: Path, tmp_path: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert "<script" not in text
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)
    assert policy is not None
    assert policy[1].startswith("default-src &#39;none&#39;; style-src &#39;sha256-")
    changed = tmp_path / "index.html"
    changed.write_text(text.replace("</main>", "<script>document.title = 'ran'</script></main>"), encoding="utf-8")
    with opened(browser, changed, ready=False) as watched:
        assert watched.page.title() != "ran"


def test_smoke_says_so_beside_each_figure(browser: Any, tmp_path: Path) -> None:
    request = request_for(tmp_path, only=["cartpole"], smoke=True)
    for each in request.runs:
        make_runs(request.place.logs, each, 2, numbered, stand_in=True, model="embedded/search")
    curves = request.place.folder / "curves"
    curves.mkdir(parents=True)
    (curves / "reward.png").write_bytes(PIXEL)
    with opened(browser, write_page(request, files=[curves / "reward.png"])) as watched:
        badges = watched.texts(".badge")
        assert sum("smoke" in each for each in badges) == 2  # at the top, and beside the figure
        assert sum("stand-in" in each for each in badges) == 2
        assert watched.page.locator("main img").count() == 1
        assert watched.page.locator("svg.chart").count() == 0
        assert not re.search(r"[+-]\d+\.\d\d s\.e\.", watched.text("main"))
        assert watched.texts("a")[0] == "reward.png"
