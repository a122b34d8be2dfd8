"""The length of the context that servers of OpenAI's protocol tell, and replies that fill it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import pytest

from r2po.llm.providers.openai import OpenAI
from r2po.llm.types import ProviderSettings
from tests.llm.fake_servers import SERVERS
from tests.llm.fake_servers.core import FakeServer, Handler, status
from tests.llm.fake_servers.openai import FakeLlamaCpp, FakeOpenAI
from tests.scripted import make_request


class OlderLlamaCpp(FakeLlamaCpp):
    meta: ClassVar[dict[str, Any]] = {"n_ctx_train": 8192}


class WithoutProps(FakeLlamaCpp):
    def tell(self, handler: Handler, path: str, body: Any) -> None:
        if path == "/props":
            handler.send_nothing_there()
        else:
            super().tell(handler, path, body)


def provider(server: FakeServer, model: str = "tiny") -> OpenAI:
    return OpenAI(model, ProviderSettings(server.environ, 10))


@pytest.mark.parametrize(
    ("make", "length"),
    [(FakeLlamaCpp, 4096), (OlderLlamaCpp, 4096), (WithoutProps, 4096), (FakeOpenAI, 65_536)],
    ids=str,
)
def test_the_context_is_read_from_wherever_a_server_tells_it(make: Any, length: int) -> None:
    with make() as server:
        assert provider(server).context_length() == length


def test_an_alias_is_a_name_of_the_model() -> None:
    with FakeLlamaCpp() as server:
        assert provider(server, "small").knows_model()
        assert provider(server, "small").context_length() == 4096


def test_the_size_of_a_model_is_told() -> None:
    with FakeLlamaCpp() as server:
        assert provider(server).details() == "135 million parameters, Q4_1"
    with FakeOpenAI() as server:
        assert provider(server).details() == ""


def ended(tokens: int) -> Mapping[str, Any]:
    usage = {"prompt_tokens": tokens - 96, "completion_tokens": 96, "total_tokens": tokens}
    return {
        "choices": [{"message": {"role": "assistant", "content": "params[0]"}, "finish_reason": "length"}],
        "usage": usage,
    }


@pytest.mark.parametrize(("tokens", "filled"), [(4096, 4096), (4095, 4096), (300, None)])
def test_a_reply_that_fills_the_context_is_told_from_one_that_reaches_its_own_limit(
    tokens: int, filled: int | None
) -> None:
    with FakeLlamaCpp() as server:
        server.inject(status(200, ended(tokens)))
        assert provider(server).complete(make_request("hello")).filled_context == filled


def test_ollama_tells_it_by_the_context_that_was_asked_for() -> None:
    with SERVERS["Ollama"]() as server:
        body = {"message": {"content": "params[0]"}, "done_reason": "length", "prompt_eval_count": 20}
        server.inject(status(200, {**body, "eval_count": 32_748}), status(200, {**body, "eval_count": 100}))
        from r2po.llm.registry import provider_for

        asked = provider_for(server.model, ProviderSettings(server.environ, 10))
        replies = [asked.complete(make_request("hello")) for _ in range(2)]
    assert [reply.filled_context for reply in replies] == [replies[0].sent["num_ctx"], None]
