"""All benchmarks of speed in one run: ``make bench``. Writes docs/benchmarks.json and docs/benchmarks.md.

Takes about a quarter of an hour. Compare ratios, not absolute figures, and only within one run on an idle machine.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import sys
from collections.abc import Callable, Iterable, Mapping
from importlib import metadata
from pathlib import Path
from types import MappingProxyType
from typing import Any

import jinja2

from benchmarks import isolation_speed, mujoco_speed, rollout_speed, run_cost, view_speed
from benchmarks.envpool_speed import cartpole_rate
from r2po.policies import make_policy
from r2po.tasks import TASKS
from r2po.tasks.spaces import read_spaces

DOCS = Path(__file__).parents[1] / "docs"
PACKAGES = ("gymnasium", "mujoco", "numba", "numpy")


def main() -> None:
    """Measure everything, print and write it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each comparison of engines (5)")
    parser.add_argument("--output-dir", type=Path, default=DOCS, metavar="DIR", help="default: docs")
    parser.add_argument("--only", choices=list(PARTS), help="measure this part, take the rest from the last run")
    options = parser.parse_args()
    results = {} if options.only is None else json.loads((options.output_dir / "benchmarks.json").read_text())
    results |= measure(options.rounds, [options.only] if options.only else PARTS)
    text = to_markdown(results)
    sys.stdout.write(text)
    (options.output_dir / "benchmarks.json").write_text(json.dumps(results, indent=2) + "\n")
    (options.output_dir / "benchmarks.md").write_text(text)


def measure(rounds: int, parts: Iterable[str]) -> dict[str, Any]:
    """Run benchmarks, one after the other; returns what JSON can hold."""
    return {part: PARTS[part](rounds) for part in parts}


def _machine(_rounds: int) -> dict[str, Any]:
    versions = {name: metadata.version(name) for name in PACKAGES}
    return {
        "cores": len(os.sched_getaffinity(0)),
        "load_at_start": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        **versions,
    }


def _envpool(episodes: int, rounds: int) -> float | None:
    task = TASKS["cartpole"]
    family = make_policy(task.policy, read_spaces(task.gym_id, task.env_kwargs))
    return cartpole_rate(family.bind(rollout_speed.LONG["cartpole"]), episodes, rounds)


def _without_nan(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: None if isinstance(value, float) and math.isnan(value) else value for key, value in row.items()}


def _plain(row: run_cost.Row) -> dict[str, Any]:
    roles = {role: reuse._asdict() for role, reuse in row.roles.items()}
    processes = {name: getattr(row, name)._asdict() for name in ("run", "resume", "replay")}
    return row._asdict() | processes | {"roles": roles}


PARTS: Mapping[str, Callable[[int], Any]] = MappingProxyType(
    {
        "machine": _machine,
        "rollouts": lambda rounds: [row._asdict() for row in rollout_speed.rows(rounds)],
        "envpool_cartpole": lambda rounds: {str(k): _envpool(k, rounds) for k in (20, 1000)},
        "mujoco": lambda rounds: [_without_nan(row._asdict()) for row in mujoco_speed.mujoco_rows(rounds=rounds)],
        "isolation": isolation_speed.measure,
        "help": lambda _rounds: run_cost.start_up()._asdict(),
        "runs": lambda _rounds: [_plain(row) for row in run_cost.rows()],
        "view": lambda _rounds: view_speed.measure(),
    }
)
"""What is measured, in this order, with a number of rounds."""


def to_markdown(results: Mapping[str, Any]) -> str:
    """Return docs/benchmarks.md."""
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    environment = jinja2.Environment(
        loader=loader,
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701 - Markdown, not HTML
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    constants = {"packages": PACKAGES, "last": run_cost.LAST, "from": run_cost.FROM}
    return environment.get_template("report.md.j2").render(**results, **constants)


if __name__ == "__main__":
    main()
