"""Where the runs of a sweep stand and what they have used, read from their logs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from r2po.errors import InputError
from r2po.llm.accounting import Prices, amount_of
from r2po.llm.ledger import Amount
from r2po.llm.types import CRITIC, SEARCH
from r2po.llm.usage import Usage
from r2po.runlog import RunDirectory
from r2po.runlog.condition import condition_of
from r2po.runlog.events import FILE, GaveUp, Replied, Requested, at_utc, read_events
from r2po.runlog.jsonl import DamagedLog
from r2po.runlog.records import CandidateRecord, IterationRecord, Result
from r2po.sweep.messages import Progress


def read_progress(index: int, path: Path, planned: int) -> Progress:
    """Return where a run stands. What it spent before prices were set is not known from its log alone."""
    condition = condition_of(RunDirectory(path))
    if condition.kind == "damaged":
        return Progress(index, state="damaged", now=condition.fault, planned=planned)
    return read_unchecked(index, path, planned)


def read_shared(index: int, path: Path, planned: int, is_held: Callable[[], bool]) -> Progress:
    """Return where a run stands that another process may be making.

    While that writes, the files need not fit together. So what looks damaged then is not; ``is_held`` says whether the
    run is being made, and if it is no longer, it is looked at once more.
    """
    progress = read_progress(index, path, planned)
    if progress.state != "damaged":
        return progress
    return Progress(index, planned=planned) if is_held() else read_progress(index, path, planned)


def read_unchecked(index: int, path: Path, planned: int) -> Progress:
    """Return where a run stands without looking whether all its files are as they were written."""
    directory = RunDirectory(path)
    progress = Progress(index, planned=planned)
    try:
        if not path.is_dir():
            return replace(progress, requests=0)
        if directory.is_complete:
            return from_result(index, directory, directory.read_result())
        return _unfinished(progress, directory)
    except InputError as error:
        return replace(progress, state="damaged", now=str(error))
    except OSError as error:
        return replace(progress, state="damaged", now=f"cannot read {path}: {error.strerror or error}")
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError):
        return replace(progress, state="damaged", now=f"damaged log in {path}")


def from_result(index: int, directory: RunDirectory, result: Result) -> Progress:
    """Return where a complete run stands.

    Raises:
        DamagedLog: Its result lacks something.
    """
    keys = ("prompt_tokens", "completion_tokens")
    try:
        return Progress(
            index,
            state="complete",
            iterations=result["iterations"],
            planned=result["iterations"],
            best=result["best_reward"],
            calls=result["llm_calls"],
            episodes=result["episodes"],
            tokens=sum(tokens[key] or 0 for tokens in result["tokens"].values() for key in keys),
            cost=result.get("cost"),
        )
    except (KeyError, TypeError, AttributeError) as error:
        path = directory.path / "result.json"
        raise DamagedLog(f"{path} is damaged ({error}); delete it, and --resume rebuilds it") from None


def after(progress: Progress, iterations: Sequence[IterationRecord]) -> Progress:
    """Return where a run stands after its logged iterations, its calls apart."""
    if not iterations:
        return progress
    last = iterations[-1]
    return replace(progress, iterations=last["iteration"], best=last.get("best_reward"), episodes=last["episodes"])


def _unfinished(progress: Progress, directory: RunDirectory) -> Progress:
    iterations = directory.read_iterations()
    prices = _prices(directory)
    used, requests = read_usage(directory.path, prices)
    return replace(
        after(progress, iterations),
        calls=iterations[-1]["llm_calls"] if iterations else 0,
        tokens=used.tokens or 0,
        cost=used.cost if prices(SEARCH) else None,
        requests=requests,
    )


def _prices(directory: RunDirectory) -> Callable[[str], Prices | None]:
    """Return what gives the prices of a role; earlier versions recorded ``auto`` of methods that ask no model."""
    config = directory.read_description()["config"] if directory.is_described else {}
    critic = {**config, **(config.get("critic") or {})}
    listed = {SEARCH: config.get("prices"), CRITIC: critic.get("prices")}
    known = {role: Prices(**prices) for role, prices in listed.items() if isinstance(prices, Mapping)}
    return lambda role: known.get(CRITIC if role == CRITIC else SEARCH)


def read_usage(path: Path, prices_of: Callable[[str], Prices | None], first: int | None = None) -> tuple[Amount, int]:
    """Return what the calls of a run have used, and how many there are; with ``first``, of so many of them.

    Those that were under way when a process was killed count as calls.
    """
    used, under_way, requests = Amount(), set(), 0
    try:
        for event in read_events(path / FILE, texts=False):
            if first is not None and (event if isinstance(event, Requested) else event.request).call > first:
                continue
            if isinstance(event, Requested):
                requests += 1
                under_way.add(event.call)
            elif isinstance(event, Replied | GaveUp):
                under_way.discard(event.request.call)
            if isinstance(event, Replied):
                used += amount_of(Usage(**event.usage), prices_of(event.request.role))
    except TypeError:
        raise InputError(f"damaged log: {path / FILE}") from None
    return used + Amount(len(under_way)), requests


def ended_at(path: Path) -> list[tuple[datetime, int]]:
    """Return when each complete iteration of a run ended, and the rollouts that it took."""
    try:
        records = RunDirectory(path).read_iterations()
    except InputError:
        return []
    ended = ((_time(record["times"].get("ended", "")), record["candidates"]) for record in records)
    return [(time, sum(map(_episodes, candidates))) for time, candidates in ended if time]


def _episodes(candidate: CandidateRecord) -> int:
    return len(candidate["returns"] if "returns" in candidate else candidate["lengths"])


def _time(text: str) -> datetime | None:
    """Return a time of day; None if the log does not tell it."""
    try:
        return at_utc(text)
    except ValueError:
        return None
