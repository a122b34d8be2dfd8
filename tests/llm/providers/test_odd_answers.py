"""Answers of real servers that have no answer in them, and servers that are not ready."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from r2po.llm.registry import provider_for
from r2po.llm.types import AttemptFailed, ProviderSettings, Question
from tests.builders import open_client
from tests.llm.fake_servers import SERVERS
from tests.llm.fake_servers.core import status
from tests.scripted import make_request


def test_a_server_that_is_still_loading_its_model_is_waited_for(tmp_path: Path) -> None:
    with SERVERS["OpenAI"](lambda _: "fine") as server:
        loading = status(503, {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}})
        server.inject(loading, path="/models")
        server.inject(loading, loading)
        provider = provider_for(server.model, ProviderSettings(server.environ, 10))
        provider.check()
        with open_client(provider, tmp_path) as client:
            received = client.ask(Question(1, "search", 0, 1, "What are the parameters?"), str)
        assert (received.value, len(server.chats)) == ("fine", 3)


def test_thoughts_that_use_all_tokens_are_a_reply_cut_off_and_counted() -> None:
    answer = {
        "candidates": [{"content": {"role": "model"}, "finishReason": "MAX_TOKENS"}],
        "usageMetadata": {"promptTokenCount": 1706, "thoughtsTokenCount": 2999},
    }
    with SERVERS["Gemini"]() as server:
        server.always(status(200, answer))
        reply = provider_for(server.model, ProviderSettings(server.environ, 10)).complete(make_request("hello"))
    assert (reply.text, reply.finish) == ("", "length")
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (1706, 2999)


@pytest.mark.parametrize(
    "choices",
    [
        [],
        [None],
        None,
        [{"message": None}],
        [{"message": {"content": None, "reasoning_content": "params[0]: 1"}, "finish_reason": "stop"}],
    ],
)
def test_an_answer_without_an_answer_is_worth_another_attempt(choices: Any) -> None:
    with SERVERS["OpenAI"]() as server:
        server.always(status(200, {"choices": choices}))
        provider = provider_for(server.model, ProviderSettings(server.environ, 10))
        with pytest.raises(AttemptFailed, match="has no text") as caught:
            provider.complete(make_request("hello"))
    assert caught.value.retryable
