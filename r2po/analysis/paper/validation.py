"""What is missing or odd in the logs that results tables are made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from r2po.analysis.logs.experiments import Cohort, ExperimentLogs
from r2po.analysis.output.tables import Cell, Table, count_cell
from r2po.analysis.paper.presets import task_cell
from r2po.runlog.facts import TaskFacts


@dataclass
class Validation:
    """What is missing or odd.

    Attributes:
        expected_runs: Number of runs that each experiment is to have; any if None.
        expected_iterations: Number of iterations that each run of a method is to have; any if it is not named.
        strict: Whether experiments with another number are left out.
        lines: What was found, one line each.
        rows: Missing and odd experiments: environment, method, runs found, remark.
        left_out: Cohort, environment and method of each experiment that is left out.
    """

    expected_runs: int | None = None
    strict: bool = False
    lines: list[str] = field(default_factory=list)
    rows: list[tuple[TaskFacts, str, int, str]] = field(default_factory=list)
    left_out: set[tuple[Cohort | None, str, str]] = field(default_factory=set)
    expected_iterations: Mapping[str, int] = field(default_factory=dict)

    def check(self, experiments: Sequence[ExperimentLogs]) -> list[ExperimentLogs]:
        """Report experiments with other numbers of runs or iterations than expected; returns those that stay."""
        stay = []
        for each in experiments:
            found = [*self._runs(each), *self._iterations(each)]
            remark = "left out" if self.strict else "counted"
            self.rows += [(each.task, each.label, len(each.runs), f"{remark}: {text}") for text in found]
            if found and self.strict:
                self.left_out.add((each.cohort, each.environment, each.method))
            else:
                stay.append(each)
        return stay

    def _runs(self, experiment: ExperimentLogs) -> list[str]:
        is_odd = self.expected_runs not in (None, len(experiment.runs))
        return [f"{self.expected_runs} expected"] if is_odd else []

    def _iterations(self, experiment: ExperimentLogs) -> list[str]:
        expected = self.expected_iterations.get(experiment.method)
        # A baseline of which there is but a summary has none on record.
        odd = {run.spent.iterations for run in experiment.runs if run.num_iterations} - {expected, 0}
        if expected is None or not odd:
            return []
        range_ = f"{min(odd)}" if len(odd) == 1 else f"{min(odd)} to {max(odd)}"
        return [f"{expected} iterations per run expected, found {range_}"]

    def summary(self) -> list[str]:
        """Return what is missing or odd, the environments of a method in one line."""
        groups: dict[tuple[str, str], list[str]] = {}
        for task, method, runs, remark in self.rows:
            groups.setdefault((method, f"{runs} runs, {remark}" if runs else remark), []).append(task["name"])
        return [f"{method}: {remark}: {', '.join(names)}" for (method, remark), names in groups.items()]


def validation_table(preset: str, validation: Validation) -> Table:
    """Return the missing and odd experiments, one row each."""
    rows: list[list[Cell | str]] = [
        [task_cell(task), method, count_cell(runs), remark] for task, method, runs, remark in validation.rows
    ]
    columns = ["environment", "method", "runs", "remark"]
    return Table(f"Missing or odd experiments ({preset})", columns, rows, texts=(0, 1, 3))
