"""How `r2po view` does with many runs, in a real browser: ``python -m benchmarks.view_speed [--runs 900]``.

Makes a run of 200 iterations with the embedded stand-in, copies it, starts the server as a user does and opens its
pages in Chromium. Takes the times from the browser, and the memory from the system. Needs the extra ``browser``.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[1]
CONFIG = ROOT / "configs/cartpole/cartpole_reflective_prompted_policy_optimization.yaml"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FILES = ("run.yaml", "iterations.jsonl", "result.json", "warmup.jsonl")
RUNS, ITERATIONS, EACH = 900, 200, 10
"""Runs, iterations of each, runs of each experiment."""
LIMIT_MS = 600_000


class Load(NamedTuple):
    """What a page took to be there.

    Attributes:
        painted_ms: Until something was painted.
        ready_ms: Until it showed all that was known, in rows or figures.
        cpu_s: Processor time of the server meanwhile.
    """

    painted_ms: float
    ready_ms: float
    cpu_s: float


def measure(runs: int = RUNS) -> dict[str, Any] | None:
    """Return what was measured, as JSON can hold it; None where there is no browser."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None or find_spec("playwright") is None:
        return None
    with tempfile.TemporaryDirectory(prefix="r2po-view-") as folder:
        logs = Path(folder) / "logs"
        make_logs(logs, runs)
        size = sum(file.stat().st_size for file in logs.rglob("*") if file.is_file())
        with serving(logs) as (process, address), page_of(path) as page:
            at_start = memory(process.pid, "VmRSS")
            first = load(page, process.pid, address)
            rows = page.locator("#runs tbody tr").count()
            page.wait_for_selector("#runs .state.unread", state="detached")
            all_read_ms = page.evaluate("performance.now()")
            again = load(page, process.pid, address.split("?")[0])
            page.click("#runs tbody a")
            one = loaded(page, process.pid, cpu_s(process.pid))
            page.goto(address.split("?")[0])
            wait(page)
            page.check("#tick-all")
            page.click("#compare")
            all_of_them = loaded(page, process.pid, cpu_s(process.pid))
            quiet = idle(process.pid)
            return {
                "runs": rows,
                "iterations": ITERATIONS,
                "megabytes": size / 1e6,
                "load_at_start": round(os.getloadavg()[0], 1),
                "first": first._asdict(),
                "all_read_ms": all_read_ms,
                "again": again._asdict(),
                "one": one._asdict(),
                "compared": all_of_them._asdict(),
                "idle_share": quiet,
                "memory_at_start": at_start,
                "memory_at_most": memory(process.pid, "VmHWM"),
            }


def make_logs(logs: Path, runs: int) -> None:
    """Write runs that differ in their seed only: one that is made, and copies of it."""
    made = logs / "made"
    settings = ["llm_model_name=embedded/search", f"num_iterations={ITERATIONS}", f"logdir={made}"]
    command = [sys.executable, "-m", "r2po", "run", "--config", str(CONFIG), "--quiet", "--set", *settings]
    subprocess.run(command, check=True, cwd=ROOT)
    for number in range(runs - 1):
        copy = logs / f"experiment_{number // EACH:03}" / f"run_{number % EACH + 1}"
        copy.mkdir(parents=True)
        for name in FILES:
            shutil.copyfile(made / "run_1" / name, copy / name)


@contextmanager
def serving(logs: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start the server; gives its process and its address."""
    command = [sys.executable, "-m", "r2po", "view", str(logs)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            address = next(line.strip() for line in process.stdout if line.startswith("http"))
            yield process, address
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)


@contextmanager
def page_of(path: str) -> Iterator[Any]:
    """Give a page of a browser without a window."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(LIMIT_MS)
        try:
            yield page
        finally:
            browser.close()


def load(page: Any, pid: int, address: str) -> Load:
    """Open an address and measure."""
    before = cpu_s(pid)
    page.goto(address)
    return loaded(page, pid, before)


def loaded(page: Any, pid: int, before: float) -> Load:
    """Wait for the page that is being opened, and measure."""
    wait(page)
    times = page.evaluate(
        "({ready: Number(document.documentElement.dataset.at), "
        "painted: performance.getEntriesByName('first-contentful-paint')[0].startTime})"
    )
    return Load(times["painted"], times["ready"], cpu_s(pid) - before)


def wait(page: Any) -> None:
    """Wait until a page has all that it shows."""
    page.wait_for_selector("html[data-ready=yes]", state="attached")


def idle(pid: int, seconds: float = 25.0) -> float:
    """Return the share of a core that the server takes while a page is open and nothing runs."""
    before = cpu_s(pid)
    time.sleep(seconds)
    return (cpu_s(pid) - before) / seconds


def cpu_s(pid: int) -> float:
    """Return the processor time of a process, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(pid: int, name: str) -> int:
    """Return the memory of a process in bytes: ``VmRSS`` now, ``VmHWM`` at most so far."""
    found = re.search(rf"^{name}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=RUNS, help=f"how many runs ({RUNS})")
    result: Mapping[str, Any] | None = measure(parser.parse_args().runs)
    print("needs Chromium and the extra browser" if result is None else json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
