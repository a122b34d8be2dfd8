"""Policies that a model writes as Python code, which runs behind the wall of ``r2po.isolation``."""

from __future__ import annotations

import importlib.util
import keyword
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
import pydantic

from r2po.errors import InputError
from r2po.isolation.box import Box
from r2po.isolation.episode import IMPORTS
from r2po.isolation.limits import SOURCE_BYTES, Limits
from r2po.isolation.protocol import Signature
from r2po.isolation.summaries import Summaries
from r2po.isolation.wall import InForce, Isolation
from r2po.policies.base import DEFAULTS, PolicyConfig
from r2po.policies.policy import Array, Policy, Session
from r2po.policies.program import ProgramFamily
from r2po.policies.solution import Program
from r2po.policies.source import read_source
from r2po.tasks.spaces import Spaces

_NO_BOUND = 1.0
"""How far random actions go where the environment has no bound."""


class Settings(pydantic.BaseModel):
    """The config key ``policy_settings`` of code.

    Attributes:
        imports: Packages that policies may import beside the usual modules.
    """

    imports: list[str] = []


class Code(ProgramFamily):
    """Policies as Python source that defines a class ``Policy``: an object for each episode, with a memory."""

    name = "code"
    walled: ClassVar[bool] = True
    warms_up: ClassVar[bool] = False

    def __init__(self, spaces: Spaces, config: PolicyConfig = DEFAULTS) -> None:
        self.imports = tuple(config.read(Settings).imports)
        for package in self.imports:
            _check_package(package)
        self._spaces, self.isolation = spaces, config.isolation
        size = None if spaces.discrete_observation else spaces.observation_size
        self.signature = Signature(size, spaces.action_size, spaces.discrete_action, spaces.first_action)

    def wall(self) -> InForce:
        """Start a worker and return the wall that it has."""
        with Box(self.isolation, imports=self.imports) as box:
            return box.in_force

    def bind(self, program: Program, /) -> Policy:
        """Return the policy; each session of it has a worker of its own."""
        return CodePolicy(program.source, self.signature, self.isolation, self.imports)

    def summaries(self) -> Summaries:
        """Start a worker for a function that summarizes episodes, behind the same wall.

        Raises:
            WorkerNotReadyError: The worker could not be started.
        """
        return Summaries(self.isolation, imports=self.imports)

    def sample(self, rng: np.random.Generator) -> Program:
        """Return a program that draws its actions at random; its numbers are settled by a seed inside of it."""
        spaces, seed = self._spaces, int(rng.integers(2**31))
        if spaces.discrete_action:
            last = spaces.first_action + spaces.action_size - 1
            drawn = f"self.random.randint({spaces.first_action}, {last})"
        else:
            low = [bound if np.isfinite(bound) else -_NO_BOUND for bound in spaces.action_low]
            high = [bound if np.isfinite(bound) else _NO_BOUND for bound in spaces.action_high]
            drawn = f"[self.random.uniform(low, high) for low, high in {list(zip(low, high, strict=True))}]"
        return Program(
            "import random\n\n\nclass Policy:\n"
            f"    def __init__(self):\n        self.random = random.Random({seed})\n\n"
            f"    def act(self, obs):\n        return {drawn}"
        )

    def read(self, text: str, /) -> Program:
        """Read the source from a reply."""
        return Program(read_source(text))

    def form(self, _observation_names: Sequence[str], _action_names: Sequence[str], /) -> str:
        """Say what a program must define, what it is given, and what it may use."""
        return "\n".join([
            "A policy is a Python program that defines one class:",
            "",
            "class Policy:",
            "    def __init__(self):",
            "        ...  # called once at the start of every episode",
            "",
            "    def act(self, obs):",
            "        ...  # called once in every step; returns the action",
            "",
            f"- obs is the state s: {self._observation}. It is a copy, which you may change.",
            f"- act returns the action: {self._action}.",
            "- Every episode has its own Policy object, and the program is run anew for it. So a policy may remember "
            "what it saw in its episode, but nothing passes from one episode to another.",
            f"- You may import {', '.join(self.modules)}, and nothing else. There are no files, no network, no clock "
            "and no environment to try things in. random and numpy.random are seeded for every episode.",
            f"- The program may have {SOURCE_BYTES:,} bytes. {_limits()}",
            "- A policy fails if its program cannot be read, raises an exception, returns what is no action, or breaks "
            "a limit. One failure in any episode ends its trial: it then has no return at all.",
        ])  # fmt: skip

    def reply_format(self, account: str, /, *, structured: bool) -> str:  # noqa: ARG002 - code is no JSON
        """Ask for one block of code; then for an account."""
        return (
            "Your reply holds the whole program in one fenced block, in this form:\n"
            "```python\nclass Policy:\n    ...\n```\n"
            f"Below it, write {account}. Give no second block of code: only the last one that defines a policy counts."
        )

    @property
    def modules(self) -> list[str]:
        """Names of the modules and packages that a policy may import."""
        usual = {name.partition(".")[0] for name in IMPORTS} - {"__future__"}
        return sorted(usual | {name.partition(".")[0] for name in self.imports})

    @property
    def _observation(self) -> str:
        if self._spaces.discrete_observation:
            return "a whole number (int)"
        size = self._spaces.observation_size
        return f"a NumPy vector of {size} float64 number{'' if size == 1 else 's'}, obs[0] to obs[{size - 1}]"

    @property
    def _action(self) -> str:
        spaces, size = self._spaces, self._spaces.action_size
        if spaces.discrete_action:
            return f"a whole number from {spaces.first_action} to {spaces.first_action + size - 1}"
        if size == 1:
            return "a list or vector of 1 finite number; the number alone will do"
        return f"a list or vector of {size} finite numbers"


