"""Templates: where they are found, how they are filled, and the hash of their sources.

A template is looked for in the folder of the policy family, then in that of the kind of its solutions, then in
``templates/`` itself. So a family says in its own words what differs, and includes the rest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import jinja2
from jinja2 import meta

from r2po.errors import InputError, nearest
from r2po.prompts.brief import Brief
from r2po.prompts.numbers import number
from r2po.runlog.facts import PromptFacts

FAILED = "critic_failed.j2"
_FOLDER = Path(__file__).parent / "templates"


def render(name: str, brief: Brief, **values: object) -> str:
    """Fill a template."""
    facts = {"tabular": bool(brief.policy.choices), "linear": brief.policy.name == "linear"}
    return _environment(brief.policy.name, brief.policy.kind).get_template(name).render(brief=brief, **facts, **values)


def prompt_facts(
    templates: Iterable[str] | None, brief: Brief, further: Mapping[str, Any] = MappingProxyType({})
) -> PromptFacts:
    """Return what a log says of the texts that prompts are made from: these templates, and all that they include.

    None stands for all templates that can be rendered for the policy family. ``further`` is what prompts tell of the
    task beside its description.

    Raises:
        InputError: One of these templates does not exist.
    """
    environment = _environment(brief.policy.name, brief.policy.kind)
    if templates is not None and brief.policy.kind == "program":
        # What every critic is shown of a program that failed.
        templates = [*templates, *([FAILED] if any(name.startswith("critic_") for name in templates) else [])]
    existing = {name for name in environment.list_templates() if "/" not in name}
    for name in () if templates is None else templates:
        if name not in existing:
            raise InputError(f"there is no template {name!r}{nearest(name, existing)}")
    sources = _sources(existing if templates is None else templates, environment)
    return {
        "description": brief.source,
        "templates": _hash(sources) if sources else "",
        "task": _hash({"label": brief.task.label, **asdict(brief.description), **further}),
    }


def _hash(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _sources(names: Iterable[str], environment: jinja2.Environment) -> dict[str, str]:
    """Return the sources of templates and of all that they include, by name; included ones may not exist."""
    assert environment.loader is not None
    found: dict[str, str] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            try:
                source = environment.loader.get_source(environment, name)[0]
            except jinja2.TemplateNotFound:
                continue
            found[name] = source
            waiting += filter(None, meta.find_referenced_templates(environment.parse(source)))
    return found


@cache
def _environment(family: str, kind: str) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([_FOLDER / family, _FOLDER / kind, _FOLDER]),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701 - plain text for a model, not HTML
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
    )
    environment.filters["number"] = number
    return environment
