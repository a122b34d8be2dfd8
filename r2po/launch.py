"""From a config to a running experiment: the model, the run directory, a fresh start or a resume."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from r2po.config import MODEL_KEYS, SAMPLING_KEYS, Config, differences
from r2po.errors import InputError, RunStopped
from r2po.experiment import Experiment
from r2po.llm.accounting import Accounting, Budget, Caps, earlier_seconds
from r2po.llm.client import CallFailed, Client
from r2po.llm.gate import Gate
from r2po.llm.no_model import NAME as NO_MODEL
from r2po.llm.no_model import NoModel
from r2po.llm.registry import provider_for
from r2po.llm.replay import Replay
from r2po.llm.store import CallStore
from r2po.llm.types import Provider
from r2po.methods import METHODS, Method
from r2po.observer import Observer
from r2po.runlog import RunDirectory, RunLockedError, list_runs
from r2po.setting import Setting

PACKAGES = ("r2po", "gymnasium", "mujoco", "numpy")

Resume = int | Literal["latest"] | None
"""Number of the run to continue, "latest" for the latest unfinished one, None for a new run."""


@dataclass(frozen=True)
class Place:
    """The place of a run in a sweep.

    Attributes:
        number: N of its ``run_N``, which is continued if it is there, else made.
        gate: Gives the gate at which it waits, given its provider and what its calls may take.
    """

    number: int
    gate: Callable[[Provider, Budget], Gate]


def launch(
    config: Config,
    resume: Resume,
    environ: Mapping[str, str],
    observer: Observer,
    *,
    replay_by_position: bool = False,
    place: Place | None = None,
) -> dict[str, Any]:
    """Run an experiment to its end and return its result.

    Args:
        config: The resolved config.
        resume: Which run to continue, if any.
        environ: Environment variables with keys and base URLs.
        observer: Watches the run.
        replay_by_position: Replay replies by their place in the recorded run, whatever the prompts say.
        place: Of a run of a sweep, which has made the first contact with the model once for all, and chosen the run.

    Raises:
        InputError: Something given cannot be used; no run directory is left behind.
        RunStopped: The run stopped and can be resumed.
    """
    directory = _find_run(config, resume) if place is None else find_run(config, place.number)
    if directory is not None and directory.is_complete:
        if not directory.read_description().get("replay_of"):  # a replay's settings are its recorded run's
            check_unchanged(config, directory)
        observer.note(f"{directory.path} is complete; nothing to do")
        result = directory.read_result()
        observer.finished(directory, result)
        return result
    _check_package(METHODS[config.method])
    provider = provider_of(config, environ)
    if place is None:
        provider.check()
    if isinstance(provider, Replay):
        provider.by_position = replay_by_position
        config = _as_recorded(config, provider, observer)
    elif replay_by_position:
        raise InputError(f"--replay-by-position needs a replay; llm_model_name is {config.llm_model_name!r}")
    if directory is None:
        if place is None:
            _name_unfinished(config, observer)
        _name_other_protocols(config, observer)
        _name_idle_keys(config, observer)
        return _start(config, provider, observer, place)
    return _run(config, provider, directory, observer, place)


def find_run(config: Config, number: int) -> RunDirectory | None:
    """Return ``run_N`` of an experiment; None if there is none."""
    directory = RunDirectory(Path(config.logdir) / f"run_{number}")
    return directory if directory.path.is_dir() else None


def _check_package(method: Method) -> None:
    if method.package and find_spec(method.package) is None:
        raise InputError(
            f"method {method.name!r} needs the package {method.package!r}, which is not installed: "
            "pip install -r requirements.txt"
        )


def provider_of(config: Config, environ: Mapping[str, str]) -> Provider:
    """Return the provider of a config's model; of a method that asks none, one that is never asked."""
    if config.llm_model_name is None:
        return NoModel()
    return provider_for(config.llm_model_name, timeout_s=config.llm_timeout_s, num_ctx=config.num_ctx, environ=environ)


