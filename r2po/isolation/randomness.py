"""The modules ``random`` and ``numpy.random`` as one episode sees them: seeded by the episode, never by the system."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

_GLOBAL, _STATE, _FURTHER = 1, 2, 3
_SEEDED = ("RandomState", "MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64", "SeedSequence")
"""What of ``numpy.random`` draws a seed from the system if it is given none."""


def copy_of(module: ModuleType) -> ModuleType:
    """Return a module with the same content, for one episode to change as it likes."""
    copy = ModuleType(module.__name__, module.__doc__)
    copy.__dict__.update(module.__dict__)
    return copy


class Seeds:
    """Seeds for whatever generator an episode makes without naming one; the same in the same order."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._count = itertools.count()

    def fixed(self, purpose: int) -> int:
        """Return the seed of a generator that each episode has once."""
        return int(np.random.SeedSequence([self._seed, purpose]).generate_state(1, np.uint64)[0])

    def next(self) -> int:
        """Return the next seed, of 32 bits."""
        return int(np.random.SeedSequence([self._seed, _FURTHER, next(self._count)]).generate_state(1)[0])


def python_random(seeds: Seeds) -> ModuleType:
    """Return an episode's module ``random``."""

    class Random(random.Random):
        """A generator that is never seeded by the system."""

        def seed(self, a: Any = None, version: int = 2) -> None:
            super().seed(seeds.next() if a is None else a, version)

    module = copy_of(random)
    generator = Random(seeds.fixed(_GLOBAL))
    for name in random.__all__:
        if not isinstance(getattr(random, name), type):
            setattr(module, name, getattr(generator, name))
    vars(module)["Random"] = Random
    vars(module).pop("SystemRandom")
    return module


def numpy_random(seeds: Seeds) -> ModuleType:
    """Return an episode's module ``numpy.random``."""
    module = copy_of(np.random)
    state = np.random.RandomState(np.random.MT19937(seeds.fixed(_STATE)))
    for name in dir(state):
        if not name.startswith("_") and hasattr(np.random, name):
            setattr(module, name, getattr(state, name))
    for name in (*_SEEDED, "default_rng"):
        setattr(module, name, _seeded(getattr(np.random, name), seeds))
    setattr(module, "seed", _seeded(state.seed, seeds))  # noqa: B010 - a module has no such attribute for mypy
    return module


def _seeded(make: Callable[..., Any], seeds: Seeds) -> Callable[..., Any]:
    def made(seed: Any = None, **options: Any) -> Any:
        return make(seeds.next() if seed is None else seed, **options)

    return made
