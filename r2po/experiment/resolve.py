"""What is settled before a run starts: which run is continued, which model answers, and what is worth a note."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from r2po.config import Config, CriticSettings, changes
from r2po.config.config import CRITIC_KEYS, MODEL_KEYS, PROGRAM_KEYS, SAMPLING_KEYS, TUNING_KEYS
from r2po.errors import InputError
from r2po.experiment.observer import Observer
from r2po.installation import install_package
from r2po.llm.providers.replay import PREFIX
from r2po.llm.registry import NoModel, provider_for
from r2po.llm.types import CRITIC, SEARCH, Provider, ProviderSettings, Recording
from r2po.methods import METHODS, Method
from r2po.policies import FAMILIES, PolicyConfig
from r2po.runlog import RunDirectory, list_runs
from r2po.tasks.spaces import read_spaces

Resume = int | Literal["latest"] | None
"""Number of the run to continue, "latest" for the latest unfinished one, None for a new run."""


def find_run(logdir: str, number: int) -> RunDirectory | None:
    """Return ``run_N`` of an experiment; None if there is none."""
    directory = RunDirectory(Path(logdir) / f"run_{number}")
    return directory if directory.path.is_dir() else None


def check_package(method: Method) -> None:
    """Refuse a method whose optional dependency is not installed."""
    if method.package and find_spec(method.package) is None:
        raise InputError(
            f"method {method.name!r} needs the package {method.package!r}, which is not installed: "
            f"{install_package(method.package)}"
        )


def check_wall(config: Config) -> None:
    """Refuse policies that are code where the wall that is asked for does not stand.

    Raises:
        NoWallError: It does not.
        WorkerNotReadyError: No process for a policy could be started.
    """
    assert config.policy is not None
    family = FAMILIES[config.policy]
    if family.walled:
        spaces = read_spaces(config.gym_env_name, config.env_kwargs or {}, flatten=config.card.flatten)
        family(spaces, PolicyConfig(settings=config.policy_settings, isolation=config.isolation)).wall()


def by_model(config: Config) -> dict[str, Config]:
    """Return the config of each role that has a provider of its own; that of ``SEARCH`` serves the others."""
    critic = config.for_role(CRITIC)
    replays = (config.llm_model_name or "").strip().startswith(PREFIX)  # for all roles
    same = contact(critic) == contact(config)
    return {SEARCH: config} if same or replays else {SEARCH: config, CRITIC: critic}


def contact(config: Config) -> tuple[object, ...]:
    """Return all that makes a provider; configs that agree in it can share one."""
    return config.llm_model_name, config.num_ctx, config.base_url


def providers_of(config: Config, environ: Mapping[str, str]) -> dict[str, Provider]:
    """Return the providers by role, for the same roles as ``by_model``."""
    return {role: provider_of(each, environ) for role, each in by_model(config).items()}


def provider_of(config: Config, environ: Mapping[str, str]) -> Provider:
    """Return the provider of a config's model; if its method asks no model, one that is never asked."""
    if config.llm_model_name is None:
        return NoModel()
    settings = ProviderSettings(
        environ,
        timeout_s=config.llm_timeout_s,
        num_ctx=config.num_ctx,
        base_url=config.base_url,
        prompt_cache=config.prompt_cache,
        streaming=config.streaming,
        idle_timeout_s=config.llm_idle_timeout_s,
    )
    return provider_for(config.llm_model_name, settings)


def run_to_resume(config: Config, resume: Resume) -> RunDirectory | None:
    """Return the run that is to be continued; None for a new one.

    Raises:
        InputError: There is no such run; names those that exist.
    """
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


def name_unfinished(config: Config, observer: Observer) -> None:
    """Name the runs that could be continued instead."""
    unfinished = [run.path.name for run in list_runs(Path(config.logdir)) if not run.is_complete]
    if unfinished:
        observer.note(f"unfinished in {config.logdir}: {', '.join(unfinished)}; --resume N continues one")


def name_other_protocols(config: Config, observer: Observer) -> None:
    """Say so if a log directory would mix runs of different protocols, which must not be averaged."""
    for run in list_runs(Path(config.logdir)):
        protocol = _protocol_of(run)
        if protocol not in (None, config.protocol):
            observer.note(
                f"{run.path} was made under protocol {protocol}, this run is {config.protocol}: "
                "give them log directories of their own (--set logdir=...)"
            )
            return


