"""Many evaluations of one program with other constants, in one worker: starting it takes longer than short episodes."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

from r2po.isolation.box import Box
from r2po.isolation.constants import Constant
from r2po.isolation.limits import Limits
from r2po.isolation.protocol import Signature
from r2po.isolation.wall import Isolation
from r2po.policies.code import CodeSession
from r2po.policies.policy import Policy, Session
from r2po.policies.solution import Program


class Workbench:
    """A worker that loads one source after the other. If a policy fails, the next one gets a new worker.

    Use it in one thread only. Close it at the end, or use it as a context.

    Args:
        signature: What ``act`` takes and returns.
        isolation: The wall that policies run behind.
        imports: Packages that they may import beside the usual modules.
        evaluations: How many the worker is for. It may take as much CPU as so many workers of their own.
    """

    def __init__(
        self, signature: Signature, isolation: Isolation, imports: Sequence[str] = (), *, evaluations: int = 1
    ) -> None:
        self._signature, self._isolation, self._imports = signature, isolation, imports
        self._limits = Limits(cpu_s=Limits.cpu_s * evaluations)
        self._box: Box | None = None

    def constants(self, program: Program) -> tuple[Constant, ...]:
        """Return the constants that a program declares; its code does not run.

        Raises:
            PolicyFailed: It cannot be read, or what it declares are no constants.
            WorkerNotReadyError: The worker could not be started.
        """
        return self.box().constants(program.source, self._signature)

    def bind(self, program: Program) -> Policy:
        """Return the policy of a program; only one session of one policy may be open at a time."""
        return _BenchPolicy(self, program.source, self._signature)

    def box(self) -> Box:
        """Return the worker; start one, if there is none or if it has ended."""
        if self._box is None or self._box.failed:
            self._box = Box(self._isolation, self._limits, imports=self._imports)
        return self._box

    def close(self) -> None:
        """End the worker."""
        if self._box is not None:
            self._box.close()

    def __enter__(self) -> Workbench:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.close()


class _BenchPolicy(Policy):
    """A policy on a workbench; no episode is rolled out again."""

    replayable = False

    def __init__(self, bench: Workbench, source: str, signature: Signature) -> None:
        self._bench, self._source, self._signature = bench, source, signature

    def begin(self, seeds: Sequence[int], /) -> Session:
        """Make the policy of every episode; closing the session leaves the worker.

        Raises:
            PolicyFailed: The source does not work.
            WorkerNotReadyError: The worker could not be started.
        """
        session = CodeSession(self._bench.box(), self._signature)
        session.load(self._source, seeds)
        return session
