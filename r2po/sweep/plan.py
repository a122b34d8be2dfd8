"""Which runs a sweep consists of, and the run directory of each."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from r2po.config import Config, load_config
from r2po.config.load import is_sb3_config
from r2po.errors import InputError
from r2po.experiment.prepare import check_unchanged
from r2po.experiment.pricing import priced
from r2po.experiment.resolve import find_run
from r2po.experiment.setting import Setting
from r2po.installation import call
from r2po.runlog import RunDirectory
from r2po.sweep.variants import Variant, expand
from r2po.trackers import check_trackers, known_trackers


@dataclass(frozen=True)
class PlannedRun:
    """One run of a sweep; workers and nodes are sent it to make it.

    Attributes:
        index: Its place in the sweep.
        source: Config file.
        overrides: ``key=value`` for each key that the command changes.
        seed: Seed of the run, and N of its ``run_N``.
        config: The resolved config; its seed is set.
        accept_changed_prompts: Whether it is continued even if its prompts are made from other texts by now.
        identities: What the servers told of its models by role, when the sweep made the first contact.
        servers: The models that it asks and where, as outages are named.
        keys: Environment variables whose keys the first contact was made with.
        in_batches: Whether its calls are sent in batches.
    """

    index: int
    source: str
    overrides: tuple[str, ...]
    seed: int
    config: Config
    accept_changed_prompts: bool = False
    identities: Mapping[str, Mapping[str, Any] | None] = field(default_factory=dict)
    servers: frozenset[str] = frozenset()
    keys: frozenset[str] = frozenset()
    in_batches: bool = False

    @property
    def path(self) -> Path:
        """Its run directory."""
        return Path(self.config.logdir) / f"run_{self.seed}"

    @property
    def directory(self) -> RunDirectory | None:
        """The run directory, if it is there."""
        return find_run(self.config.logdir, self.seed)


@dataclass(frozen=True)
class SweepRequest:
    """What the command asks for.

    Attributes:
        settings: ``key=v1,v2``.
        seeds: Seeds, one run each.
        protocol: Protocol of all runs; None for that of the configs.
        logs: Folder for all log directories; None to leave them where the configs put them.
        accept_changed_prompts: Whether runs are continued even if their prompts are made from other texts by now.
    """

    configs: Sequence[str]
    settings: Sequence[str]
    seeds: Sequence[int]
    protocol: str | None = None
    logs: str | None = None
    accept_changed_prompts: bool = False

    @property
    def name(self) -> str:
        """A name that the same request always gets, and no other."""
        parts = [list(self.configs), sorted(self.settings), list(self.seeds), self.protocol, self.logs]
        return "sweep-" + hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:8]


def plan(request: SweepRequest, note: Callable[[str], None] = lambda _: None) -> list[PlannedRun]:
    """Return the runs, seed by seed, so that every experiment has its first run before one has its second.

    Raises:
        InputError: A config or a setting cannot be used, or two runs would share a run directory.
    """
    others = [source for source in request.configs if is_sb3_config(source)]
    sources = [source for source in request.configs if source not in others]
    if others and not sources:
        suites = f"{', '.join(others)}: of Stable-Baselines3; run them with {call('sb3_baselines')}"
        raise InputError(f"{suites} --config FILE")
    if others:
        note(f"left out, since {call('sb3_baselines')} runs them: {', '.join(others)}")
    experiments = [
        (source, variant, _config(source, variant, request, note))
        for source in sources
        for variant in expand(request.settings)
    ]
    runs = [
        PlannedRun(
            index,
            source,
            variant.overrides,
            seed,
            _priced(config.model_copy(update={"seed": seed}), note),
            request.accept_changed_prompts,
        )
        for index, (seed, (source, variant, config)) in enumerate(itertools.product(request.seeds, experiments))
    ]
    _check_distinct(runs)
    return runs


def with_trackers(runs: Sequence[PlannedRun], names: Sequence[str] | None) -> list[PlannedRun]:
    """Return runs that trackers of these names follow, or those of their configs for None. They are the same runs.

    Raises:
        InputError: There is no tracker of a name, or it is not installed.
    """
    if names is not None:
        track = known_trackers(names)
        runs = [replace(run, config=run.config.model_copy(update={"track": track})) for run in runs]
    check_trackers(name for run in runs for name in run.config.track)
    return list(runs)


def check_runs(runs: Sequence[PlannedRun]) -> None:
    """Make sure that the runs that exist already belong to these experiments, as far as their descriptions can be read.

    Raises:
        InputError: One is a run of another experiment.
    """
    for run in runs:
        directory = run.directory
        if directory is None or not directory.is_described:
            continue
        try:
            description = directory.read_description()
        except InputError:  # damaged, which the sweep says of this run alone
            continue
        if directory.is_complete and description.get("replay_of"):
            continue  # a replay's settings are its recorded run's
        try:
            check_unchanged(run.config, directory)
        except InputError as error:
            raise InputError(f"{error}; --logs DIR puts this sweep's runs elsewhere") from None


def _config(source: str, variant: Variant, request: SweepRequest, note: Callable[[str], None]) -> Config:
    config = load_config(source, variant.overrides, protocol=request.protocol, note=note)
    if config.seed is not None:
        raise InputError(f"{source} sets the seed {config.seed}; a sweep gives each run its own (--seeds)")
    if config.resume_run is not None:
        raise InputError(f"{source} sets resume_run; a sweep continues its runs by itself")
    # What does not fit the environment, and templates that cannot be filled: said once, and before any run starts.
    with closing(Setting(config, seed=1)) as setting:
        setting.check_prompts()
    logdir = Path(config.logdir)
    if request.logs is not None:
        logdir = Path(request.logs) / logdir.name
    if variant.name:
        logdir = logdir.with_name(f"{logdir.name}__{variant.name}")
    return config.model_copy(update={"logdir": str(logdir)})


def _priced(config: Config, note: Callable[[str], None]) -> Config:
    """Return the config of a run with its prices; what is wrong with a damaged run is said later."""
    assert config.seed is not None
    directory = find_run(config.logdir, config.seed)
    try:
        return priced(config, directory, note)
    except InputError:
        if directory is None or _is_readable(directory):
            raise
        return priced(config, None, note)


def _is_readable(directory: RunDirectory) -> bool:
    try:
        directory.read_description()
    except InputError:
        return False
    return True


def _check_distinct(runs: Sequence[PlannedRun]) -> None:
    found: dict[str, PlannedRun] = {}
    for run in runs:
        path = os.path.abspath(run.path)  # noqa: PTH100 - resolve() would look at every link on a network drive
        other = found.setdefault(path, run)
        if other is not run:
            which = " and ".join(" ".join([each.source, *each.overrides]) for each in (other, run))
            raise InputError(
                f"two runs of this sweep would share the run directory {run.path}: {which}; give them other logdirs"
            )
