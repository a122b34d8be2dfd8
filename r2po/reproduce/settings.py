"""The experiments of papers, as the published settings list them."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from importlib.resources import files

from r2po.installation import shipped_configs
from r2po.reproduce.part import Experiment
from r2po.tasks import TASKS

SUITE = "sb3"
_OWN_POLICIES = ("linear", "tabular")


def of_r2po(methods: Sequence[str], environments: Sequence[str] = ()) -> list[Experiment]:
    """Return the R2PO paper's experiments of some methods, with the environments' own policies, without variants."""
    found = [
        Experiment(_environment(row["gym_env_name"]), row["method"], row["config"])
        for row in _rows("published_settings.csv")
        if row["method"] in methods and row["policy"] in _OWN_POLICIES and "tau_c" not in row["config"]
    ]
    return [each for each in found if not environments or each.environment in environments]


def of_tau_c(settings: Sequence[str]) -> list[Experiment]:
    """Return the R2PO paper's experiments with other revision thresholds."""
    return [
        Experiment(_environment(row["gym_env_name"]), row["method"], row["config"])
        for row in _rows("published_settings.csv")
        if any(row["config"].endswith(f"_tau_c_sensitivity_{setting}.yaml") for setting in settings)
    ]


def of_props() -> list[Experiment]:
    """Return the ProPS paper's experiments on the environments that the package has."""
    folders = _folders()
    return [
        Experiment(name, method, config)
        for name in (row["environment"] for row in _rows("published_props_settings.csv"))
        for method in ("props", "propsp")
        if (config := _config(f"{folders.get(name, name)}/*_{method}_published.yaml"))
    ]


def suites(environments: Sequence[str]) -> list[Experiment]:
    """Return the suites of Stable-Baselines3 on some environments."""
    return [
        Experiment(name, SUITE, config)
        for name in environments
        if (config := _config(f"sb3_baselines/{name}_sb3.yaml"))
    ]


def searches(methods: Sequence[str], environments: Sequence[str]) -> list[Experiment]:
    """Return the experiments of black-box searches, of those that can search the policies of an environment."""
    folders = _folders()
    return [
        Experiment(name, method, config)
        for name in environments
        for method in methods
        if (config := _config(f"{folders[name]}/*_{method}.yaml"))
    ]


def _folders() -> dict[str, str]:
    """Return the folder of the configs of each environment of the R2PO paper."""
    return {each.environment: each.config.partition("/")[0] for each in of_r2po(("r2po",))}


def _config(pattern: str) -> str:
    """Return the config whose path matches, below the folder of configs; empty if there is none."""
    configs = shipped_configs()
    return next((str(path.relative_to(configs).as_posix()) for path in sorted(configs.glob(pattern))), "")


def _environment(gym_id: str) -> str:
    return next(task.name for task in TASKS.values() if task.gym_id == gym_id)


def _rows(name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(files("r2po.data").joinpath(name).read_text(encoding="utf-8").splitlines()))
