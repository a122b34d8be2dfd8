"""From a config to a running experiment: the model, the run directory, a fresh start or a resume."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from r2po.config import Config
from r2po.errors import InputError, RunStopped
from r2po.experiment.loop import Experiment
from r2po.experiment.observer import Observer
from r2po.experiment.prepare import (
    check_unchanged,
    make_budget,
    make_client,
    models_of,
    name_faults,
    open_setting,
    prompts_changed,
)
from r2po.experiment.pricing import priced
from r2po.experiment.resolve import (
    Resume,
    as_recorded,
    check_package,
    check_wall,
    find_run,
    name_equal_samples,
    name_idle_keys,
    name_other_protocols,
    name_unfinished,
    providers_of,
    run_to_resume,
)
from r2po.experiment.servers import name_idle_base_url
from r2po.experiment.tracking import tracked
from r2po.isolation.outcomes import WorkerNotReadyError
from r2po.llm.budget import Budget
from r2po.llm.client import CallFailed, Client, Model
from r2po.llm.gate import Gate
from r2po.llm.outage_gate import MAX_OUTAGE_S, OutageGate
from r2po.llm.store import CallStore
from r2po.llm.types import SEARCH, Provider
from r2po.methods import METHODS
from r2po.runlog import RunDirectory, RunLockedError
from r2po.runlog.batched import check_not_in_batches
from r2po.runlog.lock import NO_LOCKS
from r2po.runlog.mirror import mirror_of
from r2po.runlog.records import Result
from r2po.trackers.later import how_to_send

GateOf = Callable[[Client, Budget], Gate]
"""Makes the gate at which the calls of a run wait."""


@dataclass(frozen=True)
class Place:
    """The place of a run in a sweep."""

    number: int
    """N of its ``run_N``, which is continued if it exists, else made."""
    gate: GateOf
    """Makes the gate at which its calls wait."""
    identities: Mapping[str, Mapping[str, Any] | None] = field(default_factory=dict)
    """What the servers told of the models by role, when the sweep made the first contact."""
    in_batches: bool = False
    """Whether its calls are made in batches; if not, none may be under way in one."""
    logdir: str = ""
    """Where its ``run_N`` is, if that is not where the config says: the run works on a copy."""


def launch(
    config: Config,
    resume: Resume,
    environ: Mapping[str, str],
    observer: Observer,
    *,
    replay_by_position: bool = False,
    accept_changed_prompts: bool = False,
    place: Place | None = None,
    max_outage_s: float = MAX_OUTAGE_S,
) -> Result:
    """Run the experiment of a resolved config to its end and return its result.

    ``environ`` has keys and base URLs. ``replay_by_position`` replays replies by their place in the recorded run,
    whatever the prompts say. ``accept_changed_prompts`` continues a run whose prompts are made from other texts by now.
    With a ``place``, a sweep has already contacted the model and chosen the run; it also waits for servers that are
    out. Without one, that is done here, for ``max_outage_s`` at a time.

    Raises:
        InputError: Something that was given cannot be used; no run directory is left behind.
        RunStopped: The run stopped and can be resumed.
    """
    observer = _followed(config, environ, observer, place)
    directory = run_to_resume(config, resume) if place is None else find_run(_logdir(config, place), place.number)
    if directory is not None and directory.is_complete:
        if not directory.read_description().get("replay_of"):  # a replay's settings are its recorded run's
            check_unchanged(config, directory)
        observer.note(f"{directory.path} is complete; nothing to do")
        result = directory.read_result()
        name_faults(directory, observer)
        observer.finished(directory, result)
        return result
    config = priced(config, directory, observer.note)
    check_package(METHODS[config.method])
    check_wall(config)
    providers = providers_of(config, environ)
    for role, provider in providers.items():
        if place is None:
            provider.check()
        else:
            provider.identity = place.identities.get(role)
    gate_of = _alone(providers, max_outage_s) if place is None else place.gate
    search = providers[SEARCH]
    search.by_position = replay_by_position
    if search.recording is not None:
        config = as_recorded(config, search.recording, observer)
    elif replay_by_position:
        raise InputError(f"--replay-by-position needs a replay; llm_model_name is {config.llm_model_name!r}")
    if directory is None:
        _name_other_runs(config, observer, place)
        name_idle_keys(config, observer)
        name_idle_base_url(config, providers, observer)
        if not search.is_stand_in and search.recording is None:
            name_equal_samples(config, observer)
        return _start(config, models_of(config, providers), observer, gate_of, place)
    return _run(config, models_of(config, providers), directory, observer, gate_of, place, accept_changed_prompts)


def _logdir(config: Config, place: Place | None) -> str:
    """Return where the run directory is: that of a copy is not where the config says."""
    return config.logdir if place is None else place.logdir or config.logdir


def _name_other_runs(config: Config, observer: Observer, place: Place | None) -> None:
    """Say what is beside a new run; of a run on a copy, whoever has the others says it."""
    if place is None:
        name_unfinished(config, observer)
    if place is None or not place.logdir:
        name_other_protocols(config, observer)


def _followed(config: Config, environ: Mapping[str, str], observer: Observer, place: Place | None) -> Observer:
    """Let the trackers follow a run, but not one that works on a copy: what they write beside it would be lost."""
    if place is None or mirror_of(Path(_logdir(config, place)) / f"run_{place.number}") is None:
        return tracked(observer, config.track, environ)
    if config.track:
        later = how_to_send(Path(config.logdir), config.track)
        observer.note(f"no tracker follows runs on nodes that do not see the logs; `{later}` sends them afterwards")
    return observer


def _alone(providers: Mapping[str, Provider], max_outage_s: float) -> GateOf:
    """Return what makes the gate of a run that shares its servers with no other."""
    return lambda client, _budget: OutageGate(providers, max_outage_s, client.note)


def _start(
    config: Config, models: Mapping[str, Model], observer: Observer, gate_of: GateOf, place: Place | None
) -> Result:
    logdir = _logdir(config, place)
    directory = RunDirectory.create(Path(logdir), None if place is None else place.number)
    try:
        return _run(config, models, directory, observer, gate_of, place)
    except RunLockedError:
        # Another process has resumed it since: it is no longer ours.
        raise
    except InputError as error:
        if directory.holds_work:
            raise RunStopped(str(error)) from None
        directory.remove()
        raise
    except OSError as error:
        if isinstance(error, BrokenPipeError) or directory.holds_work:
            raise
        directory.remove()
        raise InputError(f"cannot begin a run in {logdir}: {error.strerror or error}") from None
    except CallFailed as failed:
        # This was the first contact: the same error would come again, and there is nothing yet to keep.
        if failed.retryable or failed.replies:
            raise
        directory.remove()
        raise InputError(str(failed)) from failed


def _run(
    config: Config,
    models: Mapping[str, Model],
    directory: RunDirectory,
    observer: Observer,
    gate_of: GateOf,
    place: Place | None,
    accept_changed_prompts: bool = False,
) -> Result:
    with closing(directory):
        directory.lock()
        if place is None or not place.in_batches:
            check_not_in_batches([directory.path])
        observer.opened(directory)
        if place is None and not directory.keeps_others_out:  # a sweep says it of its folder
            observer.note(NO_LOCKS.format(path=directory.path))
        with closing(open_setting(config, models, directory, observer)) as setting, ExitStack() as opened:
            # A replay compares each prompt with the recorded one.
            accepted = accept_changed_prompts or models[SEARCH].provider.recording is not None
            changed = prompts_changed(setting, directory, accepted=accepted)
            try:
                store = opened.enter_context(closing(CallStore(directory.path)))
                opened.enter_context(closing(observer))
                client = opened.enter_context(closing(make_client(config, models, store, observer)))
                if client.recording is None:
                    client.budget = make_budget(config, client.accounting, directory)
                    client.gate = gate_of(client, client.budget)
                result = Experiment(setting, directory, client, observer, changed).run()
            except BrokenPipeError:
                raise
            except WorkerNotReadyError as error:
                raise RunStopped(str(error)) from None
            except OSError as error:
                raise RunStopped(f"cannot continue in {directory.path}: {error}") from None
            observer.finished(directory, result)
            return result
