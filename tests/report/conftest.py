"""Runs that several tests of this room read; made once for each process of tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.report.browsing import open_browser
from tests.report.runs import make_hostile_run, make_run

R2PO = "reflective_prompted_policy_optimization"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A browser; tests that ask for it are skipped where there is none."""
    with open_browser() as found:
        yield found


@pytest.fixture(scope="module")
def pages(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for pages; it is only asked for where there is a browser."""
    return tmp_path_factory.mktemp("pages")


@pytest.fixture(scope="session")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("logs")


@pytest.fixture(scope="session")
def cartpole(logs: Path) -> Path:
    """R2PO on CartPole: numbers as parameters, proposals and revisions."""
    return make_run(logs, f"cartpole_{R2PO}", name="cartpole")


@pytest.fixture(scope="session")
def frozenlake(logs: Path) -> Path:
    """R2PO on FrozenLake: choices as parameters, and a map."""
    return make_run(logs, f"frozenlake_{R2PO}", name="frozenlake")


@pytest.fixture(scope="session")
def programs(logs: Path) -> Path:
    """R2PO with policies that are programs."""
    return make_run(logs, f"cartpole_{R2PO}_code", "num_iterations=3", name="programs")


@pytest.fixture(scope="session")
def hostile(logs: Path) -> Path:
    """Names, prompts and replies that should not be obeyed."""
    return make_hostile_run(logs)
