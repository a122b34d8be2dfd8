"""All experiments under a folder: ours, known by their run.yaml, and the published code's, known by their folder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from r2po.analysis.logs.built_in import method_facts, method_order, task_facts
from r2po.analysis.logs.load import LogDirectory, load_runs_of, nearest_folder
from r2po.analysis.logs.looks import distinct_methods, distinct_tasks
from r2po.analysis.logs.names import (
    FolderName,
    environment_key,
    environment_order,
    method_key,
    parse_environment,
    parse_method,
    read_folder_name,
)
from r2po.analysis.logs.parallel import in_parallel
from r2po.analysis.logs.published import PROTOCOL
from r2po.analysis.logs.run_data import STAND_IN, MethodOnTask, RunData, models_label
from r2po.analysis.logs.sb3 import is_sb3, summary_runs
from r2po.errors import InputError
from r2po.runlog import RunDirectory, list_runs
from r2po.runlog.facts import NO_MODEL, MethodFacts, TaskFacts

SKIPPED = frozenset({"eval_report", "__pycache__"})


@dataclass(frozen=True, order=True)
class Cohort:
    """What runs must share to be compared with each other: who answered, and by which rules.

    Attributes:
        stand_in: Whether an embedded stand-in answered instead of a language model.
        model: Name of the model.
        protocol: "published", "controlled", or "published code" for logs of that.
        critic: Name of the critic's model, if it is another one; else empty.
        prompts: How prompts differ from those that runs have by default; else empty.
    """

    stand_in: bool
    model: str
    protocol: str
    critic: str = ""
    prompts: str = ""

    @property
    def label(self) -> str:
        """Name in tables, e.g. ``"ollama/gpt-oss:20b-cloud, controlled protocol"``."""
        if self.protocol == PROTOCOL:
            return "logs of the published code"
        model = "no language model" if self.model == NO_MODEL else self.model
        prompts = f", {self.prompts}" if self.prompts else ""
        label = f"{models_label(model, self.critic)}, {self.protocol} protocol{prompts}"
        return label + (f" [{STAND_IN}]" if self.stand_in else "")


@dataclass(frozen=True)
class ExperimentLogs(LogDirectory, MethodOnTask):
    """The runs of one experiment: usable ones, at most as many as were asked for; may be none.

    Attributes:
        variant: How the setting differs from the method's own, e.g. "tau_c half"; empty if it does not.
        cohort: Model and protocol; None without a language model: such runs compare with all others.
        place: Where its method stands among those that a command was asked for; 0 if it was not asked.
    """

    task: TaskFacts
    facts: MethodFacts
    variant: str
    cohort: Cohort | None
    algorithm: str | None = None
    place: int = 0

    @property
    def cell(self) -> str:
        """What it is, e.g. ``"ProPS+ on CartPole"``."""
        return f"{self.label} on {self.task['label']}"

    @property
    def rank(self) -> tuple[bool, bool, int, int, int]:
        """What decides which of several experiments is the one to compare: the largest.

        A replay stands behind all others, and so does what has no complete run. Then the longer runs come first, since
        a trial of a few iterations is easily repeated; then the number of complete runs, and of all.
        """
        complete = sum(run.complete for run in self.runs)
        length = max((run.planned_iterations or run.num_iterations for run in self.runs), default=0)
        return not self.is_replay, complete > 0, length, complete, len(self.runs)

    @property
    def is_replay(self) -> bool:
        """Whether its runs repeat recorded ones."""
        return any(run.replay_of for run in self.runs)

    @property
    def protocol(self) -> str:
        """Protocol that its runs share; empty if there are none."""
        return self.runs[0].protocol if self.runs else ""


def find_experiments(
    logs_root: str | Path,
    max_runs: int | None = None,
    only_env: Sequence[str] = (),
    only_method: Sequence[str] = (),
    parallel: bool = False,
) -> list[ExperimentLogs]:
    """Read all experiments under a folder, in the order of the published tables.

    Args:
        logs_root: Where log directories are, at any depth.
        max_runs: Largest number of runs of each experiment: its first complete ones, then unfinished ones.
        only_env: Keys or labels of environments; all if empty.
        only_method: Keys or labels of methods; all if empty.
        parallel: Read on all cores; only for programs whose main module may be imported once more.

    Raises:
        InputError: There is no such folder, environment or method.
    """
    root = Path(logs_root)
    try:
        if root.is_file():
            raise InputError(f"{str(root)!r} is a file; expected a folder of log directories")
        if not root.is_dir():
            raise InputError(f"no folder {str(root)!r} with logs{nearest_folder(root)}")
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {str(root)!r}: {error}") from None
    named = {environment_key(name) for name in only_env}, {method_key(name) for name in only_method}
    folders = [path for path in log_directories(root) if _is_wanted(path, *named)]
    groups = in_parallel(_read_folder, folders, module=__name__) if parallel else map(_read_folder, folders)
    found = _distinct([each for group in groups for each in group])
    environments = {parse_environment(name, (each.task for each in found)) for name in only_env}
    methods = {parse_method(name, (each.facts for each in found)) for name in only_method}
    wanted = [each for each in found if not each.runs or _is_one(each, environments, methods)]
    return [_at_most(each, max_runs) for each in sorted(wanted, key=experiment_order)]


def _distinct(experiments: Sequence[ExperimentLogs]) -> list[ExperimentLogs]:
    """Return the experiments, with labels and styles of their own where methods and tasks are not built in."""
    there = [each for each in experiments if each.runs]
    methods = distinct_methods(each.facts for each in there)
    tasks = distinct_tasks(each.task for each in there)
    settled = []
    for each in experiments:
        facts = methods.get(each.method, each.facts)
        task = tasks.get(each.environment, each.task)
        if (facts, task) == (each.facts, each.task):
            settled.append(each)
            continue
        runs = tuple(replace(run, facts=facts, task=task) for run in each.runs)
        settled.append(replace(each, facts=facts, task=task, runs=runs))
    return settled


def _at_most(experiment: ExperimentLogs, number: int | None) -> ExperimentLogs:
    """Return an experiment with so many of its runs, the first complete ones before any unfinished one, by number."""
    runs = experiment.runs
    if number is None or len(runs) <= number:
        return experiment
    chosen = sorted(runs, key=lambda run: not run.complete)[:number]
    beyond = (f"beyond the first {number} of an experiment (max-runs)",) * (len(runs) - number)
    return replace(experiment, runs=tuple(run for run in runs if run in chosen), left_out=experiment.left_out + beyond)


def log_directories(root: Path) -> list[Path]:
    """Return the folders that hold run_1, run_2, ..., and those of baselines of which only summaries are left."""
    found = []
    seen: set[str] = set()
    for folder, names, files in os.walk(root, followlinks=True):
        names[:] = sorted(name for name in names if not name.startswith(".") and name not in SKIPPED)
        real = str(Path(folder).resolve())
        if real in seen:
            names.clear()
            continue
        seen.add(real)
        runs = [name for name in names if name.startswith("run_") and name[4:].isdigit()]
        names[:] = [name for name in names if name not in runs]
        if runs or ("summary.json" in files and is_sb3(Path(folder))):
            found.append(Path(folder))
    return found


def _name_of(path: Path) -> FolderName | None:
    """Return what the name of a log directory says; of a baseline's algorithm, that of the folder above."""
    resolved = path.resolve()
    return read_folder_name(resolved.parent.name if is_sb3(path) else resolved.name)


