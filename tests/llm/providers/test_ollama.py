"""Ollama's wire format against a real server: what is sent, what comes back, what first contact says."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from r2po.errors import InputError
from r2po.llm.providers.context import estimate_tokens
from r2po.llm.providers.ollama import Ollama
from r2po.llm.types import AttemptFailed, Finish, ProviderSettings, Request
from tests.llm.fake_ollama import Answer, FakeOllama, Fault, hang_up, status
from tests.scripted import make_request

KEY = "a-secret-key-of-ollama"


@pytest.fixture
def fake() -> Iterator[FakeOllama]:
    with FakeOllama() as server:
        yield server


def ollama(fake: FakeOllama, model: str = "tiny", num_ctx: int | None = None) -> Ollama:
    return Ollama(model, ProviderSettings(fake.environ, 5.0, num_ctx))


def sent(fake: FakeOllama, request: Request, num_ctx: int | None = None) -> Any:
    ollama(fake, num_ctx=num_ctx).complete(request)
    return fake.chats[-1]


def failure_of(answer: Answer, num_ctx: int | None = None) -> AttemptFailed:
    with FakeOllama([answer]) as fake, pytest.raises(AttemptFailed) as caught:
        ollama(fake, num_ctx=num_ctx).complete(make_request("hello"))
    return caught.value


def test_a_bare_request_sends_no_sampling_parameter(fake: FakeOllama) -> None:
    assert sent(fake, make_request("hello")) == {
        "model": "tiny",
        "messages": [{"role": "user", "content": "hello"}],
        "stream": False,
        "truncate": False,
        "shift": False,
        "options": {"num_ctx": 32768},
    }


def test_configured_settings_are_sent_under_their_wire_names(fake: FakeOllama) -> None:
    sampling = {"temperature": 0.0, "top_p": 0.9, "max_output_tokens": 500, "think": False, "reasoning_effort": None}
    body = sent(fake, make_request("hello", sampling))
    assert body["options"] == {"temperature": 0.0, "top_p": 0.9, "num_predict": 500, "num_ctx": 8192}
    assert body["think"] is False


@pytest.mark.parametrize(
    ("sampling", "think"),
    [
        ({"think": True}, True),
        ({"think": "high"}, "high"),
        ({"reasoning_effort": "low"}, "low"),
        ({"think": False, "reasoning_effort": "low"}, False),
    ],
)
def test_think_is_a_field_of_its_own(fake: FakeOllama, sampling: Mapping[str, Any], think: Any) -> None:
    reply = ollama(fake).complete(make_request("hello", sampling))
    assert fake.chats[0]["think"] == think
    assert reply.sent["think"] == think


def test_a_setting_that_ollama_lacks_is_refused_before_anything_is_sent(fake: FakeOllama) -> None:
    with pytest.raises(AttemptFailed, match="'top_k'") as caught:
        ollama(fake).complete(make_request("hello", {"top_k": 3}))
    assert not caught.value.retryable
    assert fake.requests == []


def test_each_sample_has_its_own_seed(fake: FakeOllama) -> None:
    seeds = [sent(fake, make_request("hello", sample=sample))["options"].get("seed") for sample in (0, 1, 2)]
    assert seeds == [None, 1, 2]


def test_a_reply_holds_everything_that_the_server_said() -> None:
    answer = {
        "message": {"role": "assistant", "content": " the answer\n", "thinking": "hmm"},
        "prompt_eval_count": 11,
        "eval_count": 22,
    }
    with FakeOllama([answer]) as fake:
        reply = ollama(fake).complete(make_request("hello", {"temperature": 0.5}, sample=1))
    assert (reply.text, reply.thinking, reply.finish) == (" the answer\n", "hmm", "stop")
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (11, 22)
    assert (reply.usage.cached_tokens, reply.usage.reasoning_tokens) == (None, None)
    assert reply.sent == {"temperature": 0.5, "num_ctx": 32768, "seed": 1}


@pytest.mark.parametrize(
    ("reason", "finish"), [("stop", "stop"), ("length", "length"), ("load", "unknown"), (None, "stop")]
)
def test_why_the_model_stopped(reason: str | None, finish: Finish) -> None:
    with FakeOllama([{"message": {"content": "text"}, "done_reason": reason}]) as fake:
        assert ollama(fake).complete(make_request("hello")).finish == finish


@pytest.mark.parametrize("count", [None, "12", 1.5, True, -1])
def test_a_count_that_is_none_is_unknown(count: Any) -> None:
    with FakeOllama([{"message": {"content": "text"}, "prompt_eval_count": count, "eval_count": count}]) as fake:
        usage = ollama(fake).complete(make_request("hello")).usage
    assert usage.prompt_tokens is None
    assert usage.completion_tokens is None


@pytest.mark.parametrize(
    "answer",
    [
        "",
        " \n",
        {"message": {"role": "assistant", "thinking": "only thoughts", "content": ""}},
        {"message": {"role": "assistant", "content": None}},
        {"message": "text"},
        {"message": None},
    ],
)
def test_an_answer_without_text_is_worth_another_attempt(answer: Answer) -> None:
    failure = failure_of(answer)
    assert failure.retryable
    assert "no text" in failure.reason


def test_an_error_in_a_good_answer_is_passed_on() -> None:
    assert "the model fell over" in failure_of({"message": None, "error": "the model fell over"}).reason


def test_thoughts_cut_off_before_any_text_are_a_reply_cut_off() -> None:
    with FakeOllama([{"message": {"content": "", "thinking": "so long"}, "done_reason": "length"}]) as fake:
        reply = ollama(fake).complete(make_request("hello"))
    assert (reply.text, reply.thinking, reply.finish) == ("", "so long", "length")


@pytest.mark.parametrize("count", [8192, 9000])
def test_a_cut_prompt_is_an_error_that_says_what_to_raise(count: int) -> None:
    failure = failure_of({"message": {"content": "text"}, "prompt_eval_count": count}, num_ctx=8192)
    assert not failure.retryable
    assert "num_ctx" in failure.reason
    assert "8192" in failure.reason


def test_a_prompt_beyond_a_fixed_context_is_noticed(fake: FakeOllama) -> None:
    provider = ollama(fake, num_ctx=100)
    assert provider.complete(make_request("short")).sent["num_ctx"] == 100
    with pytest.raises(AttemptFailed, match="cut the prompt"):
        provider.complete(make_request("long " * 1000))


def test_an_unknown_model_and_a_refused_key_stop_at_once(fake: FakeOllama) -> None:
    with pytest.raises(AttemptFailed, match="model 'other' not found") as caught:
        ollama(fake, "other").complete(make_request("hello"))
    assert not caught.value.retryable
    fake.key = KEY
    with pytest.raises(AttemptFailed, match="OLLAMA_API_KEY") as caught:
        Ollama("tiny", ProviderSettings({"OLLAMA_BASE_URL": fake.url})).complete(make_request("hello"))
    assert not caught.value.retryable


# --- num_ctx


@pytest.mark.parametrize(
    ("prompt", "max_output_tokens", "num_ctx"),
    [
        ("", 1, 8192),
        ("7" * (8192 - 64 - 100), 100, 8192),
        ("7" * (8192 - 64 - 100 + 1), 100, 16384),
        ("7" * 20_000, 4000, 32768),
        ("7" * 20_000, None, 65536),  # 20,000 + 64 + 16,384
        ("7" * 20_000, -1, 65536),
    ],
)
def test_num_ctx_holds_prompt_and_reply(
    fake: FakeOllama, prompt: str, max_output_tokens: int | None, num_ctx: int
) -> None:
    body = sent(fake, make_request(prompt, {"max_output_tokens": max_output_tokens}))
    assert body["options"]["num_ctx"] == num_ctx


def test_num_ctx_never_shrinks_whatever_threads_ask_for(fake: FakeOllama) -> None:
    model, sampling = ollama(fake), {"max_output_tokens": 10}
    lengths = [10, 12_000, 30_000, 10] * 5
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(len(lengths)) as pool:
            replies = list(pool.map(lambda length: model.complete(make_request("7" * length, sampling)), lengths))
    finally:
        sys.setswitchinterval(interval)
    assert all(reply.sent["num_ctx"] >= length for reply, length in zip(replies, lengths, strict=True))
    assert model.complete(make_request("hello", sampling)).sent["num_ctx"] == 32768


def test_num_ctx_never_shrinks_also_after_a_resume(fake: FakeOllama) -> None:
    sampling = {"max_output_tokens": 10}
    first = ollama(fake)
    replies = [first.complete(make_request("7" * length, sampling)) for length in (10, 30_000, 10, 12_000)]
    assert [reply.sent["num_ctx"] for reply in replies] == [8192, 32768, 32768, 32768]
    resumed = ollama(fake)
    for reply in replies:
        resumed.restore(reply.sent)
    resumed.restore({})
    resumed.restore({"num_ctx": "many"})
    assert resumed.complete(make_request("hello", sampling)).sent["num_ctx"] == 32768


def test_a_fixed_num_ctx_is_kept(fake: FakeOllama) -> None:
    provider = ollama(fake, num_ctx=5000)
    provider.restore({"num_ctx": 32768})
    assert provider.complete(make_request("7" * 9000)).sent["num_ctx"] == 5000


@given(st.text(max_size=300), st.text(max_size=300))
def test_an_estimate_grows_with_the_prompt_and_counts_each_digit(prompt: str, more: str) -> None:
    # The two may share a word, which then rounds once instead of twice, and a blank, which then belongs to a word.
    assert estimate_tokens(prompt + more) >= estimate_tokens(prompt) - 1
    assert estimate_tokens(prompt) >= sum(letter in "0123456789.,-" for letter in prompt)
    assert estimate_tokens(prompt) >= len(prompt) / 4.5 - 1


def test_estimates_with_known_answers() -> None:
    assert estimate_tokens("") == 0
    assert estimate_tokens(" -0.12") == 6
    assert estimate_tokens("the policy failed") == 5  # 15 letters, and two blanks that belong to their words
    assert estimate_tokens("x\n") == 2
    assert estimate_tokens("τ") == 2


def test_a_prompt_of_half_a_surrogate_is_sent(fake: FakeOllama) -> None:
    assert sent(fake, make_request("a\ud800"))["messages"][0]["content"] == "a\ud800"


# --- first contact


@pytest.mark.parametrize("model", ["tiny", "tiny:latest"])
def test_a_listed_model_needs_one_request(fake: FakeOllama, model: str) -> None:
    ollama(fake, model).check()
    assert [(request.method, request.path) for request in fake.requests] == [("GET", "/api/tags")]


def test_a_tag_is_part_of_the_name() -> None:
    with FakeOllama(models=["hf.co/some:8b", "localhost:5000/team/tiny:latest"]) as fake:
        ollama(fake, "hf.co/some:8b").check()
        ollama(fake, "localhost:5000/team/tiny").check()
        assert len(fake.requests) == 2
        with pytest.raises(InputError):
            ollama(fake, "hf.co/some").check()


def test_an_unknown_model_gets_the_nearest_name_and_the_command() -> None:
    with FakeOllama(models=["qwen3:8b", "llama3.1:latest"]) as fake, pytest.raises(InputError) as caught:
        ollama(fake, "qwen3:9b").check()
    message = str(caught.value)
    assert "no model 'qwen3:9b' (did you mean 'qwen3:8b'?)" in message
    assert "installed: qwen3:8b, llama3.1:latest" in message
    assert "ollama pull qwen3:9b" in message
    assert "\n" not in message


def test_nothing_installed() -> None:
    with FakeOllama(models=[]) as fake, pytest.raises(InputError, match="installed: none"):
        ollama(fake).check()


@pytest.mark.parametrize(
    "answer", [status(200, {}), status(405), status(500), status(200, b"what?"), status(400), hang_up()]
)
def test_only_a_404_confirms_that_a_model_is_unknown(fake: FakeOllama, answer: Fault) -> None:
    fake.inject(answer, path="/api/show")
    ollama(fake, "on-demand").check()
    assert fake.requests[-1].body == {"model": "on-demand"}


@pytest.mark.parametrize(
    "answer",
    [
        status(404, b"404 page not found"),
        status(405),
        status(501),
        status(500),
        status(302, headers={"Location": "/"}),
        status(200, b"<html>Ollama is running</html>"),
        status(200, {"models": "many"}),
        status(200, ["tiny"]),
    ],
)
def test_a_server_that_lists_no_models_is_accepted(fake: FakeOllama, answer: Fault) -> None:
    fake.always(answer, path="/api/tags")
    ollama(fake, "anything").check()
    assert len(fake.requests) == 1


def test_an_unreachable_server_is_one_line() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(InputError) as caught:
        Ollama("tiny", ProviderSettings({"OLLAMA_BASE_URL": url})).check()
    message = str(caught.value)
    assert url in message
    assert "OLLAMA_BASE_URL" in message
    assert "ollama serve" in message
    assert "\n" not in message


@pytest.mark.parametrize("code", [401, 403])
@pytest.mark.parametrize("path", ["/api/tags", "/api/show"])
def test_a_refused_key_is_named_and_not_shown(fake: FakeOllama, code: int, path: str) -> None:
    fake.inject(status(code, {"error": f"bad key {KEY}"}), path=path)
    with pytest.raises(InputError, match="OLLAMA_API_KEY") as caught:
        Ollama("other", ProviderSettings({"OLLAMA_BASE_URL": fake.url, "OLLAMA_API_KEY": KEY})).check()
    assert KEY not in str(caught.value)


def test_the_key_is_sent_without_blanks_around_it() -> None:
    with FakeOllama(key=KEY) as fake:
        provider = Ollama("tiny", ProviderSettings({"OLLAMA_BASE_URL": fake.url + "/", "OLLAMA_API_KEY": f" {KEY}\n"}))
        provider.check()
        assert provider.complete(make_request("hello")).text == "fine"
        assert KEY not in repr(provider)


def test_without_a_key_no_authorization_is_sent(fake: FakeOllama) -> None:
    Ollama("tiny", ProviderSettings({"OLLAMA_BASE_URL": fake.url, "OLLAMA_API_KEY": " "})).check()
    assert "Authorization" not in fake.requests[0].headers


def test_the_default_address() -> None:
    assert "http://localhost:11434" in repr(Ollama("tiny", ProviderSettings({"OLLAMA_BASE_URL": ""})))


def test_an_address_without_scheme_is_refused() -> None:
    with pytest.raises(InputError, match="OLLAMA_BASE_URL"):
        Ollama("tiny", ProviderSettings({"OLLAMA_BASE_URL": "localhost:11434"}))
