"""What a refused request is about: the message names the config key, also where the config sets none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from r2po.llm.registry import provider_for
from r2po.llm.types import AttemptFailed, ProviderSettings
from tests.llm.fake_servers import SERVERS
from tests.llm.fake_servers.core import status
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
        ("Ollama", "failed to load model vocabulary required for grammar"),
        ("Gemini", "JSON mode is not enabled for this model"),
    ],
)
def test_a_schema_is_named_by_its_key(name: str, said: str) -> None:
    assert refusal(name, said, schema=SCHEMA).endswith(f"{said}; change or remove structured_output in the config")
    assert refusal(name, said).endswith(said)


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
