"""Pieces as the providers document them, and the whole answers that they make."""

from __future__ import annotations

from typing import Any

import pytest

from r2po.errors import UnusableReply
from r2po.llm.providers.streams.anthropic import AnthropicAssembly
from r2po.llm.providers.streams.gemini import GeminiAssembly
from r2po.llm.providers.streams.ollama import OllamaAssembly
from r2po.llm.providers.streams.openai import OpenAIAssembly
from r2po.llm.stream import Assembly
from r2po.llm.types import AttemptFailed
from r2po.llm.usage import Usage
from r2po.policies.reply import read_numbers
from tests.llm.fake_servers import FakeAnthropic, FakeServer
from tests.llm.fake_servers.core import event
from tests.llm.providers.test_streaming import SCHEMA, provider
from tests.llm.stream_failures import sends
from tests.scripted import make_request


def put_together(assembly: Assembly, *pieces: dict[str, Any]) -> dict[str, Any]:
    for piece in pieces:
        assembly.add(piece)
    return assembly.whole()


def test_usage_is_what_the_last_event_says_of_the_whole() -> None:
    # As https://platform.claude.com/docs/en/build-with-claude/streaming says: the counts of message_delta are
    # cumulative; this is the stream that it shows for a tool, shortened.
    start = {"id": "msg_1", "model": "claude-x", "usage": {"input_tokens": 472, "output_tokens": 2}}
    deltas = ["", '{"location":', ' "San', " Francisc", 'o, CA"', ', "unit": "fah', 'renheit"}']
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": {**start, "content": [], "stop_reason": None}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Okay"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "content_block_start", "index": 1, "content_block": {"type": "tool_use", "id": "t_1", "input": {}}},
        *({"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": part}}
          for part in deltas),
        {"type": "content_block_stop", "index": 1},
        {"type": "something_new", "index": 2},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 89}},
        {"type": "message_stop"},
    ]  # fmt: skip
    with FakeAnthropic() as server:
        server.inject(*sends(lambda *_: [event(each, each["type"]) for each in events])(server))
        reply = provider(server).complete(make_request("hello"))
    assert reply.text == '{"location": "San Francisco, CA", "unit": "fahrenheit"}'
    assert reply.usage == Usage(472, None, 89)
    assert reply.served == {"model": "claude-x"}


@pytest.mark.parametrize(("end", "finish"), [("max_tokens", "length"), ("tool_use", None)])
def test_the_cut_input_of_a_tool_is_a_reply_only_if_the_limit_cut_it(end: str, finish: str | None) -> None:
    def cut(pieces: list[bytes], _: FakeServer) -> list[bytes]:
        last = [piece for piece in pieces if b"input_json_delta" in piece][-1]
        reason, other = b'"stop_reason": "tool_use"', f'"stop_reason": "{end}"'.encode()
        return [piece.replace(reason, other) for piece in pieces if piece != last]

    answer = '{"params": [0, 1], "reasoning": "because of this"}'
    with FakeAnthropic() as server:
        server.inject(*sends(cut, text=lambda _: answer)(server))
        if finish is None:
            with pytest.raises(AttemptFailed, match="a piece of its stream cannot be read"):
                provider(server).complete(make_request("hello", schema=SCHEMA))
        else:
            reply = provider(server).complete(make_request("hello", schema=SCHEMA))
            assert (reply.finish, reply.text) == (finish, '{"params": [0, 1], "reasoning": "because of this')


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ('{"params": [1.5, -0.2', None),  # perhaps it was to become -0.25
        ('{"params": [1.5, -0.25], "reasoning": "becau', [1.5, -0.25]),
        ('{"params": [1.5, -0.25], "reasoning": ""}', [1.5, -0.25]),
    ],
)
def test_half_a_number_of_a_cut_input_is_no_parameter(written: str, read: list[float] | None) -> None:
    def cut(pieces: list[bytes], _: FakeServer) -> list[bytes]:
        first = next(index for index, piece in enumerate(pieces) if b"input_json_delta" in piece)
        delta = {"type": "input_json_delta", "partial_json": written}
        told = event({"type": "content_block_delta", "index": 0, "delta": delta}, "content_block_delta")
        rest = [each for each in pieces[first:] if b"input_json_delta" not in each]
        return [*pieces[:first], told, *(each.replace(b"tool_use", b"max_tokens") for each in rest)]

    with FakeAnthropic() as server:
        server.inject(*sends(cut, text=lambda _: "{}")(server))
        reply = provider(server).complete(make_request("hello", schema=SCHEMA))
    assert reply.finish == "length"
    if read is None:
        with pytest.raises(UnusableReply):
            read_numbers(reply.text, 2, cut=True)
    else:
        assert list(read_numbers(reply.text, 2, cut=True)) == read


