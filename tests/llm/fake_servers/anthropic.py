"""Anthropic's wire format."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.llm.fake_servers.core import CHARS_PER_TOKEN, FakeServer, Handler, event, portions


class FakeAnthropic(FakeServer):
    """Anthropic: a request without a limit on the reply is refused, and so is one without a version."""

    chat_path = "/v1/messages"
    contact_path = "/v1/models/claude-tiny"
    base_url_variable = "ANTHROPIC_BASE_URL"
    key_variable = "ANTHROPIC_API_KEY"
    model = "claude-tiny"
    default_models = ("claude-tiny",)

    def key_of(self, headers: Mapping[str, str]) -> str:
        return headers.get("x-api-key", "")

    def prompt_of(self, body: Any) -> str:
        assert body["max_tokens"] > 0, "max_tokens: Field required"
        assert self.requests[-1].headers["anthropic-version"] == "2023-06-01", "anthropic-version: header is required"
        content = body["messages"][-1]["content"]
        return content if isinstance(content, str) else "".join(block["text"] for block in content)

    def response(self, text: str, prompt: str, body: Any) -> dict[str, Any]:
        block: dict[str, Any] = {"type": "text", "text": text}
        if "tool_choice" in body:
            block = {"type": "tool_use", "name": body["tool_choice"]["name"], "input": json.loads(text or "{}")}
        return {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": body["model"],
            "content": [block],
            "stop_reason": "tool_use" if "tool_choice" in body else "end_turn",
            "usage": {
                "input_tokens": len(prompt) // CHARS_PER_TOKEN,
                "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": 0,
                "output_tokens": len(text) // CHARS_PER_TOKEN,
            },
        }

    def pieces(self, response: Mapping[str, Any], body: Any) -> list[bytes]:
        usage = response.get("usage") or {}
        start = {
            **response,
            "content": [],
            "stop_reason": None,
            "usage": {**usage, "output_tokens": min(1, usage.get("output_tokens", 1))},
        }
        events: list[dict[str, Any]] = [{"type": "message_start", "message": start}, {"type": "ping"}]
        for index, block in enumerate(response.get("content") or []):
            events += [{"index": index, **each} for each in _block_events(block)]
        delta = {"stop_reason": response.get("stop_reason"), "stop_sequence": None}
        counted = {"output_tokens": usage.get("output_tokens")}
        events += [{"type": "message_delta", "delta": delta, "usage": counted}, {"type": "message_stop"}]
        return [event(each, each["type"]) for each in events]

    token_limit = "max_tokens"

    def ended(self, text: str, why: str | None) -> dict[str, Any]:
        content = [{"type": "text", "text": text}] if text else []
        return {"content": content, "stop_reason": why}

    def refusals(self, said: str) -> list[dict[str, Any]]:
        return [
            {"content": [{"type": "text", "text": said}], "stop_reason": "refusal"},
            {"content": [], "stop_reason": "refusal"},
        ]

    def error(self, status: int, said: str) -> Any:
        return {"type": "error", "error": {"type": "some_error", "message": said}, "request_id": "req_1"}

    def exhausted(self, said: str) -> tuple[int, Any]:
        return 400, self.error(400, f"Your credit balance is too low to access the Anthropic API. {said}")

    def tell(self, handler: Handler, path: str, body: Any) -> None:
        models = {name: {"type": "model", "id": name, "max_input_tokens": 200_000} for name in self.models}
        if path.partition("?")[0] == "/v1/models":
            handler.send_json({"data": list(models.values()), "has_more": False})
        elif path.removeprefix("/v1/models/") in models:
            handler.send_json(models[path.removeprefix("/v1/models/")])
        else:
            handler.send_json(self.error(404, f"model: {path.removeprefix('/v1/models/')}"), 404)


def _block_events(block: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the events that make a block of a message."""
    empty: dict[str, Any] = {"text": ""}
    texts = [("text_delta", "text", block.get("text"))]
    if block["type"] == "tool_use":
        empty, texts = {"input": {}}, [("input_json_delta", "partial_json", json.dumps(block["input"]))]
    elif block["type"] == "thinking":
        empty = {"thinking": ""}
        texts = [("thinking_delta", "thinking", block["thinking"]), ("signature_delta", "signature", "c2lnbmVk")]
    parts = [{"type": kind, key: part} for kind, key, text in texts for part in portions(text)]
    return [
        {"type": "content_block_start", "content_block": {**block, **empty}},
        *({"type": "content_block_delta", "delta": part} for part in parts),
        {"type": "content_block_stop"},
    ]
