"""Which plugins a run depends on: what run.yaml says of them, and whether they are still the same."""

from __future__ import annotations

from pathlib import Path

import gymnasium

from r2po.config import Config
from r2po.envs import making
from r2po.errors import InputError
from r2po.llm.registry import PROVIDERS, kind_of
from r2po.methods import METHODS
from r2po.plugins import Plugin, loaded, owner_of, require
from r2po.policies import FAMILIES
from r2po.runlog.facts import PluginFacts
from r2po.runlog.records import Description
from r2po.tasks import TASKS


def plugins_of(config: Config) -> list[PluginFacts]:
    """Return what run.yaml records of plugins, by name: of those that the user or the config named, and all in use.

    A plugin that only another run of this process uses is none of them.
    """
    used = _used(config)
    found = [
        plugin
        for plugin in loaded()
        if plugin.told or plugin.name in used or {plugin.name, plugin.place.module} & set(config.plugins)
    ]
    return [_facts(plugin) for plugin in sorted(found, key=lambda plugin: plugin.name)]


def load_plugins_of(description: Description, path: Path) -> None:
    """Load the plugins that a run was made with, if that is allowed, whether or not they have changed since.

    Raises:
        InputError: One may not run, is not found or does not import.
    """
    for recorded in description.get("plugins", []):
        require(recorded["name"], str(path))


def check_plugins(description: Description, path: Path, purpose: str = "resume") -> None:
    """Refuse to go on with a run whose plugins have changed since it began.

    Args:
        description: What run.yaml says.
        path: Its run directory.
        purpose: What is to be done with it, for the message.

    Raises:
        InputError: One has other files by now, may not run, is not found or does not import.
    """
    load_plugins_of(description, path)
    for recorded in description.get("plugins", []):
        now = _facts(require(recorded["name"], str(path)))
        if now["sha256"] != recorded["sha256"]:
            raise InputError(
                f"cannot {purpose} {path}: the plugin {now['name']!r} has changed since: {_version(recorded)}, is "
                f"{_version(now)}; put back its files, or start a new run"
            )


def new_plugins(description: Description, config: Config) -> list[str]:
    """Return the names of plugins that a run goes on with and began without."""
    began = {recorded["name"] for recorded in description.get("plugins", [])}
    return [facts["name"] for facts in plugins_of(config) if facts["name"] not in began]


def _used(config: Config) -> set[str]:
    """Return which plugins registered the method, the policies, the task, its environment or a provider of a run."""
    models = filter(None, (config.llm_model_name, config.critic_llm_model_name))
    sources = [
        METHODS.source_of(config.method),
        FAMILIES.source_of(str(config.policy)),
        TASKS.source_of(config.card.name),
        *(PROVIDERS.source_of(kind_of(name).name) for name in models),
    ]
    return {source.name for source in sources} | {_maker(config.gym_env_name)}


def _maker(gym_id: str) -> str:
    """Return the plugin whose code an environment is; "" if it is none's."""
    try:
        entry_point = making.spec(gym_id).entry_point
    except gymnasium.error.Error:  # what made it comes to it later, with a better message
        return ""
    module = entry_point.partition(":")[0] if isinstance(entry_point, str) else getattr(entry_point, "__module__", "")
    return owner_of(module)


def _facts(plugin: Plugin) -> PluginFacts:
    return {"name": plugin.name, "version": plugin.version, "sha256": plugin.sha256}


def _version(facts: PluginFacts) -> str:
    return f"{facts['sha256'][:8]}{'' if facts['version'] is None else ' (version ' + facts['version'] + ')'}"
