"""Racing: after a declared number of seeds, the experiments that are surely not the best get no more runs.

The rule and its error are those of ``r2po/analysis/statistics/race.py``. A look at n seeds uses the first n seeds of
each experiment and nothing else. What is decided therefore depends neither on which run ends first nor on how often the
sweep is started again.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from r2po.analysis.statistics.race import Standing, hopeless, standings
from r2po.errors import InputError, unknown
from r2po.runlog import RunDirectory
from r2po.runlog.race import RaceRecord, write_race
from r2po.sweep.plan import PlannedRun

ERROR = 0.05
METRICS = ("heldout_reward", "best_reward")
LEAST_SEEDS = 3

Experiment = tuple[str, tuple[str, ...]]
"""Config file and overrides."""


@dataclass(frozen=True)
class Rule:
    """What is compared, and when.

    Attributes:
        metric: A figure of complete runs, the larger the better.
        seeds: After how many seeds of each experiment there is a look.
    """

    metric: str
    seeds: tuple[int, ...]

    def __str__(self) -> str:
        """Return it as it is written in a command."""
        return f"{self.metric}:{','.join(map(str, self.seeds))}"

    @classmethod
    def parse(cls, text: str) -> Rule:
        """Read ``METRIC:N`` or ``METRIC:N,N``.

        Raises:
            InputError: It is something else.
        """
        metric, _, looks = text.partition(":")
        if metric not in METRICS:
            raise unknown("metric of a race", metric, METRICS)
        if not re.fullmatch(r"\d{1,6}(,\d{1,6})*", looks):
            raise InputError(f"--race {text}: expected {metric}:N or {metric}:N,N with numbers of seeds")
        seeds = tuple(sorted({int(look) for look in looks.split(",")}))
        if seeds[0] < LEAST_SEEDS:
            raise InputError(f"--race {text}: a look at {seeds[0]} seeds; expected at least {LEAST_SEEDS}")
        return cls(metric, seeds)


@dataclass(frozen=True)
class Decision:
    """An experiment is deferred.

    Attributes:
        experiment: Which one.
        seeds: After how many seeds.
        standing: Where it stood.
        leader: Which one led.
        leading: Where that one stood.
        runs: The runs that are not made, by their numbers in the sweep.
    """

    experiment: Experiment
    seeds: int
    standing: Standing
    leader: Experiment
    leading: Standing
    runs: tuple[int, ...]


class Race:
    """The races of a sweep: one for each environment, between the experiments in it.

    Raises:
        InputError: The rule does not fit the sweep.
    """

    def __init__(self, rule: Rule, runs: Sequence[PlannedRun]) -> None:
        self.rule = rule
        self.decisions: list[Decision] = []
        self._values: dict[int, float] = {}
        self._looked: set[tuple[int, int]] = set()
        self._groups = _groups(runs, rule)
        self._check(runs)

    def _check(self, runs: Sequence[PlannedRun]) -> None:
        if not self._groups:
            raise InputError("--race: no two experiments of this sweep have the same environment and episodes")
        most = len(next(iter(self._groups[0].values())))
        if self.rule.seeds[-1] >= most:
            raise InputError(f"--race {self.rule}: a look at {self.rule.seeds[-1]} seeds; this sweep has only {most}")
        without = next((run.source for run in runs if not run.config.heldout_episodes), None)
        if self.rule.metric == "heldout_reward" and without is not None:
            raise InputError(f"--race {self.rule}: {without} has heldout_episodes 0")

    @property
    def left_out(self) -> set[int]:
        """The runs that are not made."""
        return {run for decision in self.decisions for run in decision.runs}

    def ended(self, run: int, directory: RunDirectory) -> None:
        """A run is complete."""
        value = value_of(directory, self.rule.metric)
        if value is not None:
            self._values[run] = value

    def decide(self, may_be_left: Callable[[int], bool]) -> list[Decision]:
        """Return what can be decided by now and was not before; only runs that may be are left out."""
        groups = enumerate(self._groups)
        found = [decision for number, group in groups for decision in self._decide(number, group, may_be_left)]
        self.decisions += found
        return found

    def _decide(
        self, number: int, group: Mapping[Experiment, Sequence[PlannedRun]], may_be_left: Callable[[int], bool]
    ) -> Iterator[Decision]:
        deferred = {decision.experiment for decision in self.decisions}
        for seeds in self.rule.seeds:
            racing = [each for each in group if each not in deferred]
            firsts = [[run.index for run in group[each][:seeds]] for each in racing]
            if len(racing) < 2 or any(run not in self._values for first in firsts for run in first):
                return
            if (number, seeds) in self._looked:
                continue
            self._looked.add((number, seeds))
            values = [[self._values[run] for run in first] for first in firsts]
            found = standings(values, ERROR, len(group) * len(self.rule.seeds))
            best = max(range(len(found)), key=lambda place: found[place].mean)
            for place in hopeless(found):
                runs = tuple(run.index for run in group[racing[place]] if may_be_left(run.index))
                deferred.add(racing[place])
                yield Decision(racing[place], seeds, found[place], racing[best], found[best], runs)

    def adopt(self, told: Mapping[str, Any] | None, names: Sequence[str]) -> None:
        """Take over what other processes have decided by the same rule, as ``as_json`` told it."""
        numbers = {name: number for number, name in enumerate(names)}
        known = {decision.experiment for decision in self.decisions}
        for each in told["deferred"] if told is not None and told["rule"] == str(self.rule) else ():
            experiment, leader = (_unnamed(each[key]) for key in ("experiment", "leader"))
            if experiment not in known:
                standing, leading = (Standing(**each[key]) for key in ("standing", "leading"))
                runs = tuple(numbers[name] for name in each["runs"])
                self.decisions.append(Decision(experiment, each["seeds"], standing, leader, leading, runs))

    def as_json(self, names: Sequence[str]) -> dict[str, Any]:
        """Return what the manifest says of it."""
        return {
            "rule": str(self.rule),
            "error": ERROR,
            "experiments": [len(group) for group in self._groups],
            "deferred": [
                {
                    **asdict(decision),
                    "experiment": _named(decision.experiment),
                    "leader": _named(decision.leader),
                    "runs": [names[run] for run in decision.runs],
                }
                for decision in self.decisions
            ],
        }

    def mark(self, sweep: str) -> None:
        """Write into the log directories of each race that dropped something what became of them."""
        for group in self._groups:
            lost = {decision.experiment: decision for decision in self.decisions if decision.experiment in group}
            paths = {run.index: run.path for runs in group.values() for run in runs}
            left_out = [paths[run] for decision in lost.values() for run in decision.runs]
            for experiment, runs in group.items() if left_out else ():
                folder = Path(runs[0].config.logdir)
                there = tuple(os.path.relpath(path, folder) for path in left_out)
                write_race(folder, RaceRecord(sweep, str(self.rule), len(group), experiment in lost, there))


def value_of(directory: RunDirectory, metric: str) -> float | None:
    """Return what a complete run has reached; None if it does not tell."""
    try:
        value = directory.read_result().get(metric)
    except InputError:  # it was damaged in the meantime: whoever reads the run says so
        return None
    return value if isinstance(value, int | float) and math.isfinite(value) else None


def told(decision: Decision) -> str:
    """Return a line on a decision, with the numbers that it rests on."""
    name, leader = (" ".join([source, *overrides]) for source, overrides in (decision.experiment, decision.leader))
    one, other = (
        f"{each.mean:.4g} ({each.low:.4g} to {each.high:.4g})" for each in (decision.standing, decision.leading)
    )
    number = len(decision.runs)
    verb = "is" if number else "would be"
    left = (
        f"{number} run{'' if number == 1 else 's'} of it not made" if number else "none of its runs is left to be made"
    )
    return f"race: {name} {verb} deferred after {decision.seeds} seeds: {one}, below {other} of {leader}; {left}"


def _groups(runs: Sequence[PlannedRun], rule: Rule) -> list[dict[Experiment, list[PlannedRun]]]:
    """Return the experiments that can be compared, each with its runs in the order of seeds."""
    of: tuple[object, ...]
    groups: dict[str, dict[Experiment, list[PlannedRun]]] = {}
    for run in runs:
        config = run.config
        of = (config.gym_env_name, config.env_kwargs, config.max_traj_length, config.card.name, config.protocol)
        if rule.metric == "best_reward":  # the best of means over fewer episodes is larger
            of = (*of, config.num_evaluation_episodes)
        groups.setdefault(repr(of), {}).setdefault((run.source, run.overrides), []).append(run)
    return [group for group in groups.values() if len(group) > 1]


def _named(experiment: Experiment) -> dict[str, Any]:
    source, overrides = experiment
    return {"config": source, "overrides": list(overrides)}


def _unnamed(told: Mapping[str, Any]) -> Experiment:
    return told["config"], tuple(told["overrides"])
