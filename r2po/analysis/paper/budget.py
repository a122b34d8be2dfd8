"""What the methods of one environment reach at the same budget, and what they spend to reach a target."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from r2po.analysis.logs.experiments import ExperimentLogs
from r2po.analysis.logs.run_data import RunData, drawable
from r2po.analysis.logs.spending import asks_model, incumbent, spending_of
from r2po.analysis.statistics.steps import Steps
from r2po.analysis.statistics.survival import Survival, kaplan_meier
from r2po.runlog.facts import TaskFacts


@dataclass(frozen=True)
class Question:
    """What is asked of the logs.

    Attributes:
        unit: What is spent, one of ``spending.UNITS``.
        at: The budget; the largest that all compared runs have spent, in each environment, if None.
        share: The target, as a share of the way from a random policy's reward to the optimum.
        reward: The target itself, for all environments; overrides ``share`` if it is given.
    """

    unit: str = "episodes"
    at: float | None = None
    share: float = 0.9
    reward: float | None = None

    def target(self, task: TaskFacts) -> float | None:
        """Return the reward to be reached on a task; None if its optimum or random reward is unknown."""
        if self.reward is not None:
            return self.reward
        optimum, random = task["optimum"], task["random_reward"]
        return None if optimum is None or random is None else random + self.share * (optimum - random)


@dataclass(frozen=True)
class Spender:
    """The runs of one method on one environment whose spending is on record.

    Attributes:
        experiment: What they are runs of.
        runs: They.
        steps: The incumbent of each over what it had spent.
        is_free: Whether they ask no model, and spend nothing of the unit.
        problems: Why the spending of others is not on record.
    """

    experiment: ExperimentLogs
    runs: Sequence[RunData]
    steps: Sequence[Steps]
    is_free: bool
    problems: Sequence[str]

    @property
    def least(self) -> float:
        """What its cheapest run spent; unfinished ones do not count if there are others."""
        pairs = list(zip(self.runs, self.steps, strict=True))
        complete = [steps.spent for run, steps in pairs if run.complete]
        return min(complete or [steps.spent for _, steps in pairs])

    def reached(self, budget: float) -> list[tuple[RunData, Steps]]:
        """Return the runs that have a value at a budget: those that were stopped before would have gone on."""
        pairs = zip(self.runs, self.steps, strict=True)
        return [
            (run, steps)
            for run, steps in pairs
            if steps.at_budget(budget) is not None and (run.complete or steps.spent >= budget)
        ]

    def values(self, budget: float) -> list[float]:
        """Return the value of the incumbent at a budget, of each run that has one."""
        found = (steps.at_budget(budget) for _, steps in self.reached(budget))
        return [value for value in found if value is not None]

    def means(self, budget: float, before: float | None) -> list[float]:
        """Return the mean value up to a budget; without ``before``, each run's own first value stands for it."""
        return [
            steps.mean_to(budget, float(steps.values[0]) if before is None else before)
            for _, steps in self.reached(budget)
        ]

    def ended_early(self, budget: float) -> list[str]:
        """Name the complete runs that spent less than a budget, and are counted with their last value."""
        return [run.name for run, steps in self.reached(budget) if steps.spent < budget and not self.is_free]

    def survival(self, target: float) -> tuple[Survival, int]:
        """Return how the share of runs that have not reached a target falls, and how many have reached it."""
        first = [steps.first_at_least(target) for steps in self.steps]
        ends = [steps.spent if at is None else at for at, steps in zip(first, self.steps, strict=True)]
        reached = [at is not None for at in first]
        return kaplan_meier(ends, reached), sum(reached)


def spenders(
    experiments: Sequence[ExperimentLogs], unit: str, *, reevaluated: bool, parallel: bool = False
) -> list[Spender]:
    """Return what each experiment with iterations had spent; see ``incumbent_basis``."""
    runs = [run for each in experiments for run in drawable(each.runs)]
    spent = dict(zip(map(id, runs), spending_of(runs, unit, parallel=parallel), strict=True))
    found = []
    for each in experiments:
        mine = drawable(each.runs)
        if not mine:
            continue
        known = [(run, at) for run in mine if (at := spent[id(run)].at) is not None]
        problems = dict.fromkeys(spent[id(run)].problem for run in mine if spent[id(run)].at is None)
        steps = [Steps(at, incumbent(run, reevaluated=reevaluated)) for run, at in known]
        is_free = unit not in ("episodes", "steps") and not asks_model(mine[0])
        found.append(Spender(each, [run for run, _ in known], steps, is_free, list(problems)))
    return found


def common_budget(found: Sequence[Spender]) -> float | None:
    """Return the largest budget that all have spent; None if none of them spends anything."""
    return min((each.least for each in found if each.steps and not each.is_free), default=None)


def by_method(found: Iterable[Spender], environment: str) -> Mapping[str, list[Spender]]:
    """Return those of an environment that have runs, by method."""
    groups: dict[str, list[Spender]] = {}
    for each in found:
        if each.experiment.environment == environment and each.steps:
            groups.setdefault(each.experiment.method, []).append(each)
    return groups
