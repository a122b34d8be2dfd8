"""What a run had spent by the end of each iteration: episodes, steps, calls, tokens or money."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from r2po.analysis.logs.parallel import in_parallel
from r2po.analysis.logs.run_data import Floats, RunData
from r2po.errors import InputError
from r2po.rounding import levelled
from r2po.runlog import RunDirectory
from r2po.runlog.events import Replied, read_events
from r2po.runlog.facts import NO_MODEL
from r2po.runlog.intact import check_log

UNITS: Mapping[str, str] = MappingProxyType(
    {
        "episodes": "total episodes",
        "steps": "environment steps",
        "calls": "calls to the model",
        "tokens": "tokens of prompts and replies",
        "money": "money spent on the model",
    }
)
"""What can be spent, and what an axis calls it. Tokens and money are read from the calls, most of a log's bytes."""

FROM_CALLS = ("tokens", "money")


@dataclass(frozen=True, eq=False)
class Spending:
    """What a run had spent, in one of ``UNITS``.

    Attributes:
        at: (n,) by the end of each iteration, all candidates, the warm-up and unusable replies included; None if that
            is not on record.
        problem: Why not, in a few words; empty if it is.
    """

    at: Floats | None
    problem: str = ""


def spending_of(runs: Sequence[RunData], unit: str, *, parallel: bool = False) -> list[Spending]:
    """Return what each run had spent; ``parallel`` reads calls on all cores, see ``find_experiments``."""
    if unit not in FROM_CALLS:
        return [_counted(run, unit) for run in runs]
    priced = unit == "money"
    jobs = [(run.path, run.num_iterations, _prices(run) if priced else None) for run in runs if _asks(run)]
    read = iter(in_parallel(_read, jobs, module=__name__) if parallel else map(_read, jobs))
    return [next(read) if _asks(run) else _counted(run, "calls") for run in runs]


def asks_model(run: RunData) -> bool:
    """Whether a run can make calls: without, it spends no calls, tokens or money."""
    return run.model != NO_MODEL and run.algorithm is None


def incumbent(run: RunData, *, reevaluated: bool) -> Floats:
    """Return (n,) the value of the policy that was best so far by its logged reward, the first of equals.

    The value is its mean return on fresh episodes, which the run must have, or its logged one. The latter only rises,
    and flatters: it is the largest of noisy means. The former may fall.
    """
    (rewards,) = levelled(run.rewards)
    best = np.maximum.accumulate(rewards)
    is_new = np.append(True, best[1:] > best[:-1])
    chosen = np.flatnonzero(is_new)[np.cumsum(is_new) - 1]
    values = run.reevaluated if reevaluated else run.rewards
    assert values is not None
    return np.asarray(values[chosen])


def _asks(run: RunData) -> bool:
    return asks_model(run) and run.origin == "r2po"


def _counted(run: RunData, unit: str) -> Spending:
    """Return what a run's own counts say."""
    if unit in ("episodes", "steps"):
        return Spending((run.episodes if unit == "episodes" else run.steps).astype(np.float64))
    if not asks_model(run):
        return Spending(np.zeros(run.num_iterations))
    if run.llm_calls is None or unit != "calls":
        return Spending(None, "not logged by the published code")
    return Spending(run.llm_calls.astype(np.float64))


def _prices(run: RunData) -> Mapping[str, Any]:
    """Return the prices of each role's tokens as the config has them; "" stands for the roles that are not named."""
    own = run.config.get("critic")
    usual = run.config.get("prices")
    critic = own["prices"] if isinstance(own, Mapping) and "prices" in own else usual
    return {"": usual, "critic": critic}


def _read(job: tuple[Path, int, Mapping[str, Any] | None]) -> Spending:
    """Sum up the replies of a run by iteration: in tokens, or in money if there are prices."""
    path, iterations, prices = job
    directory = RunDirectory(path)
    try:
        check_log(directory, directory.calls)
        replies = [each for each in read_events(directory.calls, texts=False) if isinstance(each, Replied)]
    except (InputError, OSError) as error:
        return Spending(None, str(error).replace(f"{path}/", ""))
    if not replies:
        return Spending(None, f"no replies in {directory.calls.name}")
    amounts: list[list[float]] = [[] for _ in range(iterations)]
    for each in replies:
        amount = _amount(each, prices)
        if amount is None:
            return Spending(None, _unknown(each, prices))
        if each.request.iteration <= iterations:
            amounts[max(each.request.iteration, 1) - 1].append(amount)
    return Spending(np.cumsum([math.fsum(group) for group in amounts]))


def _amount(reply: Replied, prices: Mapping[str, Any] | None) -> float | None:
    # Imported where needed: most analyses ask for neither tokens nor money.
    from r2po.llm.prices import Prices
    from r2po.llm.usage import Usage

    usage = Usage(**{name: reply.usage.get(name) for name in vars(Usage())})
    if prices is None:
        return usage.total
    known = _price(reply, prices)
    return None if known is None else Prices(**known).cost(usage)


def _price(reply: Replied, prices: Mapping[str, Any]) -> Mapping[str, Any] | None:
    price = prices.get(reply.request.role, prices[""])
    return price if isinstance(price, Mapping) else None


def _unknown(reply: Replied, prices: Mapping[str, Any] | None) -> str:
    if prices is not None and _price(reply, prices) is None:
        return "its config has no prices"
    return "its provider did not count all tokens"