class CodePolicy(Policy):
    """A policy that is Python code. It may depend on the time it takes, so no episode is rolled out again.

    Args:
        source: The code.
        signature: What ``act`` takes and returns.
        isolation: The wall that it runs behind.
        imports: Packages that it may import beside the usual modules.
    """

    replayable = False

    def __init__(self, source: str, signature: Signature, isolation: Isolation, imports: Sequence[str] = ()) -> None:
        self._source, self._signature = source, signature
        self._isolation, self._imports = isolation, imports
        self._cpu_s = 0.0

    @property
    def cpu_s(self) -> float:
        """Seconds of CPU that its workers took which have ended, their start included."""
        return self._cpu_s

    def begin(self, seeds: Sequence[int], /) -> Session:
        """Start a worker and make the policy of every episode in it.

        Raises:
            PolicyFailed: The source does not work.
            WorkerNotReadyError: The worker could not be started.
        """
        session = _OwnSession(Box(self._isolation, imports=self._imports), self._signature, self._count)
        try:
            session.load(self._source, seeds)
        except BaseException:
            session.close()
            raise
        return session

    def _count(self, seconds: float) -> None:
        self._cpu_s += seconds


class CodeSession(Session):
    """Episodes of a source in a worker. Closing it leaves the worker."""

    def __init__(self, box: Box, signature: Signature) -> None:
        self._box, self._signature = box, signature
        self._kind: Any = np.float64 if signature.observation_size is not None else np.int64

    def load(self, source: str, seeds: Sequence[int]) -> None:
        """Make the policy of every episode."""
        self._box.load(source, seeds, self._signature)

    def __call__(self, slots: Sequence[int], observations: Array, /) -> Array:
        """Ask the worker for the actions."""
        actions = self._box.act(slots, np.ascontiguousarray(observations, self._kind).tobytes())
        if self._signature.discrete:
            return np.frombuffer(actions, np.int64)
        return np.frombuffer(actions, np.float64).reshape(len(slots), self._signature.action_size)


class _OwnSession(CodeSession):
    """A session whose worker ends with it."""

    def __init__(self, box: Box, signature: Signature, on_end: Callable[[float], None]) -> None:
        super().__init__(box, signature)
        self._on_end = on_end

    def close(self) -> None:
        """End the worker."""
        self._box.close()
        self._on_end(self._box.cpu_s or 0.0)


def _check_package(name: str) -> None:
    """Refuse what cannot be imported here.

    Raises:
        InputError: It is no name of a package, or is not installed.
    """
    parts = name.split(".")
    if not all(part.isidentifier() and not keyword.iskeyword(part) for part in parts):
        raise InputError(f"policy_settings: imports: {name!r} is no name of a package")
    if importlib.util.find_spec(parts[0]) is None:
        raise InputError(f"policy_settings: imports: the package {parts[0]!r} is not installed")


def _limits() -> str:
    limits = Limits()
    return (
        f"Loading it may take {limits.load_s:g} s, one step of all episodes together {limits.step_s:g} s, and all "
        f"episodes together {limits.cpu_s} s of CPU time and {limits.memory_mb} MB of memory."
    )
