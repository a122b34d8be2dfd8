"""What servers say of their failures: in an answer whose status is good, and in the words of error objects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from r2po.llm.failures import error_message
from r2po.llm.registry import provider_for
from r2po.llm.types import AttemptFailed, ProviderSettings
from r2po.sweep.gate import kind_of
from r2po.sweep.messages import FAILED, REFUSED, UNANSWERED
from tests.llm.fake_servers import SERVERS, FakeServer
from tests.llm.fake_servers.core import Fault, status
from tests.scripted import make_request

TEXT = {"message": {"content": "params[0]: 1, params[1]: 2"}, "finish_reason": "stop"}


@pytest.fixture(params=["Ollama", "OpenAI", "OpenRouter", "Anthropic", "Gemini"])
def server(request: pytest.FixtureRequest) -> Iterator[FakeServer]:
    with SERVERS[request.param](key="a-key-of-some-length") as fake:
        yield fake


def failure_of(server: FakeServer, fault: Fault, sampling: Mapping[str, Any] | None = None) -> AttemptFailed:
    server.always(fault)
    provider = provider_for(server.model, ProviderSettings(server.environ, 10))
    with pytest.raises(AttemptFailed) as caught:
        provider.complete(make_request("hello", sampling or {}))
    return caught.value


@pytest.mark.parametrize(
    ("error", "kind", "advice"),
    [
        ({"message": "Rate limit exceeded", "code": 429}, REFUSED, "with error 429: Rate limit exceeded"),
        ({"message": "Rate limit exceeded", "code": "429"}, REFUSED, "with error 429"),
        ({"message": "slow down", "type": "rate_limit_error"}, REFUSED, "with error 429"),
        ({"message": "slow down", "status": "RESOURCE_EXHAUSTED"}, REFUSED, "with error 429"),
        ("Too many requests", REFUSED, "with error 429: Too many requests"),
        ({"message": "Overloaded", "type": "overloaded_error"}, REFUSED, "with error 529"),
        ({"message": "idle timeout", "code": 502}, UNANSWERED, "with error 502: idle timeout"),
        ({"code": 503}, UNANSWERED, "with error 503"),
        ("the model fell over", FAILED, "with an error: the model fell over"),
    ],
)
def test_an_error_in_a_good_answer_that_may_pass(server: FakeServer, error: Any, kind: str, advice: str) -> None:
    failure = failure_of(server, status(200, {"error": error}))
    assert failure.retryable
    assert f"HTTP 200 {advice}" in failure.reason
    assert kind_of(failure) == kind


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        ({"message": "no", "code": 401}, "the server wants a valid key: check {}"),
        ({"message": "no", "type": "authentication_error"}, "the server wants a valid key: check {}"),
        ({"message": "no", "code": 402}, "the quota or credit of the account behind {} is used up"),
        ({"message": "no", "code": "insufficient_quota"}, "the quota or credit of the account behind {} is used up"),
        ({"message": "too long", "code": 400}, "too long"),
        ({"message": "no", "code": 404}, "check the model name"),
    ],
)
def test_an_error_in_a_good_answer_that_will_not_pass(server: FakeServer, error: Any, advice: str) -> None:
    failure = failure_of(server, status(200, {"error": error}))
    assert not failure.retryable
    assert advice.format(server.key_variable) in failure.reason
    assert kind_of(failure) == FAILED


def test_litellm_without_a_database_refuses_a_key(server: FakeServer) -> None:
    error = {"message": "No connected db.", "type": "no_db_connection", "param": None, "code": "400"}
    failure = failure_of(server, status(400, {"error": error}))
    assert not failure.retryable
    assert f"No connected db.; the server wants a valid key: check {server.key_variable}" in failure.reason


def test_an_error_in_a_good_answer_names_the_setting(server: FakeServer) -> None:
    error = {"message": "Unsupported value: 'temperature'", "code": 400}
    failure = failure_of(server, status(200, {"error": error}), {"temperature": 0.5})
    assert failure.reason.endswith("; change or remove temperature in the config")


def test_an_error_in_a_good_answer_may_say_how_long_to_wait(server: FakeServer) -> None:
    assert failure_of(server, status(200, {"error": {"code": 429}}, {"Retry-After": "9"})).retry_after_s == 9


@pytest.mark.parametrize("name", ["OpenAI", "OpenRouter"])
def test_a_provider_that_failed_midway_gave_no_reply(name: str) -> None:
    with SERVERS[name]() as fake:
        choice = {**TEXT, "finish_reason": "error", "error": {"code": 502, "message": "idle timeout"}}
        failure = failure_of(fake, status(200, {"choices": [choice]}))
    assert failure.retryable
    assert "with error 502: idle timeout" in failure.reason


@pytest.mark.parametrize("error", [None, {}, "", [], False, {"code": 0, "message": ""}, {"message": None}])
def test_what_says_nothing_of_an_error_is_none(error: Any) -> None:
    with SERVERS["OpenAI"]() as fake:
        fake.always(status(200, {"choices": [{**TEXT, "error": error}], "error": error}))
        provider = provider_for(fake.model, ProviderSettings(fake.environ, 10))
        assert provider.complete(make_request("hello")).text == "params[0]: 1, params[1]: 2"


def test_a_first_contact_understands_errors_in_good_answers(server: FakeServer) -> None:
    server.always(status(200, {"error": {"code": 401, "message": "no"}}), server.contact_path)
    with pytest.raises(Exception, match=f"wants a valid key: check {server.key_variable}"):
        provider_for(server.model, ProviderSettings(server.environ, 10)).check()


@pytest.mark.parametrize(
    "said",
    [
        "you (me) have reached your weekly usage limit, upgrade for higher limits: https://ollama.com/upgrade",
        "you've reached your hourly usage limit, please wait or upgrade to continue",
        "you (me) have reached your session usage limit, please wait or upgrade to continue",
        "Rate limit exceeded: free-models-per-day. Add 10 credits to unlock 1000 free model requests per day",
        "Your credit balance is too low to access the API",
        "Insufficient balance",
        "Your team has used all available credits or reached its monthly spending limit",
    ],
)
def test_a_limit_for_hours_or_days_is_no_rate_limit(server: FakeServer, said: str) -> None:
    failure = failure_of(server, status(429, server.error(429, said)))
    assert not failure.retryable
    assert failure.reason.endswith(f"; the quota or credit of the account behind {server.key_variable} is used up")


@pytest.mark.parametrize(
    "said",
    [
        "Rate limit reached for tiny on tokens per min (TPM): Limit 200000, Used 190000. Please try again in 1.2s",
        "Rate limit reached for tiny on requests per day (RPD): Limit 200. Please try again in 7m12s",
        "You exceeded your current quota, please check your plan and billing details",
        "Too many requests: 16 per minute",
        "",
    ],
)
def test_a_rate_limit_is_no_quota(server: FakeServer, said: str) -> None:
    assert failure_of(server, status(429, server.error(429, said))).retryable


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (
            {"error": {"message": "Provider returned error", "metadata": {"raw": '{"error": {"message": "why"}}'}}},
            "Provider returned error: why",
        ),
        ({"error": {"message": "no", "metadata": {"raw": "plain text"}}}, "no: plain text"),
        ({"error": {"message": "no", "metadata": {"raw": {"error": "an object"}}}}, "no: an object"),
        ({"error": {"message": "no", "metadata": {"raw": "[" * 100_000}}}, "no: " + "[" * 100_000),
        ({"error": {"message": "no", "metadata": {"raw": None, "provider_name": "x"}}}, "no"),
        ({"error": {"message": "no", "metadata": "x"}}, "no"),
        ({"detail": [{"msg": "not allowed", "loc": ["body", "top_k"]}]}, "not allowed: top_k"),
    ],
)
def test_a_hidden_reason_is_told(payload: Any, message: str) -> None:
    assert error_message(payload) == message


def test_a_hidden_reason_names_the_setting() -> None:
    raw = '{"error": {"message": "Unsupported value: \'temperature\' does not support 0.5"}}'
    error = {"error": {"message": "Provider returned error", "code": 400, "metadata": {"raw": raw}}}
    with SERVERS["OpenRouter"]() as fake:
        failure = failure_of(fake, status(400, error), {"temperature": 0.5})
    assert "Unsupported value: 'temperature'" in failure.reason
    assert failure.reason.endswith("; change or remove temperature in the config")
