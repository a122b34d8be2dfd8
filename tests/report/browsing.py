"""A real browser without a window, in which tests open pages. Tests are skipped where there is none."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
SIZES = {"wide": 1280, "narrow": 400}


@contextmanager
def open_browser() -> Iterator[Any]:
    """Give a Chromium of this machine, driven by Playwright; nothing is downloaded."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs Playwright: pip install 'r2po[browser]'")
    path = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if path is None:
        pytest.skip("needs Chromium, e.g. apt-get install chromium")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Watched:
    """A page that is open, and what it did that it should not.

    Attributes:
        page: Playwright's page.
        faults: Console messages, errors, dialogs, and requests to other places than files.
    """

    page: Any
    faults: list[str] = field(default_factory=list)

    def text(self, selector: str) -> str:
        """Return the text of an element, hidden parts included."""
        return str(self.page.locator(selector).first.text_content())

    def texts(self, selector: str) -> list[str]:
        """Return the texts of elements."""
        return [str(each) for each in self.page.locator(selector).all_text_contents()]

    @property
    def iteration(self) -> int:
        """The number of the chosen iteration."""
        return int(self.text("#iteration-heading").removeprefix("Iteration "))

    def press(self, *keys: str) -> None:
        """Press keys one after the other."""
        for key in keys:
            self.page.keyboard.press(key)

    def fits(self) -> bool:
        """Whether nothing is wider than the window."""
        return bool(self.page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


@contextmanager
def opened(
    browser: Any, place: Path | str, address: str = "", *, ready: bool = True, begin: str = "", **settings: Any
) -> Iterator[Watched]:
    """Open a page, wait until it is drawn, and check in the end that it did nothing that it should not.

    Args:
        browser: The browser.
        place: The file of the page, or its address on a server, which alone it may then ask.
        address: What follows its name, e.g. ``"#i=3"``.
        ready: Whether to wait, and to check.
        begin: A script that runs before those of the page.
        settings: Of the browser's context; without any, a wide light window.
    """
    size = {"width": SIZES[settings.pop("size", "wide")], "height": 900}
    served = isinstance(place, str)
    url = place if isinstance(place, str) else place.as_uri()
    allowed = (*_OWN, *([url[: url.index("/", len("http://"))]] if served else []))
    context = browser.new_context(viewport=size, offline=not served, **settings)
    try:
        page = context.new_page()
        watched = Watched(page)
        page.on("console", lambda message: watched.faults.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: watched.faults.append(f"error: {error}"))
        page.on("dialog", lambda dialog: _refuse(watched, dialog))
        page.on("request", lambda request: _note(watched, request.url, allowed))
        if begin:
            page.add_init_script(begin)
        page.goto(f"{url}{address}")
        if ready:
            page.wait_for_selector("html[data-ready=yes]", state="attached", timeout=60_000)
        yield watched
        if ready:
            assert watched.faults == [], watched.faults
    finally:
        context.close()


def _refuse(watched: Watched, dialog: Any) -> None:
    watched.faults.append(f"dialog: {dialog.message}")
    dialog.dismiss()


_OWN = ("file:", "data:", "blob:")


def _note(watched: Watched, url: str, allowed: tuple[str, ...]) -> None:
    if not url.startswith(allowed):
        watched.faults.append(f"request: {url}")
