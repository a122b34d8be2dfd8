"""A suite: every chosen algorithm, every trial. Complete trials are kept; an interrupted one is run again."""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from r2po.baselines.sb3.algorithms import check_installed, choose_algorithms
from r2po.baselines.sb3.budget import trial_budgets
from r2po.baselines.sb3.config import SB3Config
from r2po.baselines.sb3.hyperparameters import collect
from r2po.baselines.sb3.plan import METHOD, Plan
from r2po.baselines.sb3.screen import SuiteScreen
from r2po.baselines.sb3.summary import algorithm_summary, trial_summary
from r2po.baselines.sb3.tracking import TrackedSuite
from r2po.baselines.sb3.zoo import find_zoo, zoo_entry
from r2po.errors import InputError, RunStopped
from r2po.runlog import RunDirectory
from r2po.runlog.jsonl import write_json
from r2po.trackers import check_trackers

SUMMARY = "summary.json"


def run_suite(
    config: SB3Config, trials: Sequence[int] | None, screen: SuiteScreen, environ: Mapping[str, str] = os.environ
) -> None:
    """Run the trials of a suite that are not complete: those of these numbers, from 1, or all of them for None.

    The keys of ``environ`` are blanked in what trackers are sent.

    Raises:
        InputError: Something given cannot be used; no directory was made.
        RunStopped: A file could not be written; the same call continues.
    """
    screen = TrackedSuite(screen, check_trackers(config.track), environ)
    plans = make_plans(config, trials)
    for plan in plans:
        _check_directory(plan)
    with closing(screen), _warnings_as_notes(screen):
        _try_models(plans)
        screen.started(plans, sum(plan.directory.is_complete for plan in plans))
        for name in dict.fromkeys(plan.algorithm.name for plan in plans):
            mine = [plan for plan in plans if plan.algorithm.name == name]
            for plan in mine:
                if not plan.directory.is_complete:
                    _run(plan, screen)
            screen.algorithm_finished(name, _sum_up(mine[0]))


def make_plans(config: SB3Config, trials: Sequence[int] | None = None) -> list[Plan]:
    """Return the trials of a suite in the order in which they are run; nothing is written.

    Raises:
        InputError: Something given cannot be used.
    """
    spaces = config.spaces()
    algorithms = choose_algorithms(config.wanted_algorithms, config.gym_env_name, discrete=spaces.discrete_action)
    budgets = trial_budgets(config)
    zoo = find_zoo(config.zoo_hyperparams_dir)
    check_installed()
    plans = []
    for algorithm in algorithms:
        entry = zoo_entry(zoo, algorithm.name, config.gym_env_name)
        hyperparameters = collect(config, algorithm, entry)
        folder = _folder(Path(config.logdir), algorithm.name)
        for number in _numbers(config, trials):
            directory = RunDirectory(folder / f"run_{number}")
            plans.append(Plan(config, spaces, algorithm, hyperparameters, budgets[number - 1], directory))
    return plans


def _folder(logdir: Path, algorithm: str) -> Path:
    """Return the folder of an algorithm: its name in small letters, or in capitals where an older version began."""
    begun = {each.name for each in logdir.iterdir()} if logdir.is_dir() else set()
    name = algorithm.lower()
    return logdir / (algorithm if algorithm in begun and name not in begun else name)


def _numbers(config: SB3Config, trials: Sequence[int] | None) -> Sequence[int]:
    if trials is None:
        return range(1, config.num_trials + 1)
    for number in trials:
        if number > config.num_trials:
            raise InputError(f"there is no trial {number}; num_trials is {config.num_trials}")
    return sorted(set(trials))


def _try_models(plans: Sequence[Plan]) -> None:
    """Make a model of each algorithm, so that impossible hyperparameters are found before a run begins."""
    import torch

    from r2po.baselines.sb3.model import SB3Model

    # The networks are small: more threads gain little, and the order of sums would depend on the number of cores.
    torch.set_num_threads(1)
    for plan in {plan.algorithm: plan for plan in plans}.values():
        SB3Model(plan).close()


def _check_directory(plan: Plan) -> None:
    """Refuse a directory that holds something else, or a complete trial of another experiment."""
    path = plan.directory.path
    if not path.is_dir() or not any(each.name != ".lock" for each in path.iterdir()):
        return
    if not (path / "run.yaml").is_file():
        raise InputError(f"{path} holds something other than a trial of this suite; give another logdir")
    description = plan.directory.read_description()
    ours = description.get("config", {})
    if ours.get("method") != METHOD or ours.get("algorithm") != plan.algorithm.name:
        raise InputError(f"{path} holds a run of {ours.get('method')}; give another logdir")
    changed = plan.differences(description)
    if changed:
        raise InputError(
            f"{path} was made with another config: {', '.join(changed)}; give another logdir (--set logdir=...)"
        )


def _run(plan: Plan, screen: SuiteScreen) -> None:
    from r2po.baselines.sb3.trial import run_trial

    directory = plan.directory
    try:
        directory.path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the run directory {str(directory.path)!r}: {error}") from None
    with closing(directory):
        directory.lock()
        if directory.is_complete:  # another process has completed it meanwhile
            return
        try:
            _empty(directory.path)
            directory.write_description(plan.description())
            screen.trial_started(plan)
            result = run_trial(plan, screen)
            write_json(directory.path / SUMMARY, trial_summary(directory.path.name, result, plan.description()))
            directory.write_result(result)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise RunStopped(f"cannot continue in {directory.path}: {error}") from None
        screen.trial_finished(plan, result)


def _empty(path: Path) -> None:
    """Remove what an interrupted trial left: run again from its seed, it gives the same results."""
    for each in path.iterdir():
        if each.is_dir():
            shutil.rmtree(each)
        elif each.name != ".lock":
            each.unlink()


def _sum_up(plan: Plan) -> dict[str, Any]:
    """Write the algorithm's summary over all complete trials in its folder, whichever call ran them."""
    folder = plan.directory.path.parent
    runs = [RunDirectory(folder / f"run_{number}") for number in range(1, plan.config.num_trials + 1)]
    complete = [run for run in runs if run.is_complete]
    trials = [trial_summary(run.path.name, run.read_result(), run.read_description()) for run in complete]
    summary = algorithm_summary(plan.config.name, trials)
    write_json(folder / SUMMARY, summary)
    return summary


@contextmanager
def _warnings_as_notes(screen: SuiteScreen) -> Iterator[None]:
    """Turn each Python warning into a note of one line, once."""
    seen: set[str] = set()

    def note(message: Warning | str, *_: object, **__: object) -> None:
        text = " ".join(str(message).split())
        if text not in seen:
            seen.add(text)
            screen.note(text)

    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = note
        yield
