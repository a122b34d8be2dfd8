"""What a run needs before its first iteration: its setting, its description in run.yaml, its client and its budget."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from r2po.config import Config, changes
from r2po.errors import InputError
from r2po.experiment.observer import Observer
from r2po.experiment.plugins import check_plugins, new_plugins, plugins_of
from r2po.experiment.servers import name_other_servers, servers_of
from r2po.experiment.setting import Setting
from r2po.isolation.wall import told
from r2po.llm.accounting import Accounting, earlier_seconds
from r2po.llm.budget import Budget
from r2po.llm.client import Client, Model, described
from r2po.llm.ledger import Caps
from r2po.llm.store import CallStore
from r2po.llm.types import CRITIC, SEARCH, Provider
from r2po.methods import METHODS
from r2po.runlog import RunDirectory
from r2po.runlog.facts import NO_MODEL, PromptFacts
from r2po.runlog.intact import check_files
from r2po.runlog.jsonl import DamagedLog
from r2po.runlog.origin import code_revision, versions
from r2po.runlog.records import Description
from r2po.runlog.trajectories import check_folder


def models_of(config: Config, providers: Mapping[str, Provider]) -> dict[str, Model]:
    """Return the models by role, given what ``providers_of`` returns."""
    roles = [SEARCH] if config.for_role(CRITIC) is config else [SEARCH, CRITIC]
    return {role: _model(config.for_role(role), role, providers.get(role, providers[SEARCH])) for role in roles}


def _model(config: Config, role: str, provider: Provider) -> Model:
    name, recording = config.llm_model_name or NO_MODEL, provider.recording
    if recording is not None:
        name = recording.models.get(role, recording.models[SEARCH])
    return Model(provider, name, config.sampling, config.known_prices)


def make_client(config: Config, models: Mapping[str, Model], store: CallStore, observer: Observer) -> Client:
    """Return the client, with its providers in the state in which an earlier process left them."""
    if store.interrupted:
        observer.note(f"{store.interrupted} call(s) were under way when the run stopped; asked again when needed")
    client = Client(
        models=models,
        store=store,
        max_attempts=config.llm_max_attempts,
        max_wait_s=config.llm_max_wait_s,
        on_ask=observer.asking,
        on_failure=observer.failed,
        on_note=observer.note,
        on_progress=observer.receiving,
    )
    for recorded in store.replies:
        client.model_of(recorded.role).provider.restore(recorded.reply.sent)
    return client


def make_budget(config: Config, accounting: Accounting, directory: RunDirectory) -> Budget:
    """Return the budget of the run, with the time that earlier processes spent on it."""
    return Budget(
        Caps(config.max_llm_calls, config.max_tokens, config.max_cost, config.max_wall_time_s),
        accounting,
        earlier_s=earlier_seconds(directory.read_iterations(), accounting.store),
    )


def open_setting(config: Config, models: Mapping[str, Model], directory: RunDirectory, observer: Observer) -> Setting:
    """Describe a new run, or check that a resumed one is the same experiment; returns its setting."""
    if not directory.is_described:
        if directory.has_begun:
            raise DamagedLog(f"cannot resume {directory.path}: it has logs, but no run.yaml that says what was run")
        recording = models[SEARCH].provider.recording
        default = recording.seed if recording else directory.number
        seed = default if config.seed is None else config.seed
        setting = Setting(config, seed)
        setting.check_prompts()
        directory.write_description(_description(setting, models))
        return setting
    description = check_unchanged(config, directory)
    check_folder(directory.path)
    try:
        notes = check_files(directory)
    except DamagedLog as error:
        raise DamagedLog(f"{error}; put back a copy of the file from before that, or start a new run") from None
    for note in notes:
        observer.note(note)
    seed = description["seed"]
    began = description.get("versions") or {}
    for name, version in _versions(config).items():
        if began.get(name) != version:
            observer.note(f"this run began with {name} {began.get(name)}; it continues with {version}")
    for name in new_plugins(description, config):
        observer.note(f"this run began without the plugin {name!r}; it continues with it")
    setting = Setting(config, seed)
    setting.check_prompts()
    _name_other_wall(setting, description, observer)
    name_other_servers(description, _providers(models), observer)
    return setting


def _name_other_wall(setting: Setting, description: Description, observer: Observer) -> None:
    """Say so if policies that are code no longer run behind the wall that they ran behind when the run began."""
    began, now = description.get("isolation"), _wall(setting).get("isolation")
    if began != now:
        observer.note(f"this run began behind the wall {told(began)}; it continues behind {told(now)}")


def name_faults(directory: RunDirectory, observer: Observer) -> None:
    """Name what is wrong with the files of a complete run."""
    try:
        faults = check_files(directory)
    except DamagedLog as error:
        faults = [str(error)]
    for fault in faults:
        observer.note(fault)


def check_unchanged(config: Config, directory: RunDirectory) -> Description:
    """Return the description of a run that is to continue with a config.

    Raises:
        InputError: The config has changed since, or a plugin.
    """
    description = directory.read_description()
    check_plugins(description, directory.path)
    changed = changes(config, description["config"], description["seed"])
    if changed:
        raise InputError(f"cannot resume {directory.path}: the config has changed since: {changed}")
    return description


def prompts_changed(setting: Setting, directory: RunDirectory, *, accepted: bool) -> bool:
    """Return whether the prompts of a run are made from other texts than when it began.

    Raises:
        InputError: They are since its last iteration, and that is not accepted.
    """
    began = directory.read_description().get("prompts")
    iterations = directory.read_iterations()
    last = iterations[-1].get("prompts", began) if iterations else began
    if last != setting.prompts and not accepted:
        since = "it began with" if last == began else f"of iteration {len(iterations)}"
        raise InputError(
            f"cannot resume {directory.path}: its prompts would not be those {since}: {_changed(last, setting)}; "
            "--accept-changed-prompts continues it, and tables keep it apart from other runs"
        )
    return began != setting.prompts


def _changed(last: PromptFacts | None, setting: Setting) -> str:
    if last is None:
        return "an earlier version of r2po wrote them"
    assert setting.prompts is not None
    what = {
        "description": "the kind of description",
        "templates": "the templates",
        "task": "the description",
        "style": "the style",
    }
    return " and ".join(text for key, text in what.items() if last.get(key) != setting.prompts.get(key)) + " changed"


def _description(setting: Setting, models: Mapping[str, Model]) -> dict[str, Any]:
    config = setting.config
    plugins = plugins_of(config)
    return {
        "seed": setting.seed,
        "protocol": config.protocol,
        **described(models),
        **_servers(models),
        "method": setting.method.facts(dict(config)),
        "task": setting.brief.task.facts(),
        "prompts": setting.prompts,
        **({"plugins": plugins} if plugins else {}),
        "created": datetime.now(timezone.utc).isoformat(timespec="microseconds"),
        "rollout_engine": setting.engine.name,
        **_wall(setting),
        "versions": _versions(config),
        "code_revision": code_revision(),
        "config": config.model_dump(mode="json"),
    }


def _servers(models: Mapping[str, Model]) -> dict[str, Any]:
    servers = servers_of(_providers(models))
    return {"servers": servers} if servers else {}


def _providers(models: Mapping[str, Model]) -> dict[str, Provider]:
    return {role: model.provider for role, model in models.items()}


def _wall(setting: Setting) -> dict[str, Any]:
    wall = setting.policy.wall()
    return {} if wall is None else {"isolation": wall.record()}


def _versions(config: Config) -> dict[str, str]:
    package = METHODS[config.method].package
    return versions([package] if package else [])