def _is_wanted(path: Path, environments: set[str], methods: set[str]) -> bool:
    """Whether a folder must be read: any that may hold our runs, whatever its name, and published ones by name."""
    name = _name_of(path)
    try:
        if name is None or any(run.is_described for run in list_runs(path)):
            return True
    except InputError:  # told when it is read
        return True
    return _is_one(name, environments, methods)


def _is_one(of: FolderName | ExperimentLogs, environments: set[str], methods: set[str]) -> bool:
    return (not environments or of.environment in environments) and (not methods or of.method in methods)


def _read_folder(path: Path) -> list[ExperimentLogs]:
    try:
        directories = list_runs(path)
    except InputError as error:
        return [_without_runs(path, (str(error),))]
    if not directories and is_sb3(path):
        directories = [RunDirectory(run) for run in summary_runs(path)]
    loaded = load_runs_of(directories)
    experiments: list[ExperimentLogs] = []
    for members in by_experiment(loaded.runs):
        one, (lines, left) = members[0], ((), ()) if experiments else loaded[1:]
        about = (one.task, one.facts, one.variant, cohort_of(one), one.algorithm)
        experiments.append(ExperimentLogs(path, members, lines, *about, left_out=left))
    return experiments or [replace(_without_runs(path, loaded.problems or ("no runs",)), left_out=loaded.left_out)]


def by_experiment(runs: Sequence[RunData]) -> list[tuple[RunData, ...]]:
    """Part runs that must not be averaged: those that differ in any setting that matters, and replays."""
    groups: list[list[RunData]] = []
    for run in runs:
        group = next((each for each in groups if _experiment(each[0]) == _experiment(run)), None)
        if group is None:
            groups.append([run])
        else:
            group.append(run)
    return [tuple(members) for members in groups]


def _experiment(run: RunData) -> tuple[object, ...]:
    """Return what runs of one experiment have in common; a replay repeats a run and is no other sample of it."""
    about = (cohort_of(run), run.protocol, run.environment, run.method, run.variant, run.algorithm)
    return (*about, run.prompts_hash, run.plugins_hash, bool(run.replay_of), run.settings)


def cohort_of(run: RunData) -> Cohort | None:
    """Return who answered and by which rules; None without a language model."""
    without_model = run.algorithm is not None or run.model == NO_MODEL
    return None if without_model else Cohort(run.stand_in, run.model, run.protocol, run.critic_model, run.prompts)


def _without_runs(path: Path, problems: tuple[str, ...]) -> ExperimentLogs:
    environment, method, variant = _name_of(path) or ("", "", "")
    algorithm = path.resolve().name.upper() if is_sb3(path) else None
    return ExperimentLogs(
        path, (), problems, task_facts(environment), method_facts(method), variant, cohort=None, algorithm=algorithm
    )


def experiment_order(experiment: ExperimentLogs) -> tuple[tuple[int, str], int, tuple[int, str], str, str, str]:
    """Sort experiments as the published tables do, or their methods as a command was asked for them."""
    return (
        environment_order(experiment.environment),
        experiment.place,
        method_order(experiment.method),
        experiment.algorithm or "",
        experiment.variant,
        str(experiment.path),
    )
