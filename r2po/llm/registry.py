"""Which provider a model name chooses.

To add a provider, write its file and give its row a factory. The first row that matches counts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from r2po.errors import InputError, unknown
from r2po.llm.types import Provider

# Providers are imported when they are chosen: the stand-in must work where no HTTP library does.


@dataclass(frozen=True)
class ProviderSettings:
    """What a provider may need besides the model's name.

    Attributes:
        timeout_s: Seconds that one call may take.
        num_ctx: Context length in tokens, for servers that must be told; None to choose it from the prompts.
        environ: Environment with keys and base URLs.
    """

    timeout_s: float
    num_ctx: int | None
    environ: Mapping[str, str]


def _ollama(name: str, settings: ProviderSettings) -> Provider:
    from r2po.llm.providers.ollama import Ollama

    model = name[len("ollama/") :].strip()
    if not model:
        raise InputError(f"llm_model_name {name!r} names no model; expected ollama/<model>, e.g. ollama/qwen3:8b")
    return Ollama(model, environ=settings.environ, timeout_s=settings.timeout_s, num_ctx=settings.num_ctx)


def _openrouter(name: str, settings: ProviderSettings) -> Provider:
    from r2po.llm.providers.openai import OpenRouter

    model = name[len("openrouter/") :].strip()
    if not re.fullmatch(r"[^/]+/.+", model):
        raise InputError(
            f"llm_model_name {name!r} names no model; expected openrouter/<vendor>/<model>, "
            "e.g. openrouter/qwen/qwen3-8b"
        )
    return OpenRouter(model, environ=settings.environ, timeout_s=settings.timeout_s)


def _anthropic(name: str, settings: ProviderSettings) -> Provider:
    from r2po.llm.providers.anthropic import Anthropic

    return Anthropic(name, environ=settings.environ, timeout_s=settings.timeout_s)


def _gemini(name: str, settings: ProviderSettings) -> Provider:
    from r2po.llm.providers.gemini import Gemini

    return Gemini(name.removeprefix("models/"), environ=settings.environ, timeout_s=settings.timeout_s)


def _openai(name: str, settings: ProviderSettings) -> Provider:
    from r2po.llm.providers.openai import OpenAI

    return OpenAI(name, environ=settings.environ, timeout_s=settings.timeout_s)


def _embedded(name: str, settings: ProviderSettings) -> Provider:  # noqa: ARG001 - it needs no settings
    if name != "embedded/search":
        raise unknown("embedded model", name, ["embedded/search"])
    from r2po.llm.providers.embedded import EmbeddedSearch

    return EmbeddedSearch()


def _replay(name: str, settings: ProviderSettings) -> Provider:  # noqa: ARG001 - it needs no settings
    from r2po.llm.providers.replay import PREFIX, Replay

    return Replay(name[len(PREFIX) :].strip())


@dataclass(frozen=True)
class _Row:
    """One rule: names that match choose this provider, whose key is in that variable."""

    provider: str
    usage: str
    matches: Callable[[str], bool]
    make: Callable[[str, ProviderSettings], Provider]
    key_variable: str = ""


_ROWS = (
    _Row("Ollama", "ollama/<model>", lambda name: name.startswith(("ollama/", "ollama:")), _ollama, "OLLAMA_API_KEY"),
    _Row(
        "OpenRouter",
        "openrouter/<vendor>/<model>",
        lambda name: name.startswith("openrouter/"),
        _openrouter,
        "OPENROUTER_API_KEY",
    ),
    _Row("the built-in stand-in", "embedded/search", lambda name: name.startswith("embedded/"), _embedded),
    _Row("a replay", "replay/<run dir>", lambda name: name.startswith("replay/"), _replay),
    _Row("Anthropic", "claude…", lambda name: name.startswith("claude"), _anthropic, "ANTHROPIC_API_KEY"),
    _Row("Google", "…gemini…", lambda name: "gemini" in name, _gemini, "GEMINI_API_KEY"),
    _Row("OpenAI, or who speaks its protocol", "any other name", bool, _openai, "OPENAI_API_KEY"),
)


def provider_for(model_name: str, *, timeout_s: float, num_ctx: int | None, environ: Mapping[str, str]) -> Provider:
    """Return the provider that a model name chooses; nothing is contacted yet.

    Args:
        model_name: ``llm_model_name`` of the config.
        timeout_s: Seconds that one call may take.
        num_ctx: Context length in tokens, for servers that must be told; None to choose it from the prompts.
        environ: Environment with keys and base URLs.

    Raises:
        InputError: The name is empty or names no model, or the settings of its provider are wrong.
    """
    name = model_name.strip()
    if not name:
        raise InputError(f"llm_model_name is empty; available: {_available()}")
    row = next(row for row in _ROWS if row.matches(name))
    return row.make(name, ProviderSettings(timeout_s, num_ctx, environ))


def usages() -> list[tuple[str, str, str]]:
    """Return, for each rule, the form of the name, the provider it chooses, and the variable that holds its key."""
    return [(row.usage, row.provider, row.key_variable or "-") for row in _ROWS]


def _available() -> str:
    return ", ".join(row.usage for row in _ROWS)
