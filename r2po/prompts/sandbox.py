"""Templates are data, whoever wrote them: they see the facts of an experiment, and can do nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jinja2
from jinja2.runtime import BlockReference, LoopContext, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment

from r2po.policies import PolicyFamily
from r2po.prompts.wording import OURS, OwnTemplates

_PLAIN: tuple[type, ...] = (str, bytes, int, float, tuple, list, dict, set, frozenset, type({}.items()), type(None))
"""Types whose methods only compute; the sandbox itself refuses those that change a list or a dict."""

_WORDS = frozenset({"form", "form_briefly", "format", "reply_format", "write", "write_briefly", "write_compactly"})
"""Methods of a policy family that only write text."""


class Sandbox(ImmutableSandboxedEnvironment):
    """Lets templates call what computes text, and nothing that could reach files, processes or the network."""

    def is_safe_callable(self, obj: Any) -> bool:
        """Whether a template may call this."""
        if isinstance(obj, Macro | BlockReference | LoopContext) or obj in self.globals.values():
            return super().is_safe_callable(obj)
        owner = getattr(obj, "__self__", None)
        if isinstance(owner, PolicyFamily):
            return obj.__name__ in _WORDS
        return isinstance(owner, _PLAIN) and super().is_safe_callable(obj)


class OwnLoader(jinja2.BaseLoader):
    """Finds a user's templates, those for a family or a kind of policies first."""

    def __init__(self, own: OwnTemplates, folders: tuple[str, ...]) -> None:
        self._texts: Mapping[str, str] = dict(own.texts)
        self._own, self._folders = own, folders

    def get_source(self, environment: jinja2.Environment, template: str) -> Any:  # noqa: ARG002 - Jinja's signature
        """Return text and path of a template."""
        for name in (*(f"{folder}/{template}" for folder in self._folders), template):
            if name in self._texts and not template.startswith(OURS):
                return self._texts[name], f"{self._own.folder}/{name}", lambda: True
        raise jinja2.TemplateNotFound(template)

    def list_templates(self) -> list[str]:
        """Return the names of all of them."""
        return sorted(self._texts)
