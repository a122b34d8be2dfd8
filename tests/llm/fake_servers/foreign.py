"""Servers of others that speak a provider's wire format in their own way: they answer here as they were seen to."""

from __future__ import annotations

from typing import Any

from tests.llm.fake_servers.anthropic import FakeAnthropic
from tests.llm.fake_servers.core import Handler
from tests.llm.fake_servers.gemini import FakeGemini


class LlamaCppAsAnthropic(FakeAnthropic):
    """llama.cpp in Anthropic's format: it lists its model, has no path for it, and lets it ignore a forced tool."""

    context = 8192

    def response(self, text: str, prompt: str, body: Any) -> dict[str, Any]:
        free = {key: value for key, value in body.items() if key != "tool_choice"}
        return super().response(text, prompt, free)

    def tell(self, handler: Handler, path: str, body: Any) -> None:
        if path.partition("?")[0] == "/v1/models":
            meta = {"n_ctx": self.context, "n_ctx_train": 65536}
            listed = [{"id": name, "object": "model", "owned_by": "llamacpp", "meta": meta} for name in self.models]
            handler.send_json({"object": "list", "data": listed})
        else:
            error = {"message": "File Not Found", "type": "not_found_error", "code": 404}
            handler.send_json({"error": error}, 404)


class LiteLLMAsGemini(FakeGemini):
    """LiteLLM's proxy in Gemini's format: it tells of no model, and leaves schemas out of what it passes on."""

    def tell(self, handler: Handler, path: str, body: Any) -> None:
        handler.send_json({"detail": "Not Found"}, 404)
