"""The evaluations of a run's programs: each is logged as soon as it is known, and never made twice.

Whether a program stays within its limits of time depends on the machine and its other work, so an evaluation is like a
reply: what it once gave is what counts. Policies that are numbers always give the same, and are not logged here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from threading import Lock
from types import MappingProxyType
from typing import Any, TypeVar, cast

import numpy as np

from r2po.experiment.setting import Setting
from r2po.isolation.outcomes import Failure, PolicyFailed
from r2po.policies import Policy, Program, Solution
from r2po.rollout import EpisodeLost, EvaluationFailed, Rollout, Rollouts
from r2po.rollout.types import End
from r2po.runlog import RunDirectory
from r2po.runlog.jsonl import Appender
from r2po.runlog.records import EvaluationRecord

Outcome = Rollouts | EvaluationFailed
NOTHING: Mapping[str, Any] = MappingProxyType({})
T = TypeVar("T")


class Evaluations:
    """Rolls out solutions, in any number of threads.

    Args:
        setting: What is rolled out.
        directory: Where evaluations of programs are logged.
        note: Called with a line on what is odd.
    """

    def __init__(self, setting: Setting, directory: RunDirectory, note: Callable[[str], None] = lambda _: None) -> None:
        self._setting, self._directory, self._note = setting, directory, note
        self._log: Appender | None = None
        self._recorded: dict[tuple[str, str], EvaluationRecord] = {}
        self._known: dict[tuple[str, tuple[int, ...]], Outcome] = {}
        self._under_way: defaultdict[tuple[str, tuple[int, ...]], Lock] = defaultdict(Lock)
        self._lock = Lock()

    def evaluate(self, name: str, solution: Solution, seeds: Sequence[int]) -> Rollouts:
        """Roll out a solution once per seed.

        A program is not rolled out again if the log holds the evaluation, nor if the same source was rolled out from
        the same seeds since ``forget`` was called.

        Args:
            name: Which evaluation of the run this is; it stands for the seeds.
            solution: What to roll out.
            seeds: Where its episodes start.

        Raises:
            EvaluationFailed: It does not work.
        """
        if not isinstance(solution, Program):
            return self._setting.evaluate(solution, seeds)
        key = solution.sha256, tuple(seeds)
        with self._lock:
            turn = self._under_way[key]
        with turn:  # whoever wants the same waits for it
            if key not in self._known:
                self._known[key] = self._outcome(name, solution, self._setting.bind(solution), seeds)
        return _rollouts(self._known[key])

    def evaluate_bound(
        self, name: str, program: Program, policy: Policy, seeds: Sequence[int], **about: Any
    ) -> Rollouts:
        """Roll out a policy that its caller has bound, once per seed, unless the log holds the evaluation.

        Args:
            name: Which evaluation of the run this is; it stands for the seeds.
            program: What the policy was made from.
            policy: What to roll out.
            seeds: Where its episodes start.
            about: What the log is to say of it besides.

        Raises:
            EvaluationFailed: It does not work.
        """
        return _rollouts(self._outcome(name, program, policy, seeds, about))

    def read(self, name: str, program: Program, read: Callable[[Program], T]) -> T:
        """Read something from a program behind the wall; if that fails, it fails again when the run is resumed.

        Raises:
            EvaluationFailed: It cannot be read.
        """
        log = self._opened()
        record = self._recorded.get((name, program.sha256))
        if record is not None and "failure" in record:
            raise EvaluationFailed(_failure(record), ())
        try:
            return read(program)
        except PolicyFailed as failed:
            failure = EvaluationFailed(failed.failure, ())
            log.append(_record(name, program, failure, None))
            raise failure from None

    def forget(self) -> None:
        """Free the rollouts that are kept for the case that the same source comes again."""
        self._known.clear()
        self._under_way.clear()

    @property
    def sums(self) -> dict[str, str]:
        """The checksum of the last line, by the name of the file; nothing if no program was rolled out."""
        return {} if self._log is None else {self._directory.evaluations.name: self._log.sum}

    def close(self) -> None:
        """Close the log."""
        if self._log is not None:
            self._log.close()

    def _opened(self) -> Appender:
        with self._lock:
            if self._log is None:
                self._log = Appender(self._directory.evaluations)
                self._recorded = {(each["name"], each["sha256"]): each for each in self._directory.read_evaluations()}
            return self._log

    def _outcome(
        self, name: str, program: Program, policy: Policy, seeds: Sequence[int], about: Mapping[str, Any] = NOTHING
    ) -> Outcome:
        log = self._opened()
        record = self._recorded.get((name, program.sha256))
        if record is not None:
            return self._read(record, policy, seeds)
        outcome: Outcome
        try:
            outcome = self._setting.roll_out_policy(policy, seeds)
        except EvaluationFailed as failed:
            outcome = failed
        with self._lock:
            log.append({**_record(name, program, outcome, policy.cpu_s), **about})
        return outcome

    def _read(self, record: EvaluationRecord, policy: Policy, seeds: Sequence[int]) -> Outcome:
        if "failure" in record:
            return EvaluationFailed(_failure(record), record["lengths"])
        successes = record.get("successes")
        return Rollouts(
            seeds=tuple(seeds),
            returns=np.array(record["returns"]),
            lengths=np.array(record["lengths"], np.int64),
            ends=cast("tuple[End, ...]", tuple(record["ends"])),
            replay=partial(self._again, record, policy, dict(zip(seeds, record["returns"], strict=True))),
            successes=None if successes is None else tuple(successes),
        )

    def _again(self, record: EvaluationRecord, policy: Policy, returns: dict[int, float], seed: int) -> Rollout:
        """Roll out an episode again whose trajectory an interruption has lost: a prompt is to show it."""
        try:
            rollout = self._setting.engine.roll_out(policy, seed)
        except EvaluationFailed as failed:
            raise EpisodeLost(
                f"{record['name']}: an episode is needed again, whose policy worked before the run was interrupted and "
                f"now fails: {failed.failure.line}"
            ) from None
        if rollout.total != returns[seed]:
            self._note(
                f"{record['name']}: the policy is not deterministic: an episode that gave {returns[seed]:g} before the "
                f"run was interrupted now gave {rollout.total:g}"
            )
        return rollout


def _rollouts(outcome: Outcome) -> Rollouts:
    if isinstance(outcome, EvaluationFailed):
        raise EvaluationFailed(outcome.failure, outcome.lengths)
    return outcome


def _failure(record: EvaluationRecord) -> Failure:
    return Failure(cast("Any", record["failure"]["kind"]), record["failure"]["text"])


def _record(name: str, program: Program, outcome: Outcome, cpu_s: float | None) -> dict[str, Any]:
    """Return the line of the log."""
    about = {"name": name, "sha256": program.sha256, "cpu_s": None if cpu_s is None else round(cpu_s, 3)}
    if isinstance(outcome, EvaluationFailed):
        return {**about, "failure": asdict(outcome.failure), "lengths": list(outcome.lengths)}
    return {
        **about,
        "returns": outcome.returns.tolist(),
        "lengths": outcome.lengths.tolist(),
        "ends": list(outcome.ends),
        **({} if outcome.successes is None else {"successes": list(outcome.successes)}),
    }
