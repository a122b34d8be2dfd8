"""The trackers that ``track`` can name."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec

from r2po.errors import InputError
from r2po.installation import install
from r2po.plugins import load_installed
from r2po.registry import Registry
from r2po.trackers import mlflow, tensorboard, wandb
from r2po.trackers.tracker import Tracker

TRACKERS: Registry[Tracker] = Registry(
    "tracker", tensorboard.TRACKER, wandb.TRACKER, mlflow.TRACKER, further=load_installed
)


def known_trackers(names: Iterable[str]) -> list[str]:
    """Return these names, each once.

    Raises:
        InputError: There is no tracker of a name.
    """
    return [TRACKERS.find(name).name for name in dict.fromkeys(names)]


def check_trackers(names: Iterable[str]) -> list[Tracker]:
    """Return the trackers of these names, each once; imports none of them.

    Raises:
        InputError: There is none of a name, or a package that one needs is not installed.
    """
    found = [TRACKERS[name] for name in known_trackers(names)]
    lacking = {tracker.name: _lacks(tracker) for tracker in found}
    if any(lacking.values()):
        needs = "; ".join(
            f"tracker {name!r} needs the package{'s' * (len(lacks) > 1)} {', '.join(lacks)}"
            for name, lacks in lacking.items()
            if lacks
        )
        extras = ",".join(dict.fromkeys(tracker.extra for tracker in found if tracker.extra and lacking[tracker.name]))
        raise InputError(f"{needs}, not installed here{f': {install(extras)}' if extras else ''}")
    return found


def _lacks(tracker: Tracker) -> list[str]:
    return [module for module in tracker.modules if not _is_installed(module)]


def _is_installed(module: str) -> bool:
    """Whether a module is installed. A folder of its name in the working directory, as W&B makes one, is none."""
    try:
        spec = find_spec(module)
    except (ImportError, ValueError):
        return False
    return spec is not None and spec.origin is not None
