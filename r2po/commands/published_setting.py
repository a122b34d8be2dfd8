"""The setting of a run of the published code, as far as its log and the published configs tell it."""

from __future__ import annotations

import csv
from importlib.resources import files
from typing import Any

from r2po.analysis.logs.run_data import RunData
from r2po.config import resolve
from r2po.errors import InputError
from r2po.experiment.reevaluation import Accepted
from r2po.experiment.setting import Setting
from r2po.policies import NumericFamily
from r2po.runlog import RunDirectory
from r2po.tasks import TASKS

CLIPS = ("props", "propsp", "r2po")
"""Methods that clip actions in the published code."""


def published_setting(run: RunData) -> Setting:
    """Return the setting of a run of the published code: its environment by the task card, its cap and its clipping.

    Its log does not tell its seed; the number of the run stands for it.

    Raises:
        InputError: There is no card of its environment, or its parameters are not on record or of another policy.
    """
    if run.environment not in TASKS:
        raise InputError(f"no task card of the environment {run.environment!r}")
    sizes = {len(each) for each in _params(run)}
    seed = RunDirectory(run.path.resolve()).number
    for bias in (True, False):
        setting = Setting(resolve({**_values(run), "bias": bias}, str(run.path)), seed)
        family = setting.policy
        if isinstance(family, NumericFamily) and sizes == {family.size}:
            return setting
        setting.close()
    found = " or ".join(map(str, sorted(sizes)))
    raise InputError(f"policies have {found} parameters, which is no {TASKS[run.environment].policy} policy")


def published_accepted(run: RunData, setting: Setting) -> list[Accepted]:
    """Return the accepted solutions of a run of the published code."""
    loaded = [setting.policy.load({"params": _plain(params.tolist(), setting)}) for params in _params(run)]
    return [Accepted(int(number), solution) for number, solution in zip(run.numbers, loaded, strict=True)]


def _plain(params: list[float], setting: Setting) -> list[Any]:
    """Return parameters as our logs have them: the numbers of a table are whole."""
    return list(map(int, params)) if setting.policy.choices else params


def _params(run: RunData) -> list[Any]:
    found = [each.candidates[each.accepted].params for each in run.iterations]
    known = [params for params in found if params is not None]
    if len(known) < len(found):
        count = len(found) - len(known)
        raise InputError(f"parameters of {count} of {len(found)} accepted candidates are not on record")
    return known


def _values(run: RunData) -> dict[str, Any]:
    """Return a config: that of the published experiment where there is one, else what the card says."""
    task = TASKS[run.environment]
    values: dict[str, Any] = {
        "gym_env_name": task.gym_id,
        "method": run.method,
        "llm_model_name": run.model,
        "logdir": str(run.path.parent),
        "policy": task.policy,
        "clip_actions": run.method in CLIPS,
    }
    text = files("r2po.data").joinpath("published_settings.csv").read_text(encoding="utf-8")
    for row in csv.DictReader(text.splitlines()):
        if (row["gym_env_name"], row["method"], row["policy"]) == (task.gym_id, run.method, task.policy):
            return {**values, "max_traj_length": int(row["max_traj_length"])}
    return values
