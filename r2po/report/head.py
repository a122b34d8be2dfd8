"""What stands at the top of a page: whose run it is, how it came out, and under which settings."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from r2po.analysis.lineage.heading import facts_of
from r2po.analysis.lineage.reading import Log
from r2po.analysis.lineage.words import brief
from r2po.analysis.logs.built_in import task_facts
from r2po.analysis.logs.names import environment_key
from r2po.analysis.logs.raced import remarks_of
from r2po.analysis.logs.run_data import RunData, models_label
from r2po.report.machine_paths import last_part, without_paths
from r2po.report.packing import Values
from r2po.runlog.facts import NO_MODEL
from r2po.runlog.records import Description

UNKNOWN = "\N{EN DASH}"
"""Stands for what no log tells; never a 0."""
STAND_IN = "embedded stand-in: no language model answered"

_HALF_A_CENT = 0.005
_HASH = 10
"""So many digits of a hash are shown."""
_CREDENTIALS = re.compile(r"(?<=:)//\S*@")
_QUERY = re.compile(r"(?<=://)([^\s?]+\?)\S+")
"""Of an address, in a log of somebody else: both may hold keys. r2po refuses configs with a password."""


def run_name(path: Path) -> str:
    """Return the name of a run without the places of the machine: its experiment's folder and its own."""
    whole = path.resolve()
    return f"{whole.parent.name}/{whole.name}"


def head_of_log(log: Log, done: int) -> Values:
    """Return whose run it is, given how many iterations could be read."""
    told = log.description
    if told is None:
        title, method, about, badges = "A run whose run.yaml cannot be read", "?", [], []
        task: Mapping[str, Any] = {}
        config: Mapping[str, Any] = {}
    else:
        config = told["config"]
        facts = facts_of(told)
        task = told.get("task") or task_facts(environment_key(str(config.get("gym_env_name", "?"))))
        algorithm = f"-{config['algorithm']}" if config.get("algorithm") else ""
        method = f"{facts['label'] if facts else '?'}{algorithm}"
        title = f"{method} on {task['label']}"
        about, badges = _about(told), _badges(told, log.result)
    return {
        "title": title,
        "about": [*about, _progress(done, _planned(config), complete=log.is_complete)],
        "badges": [*badges, *_raced(log.path), *([] if log.is_complete else ["not complete"])],
        "run": run_name(log.path),
        "method": method,
        "environment": task.get("label") or "?",
        "task": task.get("name") or "",
        "gym_id": config.get("gym_env_name") or "",
        "missing": list(map(without_paths, log.missing)),
        "complete": log.is_complete,
    }


def head_of_run(run: RunData) -> Values:
    """Return the same of a run in the published code's format."""
    name = run.task["name"]
    return {
        "title": f"{run.label} on {run.task['label']}",
        "about": [f"model {run.model}", f"log of the {run.protocol}", run.progress],
        "badges": [*([STAND_IN] if run.stand_in else []), *_raced(run.path)],
        "run": run_name(run.path),
        "method": run.label,
        "environment": run.task["label"] or "?",
        "task": name,
        "gym_id": "",
        "missing": list(map(without_paths, [*run.notes, *([run.unread] if run.num_iterations and run.unread else [])])),
        "complete": run.complete,
    }


def _about(told: Description) -> list[str]:
    model = models_label(told["model"], told.get("critic_model") or "")
    created = str(told.get("created") or "")[:16].replace("T", " ")
    parts = ["no model asked" if model == NO_MODEL else f"model {model}", f"seed {told['seed']}"]
    return [*parts, f"protocol {told['protocol']}", *([f"started {created} UTC"] if created else [])]


def _badges(told: Description, result: Mapping[str, Any] | None) -> list[str]:
    badges = [STAND_IN] if told["stand_in"] else []
    if told.get("replay_of"):
        source = run_name(Path(str(told["replay_of"])))
        differing = (result or {}).get("differing_prompts")
        asked = f", {differing} prompts differ" if differing else ""
        badges.append(f"replay of {source}: not another sample{asked}")
    return badges


def _raced(run: Path) -> list[str]:
    """Say what a race has to do with the mean of the experiment of a run, and whether the run is but smoke."""
    return remarks_of(run.resolve().parent)


def _planned(config: Mapping[str, Any]) -> int | None:
    planned = config.get("num_iterations")
    return planned if isinstance(planned, int) and config.get("budget") != "evaluations" else None


def _progress(done: int, planned: int | None, *, complete: bool) -> str:
    of = f" of {planned}" if planned is not None and not (complete and done == planned) else ""
    return f"{done:,}{of} iteration{'' if done == 1 and not of else 's'}"


