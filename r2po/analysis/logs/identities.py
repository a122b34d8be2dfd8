"""Runs that name the same model and were answered by different ones: other weights, or another version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from r2po.analysis.logs.run_data import RunData
from r2po.runlog.records import Description


def told_identities(description: Description) -> dict[str, Mapping[str, Any]]:
    """Return what servers told of the models by role, such as a digest; nothing of those that told nothing."""
    servers = description.get("servers", {})
    return {role: server["model"] for role, server in servers.items() if server["model"]}


def with_other_models_noted(runs: Sequence[RunData]) -> list[RunData]:
    """Return the runs of a folder; each whose model is not that of the first one of the same name says so.

    They are still compared: only the user knows whether the difference matters.
    """
    first: dict[tuple[str, str, str], tuple[str, Mapping[str, Any]]] = {}
    found = []
    for run in runs:
        notes = []
        for role, told in run.identities.items():
            name, before = first.setdefault((run.model, run.critic_model, role), (run.name, told))
            if told != before:
                notes.append(f"the model of {role} is not that of {name}: {_said(told)}; there {_said(before)}")
        found.append(replace(run, notes=(*run.notes, *notes)) if notes else run)
    return found


def _said(told: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in told.items())
