"""What servers tell of the model that they serve, and of who answered, in the shapes that they document."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from r2po.llm.providers.wire import WireFormat
from r2po.llm.registry import provider_for
from r2po.llm.types import ProviderSettings
from tests.llm.fake_servers import (
    SERVERS,
    FakeAnthropic,
    FakeGemini,
    FakeOllama,
    FakeOpenAI,
    FakeOpenRouter,
    FakeServer,
)
from tests.llm.fake_servers.core import status
from tests.llm.fake_servers.openai import FakeLlamaCpp
from tests.scripted import make_request

KEY = "key-0123456789abcdef"
DIGEST = "sha256:e0b1a7a1c2d3"


@contextmanager
def contacted(server: FakeServer, told: Any = None, **environ: str) -> Iterator[WireFormat]:
    """Serve, with another answer to the first request if there is one; yield the provider after its first contact."""
    with server:
        if told is not None:
            server.always(status(200, told), server.contact_path)
        provider = provider_for(server.model, ProviderSettings({**server.environ, **environ}, 10))
        assert isinstance(provider, WireFormat)
        if isinstance(server, FakeOpenRouter) and told is not None:
            server.always(status(200, told), "/models")
        provider.check()
        yield provider


@pytest.mark.parametrize(
    ("server", "told", "identity"),
    [
        (FakeOllama(), {"models": [{"name": "tiny:latest", "digest": DIGEST, "size": 5}]}, {"digest": DIGEST}),
        (FakeOllama(), {"models": [{"name": "other", "digest": DIGEST}, {"name": "tiny:latest"}]}, None),
        (FakeOllama(), {"models": [{"name": "tiny:latest", "digest": 7}]}, None),
        (FakeGemini(), {"name": "models/gemini-tiny", "version": "001", "inputTokenLimit": 9}, {"version": "001"}),
        (FakeGemini(), {"name": "models/gemini-tiny"}, None),
        (
            FakeAnthropic(),
            {"type": "model", "id": "claude-tiny-20250101", "created_at": "2025-01-01T00:00:00Z"},
            {"id": "claude-tiny-20250101", "created_at": "2025-01-01T00:00:00Z"},
        ),
        (
            FakeOpenRouter(),
            {"data": [{"id": "vendor/tiny", "canonical_slug": "vendor/tiny-2025", "created": 1}]},
            {"canonical_slug": "vendor/tiny-2025"},
        ),
        # vLLM's time of creation is that of the answer.
        (
            FakeOpenAI(),
            {"data": [{"id": "tiny", "owned_by": "vllm", "root": "/models/tiny-awq", "created": 1765000000}]},
            {"root": "/models/tiny-awq"},
        ),
        (FakeOpenAI(), {"data": [{"id": "tiny", "object": "model"}, {"id": "b", "root": "r"}]}, None),
        (FakeLlamaCpp(), None, {"n_params": 134_515_008, "ftype": "Q4_1"}),
    ],
)
def test_what_identifies_the_model(server: FakeServer, told: Any, identity: Any) -> None:
    with contacted(server, told) as provider:
        assert provider.identity == identity


@pytest.mark.parametrize("server", SERVERS.values())
def test_nothing_is_known_of_a_model_if_the_server_does_not_tell_what_it_serves(server: type[FakeServer]) -> None:
    with contacted(server(), {}) as provider:
        assert provider.identity is None


@pytest.mark.parametrize("server", SERVERS.values())
def test_the_first_contact_takes_no_more_requests_than_it_did(server: type[FakeServer]) -> None:
    with contacted(fake := server()):
        assert not fake.chats
        assert len(fake.requests) == (2 if server is FakeOpenRouter else 1)


def test_no_key_gets_into_an_identity() -> None:
    told = {"data": [{"id": "tiny", "root": f"/models/{KEY}/tiny"}]}
    with contacted(FakeOpenAI(), told, OPENAI_API_KEY=KEY) as provider:
        assert KEY not in str(provider.identity)
        assert "/models/" in str(provider.identity)


@pytest.mark.parametrize(
    ("server", "answer", "served"),
    [
        (FakeOllama, {"message": {"content": "yes"}, "model": "tiny:8b"}, {"model": "tiny:8b"}),
        (
            FakeOpenAI,
            {"model": "tiny-2024-08-06", "system_fingerprint": "fp_44709d6fcb"},
            {"model": "tiny-2024-08-06", "system_fingerprint": "fp_44709d6fcb"},
        ),
        (FakeOpenAI, {"model": None, "system_fingerprint": None}, {}),
        (FakeOpenRouter, {"provider": "DeepInfra"}, {"model": "vendor/tiny", "provider": "DeepInfra"}),
        (FakeAnthropic, {"model": "claude-tiny-20250101"}, {"model": "claude-tiny-20250101"}),
        (FakeGemini, {"modelVersion": "gemini-tiny-001"}, {"modelVersion": "gemini-tiny-001"}),
        (FakeGemini, {"modelVersion": f"gemini-{KEY}-001"}, {"modelVersion": "gemini-[key]-001"}),
    ],
)
def test_who_answered(server: type[FakeServer], answer: Any, served: Any) -> None:
    fake = server(lambda _: "yes")
    with fake:
        fake.chat = lambda body, chat=fake.chat: {**chat(body), **answer}  # type: ignore[method-assign, misc]
        provider = provider_for(server.model, ProviderSettings({**fake.environ, server.key_variable: KEY}, 10))
        assert provider.complete(make_request("hello")).served == served
