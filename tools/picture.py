"""Make the picture of a report in the README: ``python tools/picture.py``; needs Chromium and the extra ``browser``.

The run is always the same one, with the embedded stand-in: only the day on which it was started differs.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from r2po.cli import main as r2po

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "report.png"
CONFIG = "mountaincarcontinuous/mountaincar_continuous_reflective_prompted_policy_optimization.yaml"
SETTINGS = ("llm_model_name=embedded/search", "num_iterations=60")
WIDTH, HEIGHT = 1280, 1182
STEP = 160
"""The moment of the rollouts that is shown."""


def main() -> int:
    """Make the run, its page and the picture."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        print("error: there is no Chromium: apt-get install chromium", file=sys.stderr)  # noqa: T201
        return 2
    with tempfile.TemporaryDirectory() as folder:
        logs, page = Path(folder) / "mountaincar_r2po", Path(folder) / "report.html"
        config = ("--config", str(ROOT / "configs" / CONFIG), "--seed", "1")
        code = r2po(["run", *config, "--quiet", "--set", *SETTINGS, f"logdir={logs}"])
        code = code or r2po(["report", str(logs / "run_1"), "--output", str(page)])
        if not code:
            _photograph(page, chromium)
    return code


def _photograph(page: Path, chromium: str) -> None:
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        window = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        window.goto(page.as_uri())
        window.wait_for_selector("html[data-ready=yes]", state="attached")
        window.evaluate(f"document.querySelector('#scrub').value = {STEP}")
        window.dispatch_event("#scrub", "input")
        window.screenshot(path=PICTURE)
        browser.close()


if __name__ == "__main__":
    sys.exit(main())
