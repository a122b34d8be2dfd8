"""Fresh episodes of accepted candidates, after a run or for a part of one: what makes ``reevaluation.jsonl``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

from r2po.experiment.setting import Setting
from r2po.policies import Solution
from r2po.rollout import EvaluationFailed
from r2po.runlog.jsonl import Appender, DamagedLog
from r2po.runlog.records import IterationRecord
from r2po.runlog.reevaluation import REMEDY, ReevaluationRecord, read_reevaluation, solution_sum


@dataclass(frozen=True)
class Accepted:
    """The accepted solution of an iteration."""

    iteration: int
    solution: Solution


def accepted_of(setting: Setting, records: Iterable[IterationRecord]) -> list[Accepted]:
    """Return the accepted solutions of logged iterations; one that failed accepted none.

    One that equals an earlier one is returned too: its noise is another.
    """
    chosen = [(record["iteration"], record["candidates"], _index(record)) for record in records]
    return [
        Accepted(iteration, setting.policy.load(candidates[index]))
        for iteration, candidates, index in chosen
        if index is not None
    ]


def _index(record: IterationRecord) -> int | None:
    return record["accepted"]


def reevaluate(
    setting: Setting,
    path: Path,
    accepted: Sequence[Accepted],
    episodes: int,
    tell: Callable[[int, int], None] = lambda _done, _total: None,
) -> int:
    """Roll each accepted solution out on fresh episodes, until it has ``episodes`` of them on record.

    Args:
        setting: That of the run: its policies, its environment, its cap, its seed.
        path: Its ``reevaluation.jsonl``. A line is written for each candidate; those that are there are kept.
        accepted: Its accepted solutions.
        episodes: How many fresh episodes each is to have. More than that stay.
        tell: Called with the candidates that are done and their number, before each of them and at the end.

    Returns:
        How many candidates were rolled out.

    Raises:
        DamagedLog: The file is damaged, or is about other solutions.
        RunLockedError: Another process has written to it.
    """
    if not missing(setting, path, accepted, episodes):
        return 0
    with closing(Appender(path, sealed=True)) as log:  # first: it notices what others append from now on
        todo = missing(setting, path, accepted, episodes)
        for done, (each, first) in enumerate(todo, len(accepted) - len(todo)):
            tell(done, len(accepted))
            seeds = setting.reevaluation_seeds(each.iteration, first, episodes - first)
            record: ReevaluationRecord = {
                "iteration": each.iteration,
                "first": first,
                "solution": _sum(setting, each),
                "returns": [],
            }
            try:
                record["returns"] = setting.evaluate(each.solution, seeds).returns.tolist()
            except EvaluationFailed as failed:
                record["failure"] = asdict(failed.failure)
            # A power cut may take lines that were not synced; the seeds give them again.
            log.append(record, sync=done == len(accepted) - 1)
    tell(len(accepted), len(accepted))
    return len(todo)


def missing(setting: Setting, path: Path, accepted: Sequence[Accepted], episodes: int) -> list[tuple[Accepted, int]]:
    """Return the solutions that lack episodes, and how many each has; one that failed lacks none.

    Raises:
        DamagedLog: The file is damaged, or is about other solutions.
    """
    found = read_reevaluation(path)
    todo = []
    for each in accepted:
        there = found.get(each.iteration)
        if there is not None and there.solution != _sum(setting, each):
            raise DamagedLog(
                f"damaged log: {path}: what it holds of iteration {each.iteration} is about another policy; {REMEDY}"
            )
        count = 0 if there is None else len(there.returns)
        if count < episodes and not (there and there.failed):
            todo.append((each, count))
    return todo


def _sum(setting: Setting, accepted: Accepted) -> str:
    return solution_sum(setting.policy.record(accepted.solution))
