"""Policy search with language models: R2PO, its baselines and its ablations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from r2po.analysis.evaluation.frames import load_runs
    from r2po.experiment.loading import load_policy
    from r2po.registration import register

__all__ = ["load_policy", "load_runs", "register"]


def __getattr__(name: str) -> Any:
    # Importing r2po is to stay light: what needs NumPy and pandas is imported when it is asked for.
    if name == "load_runs":
        from r2po.analysis.evaluation.frames import load_runs

        return load_runs
    if name == "load_policy":
        from r2po.experiment.loading import load_policy

        return load_policy
    if name == "register":
        from r2po.registration import register

        return register
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
