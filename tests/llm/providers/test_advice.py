"""What a refused request is about: the message names the config key, also where the config sets none."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from r2po.llm.registry import provider_for
from r2po.llm.types import AttemptFailed, ProviderSettings
from tests.builders import open_client
from tests.llm.fake_servers import SERVERS
from tests.llm.fake_servers.core import status
from tests.llm.test_client import QUESTION
from tests.scripted import make_request

SCHEMA: Mapping[str, Any] = {"type": "object", "properties": {"params": {"type": "array"}}}


def refusal(
    name: str, said: str, sampling: Mapping[str, Any] | None = None, schema: Mapping[str, Any] | None = None
) -> str:
    with SERVERS[name]() as server:
        server.always(status(400, server.error(400, said)))
        provider = provider_for(server.model, ProviderSettings(server.environ, 10))
        with pytest.raises(AttemptFailed) as caught:
            provider.complete(make_request("hello", sampling or {}, schema=schema))
    assert not caught.value.retryable
    return caught.value.reason


def test_a_limit_of_our_own_is_named_by_the_key_that_changes_it() -> None:
    said = "max_tokens: 16384 > 8192, which is the maximum allowed number of output tokens for claude-3-5-sonnet"
    assert refusal("Anthropic", said).endswith(f"{said}; set max_output_tokens in the config")
    configured = refusal("Anthropic", said, {"max_output_tokens": 16384})
    assert configured.endswith(f"{said}; change or remove max_output_tokens in the config")


def test_a_context_of_our_own_is_named_by_the_key_that_changes_it() -> None:
    assert refusal("Ollama", "num_ctx is too large").endswith("; set num_ctx in the config")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("OpenAI", "'response_format' of type 'json_schema' is not supported with this model"),
        ("OpenRouter", "response_format is not supported"),
        ("Anthropic", "tool_choice: not supported by this model"),
        ("OpenAI", "JSON schema error at #/properties/params: unrecognized type strange"),
        ("Ollama", "failed to load model vocabulary required for grammar"),
        ("Ollama", "invalid JSON schema in format"),
        ("Ollama", "format must be json or a schema"),
        ("Gemini", "JSON mode is not enabled for this model"),
    ],
)
def test_a_schema_is_named_by_its_key(name: str, said: str) -> None:
    assert refusal(name, said, schema=SCHEMA).endswith(f"{said}; change or remove structured_output in the config")
    assert refusal(name, said).endswith(said)


def test_a_word_that_ends_like_that_of_a_schema_names_nothing() -> None:
    said = "no information on this model"
    assert refusal("Ollama", said, schema=SCHEMA).endswith(said)


def test_a_prompt_that_does_not_fit_is_told_with_what_helps() -> None:
    said = "request (80019 tokens) exceeds the available context size (65536 tokens), try increasing it"
    assert refusal("OpenAI", said).endswith(
        f"{said}; serve the model with a longer context, or show less in prompts (rollout_window, history_window)"
    )


def test_a_schema_that_a_server_does_not_have_is_no_outage() -> None:
    said = "response_format type must be one of 'text' or 'json_object', but got: json_schema"
    with SERVERS["OpenAI"]() as server:
        server.always(status(500, server.error(500, said)))
        provider = provider_for(server.model, ProviderSettings(server.environ, 10))
        for schema, retryable in ((SCHEMA, False), (None, True)):
            with pytest.raises(AttemptFailed) as caught:
                provider.complete(make_request("hello", {}, schema=schema))
            assert caught.value.retryable is retryable
            assert caught.value.reason.endswith("change or remove structured_output in the config") is not retryable


@pytest.mark.parametrize(
    "said",
    [
        "The model produced output that does not match the expected peg-native format",
        'Failed to parse input at pos 12: {"params": [',
    ],
)
def test_text_that_the_server_cannot_take_apart_is_an_unusable_reply_and_no_outage(said: str, tmp_path: Path) -> None:
    with SERVERS["OpenAI"]() as server:
        server.inject(status(500, server.error(500, said)))
        provider = provider_for(server.model, ProviderSettings(server.environ, 10))
        with open_client(provider, tmp_path) as client:
            received = client.ask(QUESTION, str)
        assert len(server.chats) == 1
    assert received.refusal == "the server found no answer of the expected format in it"


@pytest.mark.parametrize(
    ("name", "said", "sampling", "key"),
    [
        ("Anthropic", "`temperature` is deprecated for this model", {"temperature": 0}, "temperature"),
        ("Anthropic", '"thinking.type.enabled" is not supported for this model', {"think": True}, "think"),
        ("Ollama", '"tiny" does not support thinking', {"think": True}, "think"),
        ("Ollama", 'think value "low" is not supported', {"reasoning_effort": "low"}, "reasoning_effort"),
    ],
)
def test_a_setting_that_the_config_sets_is_named(name: str, said: str, sampling: Mapping[str, Any], key: str) -> None:
    assert refusal(name, said, sampling).endswith(f"{said}; change or remove {key} in the config")


def test_a_maximum_beyond_the_context_is_told_in_the_words_of_the_server() -> None:
    said = "'max_tokens' is too large: 9000. This model's maximum context length is 8192 tokens"
    assert said in refusal("OpenAI", said, {"max_output_tokens": 9000})
