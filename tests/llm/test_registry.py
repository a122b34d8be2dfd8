"""Model names choose their providers."""

from __future__ import annotations

import subprocess
import sys

import pytest

from r2po.errors import InputError
from r2po.llm.ollama import Ollama
from r2po.llm.registry import provider_for
from r2po.llm.types import Provider, Request
from tests.llm.fake_ollama import FakeOllama


def provider(name: str) -> Provider:
    return provider_for(name, timeout_s=5.0, num_ctx=None, environ={})


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
        chosen = provider_for("ollama/tiny", timeout_s=5.0, num_ctx=4321, environ=fake.environ)
        assert chosen.complete(Request("hello")).sent == {"num_ctx": 4321}


def test_the_stand_in() -> None:
    assert provider("embedded/search").is_stand_in


def test_the_stand_in_needs_no_http_library() -> None:
    code = (
        "import sys; from r2po.llm.registry import provider_for; "
        "provider_for('embedded/search', timeout_s=1, num_ctx=None, environ={}); assert 'requests' not in sys.modules"
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
    ("name", "chosen"),
    [
        ("openrouter/anthropic/claude-3-opus", "OpenRouter"),
        ("openrouter/google/gemini-pro", "OpenRouter"),
        ("replay/logs/gemini/run_1", "a replay"),
        ("claude-gemini", "Anthropic"),
        ("claude-sonnet-4", "Anthropic"),
        ("models/gemini-2.5-pro", "Google"),
        ("gpt-4o", "OpenAI"),
        ("my-claude", "OpenAI"),
        ("olama/tiny", "OpenAI"),
    ],
)
def test_providers_to_come_are_named_honestly(name: str, chosen: str) -> None:
    with pytest.raises(InputError) as caught:
        provider(name)
    message = str(caught.value)
    assert f"{name!r} chooses {chosen}, which this version does not speak yet" in message
    assert "available: ollama/<model>, embedded/search" in message
