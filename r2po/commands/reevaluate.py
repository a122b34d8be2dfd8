"""Re-evaluate the accepted candidates of existing runs on fresh episodes, without any model."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from r2po import cores
from r2po.analysis.logs.experiments import log_directories
from r2po.analysis.logs.fresh import needs
from r2po.analysis.logs.load import load_runs_of, nearest_folder
from r2po.analysis.logs.run_data import RunData
from r2po.commands.published_setting import published_accepted, published_setting
from r2po.config import Config
from r2po.errors import InputError
from r2po.experiment.plugins import check_plugins
from r2po.experiment.reevaluation import Accepted, accepted_of, reevaluate
from r2po.experiment.setting import Setting
from r2po.methods import METHODS
from r2po.plugins import Place, load_places, loaded_places
from r2po.runlog import RunDirectory, RunLockedError, list_runs
from r2po.terminal import visible

EPISODES = int(Config.model_fields["reevaluation_episodes"].default)
TELL_EVERY_S = 10.0


@dataclass(frozen=True)
class Outcome:
    """What came of one run: re-evaluated now, complete before, in no need of it, or left as it is; and a line on it."""

    state: Literal["done", "there", "needless", "left"]
    line: str


def find_runs(places: Sequence[str]) -> list[Path]:
    """Return the run directories that are given or that are below the given folders, each once.

    Raises:
        InputError: A folder is missing or holds none.
    """
    found: dict[Path, Path] = {}
    for place in places:
        runs = list(_runs_at(Path(place)))
        if not runs:
            raise InputError(f"no run in {place!r}: nothing below it holds run_1, run_2, ...")
        for run in runs:
            found.setdefault(run.resolve(), run)
    return list(found.values())


def _runs_at(place: Path) -> Iterator[Path]:
    if not place.is_dir():
        raise InputError(f"no folder {str(place)!r} with logs{nearest_folder(place)}")
    here = place.resolve()
    if any(run.path == here for run in list_runs(here.parent)):
        yield place
        return
    for folder in log_directories(place):
        yield from (run.path for run in list_runs(folder))


def reevaluate_runs(
    paths: Sequence[Path], episodes: int | None, jobs: int, *, everyone: bool = False
) -> Iterator[Outcome]:
    """Re-evaluate runs, several at once, and yield what came of each, in their order.

    Args:
        paths: Run directories.
        episodes: Fresh episodes per accepted candidate; by default as many as the run's config says, else 20.
        jobs: How many processes work at once.
        everyone: Whether also those of methods that do not choose between noisy means.
    """
    work = partial(reevaluate_run, episodes=episodes, everyone=everyone)
    if jobs == 1 or len(paths) == 1:
        yield from map(work, paths)
        return
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    # A server that has only imported: no locks or threads of this process are copied half way.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    workers = min(jobs, len(paths))
    setup = (max(1, cores.available() // workers), loaded_places())
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_set_up, initargs=setup)
    try:
        yield from pool.map(work, paths)
    finally:
        pool.shutdown(cancel_futures=True)


def _set_up(share: int, plugins: Sequence[tuple[Place, bool]]) -> None:
    """Prepare a worker process: the plugins of the first one, and its share of the cores."""
    cores.limit(share)
    load_places(plugins)


def reevaluate_run(path: Path, episodes: int | None = None, *, everyone: bool = False) -> Outcome:
    """Re-evaluate one run, as far as that has not been done; its other files stay as they are."""
    try:
        with closing(RunDirectory(path)) as directory:
            if (path / ".lock").exists():  # no process works in a run that has none
                directory.lock()
            return _reevaluate(directory, episodes, everyone=everyone)
    except RunLockedError as error:
        return Outcome("left", f"{path}: left out: {error}")
    except (InputError, OSError, ValueError, KeyError) as error:  # the latter two: a config of another version
        return Outcome("left", f"{path}: left out: {' '.join(str(error).replace(f'{path}/', '').split())}")


def _reevaluate(directory: RunDirectory, episodes: int | None, *, everyone: bool) -> Outcome:
    path = directory.path
    runs, problems, _ = load_runs_of([directory])
    if not runs:
        return Outcome("left", f"{path.parent}: left out: {'; '.join(problems)}")
    (run,) = runs
    if not needs(run) and not (everyone and run.num_iterations):
        return Outcome("needless", f"{path}: needs none, {run.label} does not choose between noisy means")
    with ExitStack() as opened:
        setting, accepted = _opened(run, directory, opened)
        count = episodes or setting.config.reevaluation_episodes or EPISODES
        done = reevaluate(setting, directory.reevaluation, accepted, count, _Teller(path))
    if not done:
        return Outcome("there", f"{path}: has {count} fresh episodes of each accepted candidate already")
    return Outcome("done", f"{path}: {done} accepted candidates on {count} fresh episodes each")


def _opened(run: RunData, directory: RunDirectory, opened: ExitStack) -> tuple[Setting, list[Accepted]]:
    """Return the setting of a run, as its own log says it, and what it accepted."""
    if run.origin == "published":
        setting = opened.enter_context(closing(published_setting(run)))
        return setting, published_accepted(run, setting)
    if run.algorithm is not None:
        raise InputError("the policies of Stable-Baselines3 during training are not on record")
    check_plugins(directory.read_description(), directory.path, "re-evaluate")
    METHODS.find(run.method)
    assert run.seed is not None
    setting = opened.enter_context(closing(Setting(Config(**run.config), run.seed)))
    return setting, accepted_of(setting, directory.read_iterations())


class _Teller:
    """Says from time to time how far a long re-evaluation is."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._told_at = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        if time.monotonic() - self._told_at >= TELL_EVERY_S:
            self._told_at = time.monotonic()
            sys.stderr.write(f"{visible(str(self._path))}: {done} of {total} accepted candidates\n")
            sys.stderr.flush()
