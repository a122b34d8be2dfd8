"""Runs of Stable-Baselines3 in the published format: ``<env>_sb3/<algorithm>/run_N``.

Ours have a ``run.yaml`` and are read like all our runs; this reads what is left of them where only an algorithm's
``summary.json`` was kept. A published run has an ``overall_log.txt`` like those of the other methods, or only a summary
of its figures: ``summary.json`` in the run, or its part of the algorithm's own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from r2po.analysis.logs.built_in import method_facts, task_facts
from r2po.analysis.logs.names import read_folder_name
from r2po.analysis.logs.published import PROTOCOL, is_published_run, load_published_run
from r2po.analysis.logs.run_data import METRICS, RunData, Unusable
from r2po.runlog.facts import NO_MODEL
from r2po.runlog.records import LARGEST

FILE = "summary.json"

BUDGETS: Mapping[str, str] = MappingProxyType(
    {
        "controlled": "only training episodes count against its budget",
        "published": "evaluation episodes count against its budget",
        PROTOCOL: "evaluation episodes count against its budget",
    }
)
"""What the budget of Stable-Baselines3 means, by protocol."""


def budget_notes(protocols: Iterable[str]) -> list[str]:
    """Return a sentence on the budget for each of the protocols under which Stable-Baselines3 was run."""
    return [f"SB3 ({protocol}): {BUDGETS[protocol]}." for protocol in sorted({*protocols} & BUDGETS.keys())]


def is_sb3(algorithm: Path) -> bool:
    """Whether a log directory is that of a baseline's algorithm: the folder above says so."""
    name = read_folder_name(algorithm.resolve().parent.name)
    return name is not None and name.method == "sb3"


def load_sb3_run(path: Path) -> RunData:
    """Read a run of a baseline: its iterations where they are logged, else its summary.

    Raises:
        Unusable: It has neither, or a number is not finite.
    """
    folder = path.resolve()
    name = read_folder_name(folder.parents[1].name)
    assert name is not None
    task = task_facts(name.environment)
    changes: dict[str, Any] = {
        "task": task,
        "facts": method_facts("sb3"),
        "variant": "",
        "algorithm": folder.parent.name.upper(),
        "model": NO_MODEL,
        "target": task["optimum"],
    }
    if is_published_run(path):
        run = load_published_run(path)
        notes = tuple(note for note in run.notes if "names neither" not in note and "no folder" not in note)
        return replace(run, **changes, notes=notes)
    summary = _read_summary(path)
    protocol = str(summary.get("protocol"))
    none = np.array([], dtype=np.int64)
    return RunData(
        path=path,
        origin="published",
        protocol=protocol if protocol in BUDGETS else PROTOCOL,
        numbers=none,
        rewards=np.array([]),
        episodes=none,
        steps=none,
        llm_s=np.array([]),
        read_iterations=tuple,  # none
        summary=_figures(summary),
        notes=("only its summary is there, not its iterations",),
        **changes,
    )


def summary_runs(algorithm: Path) -> list[Path]:
    """Return a path for each run that only the algorithm's own ``summary.json`` tells of."""
    entries = _entries(algorithm / FILE)
    return [algorithm / f"run_{number}" for number in range(1, len(entries) + 1)]


def _read_summary(path: Path) -> Mapping[str, Any]:
    own = _read_json(path / FILE)
    if own is None:
        entries = _entries(path.parent / FILE)
        number = int(path.name.removeprefix("run_"))
        own = entries[number - 1] if 0 < number <= len(entries) else None
    if own is None:
        raise Unusable(f"it has neither overall_log.txt nor a {FILE} that can be read")
    return own


def _figures(summary: Mapping[str, Any]) -> dict[str, float]:
    figures = {name: summary[name] for name in METRICS if name in summary}
    if figures.get("heldout_reward", 0.0) is None:  # not measured
        del figures["heldout_reward"]
    if not figures:
        raise Unusable(f"{FILE} has none of {', '.join(METRICS)}")
    for name, value in figures.items():
        if type(value) not in (int, float) or not abs(value) <= LARGEST:
            raise Unusable(f"{FILE}: {name} is {value!r}, no finite number")
    return {name: float(value) for name, value in figures.items()}


def _entries(path: Path) -> list[Mapping[str, Any]]:
    summary = _read_json(path) or {}
    entries = summary.get("per_run_summaries")
    return [each for each in entries if isinstance(each, dict)] if isinstance(entries, list) else []


def _read_json(path: Path) -> Mapping[str, Any] | None:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
