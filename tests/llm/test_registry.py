"""Model names choose their providers."""

from __future__ import annotations

import subprocess
import sys

import pytest

from r2po.errors import InputError
from r2po.llm.providers.anthropic import Anthropic
from r2po.llm.providers.gemini import Gemini
from r2po.llm.providers.ollama import Ollama
from r2po.llm.providers.openai import OpenAI, OpenRouter
from r2po.llm.providers.wire import WireFormat
from r2po.llm.registry import PROVIDERS, NoModel, ProviderKind, kind_of, provider_for, usages
from r2po.llm.types import Provider, ProviderSettings
from r2po.registry import Source, registering_for
from tests.builders import CONFIGS
from tests.llm.fake_ollama import FakeOllama
from tests.scripted import make_request


def provider(name: str) -> Provider:
    return provider_for(name, ProviderSettings({}))


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("ollama/qwen3:8b", "qwen3:8b"),
        ("ollama:qwen3:8b", "qwen3:8b"),
        ("ollama/hf.co/team/claude-like-gemini", "hf.co/team/claude-like-gemini"),
        (" ollama/tiny ", "tiny"),
    ],
)
def test_ollama_models(name: str, model: str) -> None:
    chosen = provider(name)
    assert isinstance(chosen, Ollama)
    assert chosen.model == model
    assert not chosen.is_stand_in


def test_settings_reach_the_provider() -> None:
    with FakeOllama() as fake:
        chosen = provider_for("ollama/tiny", ProviderSettings(fake.environ, 5.0, 4321))
        assert chosen.complete(make_request("hello")).sent == {"num_ctx": 4321}


def test_a_provider_from_outside_is_one_file(monkeypatch: pytest.MonkeyPatch) -> None:
    section = (CONFIGS.parent / "docs/extending.md").read_text(encoding="utf-8").split("## A provider")[1]
    monkeypatch.setattr(PROVIDERS, "_items", dict(PROVIDERS))
    exec(section.split("```python\n")[1].split("```")[0], {"__name__": "parrot"})
    assert provider("parrot/claude-gemini").complete(make_request("hello")).text == "hello"
    assert usages()[0] == ("parrot/<any>", "a parrot", "-")
    assert isinstance(provider("claude-gemini"), Anthropic)
    assert isinstance(provider("parrot"), OpenAI)


def test_the_stand_in() -> None:
    assert provider("embedded/search").is_stand_in


