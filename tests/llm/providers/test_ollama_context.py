"""Ollama's context: what is asked for, and how a prompt is noticed that was cut to it."""

from __future__ import annotations

from typing import Any

import pytest

from r2po.llm.providers.ollama import Ollama
from r2po.llm.types import AttemptFailed, ProviderSettings, Reply
from tests.llm.fake_ollama import Answer, FakeOllama, status
from tests.scripted import make_request

NUMBERS = "params[0]: -0.123, reward: 7.5\n" * 3000  # 93,000 characters
PROSE = "the policy failed to reach the goal\n" * 2000


def ollama(fake: FakeOllama, num_ctx: int | None = None) -> Ollama:
    return Ollama("tiny", ProviderSettings(fake.environ, 5.0, num_ctx))


def answer(prompt_tokens: int | None, completion_tokens: int = 20) -> Answer:
    return {
        "message": {"content": "text"},
        "prompt_eval_count": prompt_tokens,
        "eval_count": completion_tokens,
        "done_reason": "stop",
    }


def made_for(fake: FakeOllama, context: int) -> None:
    fake.always(status(200, {"model_info": {"general.name": "x", "fake.context_length": context}}), "/api/show")


def loaded_with(fake: FakeOllama, context: Any, model: str = "tiny:latest") -> None:
    fake.always(status(200, {"models": [{"model": model, "context_length": context}]}), "/api/ps")


def complete(fake: FakeOllama, prompt: str, num_ctx: int | None = None) -> Reply:
    return ollama(fake, num_ctx).complete(make_request(prompt, {"max_output_tokens": 100}))


def refusal(fake: FakeOllama, prompt: str, num_ctx: int | None = None) -> str:
    with pytest.raises(AttemptFailed) as caught:
        complete(fake, prompt, num_ctx)
    assert not caught.value.retryable
    assert "\n" not in caught.value.reason
    return caught.value.reason


@pytest.mark.parametrize("count", [4098, 4096, 4100, 4090])
def test_a_count_near_half_of_the_context_is_a_cut_prompt(count: int) -> None:
    prompt = PROSE[: 36 * 1000]  # 7,000 words: they may fit, and are more than half
    with FakeOllama([answer(count)]) as fake:
        reason = refusal(fake, prompt, num_ctx=8192)
    assert f"cut the prompt: it counted {count} tokens" in reason
    assert "set num_ctx in the config to more than 8192" in reason


@pytest.mark.parametrize("count", [None, 0, 1, 500, 4000, 4200, 6000])
def test_any_other_small_or_absent_count_is_no_fault(count: int | None) -> None:
    with FakeOllama([answer(count)]) as fake:
        assert complete(fake, PROSE[: 36 * 1000], num_ctx=8192).usage.prompt_tokens == count


def test_half_the_context_is_no_fault_of_a_prompt_that_may_be_so_short() -> None:
    with FakeOllama([answer(4098)]) as fake:
        assert complete(fake, "the policy failed\n" * 1200, num_ctx=8192).text == "text"


def test_a_prompt_that_cannot_fit_is_refused_before_it_is_sent() -> None:
    with FakeOllama() as fake:
        reason = refusal(fake, NUMBERS, num_ctx=8192)
        assert fake.chats == []
    assert "would cut the prompt" in reason
    assert "more than 8192" in reason


def test_the_server_is_asked_for_its_context_first_and_once() -> None:
    with FakeOllama() as fake:
        made_for(fake, 40960)
        provider = ollama(fake)
        replies = [provider.complete(make_request("7" * 20_000)) for _ in range(2)]
        paths = [request.path for request in fake.requests]
    assert paths[:2] == ["/api/show", "/api/chat"]
    assert paths.count("/api/show") == 1
    assert [reply.sent["num_ctx"] for reply in replies] == [40960, 40960]


def test_a_prompt_beyond_what_the_model_was_made_for_is_refused() -> None:
    with FakeOllama() as fake:
        made_for(fake, 8192)
        reason = refusal(fake, NUMBERS)
        assert fake.chats == []
    assert "the model was made for 8192 tokens: use one with a longer context" in reason


def test_half_of_a_context_that_the_server_shortened_is_a_cut_prompt() -> None:
    with FakeOllama([answer(4098)]) as fake:
        made_for(fake, 8192)
        assert "cut the prompt" in refusal(fake, PROSE[: 36 * 1000], num_ctx=32768)


@pytest.mark.parametrize("count", [4098, 77])
def test_what_the_server_has_loaded_counts(count: int) -> None:
    with FakeOllama([answer(count)]) as fake:
        loaded_with(fake, 8192)
        assert "context has 8192" in refusal(fake, PROSE)


@pytest.mark.parametrize("context", [None, "many", 0, 131072])
def test_a_server_that_has_enough_loaded_or_does_not_say_is_believed(context: Any) -> None:
    with FakeOllama([answer(77)]) as fake:
        loaded_with(fake, context)
        assert complete(fake, PROSE).text == "text"


def test_another_model_that_is_loaded_says_nothing() -> None:
    with FakeOllama([answer(77)]) as fake:
        loaded_with(fake, 8192, "tiny:8b")
        assert complete(fake, PROSE).text == "text"


@pytest.mark.parametrize("code", [404, 405, 500])
def test_a_server_that_does_not_tell_its_context_is_asked_once(code: int) -> None:
    with FakeOllama() as fake:
        fake.always(status(code), "/api/show")
        provider = ollama(fake)
        for _ in range(2):
            assert provider.complete(make_request("hello")).sent["num_ctx"] == 32768
        assert [request.path for request in fake.requests] == ["/api/show", "/api/chat", "/api/chat"]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (400, "the input length exceeds the context length"),
        (413, "the input length exceeds the context length"),
        (500, "the input length exceeds the context length"),
        (400, "request (9000 tokens) exceeds the available context size (8192 tokens)"),
        (400, "prompt too long; exceeded max context length by 12 tokens"),
        (400, "invalid option provided: num_ctx"),
    ],
)
def test_a_server_that_refuses_instead_of_cutting_is_understood(code: int, said: str) -> None:
    with FakeOllama() as fake:
        fake.always(status(code, {"error": said}))
        reason = refusal(fake, "hello")
    assert said in reason
    assert "set num_ctx in the config" in reason


def test_num_ctx_follows_the_estimate_and_never_shrinks() -> None:
    prompt = NUMBERS[: 31 * 1000]  # any tokenizer makes 14,000 to 22,000 tokens of it
    with FakeOllama([answer(None)] * 6) as fake:
        provider = ollama(fake)

        def asked(tokens: int | None) -> Any:
            request = make_request(prompt, {"max_output_tokens": 100}, prompt_tokens=tokens)
            return provider.complete(request).sent["num_ctx"]

        assert [asked(tokens) for tokens in (12_900, None, 12_900)] == [16_384, 32_768, 32_768]
        assert ollama(fake)._num_ctx(make_request(prompt, prompt_tokens=1), 100) == 16_384, "it has more than a token"
        provider = ollama(fake)
        provider.restore({"num_ctx": 65_536})
        assert asked(12_900) == 65_536


def test_an_estimate_asks_for_no_more_than_any_tokenizer_takes() -> None:
    with FakeOllama([answer(None)] * 2) as fake:
        sent = [
            ollama(fake).complete(make_request("7" * 9000, {"max_output_tokens": 100}, prompt_tokens=tokens)).sent
            for tokens in (None, 50_000)
        ]
    assert sent[0] == sent[1]