def _protocol_of(run: RunDirectory) -> object:
    """Return the protocol of an earlier run; None if it does not say, which does not stop a new one."""
    try:
        return run.read_description().get("protocol")
    except InputError:
        return None


def name_idle_keys(config: Config, observer: Observer) -> None:
    """Name the keys of the config that do nothing with its method."""
    method = METHODS[config.method]
    _name_idle_keys_of_programs(config, observer)
    idle = [key for key in MODEL_KEYS if key in config.model_fields_set]
    critics = [key for key in idle if key in CRITIC_KEYS]
    if idle and not method.asks_model:
        observer.note(f"{', '.join(idle)}: no effect, {config.method} asks no model")
        return
    if critics and CRITIC not in method.roles:
        observer.note(f"{', '.join(critics)}: no effect, {config.method} has no critic")
    if "traj_history_last_n" in idle and not method.shows_excerpts:
        observer.note(f"traj_history_last_n has no effect: the prompts of {config.method} show no excerpts")
    if config.number_samples and not _repeats_prompts(config):
        observer.note(f"number_samples has no effect: {config.method} asks for one sample of each prompt")
    windows = [key for key in ("rollout_window", "history_window") if key in idle]
    if windows and method.searches == "programs":
        observer.note(f"{', '.join(windows)}: no effect, {config.method} shows rounds; see the key history")
    if "revision_rule" in idle and not method.revision_rule:
        observer.note(f"revision_rule has no effect: the prompts of {config.method} state no revision rule")


def _name_idle_keys_of_programs(config: Config, observer: Observer) -> None:
    method = METHODS[config.method]
    programs = [key for key in PROGRAM_KEYS if key in config.model_fields_set]
    if config.information == "privileged":  # decides what any program sees
        programs = [key for key in programs if key != "information"]
    if programs and method.searches != "programs":
        observer.note(f"{', '.join(programs)}: no effect, {config.method} searches no programs in rounds")
    tuning = [key for key in TUNING_KEYS if key in config.model_fields_set]
    if tuning and not method.tunes:
        observer.note(f"{', '.join(tuning)}: no effect, {config.method} tunes no constants")
    walls = [key for key in ("isolation", "evaluation_workers") if key in config.model_fields_set]
    if walls and not FAMILIES[str(config.policy)].walled:
        observer.note(f"{', '.join(walls)}: no effect, policy {config.policy!r} is no code")


def name_equal_samples(config: Config, observer: Observer) -> None:
    """Say so if a model will be asked for several samples of a prompt and, being greedy, can give only one."""
    if config.temperature == 0 and _repeats_prompts(config) and not config.number_samples:
        one = ", or candidates: 1" if METHODS[config.method].searches == "programs" else ""
        observer.note(
            f"{config.method} asks for several samples of one prompt, and at temperature 0 they tend to be equal, "
            "whatever the seed; number_samples: true tells each further prompt its number, or set a higher temperature"
            f"{one}"
        )


def _repeats_prompts(config: Config) -> bool:
    """Whether the method asks for several samples of one prompt; a search for programs may ask for one only."""
    method = METHODS[config.method]
    return method.repeats_prompts and not (method.searches == "programs" and config.candidates == 1)


def as_recorded(config: Config, recording: Recording, observer: Observer) -> Config:
    """Return the config with the sampling settings of the recorded run and its replies; name what else differs."""
    names = {key: getattr(config, key) for key in ("llm_model_name", "critic_llm_model_name")}
    changed = changes(config, {**recording.config, **names}, recording.seed)
    if changed:
        observer.note(f"replay of {recording.path}, with other settings: {changed}")
    if recording.logdir == Path(config.logdir).resolve():
        observer.note(
            f"this replay is beside the run that it repeats, in {config.logdir}: they are one sample, not two "
            "(--set logdir=... keeps them apart)"
        )
    keys = (*SAMPLING_KEYS, "critic_llm_model_name")
    kept = {key: recording.config.get(key) for key in keys}
    return config.model_copy(update={**kept, "critic": _recorded_critic(config, recording)})


def _recorded_critic(config: Config, recording: Recording) -> CriticSettings | None:
    recorded = recording.config.get("critic") or {}
    prices = {key: value for key, value in (config.critic.own if config.critic else {}).items() if key == "prices"}
    settings = {key: value for key, value in recorded.items() if key in SAMPLING_KEYS} | prices
    return CriticSettings(**settings) if settings else None
