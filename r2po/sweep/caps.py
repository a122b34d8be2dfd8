"""What caps on runs of a sweep need: what was used so far, prices, and replies that count their tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from r2po.errors import InputError
from r2po.installation import NAME
from r2po.llm.ledger import Amount, Caps
from r2po.methods import METHODS
from r2po.runlog import RunDirectory
from r2po.sweep.from_logs import read_progress, read_usage
from r2po.sweep.messages import Progress
from r2po.sweep.plan import PlannedRun

SET = f"the max_cost of {NAME} set (--max-cost none takes it back)"


def usage_of(runs: Sequence[PlannedRun], known: Sequence[Progress], number: int, *, before: bool = False) -> Amount:
    """Return what one of the runs has used, by its log; its result knows too, if the log is damaged.

    With ``before``, only what it had used when it was read where it stands. A log at work does not tell what was used
    by now: a request without a reply may wait for its turn, or between two attempts, and has cost nothing so far.

    Raises:
        InputError: Neither tells it.
    """
    run, stands = runs[number], known[number]
    first = stands.requests if before else None
    try:
        return read_usage(run.path, lambda role: run.config.for_role(role).known_prices, first)[0]
    except InputError as error:
        if stands.state != "complete":
            raise InputError(f"{error}: no cap can be enforced, as it is not known what this run has used") from None
        counts = RunDirectory(run.path).read_result()["tokens"].values()
        said = all(count is not None for role in counts for count in (role["prompt_tokens"], role["completion_tokens"]))
        return Amount(stands.calls, stands.tokens if said else None, stands.cost)


def used_so_far(runs: Sequence[PlannedRun]) -> dict[str, Amount]:
    """Return what the runs of each experiment have used, by its log directory; None for what their logs do not tell."""
    used: dict[str, Amount] = {}
    for run in runs:
        logdir = str(Path(run.config.logdir))
        used.setdefault(logdir, Amount())
        if run.directory is not None:
            stands = read_progress(0, run.path, run.config.num_iterations or 0)
            try:
                used[logdir] += usage_of([run], [stands], 0)
            except InputError:
                used[logdir] += Amount(0, None, None)
    return used


def check_prices(runs: Sequence[PlannedRun], options: Mapping[str, Caps]) -> None:
    """Make sure that caps on money can be enforced; ``options`` has what gives them, as errors call it.

    Raises:
        InputError: A run has no prices.
    """
    given = [option for option, caps in options.items() if caps.max_cost is not None]
    for run in runs if given else ():
        missing = run.config.missing_prices
        if missing and METHODS[run.config.method].asks_model:
            raise InputError(f"{given[0]} needs {missing}.input and {missing}.output; {run.source} has none")


def counted(runs: Sequence[PlannedRun], *all_caps: Caps) -> list[PlannedRun]:
    """Return the runs; under a cap that counts tokens, they stream only from the providers' own servers."""
    counts = any(caps.max_tokens is not None or caps.max_cost is not None for caps in all_caps)
    changed = {"llm_streaming": "own"}
    return [
        replace(run, config=run.config.model_copy(update=changed)) if counts and run.config.llm_streaming else run
        for run in runs
    ]
