"""Model servers for tests: one core, four wire formats."""

from __future__ import annotations

from tests.llm.fake_servers.anthropic import FakeAnthropic
from tests.llm.fake_servers.billing import BillingAnthropic
from tests.llm.fake_servers.core import FakeServer
from tests.llm.fake_servers.gemini import FakeGemini
from tests.llm.fake_servers.ollama import FakeOllama
from tests.llm.fake_servers.openai import FakeOpenAI, FakeOpenRouter

__all__ = [
    "SERVERS",
    "BillingAnthropic",
    "FakeAnthropic",
    "FakeGemini",
    "FakeOllama",
    "FakeOpenAI",
    "FakeOpenRouter",
    "FakeServer",
]

SERVERS: dict[str, type[FakeServer]] = {
    "Ollama": FakeOllama,
    "OpenAI": FakeOpenAI,
    "OpenRouter": FakeOpenRouter,
    "Anthropic": FakeAnthropic,
    "Gemini": FakeGemini,
}
