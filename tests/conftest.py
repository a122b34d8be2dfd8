"""What holds for all tests."""

from __future__ import annotations

import gc
import os
import runpy
import signal
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import settings

from tests.wheel import Installed, build_and_install, has

# A busy machine is no failure: tests of speed set their own limits.
settings.register_profile("r2po", deadline=None, max_examples=40)
settings.register_profile("thorough", deadline=None, max_examples=500)  # --hypothesis-profile=thorough
settings.load_profile("r2po")

LOOPBACK = str(Path(__file__).parent / "loopback")


def stay_on_this_machine() -> None:
    """Let neither this process nor those it starts reach another host; workers of pytest-xdist were started by one."""
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if LOOPBACK in paths:
        return
    os.environ["PYTHONPATH"] = os.pathsep.join([LOOPBACK, *filter(None, paths)])
    for name in ("http_proxy", "https_proxy", "all_proxy"):  # one on loopback would lead out again
        os.environ.pop(name, None)
        os.environ.pop(name.upper(), None)
    runpy.run_path(f"{LOOPBACK}/sitecustomize.py")


stay_on_this_machine()

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # in the background of a shell: interrupts are tested, too
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)  # before tests are left out by their marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let one in N cases of a test that is marked ``sampled(N)`` run by default, and all with ``-m slow``."""
    cases: Counter[tuple[object, str]] = Counter()
    for item in items:
        if (mark := item.get_closest_marker("sampled")) is not None:
            key = (item.parent, getattr(item, "originalname", item.name))
            if cases[key] % mark.args[0]:
                item.add_marker(pytest.mark.slow)
            cases[key] += 1


def pytest_collection_finish() -> None:
    """Spare the garbage collector 12,000 tests, each time that it looks through everything."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def blank_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let reports have empty figures: drawing takes most of the time, and most tests look at texts and numbers."""

    def render(_draw: object, _panel: object, suffixes: Sequence[str]) -> dict[str, bytes]:
        return dict.fromkeys(suffixes, b"")

    monkeypatch.setattr("r2po.analysis.evaluation.report.render", render)


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """r2po installed from its wheel, without a checkout; made once for all workers of pytest-xdist."""
    if not has("setuptools"):
        pytest.skip("needs setuptools: pip install 'r2po[build]'")
    folder = tmp_path_factory.getbasetemp()
    return build_and_install((folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "installed")
