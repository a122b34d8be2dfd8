"""Ollama's wire format."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.llm.fake_servers.core import CHARS_PER_TOKEN, FakeServer, Handler, portions

DEFAULT_NUM_CTX = 4096


class FakeOllama(FakeServer):
    """An Ollama server."""

    chat_path = "/api/chat"
    contact_path = "/api/tags"
    base_url_variable = "OLLAMA_BASE_URL"
    key_variable = "OLLAMA_API_KEY"
    model = "ollama/tiny"
    default_models = ("tiny:latest",)
    digest = ""
    """What it tells of the weights of its models, unless empty."""

    def key_of(self, headers: Mapping[str, str]) -> str:
        return headers.get("Authorization", "").removeprefix("Bearer ")

    def prompt_of(self, body: Any) -> str:
        return str(body["messages"][-1]["content"])

    def response(self, text: str, prompt: str, body: Any) -> dict[str, Any]:
        num_ctx = body.get("options", {}).get("num_ctx", DEFAULT_NUM_CTX)
        return {
            "model": body["model"],
            "created_at": "2026-01-01T00:00:00Z",
            "message": {"role": "assistant", "content": text},
            "done": True,
            "done_reason": "stop",
            "prompt_eval_count": min(len(prompt) // CHARS_PER_TOKEN, num_ctx),
            "eval_count": len(text) // CHARS_PER_TOKEN,
        }

    stream_type = "application/x-ndjson"

    def pieces(self, response: Mapping[str, Any], body: Any) -> list[bytes]:
        message = response.get("message") or {}
        cut = [(name, part) for name in ("thinking", "content") for part in portions(message.get(name))]
        begun = {"model": response.get("model"), "done": False}
        lines = [{**begun, "message": {"role": "assistant", "content": "", name: part}} for name, part in cut]
        last = {**response, "message": {"role": "assistant", "content": ""}, "done": True}
        return [json.dumps(line).encode() + b"\n" for line in (*lines, last)]

    token_limit = "length"

    def ended(self, text: str, why: str | None) -> dict[str, Any]:
        return {"message": {"role": "assistant", "content": text}, "done_reason": why}

    def refusals(self, said: str) -> list[dict[str, Any]]:
        return []

    def error(self, status: int, said: str) -> Any:
        return {"error": said}

    def exhausted(self, said: str) -> tuple[int, Any]:
        return 402, self.error(402, said)

    def tell(self, handler: Handler, path: str, body: Any) -> None:
        if (handler.command, path) == ("GET", "/api/tags"):
            told = {"digest": self.digest} if self.digest else {}
            handler.send_json({"models": [{"name": name, "model": name, **told} for name in self.models]})
        elif (handler.command, path) != ("POST", "/api/show"):
            handler.send_nothing_there()
        elif self.knows(body["model"]):
            handler.send_json({"details": {"family": "fake"}, "model_info": {"fake.context_length": 131072}})
        else:
            handler.send_json(self.error(404, f"model '{body['model']}' not found"), 404)

    def knows(self, model: str) -> bool:
        return model in self.models or f"{model}:latest" in self.models
