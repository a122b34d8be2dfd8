"""One episode's own module: the source executed anew, with its own generators and copies of what it imports."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Collection, Mapping
from types import CodeType, ModuleType
from typing import Any, NoReturn

from r2po.isolation.randomness import Seeds, copy_of, numpy_random, python_random

FILE = "<policy>"
NAME = "policy"
"""What the module of a policy is called, also in ``sys.modules``, where dataclasses look for it."""

IMPORTS = (
    *("__future__", "abc", "array", "bisect", "cmath", "collections", "collections.abc", "contextlib", "copy"),
    *("dataclasses", "decimal", "enum", "fractions", "functools", "heapq", "itertools", "math", "numbers", "numpy"),
    *(
        "numpy.fft",
        "numpy.lib.stride_tricks",
        "numpy.linalg",
        "numpy.ma",
        "numpy.polynomial",
        "numpy.random",
        "numpy.typing",
    ),
    *("operator", "random", "re", "statistics", "string", "types", "typing", "warnings"),
)
"""Modules that a policy may import. They are loaded before the locks: afterwards no file can be opened."""

REMOVED = ("breakpoint", "compile", "eval", "exec", "input", "open")
"""Functions that Python has and a policy has not. This tells honest mistakes early; the wall is the kernel's."""


class Forbidden(Exception):
    """A policy asked for what no policy has."""


class ForbiddenImport(Forbidden, ImportError):
    """A policy imported a module that it may not; it can catch this like any ``ImportError``."""


class NoPolicy(Exception):
    """The source defines no policy."""


class OwnModule:
    """A module in which a source has been executed.

    Args:
        code: The compiled source.
        seed: Seeds the generators.
        modules: All modules that it may import, by name.
    """

    def __init__(self, code: CodeType, seed: int, modules: Mapping[str, ModuleType]) -> None:
        self.module = ModuleType(NAME)
        self.module.__dict__["__builtins__"] = _builtins(_Importer(Seeds(seed), modules))
        self.enter()
        exec(code, self.module.__dict__)  # noqa: S102 - what this process is for

    def enter(self) -> None:
        """Let code that asks for its module find this one."""
        sys.modules[NAME] = self.module


class Episode(OwnModule):
    """The policy of one episode; its arguments are those of ``OwnModule``."""

    def __init__(self, code: CodeType, seed: int, modules: Mapping[str, ModuleType]) -> None:
        super().__init__(code, seed, modules)
        self.act = _policy_class(self.module)().act


class Summarizer(OwnModule):
    """The function that summarizes one episode; its arguments are those of ``OwnModule``."""

    def __init__(self, code: CodeType, seed: int, modules: Mapping[str, ModuleType]) -> None:
        super().__init__(code, seed, modules)
        self.summarize = vars(self.module).get("summarize")
        if not callable(self.summarize):
            raise NoPolicy("the source must define a function summarize")


def _policy_class(module: ModuleType) -> Any:
    found = vars(module).get("Policy")
    if isinstance(found, type) and callable(getattr(found, "act", None)):
        return found
    others = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and value.__module__ == NAME and callable(getattr(value, "act", None))
    ]
    if found is None and len(others) == 1:
        return others[0]
    raise NoPolicy("the source must define one class Policy with a method act(self, obs)")


def _builtins(importer: _Importer) -> dict[str, Any]:
    own = dict(vars(builtins))
    own["__import__"] = importer
    for name in REMOVED:
        own[name] = _refusal(name)
    return own


def _refusal(name: str) -> Any:
    def refuse(*_arguments: object, **_options: object) -> NoReturn:
        raise Forbidden(f"{name}() is not available to a policy")

    return refuse


class _Importer:
    """Stands for ``__import__``: gives an episode its own copies, so that nothing it changes reaches another one."""

    def __init__(self, seeds: Seeds, modules: Mapping[str, ModuleType]) -> None:
        self._modules = modules
        self._own: dict[str, ModuleType] = {}
        self._makers = {"random": python_random, "numpy.random": numpy_random}
        self._seeds = seeds

    def __call__(
        self,
        name: str,
        _globals: Any = None,
        _locals: Any = None,
        fromlist: Collection[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        if not level and self._is_inner(name):
            return sys.modules[name]
        if level or name not in self._modules:
            raise ForbiddenImport(f"import {'.' * level}{name} is not available to a policy: only {self._names()} are")
        top = name.partition(".")[0]
        self._copy(top)
        return self._copy(name) if fromlist else self._own[top]

    def _is_inner(self, name: str) -> bool:
        """Whether a module is none for policies, but its package is: NumPy's functions in C import some from here."""
        return name not in self._modules and name.partition(".")[0] in self._modules and name in sys.modules

    def _names(self) -> str:
        return ", ".join(sorted({name.partition(".")[0] for name in self._modules} - {"__future__"}))

    def _copy(self, name: str) -> ModuleType:
        if name not in self._own:
            maker = self._makers.get(name)
            copy = maker(self._seeds) if maker else copy_of(self._modules[name])
            self._own[name] = copy
            for attribute, value in list(vars(copy).items()):
                inner = f"{name}.{attribute}"
                if isinstance(value, ModuleType) and inner in self._modules:
                    setattr(copy, attribute, self._copy(inner))
        return self._own[name]


def allowed_modules(further: Collection[str] = ()) -> dict[str, ModuleType]:
    """Return the modules that a policy may import, by name; those that are loaded inside of a package count too.

    Args:
        further: Packages beside the usual ones. They must have been imported.
    """
    tops = {*(name for name in IMPORTS if "." not in name), *(name.partition(".")[0] for name in further)}
    loaded = [name for name in sys.modules if name.partition(".")[0] in tops]
    public = [name for name in loaded if name == "__future__" or not any(part[0] == "_" for part in name.split("."))]
    return {name: sys.modules[name] for name in public}
