"""Policy search with language models: R2PO, its baselines and its ablations.

The names of ``__all__`` are the public interface, which docs/api.md explains.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from r2po.analysis.evaluation.frames import load_runs
    from r2po.api.export import export
    from r2po.api.result import Result
    from r2po.api.run import run
    from r2po.errors import InputError, R2POError, RunStopped
    from r2po.experiment.loading import LoadedPolicy, load_policy
    from r2po.experiment.observer import Observer
    from r2po.registration import register

__all__ = [
    "InputError",
    "LoadedPolicy",
    "Observer",
    "R2POError",
    "Result",
    "RunStopped",
    "export",
    "load_policy",
    "load_runs",
    "register",
    "run",
]

_MODULES = {
    "InputError": "r2po.errors",
    "LoadedPolicy": "r2po.experiment.loading",
    "Observer": "r2po.experiment.observer",
    "R2POError": "r2po.errors",
    "Result": "r2po.api.result",
    "RunStopped": "r2po.errors",
    "export": "r2po.api.export",
    "load_policy": "r2po.experiment.loading",
    "load_runs": "r2po.analysis.evaluation.frames",
    "register": "r2po.registration",
    "run": "r2po.api.run",
}
"""Where each public name is. Importing r2po is to stay light: a module is imported when its name is asked for."""


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
