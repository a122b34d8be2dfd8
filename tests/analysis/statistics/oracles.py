"""Other people's implementations, where they can be imported."""

from __future__ import annotations

import warnings
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.random import RandomState


def rliable(module: str) -> ModuleType:
    """Return a module of rliable; skip the test, saying why, where it cannot be imported."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return import_module(f"rliable.{module}")
        except Exception as error:  # noqa: BLE001 - it fails in many ways, depending on the versions around it
            pytest.skip(f"rliable cannot be imported: {error}")


def interval_by_rliable(scores: Any, statistic: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return rliable's stratified 95 % interval of a statistic of (runs, environments) scores."""
    library: Any = rliable("library")
    bootstrap = library.arch_bs.IIDBootstrap
    original = bootstrap.__init__

    def renamed(self: Any, *args: Any, random_state: Any = None, **kwargs: Any) -> None:
        """Newer versions of arch, on which rliable builds, call ``random_state`` ``seed``."""
        original(self, *args, seed=random_state, **kwargs)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            bootstrap(np.ones(1), seed=0)
        except TypeError:
            pass
        else:
            monkeypatch.setattr(bootstrap, "__init__", renamed)
        _, intervals = library.get_interval_estimates({"a": scores}, statistic, reps=4_000, random_state=RandomState(0))
    return intervals["a"][:, 0]
