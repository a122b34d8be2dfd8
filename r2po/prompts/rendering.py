"""Templates: where they are found, how they are filled, and the hash of their sources.

A template is looked for in the folder of the policy family, then in that of the kind of its solutions, then in
``templates/`` itself. So a family says in its own words what differs, and includes the rest. In the compact style all
three are looked for in ``templates/compact/`` first; a user's templates come before all of ours, which they find under
``r2po/``.
"""

from __future__ import annotations

import hashlib
import json
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import jinja2
from jinja2 import meta

from r2po.errors import InputError, nearest
from r2po.prompts.brief import Brief
from r2po.prompts.numbers import number
from r2po.prompts.sandbox import OwnLoader, Sandbox
from r2po.prompts.wording import OURS, OwnTemplates, Style, folder_of_templates, known_names
from r2po.runlog.facts import PromptFacts

FAILED = "critic_failed.j2"
_FOLDER = folder_of_templates()


def render(name: str, brief: Brief, **values: object) -> str:
    """Fill a template.

    Raises:
        InputError: A user's templates cannot be filled; it names the file and the line.
    """
    facts = {"tabular": bool(brief.policy.choices), "linear": brief.policy.name == "linear"}
    environment = _environment_of(brief)
    if brief.wording.own is None:
        return environment.get_template(name).render(brief=brief, **facts, **values)
    try:
        return environment.get_template(name).render(brief=brief, **facts, **values)
    except Exception as error:  # noqa: BLE001 - whatever a template does wrong, its writer is to learn where
        raise InputError(_what_failed(error, name, brief.wording.own)) from None


def check_syntax(brief: Brief) -> None:
    """Refuse a user's template that is no template, whether it is rendered or not.

    Raises:
        InputError: It names the file and the line.
    """
    own, environment = brief.wording.own, _environment_of(brief)
    name = ""
    try:
        for name, text in own.texts if own else ():
            environment.parse(text, name, f"{own.folder}/{name}" if own else name)
    except jinja2.TemplateSyntaxError as error:
        assert own is not None
        raise InputError(_what_failed(error, name, own)) from None


def _what_failed(error: Exception, name: str, own: OwnTemplates) -> str:
    """Say in one line where and why templates cannot be filled."""
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, jinja2.TemplateSyntaxError):
        return f"{error.filename or error.name or name}:{error.lineno}: {text}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.endswith(".j2")]
    theirs = [frame for frame in frames if frame.filename.startswith(f"{own.folder}/")]
    if isinstance(error, jinja2.TemplateNotFound):
        existing = [*dict(own.texts), *known_names()]
        text = f"there is no template {str(error)!r}{nearest(str(error), existing)}"
    if not theirs:
        place = f"{frames[-1].filename.rpartition('/')[2]}, line {frames[-1].lineno}" if frames else name
        return f"{own.folder}: what it overrides is needed by {OURS}{place}: {text}"
    return f"{theirs[-1].filename}:{theirs[-1].lineno}: {text}"


def prompt_facts(
    templates: Iterable[str] | None, brief: Brief, further: Mapping[str, Any] = MappingProxyType({})
) -> PromptFacts:
    """Return what a log says of the texts that prompts are made from: these templates, and all that they include.

    None stands for all templates that can be rendered for the policy family. ``further`` is what prompts tell of the
    task beside its description.

    Raises:
        InputError: One of these templates does not exist.
    """
    environment = _environment_of(brief)
    if templates is not None and brief.policy.kind == "program":
        # What every critic is shown of a program that failed.
        templates = [*templates, *([FAILED] if any(name.startswith("critic_") for name in templates) else [])]
    existing = {name for name in environment.list_templates() if "/" not in name}
    for name in () if templates is None else templates:
        if name not in existing:
            raise InputError(f"there is no template {name!r}{nearest(name, existing)}")
    sources = _sources(existing if templates is None else templates, environment)
    facts: PromptFacts = {
        "description": brief.source,
        "templates": _hash(sources) if sources else "",
        "task": _hash({"label": brief.task.label, **asdict(brief.description), **further}),
    }
    style = _style(sources, brief)
    return facts if style == "published" else {**facts, "style": style}


def _style(sources: Mapping[str, str], brief: Brief) -> str:
    """Return the style of prompts: ours, unless one of the user's templates is among what they are made from."""
    ours = brief.wording.style
    if brief.wording.own is None or sources == _sources(sources, _environment(*_family(brief), ours, None)):
        return ours
    return "own" if ours == "published" else f"own, {ours}"


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
            for referred in meta.find_referenced_templates(environment.parse(source)):
                # A name that is only known when it is rendered may be that of any template.
                waiting += [referred] if referred else environment.list_templates()
    return found


def _family(brief: Brief) -> tuple[str, str]:
    return brief.policy.name, brief.policy.kind


def _environment_of(brief: Brief) -> jinja2.Environment:
    return _environment(*_family(brief), brief.wording.style, brief.wording.own)


@lru_cache(maxsize=64)
def _environment(family: str, kind: str, style: Style, own: OwnTemplates | None) -> jinja2.Environment:
    roots = [_FOLDER] if style == "published" else [_FOLDER / style, _FOLDER]
    loader: jinja2.BaseLoader = jinja2.FileSystemLoader([
        folder for root in roots for folder in (root / family, root / kind, root)
    ])  # fmt: skip
    if own is not None:
        ours = jinja2.PrefixLoader({OURS.rstrip("/"): loader})
        loader = jinja2.ChoiceLoader([OwnLoader(own, (family, kind)), ours, loader])
    environment = Sandbox(
        loader=loader,
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # plain text for a model, not HTML
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
    )
    environment.filters["number"] = number
    return environment
