"""Logs of a reproduction, made by hand: what each run reached is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path, PurePath
from typing import Any

from r2po.analysis.logs.experiments import find_experiments
from r2po.config import load_config
from r2po.installation import shipped_configs
from r2po.reproduce.context import Context
from r2po.reproduce.outcome import Outcome, outcome_of
from r2po.reproduce.page import Made, page_of
from r2po.reproduce.part import Experiment
from r2po.reproduce.parts import find_part
from r2po.reproduce.request import Request, logdirs, request_of
from tests.analysis.made_logs import write_run

VERSIONS = {"python": "3.11.9", "r2po": "0.1.0", "gymnasium": "1.2.3", "mujoco": "3.4.5", "numpy": "2.3.4"}
Value = Callable[[Experiment, int], Sequence[float]]
"""Rewards of the iterations of a run, given its number."""


@cache
def config_of(path: str) -> dict[str, Any]:
    return load_config(shipped_configs() / path).model_dump(mode="json")


def make_runs(logs: Path, each: Experiment, runs: int, value: Value, **changes: Any) -> Path:
    """Write the runs of an experiment; ``changes`` are those of ``run.yaml``, and ``config`` those of its config."""
    config = {**config_of(each.config), **changes.pop("config", {})}
    config.pop("task", None)
    folder = logs / PurePath(str(config["logdir"])).name
    for number in range(1, runs + 1):
        description = {"model": config["llm_model_name"] or "none", "versions": VERSIONS, **changes}
        write_run(folder, number, value(each, number), description=description, config={**config, "seed": None})
    return folder


def request_for(folder: Path, paper: str = "r2po", table: str = "core", **asked: Any) -> Request:
    return request_of(find_part(paper, table), **{"runs": 10, "output": str(folder), "suites": False, **asked})


def outcome(request: Request) -> Outcome:
    """Return what comes out of the logs of a request."""
    experiments = find_experiments(request.place.logs, request.place.runs)
    context = Context(request.part, shipped_configs(), logdirs(request.experiments))
    cells = request.part.compare(experiments, request.place)
    return outcome_of(request.part, cells, context, smoke=request.place.smoke)


def write_page(request: Request, **made: Any) -> Path:
    """Write the page of a request alone; returns it."""
    folder = request.place.folder
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / "index.html"
    about: dict[str, Any] = {"files": (), "commands": (), "problems": (), "missing": (), **made}
    page.write_text(page_of(outcome(request), Made(folder, **about)), encoding="utf-8")
    return page