def _find_run(config: Config, resume: Resume) -> RunDirectory | None:
    resume = resume or config.resume_run
    if resume is None:
        return None
    logdir = Path(config.logdir)
    runs = list_runs(logdir)
    wanted = [run for run in runs if (run.number == resume if resume != "latest" else not run.is_complete)]
    if not wanted:
        there = ", ".join(f"{run.path.name}{' (complete)' if run.is_complete else ''}" for run in runs) or "no runs"
        what = "an unfinished run" if resume == "latest" else f"run_{resume}"
        raise InputError(f"cannot resume {what} in {logdir}: found {there}")
    return wanted[-1]


def _name_unfinished(config: Config, observer: Observer) -> None:
    unfinished = [run.path.name for run in list_runs(Path(config.logdir)) if not run.is_complete]
    if unfinished:
        observer.note(f"unfinished in {config.logdir}: {', '.join(unfinished)}; --resume N continues one")


def _name_other_protocols(config: Config, observer: Observer) -> None:
    """Say so if runs of different protocols come to stand in one log directory: they must not be averaged."""
    for run in list_runs(Path(config.logdir)):
        protocol = _protocol_of(run)
        if protocol not in (None, config.protocol):
            observer.note(
                f"{run.path} was made under protocol {protocol}, this run is {config.protocol}: "
                "give them log directories of their own (--set logdir=...)"
            )
            return


def _protocol_of(run: RunDirectory) -> object:
    """Return the protocol of an earlier run; None if it does not say, which is no obstacle to a new one."""
    try:
        return run.read_description().get("protocol")
    except InputError:
        return None


def _name_idle_keys(config: Config, observer: Observer) -> None:
    method = METHODS[config.method]
    idle = [key for key in MODEL_KEYS if key in config.model_fields_set]
    if idle and not method.asks_model:
        observer.note(f"{', '.join(idle)}: no effect, {config.method} asks no model")
    elif "traj_history_last_n" in idle and not method.shows_excerpts:
        observer.note(f"traj_history_last_n has no effect: the prompts of {config.method} show no excerpts")


def _as_recorded(config: Config, replay: Replay, observer: Observer) -> Config:
    """Return the config with the recorded run's sampling settings, which its replies belong to; name what differs."""
    recorded = {**replay.config, "llm_model_name": config.llm_model_name, "seed": replay.seed}
    mine = {**config.model_dump(mode="json"), "seed": replay.seed if config.seed is None else config.seed}
    rows = [f"{key} was {recorded.get(key)!r}, is {mine.get(key)!r}" for key in differences(recorded, mine)]
    if rows:
        observer.note(f"replay of {replay.path}, with other settings: {', '.join(rows)}")
    if replay.logdir == Path(config.logdir).resolve():
        observer.note(
            f"this replay stands beside the run that it repeats, in {config.logdir}: they are one sample, not two "
            "(--set logdir=... keeps them apart)"
        )
    return config.model_copy(update={key: replay.config.get(key) for key in SAMPLING_KEYS})


def _start(config: Config, provider: Provider, observer: Observer, place: Place | None) -> dict[str, Any]:
    directory = RunDirectory.create(Path(config.logdir), None if place is None else place.number)
    try:
        return _run(config, provider, directory, observer, place)
    except RunLockedError:
        # Another process resumed it in the moment since: it is no longer ours.
        raise
    except InputError:
        directory.remove()
        raise
    except CallFailed as failed:
        # The first contact: what is wrong now would be wrong for ever, and nothing was gained yet.
        if failed.retryable or failed.replies:
            raise
        directory.remove()
        raise InputError(str(failed)) from None


def _run(
    config: Config, provider: Provider, directory: RunDirectory, observer: Observer, place: Place | None
) -> dict[str, Any]:
    with closing(directory):
        directory.lock()
        observer.opened(directory)
        with (
            closing(_open(config, provider, directory, observer)) as setting,
            closing(CallStore(directory.path)) as store,
            closing(observer),
        ):
            client = _client(config, provider, store, observer)
            if not client.replaying:
                budget = _budget(config, client.accounting, directory)
                client.may_ask = budget.check
                if place is not None:
                    client.gate = place.gate(provider, budget)
            try:
                result = Experiment(setting, directory, client, observer).run()
            except BrokenPipeError:
                raise
            except OSError as error:
                raise RunStopped(f"cannot go on in {directory.path}: {error}") from None
            observer.finished(directory, result)
            return result