def test_openai_counts_in_a_piece_without_choices() -> None:
    # As in https://platform.openai.com/docs/api-reference/chat-streaming
    head = {"id": "chatcmpl-123", "object": "chat.completion.chunk", "model": "gpt-x", "system_fingerprint": "fp_1"}
    chunks: list[dict[str, Any]] = [
        {**head, "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}]},
        {**head, "choices": [{"index": 0, "delta": {"content": "Hel"}, "finish_reason": None}], "usage": None},
        {**head, "choices": [{"index": 1, "delta": {"content": "another choice"}, "finish_reason": None}]},
        {**head, "choices": [{"index": 0, "delta": {"content": "lo"}, "finish_reason": None}]},
        {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
        {**head, "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}},
    ]
    assembly = OpenAIAssembly()
    put_together(assembly, *chunks[:-2])
    assert not assembly.is_complete
    whole = put_together(assembly, *chunks[-2:])
    assert (assembly.is_complete, assembly.has_ended) == (True, False)
    assembly.done()
    assert assembly.has_ended
    (choice,) = whole["choices"]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("Hello", "stop")
    assert (whole["usage"]["total_tokens"], whole["system_fingerprint"]) == (5, "fp_1")


def test_a_server_that_only_pretends_to_stream_sends_the_message_once() -> None:
    whole = {"choices": [{"index": 0, "message": {"content": "fine"}, "finish_reason": "stop"}], "usage": {"a": 1}}
    assert put_together(OpenAIAssembly(), whole)["choices"][0]["message"] == {"content": "fine"}


def test_content_in_parts_is_joined() -> None:
    parts = [{"type": "text", "text": "fi"}, {"type": "text", "text": "ne"}]
    piece = {"choices": [{"delta": {"content": parts}}]}
    assert put_together(OpenAIAssembly(), piece)["choices"][0]["message"] == {"content": "fine"}


def test_gemini_keeps_thoughts_apart_and_the_last_counts() -> None:
    def chunk(part: dict[str, Any], **more: Any) -> dict[str, Any]:
        candidate = {"content": {"parts": [part], "role": "model"}, "index": 0, **more.pop("candidate", {})}
        return {"candidates": [candidate], "modelVersion": "gemini-x", **more}

    assembly = GeminiAssembly()
    whole = put_together(
        assembly,
        chunk({"text": "hm, ", "thought": True}, usageMetadata={"promptTokenCount": 9, "thoughtsTokenCount": 2}),
        chunk({"text": "well", "thought": True}, usageMetadata={"promptTokenCount": 9, "thoughtsTokenCount": 4}),
        chunk(
            {"text": "fi"}, usageMetadata={"promptTokenCount": 9, "thoughtsTokenCount": 4, "candidatesTokenCount": 1}
        ),
        chunk(
            {"text": "ne", "thoughtSignature": "c2ln"},
            usageMetadata={"promptTokenCount": 9, "candidatesTokenCount": 2, "totalTokenCount": 15},
            candidate={"finishReason": "STOP"},
        ),
    )
    assert (assembly.is_complete, assembly.has_ended) == (True, False)
    assert whole["candidates"][0]["content"]["parts"] == [
        {"text": "hm, well", "thought": True},
        {"text": "fi"},
        {"text": "ne", "thoughtSignature": "c2ln"},
    ]
    assert whole["usageMetadata"] == {
        "promptTokenCount": 9,
        "thoughtsTokenCount": 4,
        "candidatesTokenCount": 2,
        "totalTokenCount": 15,
    }


ZERO = {"prompt_tokens": 0, "completion_tokens": 0, "prompt_tokens_details": {"cached_tokens": 0}}
WHOLE = {"prompt_tokens": 3, "completion_tokens": 9, "prompt_tokens_details": {"cached_tokens": 2}}


@pytest.mark.parametrize(
    "said",
    [
        [WHOLE, ZERO],
        [ZERO, WHOLE],
        [WHOLE, {}],
        [WHOLE, None],
        [{**WHOLE, "completion_tokens": 1}, {"completion_tokens": 9}],  # the count of the prompt comes first alone
        [{**WHOLE, "prompt_tokens_details": None}, {**ZERO, "prompt_tokens_details": WHOLE["prompt_tokens_details"]}],
    ],
)
def test_a_count_never_shrinks(said: list[Any]) -> None:
    openai = [{"choices": [], "usage": each} for each in said]
    assert put_together(OpenAIAssembly(), *openai)["usage"] == WHOLE
    gemini = [{"usageMetadata": each} for each in said]
    assert put_together(GeminiAssembly(), *gemini)["usageMetadata"] == WHOLE
    anthropic = [{"type": "message_delta", "usage": each} for each in said]
    assert put_together(AnthropicAssembly(), *anthropic)["usage"] == WHOLE


def test_a_blocked_prompt_is_a_complete_answer() -> None:
    assembly = GeminiAssembly()
    whole = put_together(assembly, {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {}})
    assert assembly.is_complete
    assert whole["promptFeedback"] == {"blockReason": "SAFETY"}


def test_ollama_counts_in_the_line_that_is_done() -> None:
    # As in https://github.com/ollama/ollama/blob/main/docs/api.md
    lines: list[dict[str, Any]] = [
        {"model": "x", "message": {"role": "assistant", "content": "", "thinking": "hm"}, "done": False},
        {"model": "x", "created_at": "2", "message": {"role": "assistant", "content": "The"}, "done": False},
        {"model": "x", "created_at": "3", "message": {"role": "assistant", "content": " sky"}, "done": False},
        {"model": "x", "created_at": "4", "message": {"role": "assistant", "content": ""}, "done": True,
         "done_reason": "stop", "prompt_eval_count": 26, "eval_count": 298},
    ]  # fmt: skip
    assert put_together(OllamaAssembly(), *lines) == {
        **lines[-1],
        "message": {"role": "assistant", "content": "The sky", "thinking": "hm"},
    }


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ([{}], (True, False)),  # a whole answer
        ([{"done": None}], (True, False)),
        ([{"done": False}], (False, False)),
        ([{}, {}], (False, False)),  # a proxy leaves it out: more may follow
        ([{"done": False}, {}], (False, False)),
        ([{"done": False}, {"done": True}], (True, True)),
        ([{}, {"done": True}], (True, True)),
    ],
)
def test_a_line_of_ollama_is_the_last_if_it_says_so_or_is_alone(said: Any, state: tuple[bool, bool]) -> None:
    assembly = OllamaAssembly()
    put_together(assembly, *({"message": {"content": "a"}, **each} for each in said))
    assert (assembly.is_complete, assembly.has_ended) == state