def test_the_stand_in_needs_no_http_library() -> None:
    code = (
        "import sys; from r2po.llm.registry import ProviderSettings, provider_for; "
        "provider_for('embedded/search', ProviderSettings({})); assert 'requests' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_unknown_embedded_model() -> None:
    with pytest.raises(InputError, match=r"'embedded/serch' \(did you mean 'embedded/search'\?\)"):
        provider("embedded/serch")


@pytest.mark.parametrize("name", ["ollama/", "ollama:", "ollama/ "])
def test_a_name_without_a_model(name: str) -> None:
    with pytest.raises(InputError, match="names no model"):
        provider(name)


@pytest.mark.parametrize("name", ["", " "])
def test_an_empty_name(name: str) -> None:
    with pytest.raises(InputError, match="empty"):
        provider(name)


@pytest.mark.parametrize(
    ("name", "chosen", "model"),
    [
        ("openrouter/anthropic/claude-3-opus", OpenRouter, "anthropic/claude-3-opus"),
        ("openrouter/google/gemini-pro:free", OpenRouter, "google/gemini-pro:free"),
        ("claude-gemini", Anthropic, "claude-gemini"),
        ("claude-sonnet-4", Anthropic, "claude-sonnet-4"),
        ("models/gemini-2.5-pro", Gemini, "gemini-2.5-pro"),
        ("gemini-2.5-pro", Gemini, "gemini-2.5-pro"),
        ("gpt-4o", OpenAI, "gpt-4o"),
        ("my-claude", OpenAI, "my-claude"),
        ("Qwen/Qwen3-8B", OpenAI, "Qwen/Qwen3-8B"),
        ("olama/tiny", OpenAI, "olama/tiny"),
        ("openai/gemma", OpenAI, "openai/gemma"),
        ("anthropic/claude-3", OpenAI, "anthropic/claude-3"),
        ("google/gemini-pro", Gemini, "google/gemini-pro"),
    ],
)
def test_the_first_rule_that_matches_counts(name: str, chosen: type[WireFormat], model: str) -> None:
    found = provider(name)
    assert type(found) is chosen
    assert found.model == model
    assert not found.is_stand_in


@pytest.mark.parametrize(
    ("name", "chosen", "model"),
    [
        ("openai:gemini-2.5-flash", OpenAI, "gemini-2.5-flash"),
        ("openai:claude-sonnet-4", OpenAI, "claude-sonnet-4"),
        ("openai:ollama/tiny", OpenAI, "ollama/tiny"),
        ("openai:embedded/search", OpenAI, "embedded/search"),
        ("openai:openai:x", OpenAI, "openai:x"),
        ("anthropic:claude/x:y", Anthropic, "claude/x:y"),
        ("anthropic:gemini-2.5-pro", Anthropic, "gemini-2.5-pro"),
        ("gemini:gemma-3", Gemini, "gemma-3"),
        ("gemini:models/gemini-pro", Gemini, "models/gemini-pro"),
        ("gemini:claude", Gemini, "claude"),
        ("openrouter:auto", OpenRouter, "auto"),
        ("openrouter:google/gemini-pro:free", OpenRouter, "google/gemini-pro:free"),
        ("ollama:openai:x", Ollama, "openai:x"),
    ],
)
def test_a_prefix_forces_the_protocol_and_what_follows_is_sent_unchanged(
    name: str, chosen: type[WireFormat], model: str
) -> None:
    found = provider(name)
    assert type(found) is chosen
    assert found.model == model


@pytest.mark.parametrize("name", ["openai:", "anthropic: ", "gemini:", "openrouter:", "openrouter/"])
def test_a_prefix_without_a_model(name: str) -> None:
    with pytest.raises(InputError, match=f"{name.strip()!r} names no model; expected {name.strip()}<"):
        provider(name)


def test_a_replay_needs_the_run_that_it_names() -> None:
    with pytest.raises(InputError, match="cannot replay"):
        provider("replay/logs/gemini/run_1")


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("openrouter/a/b", "OPENROUTER_API_KEY"),
        ("claude-x", "ANTHROPIC_API_KEY"),
        ("gemini-x", "GEMINI_API_KEY"),
        ("x", "OPENAI_API_KEY"),
    ],
)
def test_a_missing_key_is_said_before_anything_is_sent(name: str, variable: str) -> None:
    with pytest.raises(InputError, match=f"{variable} is not set"):
        provider(name).check()


def test_an_openrouter_model_has_a_vendor() -> None:
    with pytest.raises(InputError, match="expected openrouter/<vendor>/<model>"):
        provider("openrouter/qwen3")


@pytest.mark.parametrize(
    ("late", "name", "label"),
    [
        (False, "parrot/grey", "Parrots"),
        (True, "parrot/grey", "Parrots"),
        (False, "parrot/gemini", "Parrots"),
        # Built-in rules win: a name means the same whatever was asked for before.
        (True, "parrot/gemini", "Google, or who speaks its protocol"),
        (True, "ollama/parrot/x", "Ollama"),
    ],
)
def test_rules_of_plugins(late: bool, name: str, label: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = ProviderKind("parrot", "Parrots", "parrot/<any>", lambda name: "parrot/" in name, lambda *_: NoModel())
    monkeypatch.setattr(PROVIDERS, "_items", dict(PROVIDERS))
    monkeypatch.setattr(PROVIDERS, "_sources", {})
    with registering_for(Source("birds", late)):
        PROVIDERS.register(kind)
    assert kind_of(name).label == label
    assert kind_of("gpt-4o").name == "openai"
    assert [usage for usage, _, _ in usages()].index("any other name, openai:<model>") == len(PROVIDERS) - 1


def test_installed_plugins_are_asked_only_for_names_with_a_prefix_that_no_rule_knows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[None] = []
    monkeypatch.setattr(PROVIDERS, "add_further", lambda: asked.append(None))
    for name in ("gpt-4o", "claude-x", "ollama/x", "models/gemini-2", "embedded/search", "replay/x", "my model"):
        kind_of(name)
    assert asked == []
    for name in ("Qwen/Qwen3-8B", "parrot:grey"):
        assert kind_of(name).name == "openai"
    assert len(asked) == 2