def tiles_of_log(log: Log, best: Values | None, spent: Sequence[Values]) -> list[list[str]]:
    """Return the figures at the top, each with what it is; ``best`` is the iteration of the best policy."""
    result: Mapping[str, Any] = log.result or {}
    last: Mapping[str, Any] = log.iterations[-1] if log.iterations else {}
    tiles = [
        [_number(best["reward"] if best else None), _which(best)],
        _heldout(result, complete=log.is_complete),
        [_number(last.get("reward")), "mean return of the last iteration"],
        [_count(last.get("episodes")), f"episodes, {_count(last.get('steps'))} steps"],
    ]
    if not spent and not last.get("llm_calls"):
        return tiles
    refused = sum(row["refused"] for row in spent) if spent else None
    tiles.append([_count(last.get("llm_calls")), f"replies, {_count(refused)} unusable"])
    told = [_tokens(row) for row in spent]
    why = "the model's server told none" if spent else "the log of calls cannot be read"
    tiles += told if any(value != UNKNOWN for value, _ in told) else [[UNKNOWN, f"tokens: {why}"]]
    return [*tiles, [_money(result.get("cost")), "money spent"]]


def _which(best: Values | None) -> str:
    return "best mean return" if best is None else f"best mean return, iteration {best['n']}"


def tiles_of_run(run: RunData) -> list[list[str]]:
    """Return the same figures of a run in the published code's format."""
    many = run.num_iterations > 0
    spent = run.spent if many else None
    best = f", iteration {run.best_iteration}" if many else ""
    return [
        [_number(run.metric("best_reward")), f"best mean return{best}"],
        [_number(run.metric("heldout_reward")), "on fresh episodes: its format does not record them"],
        [_number(run.metric("final_reward")), "mean return of the last iteration"],
        [_count(spent.episodes if spent else None), f"episodes, {_count(spent.steps if spent else None)} steps"],
        [UNKNOWN, "tokens and money: not recorded"],
    ]


def _heldout(result: Mapping[str, Any], *, complete: bool) -> list[str]:
    if result.get("heldout_failure"):
        return ["failed", "that policy on fresh episodes"]
    reward, std = result.get("heldout_reward"), result.get("heldout_std")
    if reward is None:
        return [UNKNOWN, "fresh episodes: none were played" if complete else "fresh episodes come at the end of a run"]
    spread = "" if std is None else f" ± {float(std):.3g}"
    return [f"{_number(reward)}{spread}", f"that policy, {result['heldout_episodes']:,} fresh episodes (mean ± sd)"]


def _tokens(row: Values) -> list[str]:
    sent, written = row["tokens"]["prompt_tokens"], row["tokens"]["completion_tokens"]
    if sent is None and written is None:
        return [UNKNOWN, f"tokens, {row['role']}: not told"]
    return [f"{_short(sent)} + {_short(written)}", f"tokens, {row['role']}: prompts + replies"]


def _short(count: int | None) -> str:
    if count is None:
        return UNKNOWN
    return f"{count:,}" if count < 10_000 else f"{count / 1000:,.0f}k" if count < 10_000_000 else f"{count / 1e6:,.1f}M"


def _number(value: Any) -> str:
    return brief(value) if isinstance(value, int | float) else UNKNOWN


def _count(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else UNKNOWN


def _money(value: Any) -> str:
    """Write money with two digits after the point; what would then read 0.00 with its first two digits."""
    if not isinstance(value, int | float) or not math.isfinite(value):
        return UNKNOWN
    if 0 < abs(value) < _HALF_A_CENT:
        return f"{value:.{1 - math.floor(math.log10(abs(value)))}f}"
    return f"{value:,.2f}"


def settings_of(told: Description | None) -> list[list[str]]:
    """Return name and value of each setting that is set, and from which texts prompts were written."""
    if told is None:
        return []
    texts: Any = told.get("prompts") or {}
    written = [str(texts[key])[:_HASH] for key in ("description", "style", "templates", "task") if texts.get(key)]
    config = {name: value for name, value in told["config"].items() if name != "task"}
    return setting_rows({**config, "texts of prompts": ", ".join(written)})


def made_with(told: Description | None) -> list[list[str]]:
    """Return name and version of what a run was made with."""
    if told is None:
        return []
    versions = told.get("versions")
    return setting_rows(
        {
            **(versions if isinstance(versions, dict) else {}),
            "engine of rollouts": told.get("rollout_engine"),
            "revision of the code": told.get("code_revision"),
            **{f"plugin {each['name']}": each["sha256"][:_HASH] for each in told.get("plugins", [])},
        }
    )


def setting_rows(values: Mapping[str, Any]) -> list[list[str]]:
    """Return name and value as texts, without what is not set; of a path on the machine, only its last part."""
    return [[name, _told(value)] for name, value in values.items() if value not in (None, {}, [], "")]


def _told(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_told(each)}" for key, each in value.items())
    if isinstance(value, list):
        return ", ".join(map(_told, value))
    return last_part(_QUERY.sub(r"\1…", _CREDENTIALS.sub("//", str(value))))
