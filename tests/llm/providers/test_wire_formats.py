"""What is sent to each provider and what is read from its answers; Ollama has a file of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from r2po.errors import InputError
from r2po.llm.providers.anthropic import MAX_TOKENS
from r2po.llm.providers.openai import OpenAI
from r2po.llm.registry import provider_for
from r2po.llm.types import AttemptFailed, Finish, Provider, ProviderSettings, Reply, Request
from r2po.llm.usage import Usage
from tests.llm.fake_servers import SERVERS, FakeAnthropic, FakeGemini, FakeOpenAI, FakeOpenRouter, FakeServer
from tests.llm.fake_servers.core import status
from tests.scripted import make_request

KEY = "a-key-of-some-length-that-is-secret"
SCHEMA = {
    "type": "object",
    "properties": {
        "params": {"type": "array", "items": {"type": "integer", "enum": [3, 1, 2]}, "minItems": 2, "maxItems": 2},
        "reasoning": {"type": "string"},
    },
    "required": ["params", "reasoning"],
    "additionalProperties": False,
}
ALL = {"temperature": 0.0, "top_p": 0.9, "max_output_tokens": 5000}
MESSAGES = [{"role": "user", "content": "hello"}]
CONTENTS = [{"role": "user", "parts": [{"text": "hello"}]}]


def provider(server: FakeServer, model: str = "") -> Provider:
    return provider_for(model or server.model, ProviderSettings(server.environ, 5.0))


def exchange(kind: type[FakeServer], request: Request, answer: Any = "fine") -> tuple[Any, Reply]:
    """Return what was sent and what was read."""
    with kind([answer]) as server:
        reply = provider(server).complete(request)
        return server.chats[0], reply


def refused(kind: type[FakeServer], sampling: Mapping[str, Any], schema: Mapping[str, Any] | None = None) -> str:
    with kind() as server, pytest.raises(AttemptFailed) as caught:
        provider(server).complete(make_request("hello", sampling, schema=schema))
    assert not caught.value.retryable
    assert server.requests == []
    return caught.value.reason


# ---- What is sent ----

BARE: dict[type[FakeServer], Any] = {
    FakeOpenAI: {"model": "tiny", "messages": MESSAGES},
    FakeOpenRouter: {"model": "vendor/tiny", "messages": MESSAGES},
    FakeAnthropic: {"model": "claude-tiny", "messages": MESSAGES, "max_tokens": MAX_TOKENS},
    FakeGemini: {"contents": CONTENTS},
}


@pytest.mark.parametrize("kind", BARE)
def test_a_bare_request_sends_no_setting_that_is_not_required(kind: type[FakeServer]) -> None:
    body, reply = exchange(kind, make_request("hello", {"temperature": None}))
    assert body == BARE[kind]
    assert (reply.text, reply.thinking, reply.finish) == ("fine", "", "stop")


WIRE_NAMES: dict[type[FakeServer], tuple[str, str, str]] = {
    FakeOpenAI: ("temperature", "top_p", "max_tokens"),
    FakeOpenRouter: ("temperature", "top_p", "max_tokens"),
    FakeAnthropic: ("temperature", "top_p", "max_tokens"),
    FakeGemini: ("temperature", "topP", "maxOutputTokens"),
}


@pytest.mark.parametrize("kind", WIRE_NAMES)
def test_settings_go_by_their_wire_names_and_into_the_log(kind: type[FakeServer]) -> None:
    body, reply = exchange(kind, make_request("hello", ALL))
    expected = dict(zip(WIRE_NAMES[kind], ALL.values(), strict=True))
    found = body["generationConfig"] if kind is FakeGemini else body
    assert {**found, **expected} == found
    assert {key: value for key, value in reply.sent.items() if value is not None} == expected


def test_only_openai_itself_gets_the_new_name_of_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeOpenAI() as server:
        here = OpenAI("tiny", ProviderSettings(server.environ))
        monkeypatch.setattr(OpenAI, "is_at_home", True)
        here.complete(make_request("hello", ALL))
        assert server.chats[0]["max_completion_tokens"] == 5000
        assert "max_tokens" not in server.chats[0]


THINKING: list[tuple[type[FakeServer], Mapping[str, Any], Mapping[str, Any]]] = [
    (FakeOpenAI, {"reasoning_effort": "low"}, {"reasoning_effort": "low"}),
    (FakeOpenRouter, {"reasoning_effort": "low"}, {"reasoning": {"effort": "low"}}),
    (FakeOpenRouter, {"think": True}, {"reasoning": {"enabled": True}}),
    (FakeOpenRouter, {"think": "high"}, {"reasoning": {"effort": "high"}}),
    (FakeOpenRouter, {"think": False, "reasoning_effort": "low"}, {"reasoning": {"enabled": False}}),
    (FakeAnthropic, {"think": True}, {"thinking": {"type": "enabled", "budget_tokens": MAX_TOKENS // 2}}),
    (
        FakeAnthropic,
        {"think": True, "max_output_tokens": 2048},
        {"thinking": {"type": "enabled", "budget_tokens": 1024}},
    ),
    (FakeAnthropic, {"think": "adaptive"}, {"thinking": {"type": "adaptive"}}),
    (FakeAnthropic, {"think": False}, {"thinking": {"type": "disabled"}}),
    (FakeAnthropic, {"reasoning_effort": "low"}, {"output_config": {"effort": "low"}}),
    (FakeGemini, {"think": True}, {"generationConfig": {"thinkingConfig": {"includeThoughts": True}}}),
    (FakeGemini, {"think": False}, {"generationConfig": {"thinkingConfig": {"thinkingBudget": 0}}}),
    (FakeGemini, {"reasoning_effort": "low"}, {"generationConfig": {"thinkingConfig": {"thinkingLevel": "low"}}}),
]


@pytest.mark.parametrize(("kind", "sampling", "sent"), THINKING)
def test_switches_of_reasoning_models(
    kind: type[FakeServer], sampling: Mapping[str, Any], sent: Mapping[str, Any]
) -> None:
    body, reply = exchange(kind, make_request("hello", sampling))
    assert {**body, **sent} == body
    logged = sent.get("generationConfig", sent)
    assert {**reply.sent, **logged} == reply.sent


@pytest.mark.parametrize(
    ("kind", "sampling", "reason"),
    [
        (
            FakeOpenAI,
            {"think": True},
            "OpenAI has no setting 'think'; it has temperature, top_p, ",
        ),
        (FakeOpenRouter, {"top_k": 3}, "OpenRouter has no setting 'top_k'"),
        (FakeAnthropic, {"top_k": 3}, "Anthropic has no setting 'top_k'"),
        (FakeAnthropic, {"think": "high"}, "think is 'high'; Anthropic has true, false or 'adaptive'"),
        (FakeAnthropic, {"think": True, "max_output_tokens": 2047}, "max_output_tokens is 2047; with think: true"),
        (FakeGemini, {"top_k": 3}, "Gemini has no setting 'top_k'"),
        (FakeGemini, {"think": "high"}, "Gemini has no setting 'think: high'"),
    ],
)
def test_a_setting_that_is_not_well_defined_is_refused_before_anything_is_sent(
    kind: type[FakeServer], sampling: Mapping[str, Any], reason: str
) -> None:
    assert reason in refused(kind, sampling)


def test_each_sample_has_its_own_seed_where_there_are_seeds() -> None:
    for sample, seed in ((0, None), (1, 1), (2, 2)):
        request = make_request("hello", sample=sample)
        assert exchange(FakeOpenAI, request)[0].get("seed") == seed
        assert exchange(FakeOpenRouter, request)[0].get("seed") == seed
        assert exchange(FakeGemini, request)[0].get("generationConfig", {}).get("seed") == seed
        body, reply = exchange(FakeAnthropic, request)
        assert "seed" not in body
        assert reply.sent["seed"] is None


@pytest.mark.parametrize("name", SERVERS)
def test_the_key_goes_in_its_header_and_never_in_an_address(name: str) -> None:
    with SERVERS[name](key=KEY) as server:
        chosen = provider_for(server.model, ProviderSettings({**server.environ, server.key_variable: f" {KEY}\n"}, 5))
        chosen.check()
        assert chosen.complete(make_request("hello")).text == "fine"
        assert KEY not in repr(chosen)
    for request in server.requests:
        assert KEY not in request.path
        assert sum(KEY in value for value in request.headers.values()) == 1


@pytest.mark.parametrize("name", SERVERS)
def test_a_server_of_ones_own_needs_no_key(name: str) -> None:
    with SERVERS[name]() as server:
        chosen = provider(server)
        chosen.check()
        assert chosen.complete(make_request("hello")).text == "fine"
    for request in server.requests:
        assert not {"Authorization", "x-api-key", "x-goog-api-key"} & set(request.headers)


# ---- What is read ----


def choice(finish: str | None = "stop", **message: Any) -> dict[str, Any]:
    return {"choices": [{"message": message, "finish_reason": finish}]}


def content(*blocks: Mapping[str, Any], stop: str | None = "end_turn") -> dict[str, Any]:
    return {"content": list(blocks), "stop_reason": stop}


def candidate(*parts: Mapping[str, Any], finish: str | None = "STOP") -> dict[str, Any]:
    return {"candidates": [{"content": {"parts": list(parts)}, "finishReason": finish}]}


THOUGHTS: list[tuple[type[FakeServer], Mapping[str, Any]]] = [
    (FakeOpenAI, choice(content="answer", reasoning_content="hmm")),
    (FakeOpenAI, choice(content="answer", reasoning="hmm", reasoning_content=None)),
    (FakeOpenAI, choice(content=[{"type": "text", "text": "ans"}, {"type": "text", "text": "wer"}], reasoning="hmm")),
    (FakeOpenRouter, choice(content="answer", reasoning="hmm", reasoning_details=[{"text": "other"}])),
    (
        FakeAnthropic,
        content({"type": "thinking", "thinking": "hmm"}, {"type": "text", "text": "answer"}),
    ),
    (
        FakeAnthropic,
        content(
            {"type": "thinking", "thinking": "h"},
            {"type": "redacted_thinking", "data": "zzz"},
            {"type": "thinking", "thinking": "mm"},
            {"type": "text", "text": "ans"},
            {"type": "text", "text": "wer"},
        ),
    ),
    (FakeGemini, candidate({"text": "hmm", "thought": True}, {"text": "ans"}, {"text": "wer", "thought": False})),
]


@pytest.mark.parametrize(("kind", "answer"), THOUGHTS)
def test_thoughts_are_kept_apart_from_the_answer(kind: type[FakeServer], answer: Mapping[str, Any]) -> None:
    _, reply = exchange(kind, make_request("hello"), answer)
    assert (reply.text, reply.thinking) == ("answer", "hmm")


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        (FakeOpenAI, choice(content="", reasoning_content="hmm")),
        (FakeOpenAI, choice(content=None)),
        (FakeAnthropic, content({"type": "thinking", "thinking": "hmm"})),
        (FakeGemini, candidate({"text": "hmm", "thought": True})),
        (FakeGemini, {"candidates": [{"finishReason": "STOP"}]}),
    ],
)
def test_thoughts_alone_are_no_answer(kind: type[FakeServer], answer: Mapping[str, Any]) -> None:
    with pytest.raises(AttemptFailed, match="has no text") as caught:
        exchange(kind, make_request("hello"), answer)
    assert caught.value.retryable


FINISHES: list[tuple[type[FakeServer], Mapping[str, Any], Finish]] = [
    (FakeOpenAI, choice("length", content="text"), "length"),
    (FakeOpenAI, choice("tool_calls", content="text"), "unknown"),
    (FakeOpenAI, choice(None, content="text"), "stop"),
    (FakeOpenAI, choice("eos_token", content="text"), "stop"),
    (FakeAnthropic, content({"type": "text", "text": "text"}, stop="stop_sequence"), "stop"),
    (FakeAnthropic, content({"type": "text", "text": "text"}, stop="max_tokens"), "length"),
    (FakeAnthropic, content({"type": "text", "text": "text"}, stop="model_context_window_exceeded"), "length"),
    (FakeAnthropic, content({"type": "text", "text": "text"}, stop="pause_turn"), "unknown"),
    (FakeGemini, candidate({"text": "text"}, finish="MAX_TOKENS"), "length"),
    (FakeGemini, candidate({"text": "text"}, finish="OTHER"), "unknown"),
    (FakeGemini, candidate({"text": "text"}, finish=None), "stop"),
]


@pytest.mark.parametrize(("kind", "answer", "finish"), FINISHES)
def test_why_the_model_stopped(kind: type[FakeServer], answer: Mapping[str, Any], finish: Finish) -> None:
    assert exchange(kind, make_request("hello"), answer)[1].finish == finish


USAGES: list[tuple[type[FakeServer], Mapping[str, Any], Usage]] = [
    (
        FakeOpenAI,
        {
            "usage": {
                "prompt_tokens": 100,
                "completion_tokens": 50,
                "prompt_tokens_details": {"cached_tokens": 80},
                "completion_tokens_details": {"reasoning_tokens": 30},
            }
        },
        Usage(100, 80, 50, 30),
    ),
    (FakeOpenAI, {"usage": {"prompt_tokens": 100, "prompt_tokens_details": None}}, Usage(100, None, None, None)),
    (FakeOpenAI, {"usage": None}, Usage()),
    (
        FakeAnthropic,
        {
            "usage": {
                "input_tokens": 5,
                "cache_creation_input_tokens": 15,
                "cache_read_input_tokens": 80,
                "output_tokens": 50,
            }
        },
        Usage(100, 80, 50, None, 15),
    ),
    (
        FakeOpenRouter,
        {
            "usage": {
                "prompt_tokens": 100,
                "completion_tokens": 50,
                "prompt_tokens_details": {"cached_tokens": 80, "cache_write_tokens": 15},
            }
        },
        Usage(100, 80, 50, None, 15),
    ),
    (FakeAnthropic, {"usage": {"input_tokens": 5, "output_tokens": 7}}, Usage(5, None, 7, None)),
    (FakeAnthropic, {"usage": {}}, Usage()),
    (
        FakeGemini,
        {
            "usageMetadata": {
                "promptTokenCount": 100,
                "cachedContentTokenCount": 80,
                "candidatesTokenCount": 20,
                "thoughtsTokenCount": 30,
            }
        },
        Usage(100, 80, 50, 30),
    ),
    (FakeGemini, {"usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 4}}, Usage(9, None, 4, None)),
    (FakeGemini, {"usageMetadata": {"thoughtsTokenCount": 30}}, Usage(None, None, 30, 30)),
    (FakeGemini, {"usageMetadata": "many"}, Usage()),
]


@pytest.mark.parametrize(("kind", "answer", "usage"), USAGES)
def test_tokens_mean_the_same_whoever_counts_them(
    kind: type[FakeServer], answer: Mapping[str, Any], usage: Usage
) -> None:
    """The prompt's include cached ones, the reply's include reasoning."""
    whole = {**kind().response("text", "prompt", {"model": "m"}), **answer}
    assert exchange(kind, make_request("hello"), whole)[1].usage == usage


@pytest.mark.parametrize("kind", BARE)
@pytest.mark.parametrize("odd", [None, [], "x", {"content": 3}, [{"message": []}], [None], 7])
def test_answers_of_any_shape_are_failed_attempts(kind: type[FakeServer], odd: Any) -> None:
    names = ("choices", "content", "candidates", "usage", "usageMetadata", "promptFeedback")
    with pytest.raises(AttemptFailed) as caught:
        exchange(kind, make_request("hello"), dict.fromkeys(names, odd))
    assert caught.value.retryable


# ---- Structured output ----


def test_a_schema_is_enforced_as_each_provider_can() -> None:
    request = make_request("hello", {"structured_output": True}, schema=SCHEMA)
    body, reply = exchange(FakeOpenAI, request)
    assert body["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "answer", "strict": True, "schema": SCHEMA},
    }
    assert reply.sent == {"response_format": "json_schema"}
    assert exchange(FakeOpenRouter, request)[0]["provider"] == {"require_parameters": True}
    body, reply = exchange(SERVERS["Ollama"], request)
    assert body["format"] == SCHEMA
    assert reply.sent["format"] == "json_schema"


def test_gemini_gets_the_part_of_a_schema_that_it_takes() -> None:
    body, reply = exchange(FakeGemini, make_request("hello", schema=SCHEMA))
    assert body["generationConfig"] == {
        "responseMimeType": "application/json",
        "responseSchema": {
            "type": "object",
            "properties": {
                "params": {
                    "type": "array",
                    "items": {"type": "integer", "minimum": 1, "maximum": 3},
                    "minItems": 2,
                    "maxItems": 2,
                },
                "reasoning": {"type": "string"},
            },
            "required": ["params", "reasoning"],
            "propertyOrdering": ["params", "reasoning"],
        },
    }
    assert reply.sent == {"responseMimeType": "application/json", "responseSchema": "json_schema"}


def test_anthropic_answers_with_a_tool() -> None:
    use = {"type": "tool_use", "id": "x", "name": "answer", "input": {"params": [1, 2], "reasoning": "ä"}}
    answer = content({"type": "text", "text": "I shall answer."}, use, stop="tool_use")
    body, reply = exchange(FakeAnthropic, make_request("hello", schema=SCHEMA), answer)
    assert body["tools"][0]["input_schema"] == SCHEMA
    assert body["tool_choice"] == {"type": "tool", "name": "answer"}
    assert (reply.text, reply.finish) == ('{"params": [1, 2], "reasoning": "\\u00e4"}', "stop")
    assert "remove think or structured_output" in refused(FakeAnthropic, {"think": True}, SCHEMA)


# ---- First contact ----


@pytest.mark.parametrize(
    ("kind", "model", "paths"),
    [
        (FakeOpenAI, "tiny", ["/v1/models"]),
        (FakeOpenAI, "on/demand", ["/v1/models", "/v1/models/on/demand"]),
        (FakeOpenRouter, "openrouter/vendor/tiny", ["/api/v1/key", "/api/v1/models"]),
        (
            FakeOpenRouter,
            "openrouter/vendor/tiny:online",
            ["/api/v1/key", "/api/v1/models", "/api/v1/models/vendor/tiny/endpoints"],
        ),
        (FakeAnthropic, "claude-tiny", ["/v1/models/claude-tiny"]),
        (FakeGemini, "gemini-tiny", ["/v1beta/models/gemini-tiny"]),
        (FakeGemini, "models/gemini-tiny", ["/v1beta/models/gemini-tiny"]),
    ],
)
def test_a_known_model_takes_few_requests(kind: type[FakeServer], model: str, paths: list[str]) -> None:
    with kind() as server:
        server.inject(status(200, {"id": "on/demand"}), path="/models/on/demand")
        provider(server, model).check()
    assert [request.path for request in server.requests] == paths


@pytest.mark.parametrize(("kind", "length"), [(FakeOpenAI, 65536), (FakeOpenRouter, 200_000), (FakeGemini, 1_048_576)])
def test_the_context_length_where_the_server_tells_it(kind: type[FakeServer], length: int) -> None:
    with kind() as server:
        chosen = provider(server)
        assert chosen.context_length() == length  # type: ignore[attr-defined]
        server.always(status(200, {"data": [{"id": "tiny"}]}), path="/models")
        server.always(status(404), path="/v1beta/models/gemini-tiny")
        assert chosen.context_length() is None  # type: ignore[attr-defined]


def test_a_key_that_gemini_does_not_know_is_a_wrong_key() -> None:
    details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}]
    wrong = status(400, {"error": {"code": 400, "message": "API key not valid.", "details": details}})
    with FakeGemini(key=KEY) as server:
        server.always(wrong)
        server.always(wrong, path=server.contact_path)
        with pytest.raises(InputError, match="check GEMINI_API_KEY"):
            provider(server).check()
        with pytest.raises(AttemptFailed, match="check GEMINI_API_KEY") as caught:
            provider(server).complete(make_request("hello"))
    assert not caught.value.retryable


def test_a_limit_per_minute_of_gemini_says_when_to_come_back() -> None:
    details = [
        {"violations": [{"quotaId": "GenerateRequestsPerMinutePerProjectPerModel"}]},
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"},
    ]
    with FakeGemini() as server:
        server.inject(status(429, {"error": {"code": 429, "message": "slow down", "details": details}}))
        with pytest.raises(AttemptFailed) as caught:
            provider(server).complete(make_request("hello"))
    assert (caught.value.retryable, caught.value.retry_after_s) == (True, 34.5)


def test_a_dummy_key_does_not_garble_replies() -> None:
    with FakeOpenAI(["params[0]: 1234, none"], key="1234") as server:
        assert provider(server).complete(make_request("hello")).text == "params[0]: 1234, none"
