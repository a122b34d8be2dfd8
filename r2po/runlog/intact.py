"""Whether the files of a run are as they were written: checked before a run continues, or its result is shown again."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from r2po.errors import InputError
from r2po.runlog.consistency import check_counts, check_result
from r2po.runlog.directory import RunDirectory
from r2po.runlog.jsonl import DamagedLog, sums_of
from r2po.runlog.records import IterationRecord, Outcome, Result
from r2po.runlog.trajectories import TRAJECTORIES, fault_of

NO_CHECKSUMS = (
    "it has no checksums, which an older version did not write: whether a file was changed since is not known"
)


def check_files(directory: RunDirectory) -> list[str]:
    """Check each file of a run, and all against each other.

    Returns:
        A line on each fault that does not keep the run from going on.

    Raises:
        DamagedLog: A file was changed, or lost lines that others were written after.
    """
    iterations, lost = check_logs(directory)
    faults = [
        fault_of(directory.path, record["iteration"], sums[TRAJECTORIES])
        for record in iterations
        if TRAJECTORIES in (sums := record.get("sums", {}))
    ]
    notes = [] if directory.has_checksums else [f"{directory.path}: {NO_CHECKSUMS}"]
    return [*notes, *([lost] if lost else []), *filter(None, faults)]


def check_logs(directory: RunDirectory) -> tuple[list[IterationRecord], str]:
    """Check the logs of a run against each other, and its result if it has one.

    Returns:
        Its iterations, and a line on warm-up trials that are lost, which do not keep it from going on; else empty.

    Raises:
        DamagedLog: A file was changed, or lost lines that others were written after.
    """
    planned = directory.read_description()["config"].get("warmup_episodes")
    iterations, trials = directory.read_iterations(), len(directory.read_warmup())
    lost = planned - trials if iterations and isinstance(planned, int) else 0
    if lost <= 0:
        check_warmup_of(directory, iterations)
    for log in (directory.calls, directory.evaluations):
        check_prefixes(log, iterations)
    if directory.is_complete:
        result = directory.read_result()
        check_result(result, iterations)
        for log in directory.logs:
            check_end(log, result)
    told = f"{directory.warmup} has {trials} of {planned} trials; a resumed run makes the others again"
    return iterations, told if lost > 0 else ""


def check_warmup_of(directory: RunDirectory, iterations: Sequence[IterationRecord]) -> None:
    """Check that the warm-up is the one that the iterations followed.

    Raises:
        DamagedLog: It is not.
    """
    check_counts(iterations, directory.read_warmup(), directory.iterations)
    check_prefixes(directory.warmup, iterations)


def check_log(directory: RunDirectory, log: Path) -> None:
    """Check that a log has all lines that other files of the run say it had, as far as those can be read.

    Raises:
        DamagedLog: It does not.
    """
    iterations: list[Outcome] = []
    result: Result | None = None
    with suppress(DamagedLog):
        iterations = directory.read_iterations_as(Outcome)
    with suppress(InputError):
        result = directory.read_result() if directory.is_complete else None
    check_prefixes(log, iterations)
    if result is not None:
        check_end(log, result)


def check_prefixes(log: Path, iterations: Sequence[Outcome] | Sequence[IterationRecord]) -> None:
    """Check that a log still begins as it did when each iteration was written.

    Raises:
        DamagedLog: It does not.
    """
    sums = frozenset(sums_of(log))
    for record in iterations:
        expected = record.get("sums", {}).get(log.name)
        if expected is not None and expected not in sums:
            when = f"when iteration {record['iteration']} was logged"
            raise DamagedLog(f"damaged log: {log}: lines are lost that were there {when}")


def check_end(log: Path, result: Result) -> None:
    """Check that a log is as it was when the run ended.

    Raises:
        DamagedLog: It is not.
    """
    expected = result.get("sums", {}).get(log.name)
    if expected is not None and expected != sums_of(log)[-1]:
        raise DamagedLog(f"damaged log: {log}: lines were lost or added since the run ended")
