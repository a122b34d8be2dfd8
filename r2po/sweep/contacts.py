"""The first contact with each model of a sweep, once for all its runs, and what comes of a server that is out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from r2po.config import Config
from r2po.errors import InputError
from r2po.experiment.resolve import by_model, contact, provider_of
from r2po.llm.outage import Target
from r2po.llm.providers.server import UnreachableError
from r2po.llm.registry import kind_of
from r2po.runlog.events import FILE, Replied, read_events
from r2po.sweep.plan import PlannedRun


def after_first_contacts(
    runs: Sequence[PlannedRun], environ: Mapping[str, str], *, waits: bool, has_begun: Callable[[], bool]
) -> tuple[list[PlannedRun], dict[Target, str]]:
    """Make the first contacts; return the runs with what the servers told, and why some did not answer.

    Args:
        runs: The runs to come.
        environ: Keys and base URLs.
        waits: Whether servers that are out are waited for.
        has_begun: Whether they are waited for even if none answers, since the sweep has replies on record.

    Raises:
        InputError: A key is refused, a model is unknown, a server takes too long or does not speak as its address says,
            or no server answers and that is not waited for.
    """
    asked = {run.index: by_model(run.config) for run in runs}
    configs = {contact(config): config for roles in asked.values() for config in roles.values()}
    providers = {key: provider_of(config, environ) for key, config in configs.items()}  # all, before any is contacted
    silent: dict[str, UnreachableError] = {}
    for provider in providers.values():
        if provider.address in silent:
            continue
        try:
            provider.check()
        except UnreachableError as error:
            if not error.is_out:
                raise
            silent[provider.address] = error
    some_answer = any(provider.address not in silent for provider in providers.values())
    if silent and not (waits and (some_answer or has_begun())):
        raise next(iter(silent.values()))
    asks = {
        index: {role: providers[contact(config)] for role, config in roles.items()} for index, roles in asked.items()
    }
    targets = {key: Target(providers[key].address, config.llm_model_name or "") for key, config in configs.items()}
    contacted = [
        replace(
            run,
            identities={role: provider.identity for role, provider in asks[run.index].items()},
            servers=frozenset(str(targets[contact(config)]) for config in asked[run.index].values()),
            keys=frozenset(name for config in asked[run.index].values() if (name := _key_of(config, environ))),
        )
        for run in runs
    ]
    return contacted, {each: str(silent[each.address]) for each in targets.values() if each.address in silent}


def _key_of(config: Config, environ: Mapping[str, str]) -> str:
    """Return the variable of the key of a config's model; empty if it has none, or none is set."""
    name = kind_of(config.llm_model_name).key_variable if config.llm_model_name else ""
    return name if name and environ.get(name, "").strip() else ""


def has_reply(run: PlannedRun) -> bool:
    """Whether a run has a reply on record; a damaged log does not rule it out."""
    try:
        return any(isinstance(event, Replied) for event in read_events(run.path / FILE, texts=False))
    except InputError:
        return True
