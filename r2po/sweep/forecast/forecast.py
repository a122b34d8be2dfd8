"""What a sweep will take: calls, tokens, money, hours and disk, per experiment and in all. Nobody is asked for it.

Prompts come from a pilot with the stand-in (``pilot.py``). What runs of the same experiment have used corrects it, and
says how long replies are and what they take (``on_record.py``); failing that, the replies of the same model in other
experiments of the sweep do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from r2po import cores
from r2po.config import Config
from r2po.llm.types import CRITIC, SEARCH
from r2po.sweep.batching.desks import desks_of
from r2po.sweep.forecast.amounts import Amounts, Basis
from r2po.sweep.forecast.calls import ModelRecord, amounts_of, models_of
from r2po.sweep.forecast.on_record import OnRecord, read_record, together
from r2po.sweep.forecast.pilot import Pilot
from r2po.sweep.forecast.pilots import pilots_of
from r2po.sweep.from_logs import read_progress
from r2po.sweep.plan import PlannedRun, check_runs
from r2po.sweep.workers.memory import fitting_runs


@dataclass(frozen=True)
class Terms:
    """Under which conditions a sweep is to run.

    Attributes:
        jobs: Runs under way at once; None for as many as fit into the memory.
        here: Whether they run on this machine.
        calls_per_minute: The rate that servers allow, of all runs together; None if nothing is known.
        reply_s: What a reply takes where none is on record; None if that is not known.
        batch_hours: What a batch takes; None if calls are not sent in batches.
    """

    jobs: int | None = None
    here: bool = True
    calls_per_minute: float | None = None
    reply_s: float | None = None
    batch_hours: float | None = None


@dataclass(frozen=True)
class ExperimentForecast:
    """What the runs of an experiment will take that are not complete.

    Attributes:
        source: Its config file.
        overrides: ``key=value`` for each key that the command changes.
        logdir: Its log directory.
        models: The models by role.
        new: Runs to start.
        resumed: Runs to resume.
        complete: Runs that are complete.
        damaged: Runs that cannot be resumed.
        iterations: The iterations to come.
        amounts: What they will take.
        longest_s: The longest of the runs to come; None if that is not known.
        basis: What the figures rest on; None if nothing is to come.
    """

    source: str
    overrides: tuple[str, ...]
    logdir: str
    models: Mapping[str, str]
    new: int
    resumed: int
    complete: int
    damaged: int
    iterations: int
    amounts: Amounts
    longest_s: float | None
    basis: Basis | None

    @property
    def to_come(self) -> int:
        """The runs that are not complete."""
        return self.new + self.resumed


@dataclass(frozen=True)
class Forecast:
    """What a sweep will take.

    Attributes:
        experiments: Its experiments, in the order of the plan.
        terms: Under which conditions.
    """

    experiments: Sequence[ExperimentForecast]
    terms: Terms

    @cached_property
    def total(self) -> Amounts:
        """What all experiments take together."""
        return sum((each.amounts for each in self.experiments), Amounts())

    @cached_property
    def jobs(self) -> int:
        """How many runs will be under way at once."""
        runs = sum(each.to_come for each in self.experiments)
        asked = min(self.terms.jobs or runs, runs)
        if self.terms.batch_hours is not None or not self.terms.here:
            return asked
        return min(asked, fitting_runs(min(cores.available(), runs)))

    @property
    def rounds(self) -> int:
        """How many batches follow each other in the longest run."""
        longest = max((each.longest_s or 0.0 for each in self.experiments if each.to_come), default=0.0)
        return math.floor(longest / (3600 * self.terms.batch_hours)) if self.terms.batch_hours else 0

    @cached_property
    def hours(self) -> float | None:
        """How long the sweep will take; None if nothing says how long a reply takes, and no rate is given."""
        total, rate = self.total, self.terms.calls_per_minute
        bounds = [total.calls * 60 / rate] if rate else []
        if self.terms.here:
            bounds.append(total.work_s / cores.available())
        longest = [each.longest_s for each in self.experiments if each.to_come]
        if total.seconds is not None and (self.terms.here or self.terms.jobs):  # a cluster's cores are not known
            bounds += [total.seconds / max(self.jobs, 1), *(each for each in longest if each is not None)]
        elif not rate:
            return None
        return max(bounds, default=0.0) / 3600


def forecast(runs: Sequence[PlannedRun], terms: Terms, environ: Mapping[str, str]) -> Forecast:
    """Return what the runs of a plan will take; nothing is created but in temporary folders, and no server contacted.

    Raises:
        InputError: A run directory holds another experiment, an experiment cannot begin, or calls are to be sent in
            batches to a model that has none.
        RunStopped: The pilot of an experiment cannot go on.
    """
    check_runs(runs)
    if terms.batch_hours is not None:
        desks_of(runs, environ)
    groups: dict[str, list[PlannedRun]] = {}
    for run in runs:
        groups.setdefault(run.config.logdir, []).append(run)
    states = {run.index: _state(run) for run in runs}
    records = {logdir: _recorded(group, states) for logdir, group in groups.items()}
    waiting = {logdir: group[0].config for logdir, group in groups.items() if _to_come(group, states)}
    pilots = pilots_of(waiting)
    known = _by_model({logdir: group[0].config for logdir, group in groups.items()}, records)
    return Forecast(
        [
            _of_experiment(group, states, pilots.get(logdir), records[logdir], known, terms, environ)
            for logdir, group in groups.items()
        ],
        terms,
    )


@dataclass(frozen=True)
class _State:
    """Where a run stands: ``new``, ``resumed``, ``complete`` or ``damaged``, and the iterations that it has."""

    name: str
    done: int = 0


def _state(run: PlannedRun) -> _State:
    if run.directory is None:
        return _State("new")
    progress = read_progress(run.index, run.path, run.config.num_iterations or 0)
    known = {"damaged": "damaged", "complete": "complete"}
    return _State(known.get(progress.state, "resumed"), progress.iterations)


def _to_come(group: Sequence[PlannedRun], states: Mapping[int, _State]) -> list[_State]:
    return [states[run.index] for run in group if states[run.index].name in ("new", "resumed")]


def _recorded(group: Sequence[PlannedRun], states: Mapping[int, _State]) -> OnRecord:
    return read_record([run.path for run in group if states[run.index].name in ("resumed", "complete")])


def _by_model(configs: Mapping[str, Config], records: Mapping[str, OnRecord]) -> dict[str, ModelRecord]:
    """Return what is on record of each model, in all experiments together."""
    found: dict[str, list[ModelRecord]] = {}
    for logdir, record in records.items():
        for role, each in record.roles.items():
            model = models_of(configs[logdir], [role])[role]
            found.setdefault(model, []).append(each)
    return {model: together(each) for model, each in found.items()}


def _dearest(group: Sequence[PlannedRun], states: Mapping[int, _State]) -> Config:
    """Return the config of the run to come whose tokens cost most: runs keep the prices that they began with."""
    coming = [run.config for run in group if states[run.index].name in ("new", "resumed")]
    return max(coming, key=_price, default=group[0].config)


def _price(config: Config) -> float:
    """Return what tokens cost, to compare; unknown prices are the highest."""
    prices = [config.for_role(role).known_prices for role in (SEARCH, CRITIC)]
    return sum(math.inf if each is None else each.input + each.output for each in prices)


def _of_experiment(
    group: Sequence[PlannedRun],
    states: Mapping[int, _State],
    pilot: Pilot | None,
    record: OnRecord,
    known: Mapping[str, ModelRecord],
    terms: Terms,
    environ: Mapping[str, str],
) -> ExperimentForecast:
    count: Callable[[str], int] = [states[run.index].name for run in group].count
    config, first = _dearest(group, states), group[0]
    empty = ExperimentForecast(
        source=first.source,
        overrides=first.overrides,
        logdir=str(Path(config.logdir)),
        models={},
        new=count("new"),
        resumed=count("resumed"),
        complete=count("complete"),
        damaged=count("damaged"),
        iterations=0,
        amounts=Amounts(),
        longest_s=0.0,
        basis=None,
    )
    if pilot is None:
        return empty
    done = [min(state.done, pilot.planned) for state in _to_come(group, states)]
    amounts, basis, longest_s = amounts_of(
        config, done, pilot, record, known, terms.reply_s, environ, terms.batch_hours
    )
    return replace(
        empty,
        models=models_of(config, basis.roles),
        iterations=sum(pilot.planned - each for each in done),
        amounts=amounts,
        longest_s=longest_s,
        basis=basis,
    )