def _client(config: Config, provider: Provider, store: CallStore, observer: Observer) -> Client:
    """Return the client, with provider and store where an earlier process left them."""
    if store.interrupted:
        observer.note(f"{store.interrupted} call(s) were under way when the run stopped; asked again when needed")
    for recorded in store.replies:
        provider.restore(recorded.reply.sent)
    return Client(
        provider=provider,
        model=_model(config, provider),
        sampling=config.sampling,
        store=store,
        prices=config.prices,
        replaying=isinstance(provider, Replay),
        max_attempts=config.llm_max_attempts,
        max_wait_s=config.llm_max_wait_s,
        on_ask=observer.asking,
        on_failure=observer.failed,
    )


def _budget(config: Config, accounting: Accounting, directory: RunDirectory) -> Budget:
    return Budget(
        Caps(config.max_llm_calls, config.max_tokens, config.max_cost, config.max_wall_time_s),
        accounting,
        max_output_tokens=config.max_output_tokens,
        earlier_s=earlier_seconds(directory.read_iterations(), accounting.store),
    )


def _model(config: Config, provider: Provider) -> str:
    """Return the name of the model that the replies come from; a replay has it from the recorded run."""
    return provider.model if isinstance(provider, Replay) else config.llm_model_name or NO_MODEL


def _open(config: Config, provider: Provider, directory: RunDirectory, observer: Observer) -> Setting:
    """Describe a new run, or check that a resumed one is the same experiment; returns what it stands for."""
    if not (directory.path / "run.yaml").exists():
        default = provider.seed if isinstance(provider, Replay) else directory.number
        seed = default if config.seed is None else config.seed
        setting = Setting(config, seed)
        directory.write_description(_description(setting, provider))
        return setting
    description = check_unchanged(config, directory)
    seed = int(description["seed"])
    began = description["versions"]
    for name, version in _versions(config).items():
        if began.get(name) != version:
            observer.note(f"this run began with {name} {began.get(name)}; it goes on with {version}")
    return Setting(config, seed)


def check_unchanged(config: Config, directory: RunDirectory) -> dict[str, Any]:
    """Return the description of a run that a config is to continue.

    Raises:
        InputError: The config has changed since.
    """
    description = directory.read_description()
    seed = int(description["seed"])
    recorded = {**description["config"], "seed": seed}
    now = {**config.model_dump(mode="json"), "seed": seed if config.seed is None else config.seed}
    changed = differences(recorded, now)
    if changed:
        rows = ", ".join(f"{key} was {recorded.get(key)!r}, is {now.get(key)!r}" for key in changed)
        raise InputError(f"cannot resume {directory.path}: the config has changed since: {rows}")
    return description


def _description(setting: Setting, provider: Provider) -> dict[str, Any]:
    config = setting.config
    return {
        "seed": setting.seed,
        "protocol": config.protocol,
        "model": _model(config, provider),
        "stand_in": provider.is_stand_in,
        "replay_of": provider.path if isinstance(provider, Replay) else None,
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "rollout_engine": setting.engine.name,
        "versions": _versions(config),
        "code_revision": _code_revision(),
        "config": config.model_dump(mode="json"),
    }


def _versions(config: Config) -> dict[str, str]:
    packages = filter(None, (*PACKAGES, METHODS[config.method].package))
    return {"python": platform.python_version()} | {name: metadata.version(name) for name in packages}


@cache
def _code_revision() -> str | None:
    """Return the git revision of the source tree, with ``+`` if it was changed; None if it is no checkout."""
    try:
        return subprocess.run(
            ["git", "describe", "--always", "--abbrev=40", "--dirty=+", "--exclude=*"],  # noqa: S607 - git by name
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
