"""Which provider a model name chooses.

To add one, write its file, and a factory and a rule here; from outside, ``PROVIDERS.register(ProviderKind(...))``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from r2po.errors import InputError, unknown
from r2po.llm.types import Provider, ProviderSettings, Request
from r2po.plugins import load_installed
from r2po.registry import Registry

# Providers are imported when they are chosen: the stand-in must work where no HTTP library does.


def _ollama(name: str, settings: ProviderSettings) -> Provider:
    from r2po.llm.providers.ollama import Ollama

    return Ollama(_model_in(name, len("ollama/"), "ollama/<model>, e.g. ollama/qwen3:8b"), settings)


def _openrouter(name: str, settings: ProviderSettings) -> Provider:
    from r2po.llm.providers.openai import OpenRouter

    model = _after(name, "openrouter:", "qwen/qwen3-8b")
    if model is None:
        model = name[len("openrouter/") :].strip()
        if not re.fullmatch(r"[^/]+/.+", model):
            raise InputError(
                f"{name!r} names no model; expected openrouter/<vendor>/<model>, e.g. openrouter/qwen/qwen3-8b"
            )
    return OpenRouter(model, settings)


def _anthropic(name: str, settings: ProviderSettings) -> Provider:
    from r2po.llm.providers.anthropic import Anthropic

    forced = _after(name, "anthropic:", "claude-sonnet-4-5")
    return Anthropic(name if forced is None else forced, settings)


def _gemini(name: str, settings: ProviderSettings) -> Provider:
    from r2po.llm.providers.gemini import Gemini

    forced = _after(name, "gemini:", "gemini-2.5-flash")
    return Gemini(name.removeprefix("models/") if forced is None else forced, settings)


def _openai(name: str, settings: ProviderSettings) -> Provider:
    from r2po.llm.providers.openai import OpenAI

    forced = _after(name, "openai:", "gpt-5-mini")
    return OpenAI(name if forced is None else forced, settings)


def _after(name: str, prefix: str, example: str) -> str | None:
    """Return what follows a prefix that forces a protocol; None if the name lacks it."""
    if not name.startswith(prefix):
        return None
    return _model_in(name, len(prefix), f"{prefix}<model>, e.g. {prefix}{example}")


def _model_in(name: str, start: int, expected: str) -> str:
    """Return the model in a name, as it is sent to the server.

    Raises:
        InputError: There is none.
    """
    model = name[start:].strip()
    if not model:
        raise InputError(f"{name!r} names no model; expected {expected}")
    return model


def _embedded(name: str, settings: ProviderSettings) -> Provider:  # noqa: ARG001 - it needs no settings
    if name == "embedded/search":
        from r2po.llm.providers.embedded import EmbeddedSearch

        return EmbeddedSearch()
    if name == "embedded/code":
        from r2po.llm.providers.embedded_code import EmbeddedCode

        return EmbeddedCode()
    raise unknown("embedded model", name, ["embedded/search", "embedded/code"])


def _replay(name: str, settings: ProviderSettings) -> Provider:  # noqa: ARG001 - it needs no settings
    from r2po.llm.providers.replay import PREFIX, Replay

    return Replay(name[len(PREFIX) :].strip())


@dataclass(frozen=True)
class ProviderKind:
    """One rule: names that match choose this provider.

    Attributes:
        name: A name of its own, for the registry.
        label: Who it is, for people.
        usage: The form of the names that match.
        matches: Whether a model's name is one of them.
        make: Makes the provider, given the model's name.
        key_variable: Environment variable that holds its key; empty if it takes none.
    """

    name: str
    label: str
    usage: str
    matches: Callable[[str], bool]
    make: Callable[[str, ProviderSettings], Provider]
    key_variable: str = ""


PROVIDERS: Registry[ProviderKind] = Registry(
    "provider",
    # The last match wins, so that kinds registered later, from anywhere, come before the one for all names.
    ProviderKind(
        "openai",
        "OpenAI, or who speaks its protocol",
        "any other name, openai:<model>",
        lambda _: True,
        _openai,
        "OPENAI_API_KEY",
    ),
    ProviderKind(
        "gemini",
        "Google, or who speaks its protocol",
        "…gemini…, gemini:<model>",
        lambda name: "gemini" in name and not name.startswith("openai:"),
        _gemini,
        "GEMINI_API_KEY",
    ),
    ProviderKind(
        "anthropic",
        "Anthropic, or who speaks its protocol",
        "claude…, anthropic:<model>",
        lambda name: name.startswith(("claude", "anthropic:")),
        _anthropic,
        "ANTHROPIC_API_KEY",
    ),
    ProviderKind("replay", "a replay", "replay/<run dir>", lambda name: name.startswith("replay/"), _replay),
    ProviderKind(
        "embedded",
        "the built-in stand-ins, for numbers and for programs",
        "embedded/search, embedded/code",
        lambda name: name.startswith("embedded/"),
        _embedded,
    ),
    ProviderKind(
        "openrouter",
        "OpenRouter",
        "openrouter/<vendor>/<model>, openrouter:<model>",
        lambda name: name.startswith(("openrouter/", "openrouter:")),
        _openrouter,
        "OPENROUTER_API_KEY",
    ),
    ProviderKind(
        "ollama",
        "Ollama",
        "ollama/<model>, ollama:<model>",
        lambda name: name.startswith(("ollama/", "ollama:")),
        _ollama,
        "OLLAMA_API_KEY",
    ),
    further=load_installed,
)
_PREFIXED = re.compile(r"[\w.-]+[/:]")


class NoModel(Provider):
    """The provider of runs whose method asks no model: needs no key, contacts nobody, and is never asked."""

    def complete(self, request: Request) -> NoReturn:
        """Refuse: only a method that declares calls may ask."""
        raise AssertionError(f"iteration {request.iteration}: a method without calls asked a model")


def provider_for(model_name: str, settings: ProviderSettings) -> Provider:
    """Return the provider that a model name of a config chooses; nothing is contacted yet.

    Raises:
        InputError: The name is empty or names no model, or the settings of its provider are wrong.
    """
    name = model_name.strip()
    if not name:
        raise InputError(f"the name of the model is empty; available: {', '.join(usage for usage, _, _ in usages())}")
    return kind_of(name).make(name, settings)


def kind_of(model_name: str) -> ProviderKind:
    """Return the first rule that the name of a model matches: names of one kind share a protocol and a key.

    If that would be the rule for all names, and the name has a prefix as in ``parrot/grey``, plugins that are installed
    are asked too.
    """
    name = model_name.strip()
    rules = _in_order()
    if not any(kind.matches(name) for kind in rules[:-1]) and _PREFIXED.match(name):
        PROVIDERS.add_further()
        rules = _in_order()
    return next(kind for kind in rules if kind.matches(name))


def usages() -> list[tuple[str, str, str]]:
    """Return for each rule the form of the name, the provider that it chooses, and the variable that holds the key."""
    return [(kind.usage, kind.label, kind.key_variable or "-") for kind in _in_order()]


def _in_order() -> list[ProviderKind]:
    """Return the rules as they are tried: the latest first, and last the one for all names.

    Those that came only because something unknown was asked for are tried after the built-in ones, so that a name means
    the same whatever was asked for before.
    """
    *rules, for_all = list(PROVIDERS.values())[::-1]
    late = [kind for kind in rules if PROVIDERS.source_of(kind.name).late]
    return [*(kind for kind in rules if kind not in late), *late, for_all]
