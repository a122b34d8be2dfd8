"""Whether a node can make runs: it asks the servers that the sweep has contacted, and makes their environments.

What is missing on a node would fail one run after the other there, so that it is found out before the first one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from r2po.errors import InputError
from r2po.experiment.resolve import by_model, check_package, check_wall, provider_of
from r2po.isolation.outcomes import WorkerNotReadyError
from r2po.llm.outage import Target
from r2po.llm.providers.replay import PREFIX
from r2po.methods import METHODS
from r2po.runlog.jsonl import dump
from r2po.sweep.plan import PlannedRun
from r2po.tasks.spaces import make_environment


def other_servers(runs: Sequence[PlannedRun], environ: Mapping[str, str]) -> str:
    """Say which server a node would ask instead of which, or which key it lacks; empty if all is as for the sweep.

    Args:
        runs: Runs whose models were contacted.
        environ: Keys and base URLs of the node.

    Raises:
        InputError: The node's environment chooses a server that cannot be asked, or must not be sent its key.
    """
    return next(filter(None, (_other_servers(run, environ) for run in runs)), "")


def _other_servers(run: PlannedRun, environ: Mapping[str, str]) -> str:
    if not run.servers or (run.config.llm_model_name or "").strip().startswith(PREFIX):
        return ""
    there = _servers(run, environ)
    if there != run.servers:
        leads, meant = _told(there - run.servers), _told(run.servers - there)
        return f"the environment there leads to {leads}, and the sweep asks {meant}: set the same base URLs there"
    lacking = sorted(name for name in run.keys if not environ.get(name, "").strip())
    if lacking:
        return f"{lacking[0]} is not set there, and the sweep asks {_told(run.servers)} with that key"
    return ""


def _told(servers: Iterable[str]) -> str:
    return " and ".join(sorted(filter(None, servers))) or "no server"


def _servers(run: PlannedRun, environ: Mapping[str, str]) -> frozenset[str]:
    found = set()
    for config in by_model(run.config).values():
        provider = provider_of(config, environ)
        try:
            found.add(str(Target(provider.address, config.llm_model_name or "")))
        finally:
            provider.close()
    return frozenset(found)


def cannot_make(runs: Sequence[PlannedRun]) -> str:
    """Say what a node lacks to make runs, whose environments are made here once; empty if nothing."""
    tried = set[str]()
    for run in runs:
        config = run.config
        needed = dump([config.gym_env_name, config.env_kwargs, config.policy, config.isolation, config.method])
        if needed in tried:
            continue
        tried.add(needed)
        try:
            check_package(METHODS[config.method])
            make_environment(config.gym_env_name, config.env_kwargs or {}).close()
            check_wall(config)
        except WorkerNotReadyError:
            continue  # it may be busy, which passes
        except InputError as error:
            return str(error)
    return ""
