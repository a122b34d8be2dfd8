"""Reasons that lie in the suites of Stable-Baselines3: their settings, hyperparameters, algorithms and versions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from r2po.analysis.logs.run_data import RunData
from r2po.baselines.sb3.config import SB3Config, load_sb3_config
from r2po.baselines.sb3.plan import NEUTRAL, RECORDED
from r2po.baselines.sb3.zoo import find_zoo, zoo_entry
from r2po.errors import InputError
from r2po.reproduce.compared import Compared
from r2po.reproduce.context import Context
from r2po.reproduce.version_reasons import description_of, versions_told

_KEYS = [key for key in (*RECORDED, "budget_target") if key not in NEUTRAL and key != "protocol"]
"""Settings of a trial that change what it computes; of the protocol there is a reason of its own."""
_UNSEEN = re.compile(r"norm_obs['\"]?\s*[:=]\s*False")
"""How a text of the zoo says that observations stay as they are."""


def of_suite(cell: Compared, _: Context) -> Iterator[str]:
    """Say what holds for the best algorithm."""
    assert cell.ours is not None
    assert cell.published is not None
    if cell.method != "sb3":
        return
    if cell.ours.label != cell.published.label:
        yield "The best algorithm is another one than in the paper, and each figure is the largest of several."
    if any(map(_sees_normalised, cell.runs)):
        yield (
            "The best algorithm was trained on normalised observations and is evaluated with the same statistics, "
            "which the paper's code leaves out."
        )
    named = versions_told(cell.runs, ("stable-baselines3", "torch"))
    if named:
        yield f"Ours ran with {named}; the paper's versions are not known."


def _sees_normalised(run: RunData) -> bool:
    hyperparameters = run.config.get("hyperparameters")
    wanted = hyperparameters.get("normalize", False) if isinstance(hyperparameters, Mapping) else False
    if isinstance(wanted, str):  # as the zoo writes it
        return wanted.strip().casefold() != "false" and not _UNSEEN.search(wanted)
    return bool(wanted.get("norm_obs", True)) if isinstance(wanted, Mapping) else bool(wanted)


def of_settings(cell: Compared, context: Context) -> Iterator[str]:
    """Name each setting of a trial that differs from the suite's config as shipped."""
    for run in cell.runs if cell.method == "sb3" else ():
        source = context.by_logdir.get(run.path.resolve().parents[1].name)
        config = None if source is None or not run.config else _shipped(context.configs / source)
        if config is None:
            continue
        shipped = config.model_dump(mode="json")
        differing = [
            f"{key} {_value(shipped[key])} there, {_value(run.config[key])} here"
            for key in _KEYS
            if key in run.config and shipped[key] is not None and run.config[key] != shipped[key]
        ]
        told = [*differing, *_hyperparameters(run, config)]
        if told:
            yield f"Settings that change a result differ from the published ones: {', '.join(told)}."


def _hyperparameters(run: RunData, config: SB3Config) -> Iterator[str]:
    """Say where hyperparameters come from, if from elsewhere than the shipped config has them."""
    recorded = description_of(run).get("hyperparameter_source")
    if not isinstance(recorded, Mapping) or run.algorithm is None:
        return
    usual = sorted(config.algorithm_hyperparams.get(run.algorithm, {}))
    if (given := sorted(map(str, recorded.get("overridden") or ()))) != usual:
        yield f"hyperparameters of {run.algorithm} set by hand: {_names(usual)} there, {_names(given)} here"
    entry = _usual_entry(run.algorithm, config.gym_env_name)
    if entry is not None and "from" in recorded and recorded["from"] != entry:
        yield f"hyperparameters of {run.algorithm} from {entry} there, from {recorded['from']} here"


def _names(given: list[str]) -> str:
    return ", ".join(given) or "none"


@cache
def _usual_entry(algorithm: str, gym_id: str) -> str | None:
    """Return where the shipped configs take hyperparameters from; None if that is not here."""
    try:
        return zoo_entry(find_zoo("auto"), algorithm, gym_id).source["from"]
    except InputError:
        return None


@cache
def _shipped(path: Path) -> SB3Config | None:
    try:
        return load_sb3_config(path)
    except InputError:
        return None


def _value(value: Any) -> str:
    text = "none" if value is None else " ".join(str(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."
