"""A forecast for people, for programs, and against an amount that was approved."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from rich.table import Table

from r2po.errors import InputError
from r2po.experiment.summary import clock
from r2po.llm.ledger import Amount, Caps
from r2po.llm.usage import plus
from r2po.sweep.forecast.amounts import ASSUMED, LIMITED, Amounts, Basis
from r2po.sweep.forecast.forecast import ExperimentForecast, Forecast
from r2po.terminal import console as make_console

SCHEMA_VERSION = 1
WIDTH = 100
_NOT_KNOWN = "unknown"
_COLUMNS = ("new", "begun", "done", "calls", "tokens in", "cached", "out", "cost", "time", "disk")
_MOST_NAMED = 3


def as_json(forecast: Forecast) -> dict[str, Any]:
    """Return all figures under the names that docs/sweeps.md explains."""
    hours, terms = forecast.hours, forecast.terms
    return {
        "schema": SCHEMA_VERSION,
        "experiments": [_experiment(each) for each in forecast.experiments],
        "total": {**_runs(forecast.experiments), **_amounts(forecast.total), "hours": _rounded(hours, 4)},
        "jobs": forecast.jobs,
        "calls_per_minute": terms.calls_per_minute,
        "reply_s": terms.reply_s,
        **_batches(forecast),
    }


def _batches(forecast: Forecast) -> dict[str, Any]:
    """Return what only a forecast with batches tells."""
    hours = forecast.terms.batch_hours
    saved = _rounded(forecast.total.saved, 6)
    return {} if hours is None else {"batch": {"hours": hours, "rounds": forecast.rounds, "saved": saved}}


def print_forecast(forecast: Forecast, caps: Caps, each: Caps, used: Mapping[str, Amount]) -> None:
    """Print a table with a line for each experiment and one for all, and what it rests on.

    Args:
        forecast: The forecast.
        caps: Those of the whole sweep.
        each: Those of each experiment.
        used: What the runs of an experiment have used already, by its log directory.
    """
    console = make_console()
    if not console.is_terminal:
        console.width = max(console.width, WIDTH)
    runs, experiments = _runs(forecast.experiments), len(forecast.experiments)
    total = sum(runs["runs"].values())
    console.print(f"forecast of {total} runs of {experiments} experiment{'s' * (experiments != 1)}")
    console.print(_table(forecast))
    for line in [
        _duration(forecast),
        *_bases(forecast),
        *_unknown(forecast, caps),
        *_stopping(forecast, caps, each, used),
    ]:
        console.print(line)


def check_approved(forecast: Forecast, approved: float) -> float:
    """Return what a plan may cost, if that is at most what was approved.

    Raises:
        InputError: It costs more, or it is not known what it costs.
    """
    cost = forecast.total.cost_to_approve
    if cost is None:
        why = "; ".join(_missing(forecast)) or "the cost of recorded replies is not known"
        raise InputError(f"--approve-cost {approved:g}: it is not known what this plan costs: {why}")
    if cost > approved:
        expected = forecast.total.cost
        usual = "" if expected is None or expected >= cost else f" ({money(expected)} with replies of the usual length)"
        raise InputError(f"--approve-cost {approved:g}: this plan may cost {money(cost)}{usual}; nothing was started")
    return cost


def _missing(forecast: Forecast) -> list[str]:
    """Say what is missing to know the cost."""
    unpriced, unlimited = (
        _named(getattr(basis, name) for basis in _bases_of(forecast)) for name in ("without_prices", "unlimited")
    )
    remedy = "set prices in the config, or give --set prices.input=X prices.output=Y"
    return [
        *([f"no prices of {unpriced} ({remedy})"] if unpriced else []),
        *(
            [f"no limit on the replies of {unlimited} (set max_output_tokens, or give a --max-cost of no more)"]
            if unlimited
            else []
        ),
    ]


def _named(groups: Iterable[Iterable[str]]) -> str:
    names = list(dict.fromkeys(name for group in groups for name in group))
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return f"{', '.join(names[:_MOST_NAMED])}{more}"


def _bases_of(forecast: Forecast) -> list[Basis]:
    return [each.basis for each in forecast.experiments if each.basis is not None]


def _experiment(each: ExperimentForecast) -> dict[str, Any]:
    basis = each.basis
    return {
        "config": each.source,
        "overrides": list(each.overrides),
        "logdir": each.logdir,
        "models": dict(each.models),
        **_runs([each]),
        "iterations": each.iterations,
        **_amounts(each.amounts),
        "hours": _rounded(_hours(each), 4),
        "basis": None
        if basis is None
        else {
            "stand_in": basis.stand_in,
            "pilot_iterations": basis.pilot_iterations,
            "iterations_of_a_run": basis.planned,
            "recorded_runs": basis.runs,
            "recorded_iterations": basis.iterations,
            "recorded_replies": basis.replies,
            "reply_tokens": dict(basis.reply_tokens),
            "reply_s": dict(basis.reply_s),
        },
    }


def _runs(experiments: Iterable[ExperimentForecast]) -> dict[str, dict[str, int]]:
    counts = {"new": 0, "resumed": 0, "complete": 0, "damaged": 0}
    for each in experiments:
        for name in counts:
            counts[name] += getattr(each, name)
    return {"runs": counts}


def _amounts(amounts: Amounts) -> dict[str, float | None]:
    return {
        "calls": round(amounts.calls),
        "tokens_in": round(amounts.tokens_in),
        "tokens_cached": _rounded(amounts.tokens_cached),
        "tokens_out": round(amounts.tokens_out),
        "cost": _rounded(amounts.cost, 6),
        "cost_to_approve": _rounded(amounts.cost_to_approve, 6),
        "disk_bytes": round(amounts.bytes),
    }


def _rounded(value: float | None, digits: int | None = None) -> float | None:
    return None if value is None else round(value, digits)


def _hours(each: ExperimentForecast) -> float | None:
    """Return how long the longest run of an experiment takes."""
    return None if each.longest_s is None else each.longest_s / 3600


def _table(forecast: Forecast) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("experiment", overflow="fold", ratio=1)
    for column in _COLUMNS:
        table.add_column(column, justify="right", no_wrap=True)
    for each in forecast.experiments:
        table.add_row(_short(each.logdir), *_cells([each], each.amounts, _hours(each)))
    if len(forecast.experiments) > 1:
        table.add_row("in all", *_cells(forecast.experiments, forecast.total, forecast.hours), style="bold")
    return table


def _short(logdir: str) -> str:
    """Return the name of a log directory; the folder that it is in is known."""
    return logdir.rstrip("/").rpartition("/")[2]


def _cells(experiments: Iterable[ExperimentForecast], amounts: Amounts, hours: float | None) -> list[str]:
    runs = _runs(experiments)["runs"]
    return [
        str(runs["new"]),
        str(runs["resumed"]),
        f"{runs['complete']}{'*' if runs['damaged'] else ''}",
        *map(count, (amounts.calls, amounts.tokens_in, amounts.tokens_cached, amounts.tokens_out)),
        _NOT_KNOWN if amounts.cost is None else money(amounts.cost),
        _NOT_KNOWN if hours is None else clock(3600 * hours),
        f"{count(amounts.bytes)}B",
    ]


def count(value: float | None) -> str:
    """Write a number with three digits."""
    if value is None:
        return _NOT_KNOWN
    for unit, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= 0.9995 * unit:
            return f"{float(f'{value / unit:.3g}'):g}{name}"
    return f"{value:.0f}"


def money(value: float) -> str:
    """Write money so that small amounts show too."""
    return f"{value:.2f}" if value >= 1 or value == 0 else f"{value:.2g}"


def _duration(forecast: Forecast) -> str:
    if forecast.terms.batch_hours is not None:
        return _duration_in_batches(forecast, forecast.terms.batch_hours)
    rate = forecast.terms.calls_per_minute
    paced = f" and {rate:g} calls per minute" if rate else ""
    runs = f"{forecast.jobs} run{'s' * (forecast.jobs != 1)} at once{paced}"
    if forecast.hours is None:
        return f"time: unknown with {runs}, since no reply is on record: give --reply-s or --calls-per-minute"
    least = "at least " if forecast.total.seconds is None else ""
    return (
        f"time: {least}{clock(3600 * forecast.hours)} in all with {runs}; that of an experiment is of its longest run"
    )


def _duration_in_batches(forecast: Forecast, batch_hours: float) -> str:
    """Say what batches cost in time, and what they save."""
    days = (forecast.hours or 0.0) / 24
    runs = f"{forecast.jobs} run{'s' * (forecast.jobs != 1)} at once"
    saved, cost = forecast.total.saved, forecast.total.cost
    told = (
        "what they save is unknown without prices"
        if saved is None or cost is None
        else f"they save {money(saved)} of {money(saved + cost)}"
    )
    rounds = f"{forecast.rounds} rounds of {batch_hours:g} h (--batch-hours)"
    return f"in batches: {days:.1f} days in {rounds} with {runs}; {told}"


def _bases(forecast: Forecast) -> list[str]:
    bases = _bases_of(forecast)
    if not bases:
        return ["nothing is to come"]
    few, many = (choose(each.pilot_iterations / each.planned for each in bases) for choose in (min, max))
    stand_ins = ", ".join(dict.fromkeys(each.stand_in for each in bases))
    share = f"{few:.0%}" if f"{few:.0%}" == f"{many:.0%}" else f"{few:.0%} to {many:.0%}"
    lines = [f"prompts, work and disk rest on pilots of {share} of a run, in which {stand_ins} answers"]
    recorded = [each for each in bases if each.replies]
    if recorded:
        replies = sum(each.replies for each in recorded)
        lines.append(f"{replies:,} replies on record correct them in {len(recorded)} of {len(bases)} experiments")
    for what, name in (("length of replies", "reply_tokens"), ("time of replies", "reply_s")):
        counts = Counter(basis for each in bases for basis in dict.fromkeys(getattr(each, name).values()))
        if counts:
            told = ", ".join(f"{basis} ({number})" for basis, number in counts.most_common())
            lines.append(f"{what} rests on (experiments): {told}")
    return lines


def _unknown(forecast: Forecast, caps: Caps) -> list[str]:
    lines = []
    bases = _bases_of(forecast)
    if any(basis in (ASSUMED, LIMITED) for each in bases for basis in each.reply_tokens.values()):
        lines.append("no reply is on record of some models: theirs may be many times longer than is assumed")
    if forecast.total.tokens_cached is None:
        lines.append("cached: where it is not known what a provider caches, caches save nothing in these figures")
    if caps.max_cost is None:  # which would be an approval by itself
        lines += [f"--approve-cost would refuse it: {each}" for each in _missing(forecast)]
    damaged = sum(each.damaged for each in forecast.experiments)
    return [*lines, *([f"* {damaged} runs are damaged, and left out"] if damaged else [])]


def _stopping(forecast: Forecast, caps: Caps, each: Caps, used: Mapping[str, Amount]) -> list[str]:
    """Say which caps would stop the sweep before its end; what is used already counts against them too."""
    total, before = forecast.total, sum(used.values(), Amount())
    wanted = {
        "--max-llm-calls": (caps.max_llm_calls, before.calls, total.calls),
        "--max-tokens": (caps.max_tokens, before.tokens, total.tokens_in + total.tokens_out),
        "--max-cost": (caps.max_cost, before.cost, total.cost),
    }
    lines = [
        f"{option} {cap:g} would stop it before its end{f': {spent:.6g} are used already' if spent else ''}"
        for option, (cap, spent, expected) in wanted.items()
        if cap is not None and expected and spent is not None and spent + expected > cap
    ]
    budget, costs = each.max_cost, [_cost_in_all(found, used) for found in forecast.experiments if found.to_come]
    dear = 0 if budget is None else sum(cost is not None and cost > budget for cost in costs)
    if dear:
        lines.append(
            f"--max-cost-each {budget:g} would stop {dear} of {len(forecast.experiments)} experiments before their end"
        )
    return lines


def _cost_in_all(experiment: ExperimentForecast, used: Mapping[str, Amount]) -> float | None:
    """Return what an experiment will have cost at its end; None if that is not known."""
    return plus(used.get(experiment.logdir, Amount()).cost, experiment.amounts.cost)
