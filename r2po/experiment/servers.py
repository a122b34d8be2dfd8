"""Which server answers each role of a run: what is recorded of it, and what a resumed run says if it is another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from r2po.config import Config
from r2po.experiment.observer import Observer
from r2po.llm.key_hosts import DEFAULT_PORTS
from r2po.llm.types import Provider
from r2po.runlog.facts import ServerFacts
from r2po.runlog.records import Description


def servers_of(providers: Mapping[str, Provider]) -> dict[str, ServerFacts]:
    """Return what ``run.yaml`` says of the servers by role; roles that share one stand under the first of them."""
    found: dict[int, str] = {}
    for role, provider in providers.items():
        if provider.address:
            found.setdefault(id(provider), role)
    return {role: _facts(providers[role]) for role in found.values()}


def _facts(provider: Provider) -> ServerFacts:
    parts = urlsplit(provider.address)
    return {
        "scheme": parts.scheme,
        "host": provider.redact(parts.hostname or ""),
        "port": parts.port or DEFAULT_PORTS.get(parts.scheme),
        "path": provider.redact(parts.path),
        "model": None if provider.identity is None else dict(provider.identity),
    }


def name_other_servers(description: Description, providers: Mapping[str, Provider], observer: Observer) -> None:
    """Say so if a run continues with another server, or if the model there is not the one with which it began.

    Both are allowed: a server may move to another port, and only the user knows whether it is the same.
    """
    began = description.get("servers", {})
    for role, now in servers_of(providers).items():
        then = began.get(role)
        if then is None:
            continue
        if _where(then) != _where(now):
            observer.note(f"this run began with {role} at {_where(then)}; it continues with {_where(now)}")
        if then["model"] and now["model"] and then["model"] != now["model"]:
            observer.note(
                f"the model of {role} is not the one with which this run began: it was {_told(then['model'])}, and is "
                f"{_told(now['model'])}"
            )


def name_idle_base_url(config: Config, providers: Mapping[str, Provider], observer: Observer) -> None:
    """Say so if the config chooses a server and none is asked."""
    if (
        config.base_url is not None
        and config.llm_model_name is not None
        and not any(provider.address for provider in providers.values())
    ):
        observer.note(f"base_url has no effect: {config.llm_model_name} asks no server")


def _where(server: ServerFacts) -> str:
    host = f"[{server['host']}]" if ":" in server["host"] else server["host"]
    port = "" if server["port"] is None else f":{server['port']}"
    return f"{server['scheme']}://{host}{port}{server['path']}"


def _told(model: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in model.items())
