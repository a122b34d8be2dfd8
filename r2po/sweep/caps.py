"""What caps on all runs of a sweep need: what was used so far, prices, and replies that count their tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from r2po.errors import InputError
from r2po.installation import NAME
from r2po.llm.ledger import Amount, Caps
from r2po.methods import METHODS
from r2po.runlog import RunDirectory
from r2po.sweep.from_logs import read_usage
from r2po.sweep.messages import Progress
from r2po.sweep.plan import PlannedRun

SET = f"the max_cost of {NAME} set (--max-cost none takes it back)"


def usage_of(runs: Sequence[PlannedRun], known: Sequence[Progress]) -> Amount:
    """Return what all runs had used when it was read where they stand, by their logs.

    A log at work does not tell what was used by now: a request without a reply may wait for its turn, or between two
    attempts, and has cost nothing so far. What came later is known to the coordinator.

    Raises:
        InputError: A log does not tell it.
    """
    return sum((_usage(run, known[run.index]) for run in runs), Amount())


def _usage(run: PlannedRun, known: Progress) -> Amount:
    """Return what a run has used: its result knows too, if its log is damaged."""
    try:
        return read_usage(run.path, lambda role: run.config.for_role(role).known_prices, known.requests)[0]
    except InputError as error:
        if known.state != "complete":
            raise InputError(f"{error}: no cap can be enforced, as it is not known what this run has used") from None
        counts = RunDirectory(run.path).read_result()["tokens"].values()
        said = all(count is not None for role in counts for count in (role["prompt_tokens"], role["completion_tokens"]))
        return Amount(known.calls, known.tokens if said else None, known.cost)


def check_prices(runs: Sequence[PlannedRun], caps: Caps, *, is_set: bool = False) -> None:
    """Make sure that a cap on money can be enforced, given by the command or set meanwhile.

    Raises:
        InputError: A run has no prices.
    """
    for run in runs if caps.max_cost is not None else ():
        missing = run.config.missing_prices
        if missing and METHODS[run.config.method].asks_model:
            which = SET if is_set else "--max-cost"
            raise InputError(f"{which} needs {missing}.input and {missing}.output; {run.source} has none")


def counted(runs: Sequence[PlannedRun], caps: Caps) -> list[PlannedRun]:
    """Return the runs; under a cap that counts tokens, they stream only from the providers' own servers."""
    counts = caps.max_tokens is not None or caps.max_cost is not None
    changed = {"llm_streaming": "own"}
    return [
        replace(run, config=run.config.model_copy(update=changed)) if counts and run.config.llm_streaming else run
        for run in runs
    ]
