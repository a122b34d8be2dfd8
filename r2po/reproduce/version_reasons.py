"""Reasons that lie in versions: of the simulator, and of the libraries that trained. All that runs record are named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from r2po.analysis.logs.run_data import RunData
from r2po.errors import InputError
from r2po.reproduce.compared import Compared
from r2po.reproduce.context import Context
from r2po.runlog import RunDirectory

_SIMULATED = ("swimmer", "hopper", "walker2d", "reacher", "halfcheetah", "invertedpendulum", "inverteddoublependulum")


def of_simulator(cell: Compared, _: Context) -> Iterator[str]:
    """Name the versions of MuJoCo, where it simulates the task."""
    named = versions_told(cell.runs, ("mujoco", "gymnasium"))
    if named.startswith("mujoco") and any(run.environment in _SIMULATED for run in cell.runs):
        yield f"The simulator is {named}; the paper's version is not known, and rewards depend on it."


def versions_told(runs: Sequence[RunData], packages: Sequence[str]) -> str:
    """Return all versions of packages that runs record, and of how many runs nothing is recorded; may be empty."""
    told = [_versions(run) for run in runs]
    found = {name: dict.fromkeys(each[name] for each in told if name in each) for name in packages}
    named = ", ".join(f"{name} {' and '.join(versions)}" for name, versions in found.items() if versions)
    unknown = sum(not any(name in each for name in packages) for each in told)
    return f"{named} ({unknown} of {len(told)} runs do not say)" if named and unknown else named


def _versions(run: RunData) -> Mapping[str, str]:
    """Return the versions that a run records; none if its description cannot be read."""
    told = description_of(run).get("versions")
    return {str(name): str(version) for name, version in told.items()} if isinstance(told, Mapping) else {}


def description_of(run: RunData) -> Mapping[str, Any]:
    """Return what ``run.yaml`` says; nothing if it cannot be read."""
    try:
        return RunDirectory(run.path).read_description()
    except (InputError, OSError):
        return {}
