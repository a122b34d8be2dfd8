"""Gemini's wire format."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tests.llm.fake_servers.core import CHARS_PER_TOKEN, FakeServer, Handler, event, portions


class FakeGemini(FakeServer):
    """Gemini: the model is part of the path."""

    chat_path = ":generateContent"
    contact_path = "/v1beta/models/gemini-tiny"
    base_url_variable = "GEMINI_BASE_URL"
    key_variable = "GEMINI_API_KEY"
    model = "gemini-tiny"
    default_models = ("gemini-tiny",)

    def route(self, path: str) -> str:
        return self.chat_path if re.search(":(g|streamG)enerateContent", path) else path

    def model_of(self, path: str, body: Any) -> str:
        match = re.fullmatch(r"/v1beta/models/([^/]*):(?:generateContent|streamGenerateContent\?alt=sse)", path)
        return match[1] if match else path

    def key_of(self, headers: Mapping[str, str]) -> str:
        return headers.get("x-goog-api-key", "")

    def prompt_of(self, body: Any) -> str:
        return str(body["contents"][-1]["parts"][0]["text"])

    def response(self, text: str, prompt: str, body: Any) -> dict[str, Any]:
        asked, answered = len(prompt) // CHARS_PER_TOKEN, len(text) // CHARS_PER_TOKEN
        return {
            "candidates": [{"content": {"parts": [{"text": text}], "role": "model"}, "finishReason": "STOP"}],
            "usageMetadata": {
                "promptTokenCount": asked,
                "candidatesTokenCount": answered,
                "totalTokenCount": asked + answered,
            },
            "modelVersion": "gemini-tiny",
        }

    def is_streamed(self, path: str, body: Any) -> bool:
        return path.endswith(":streamGenerateContent?alt=sse")

    def pieces(self, response: Mapping[str, Any], body: Any) -> list[bytes]:
        candidate = dict((response.get("candidates") or [{}])[0])
        parts = (candidate.pop("content", None) or {}).get("parts", [])
        cut = [{**part, "text": text} for part in parts for text in portions(part["text"])]
        counted = {"promptTokenCount": (response.get("usageMetadata") or {}).get("promptTokenCount")}
        chunks = [
            {"candidates": [{"content": {"parts": [part], "role": "model"}, "index": 0}], "usageMetadata": counted}
            for part in cut
        ]
        last = {**response, "candidates": [{**candidate, "content": {"role": "model"}}] if candidate else []}
        return [event({"modelVersion": response.get("modelVersion"), **chunk}) for chunk in (*chunks, last)]

    token_limit = "MAX_TOKENS"

    def ended(self, text: str, why: str | None) -> dict[str, Any]:
        content = {"parts": [{"text": text}], "role": "model"} if text else {"role": "model"}
        return {"candidates": [{"content": content, "finishReason": why}]}

    def refusals(self, said: str) -> list[dict[str, Any]]:
        return [
            {"candidates": [{"finishReason": "SAFETY", "finishMessage": said}]},
            {"candidates": [{"content": {"parts": [{"text": said}]}, "finishReason": "PROHIBITED_CONTENT"}]},
            {"candidates": [], "promptFeedback": {"blockReason": "OTHER"}},
        ]

    def error(self, status: int, said: str) -> Any:
        return {"error": {"code": status, "message": said, "status": "SOME_STATUS"}}

    def exhausted(self, said: str) -> tuple[int, Any]:
        quota = {"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier", "quotaValue": "50"}
        details = [
            {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [quota]},
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"},
        ]
        return 429, {"error": {"code": 429, "message": said, "status": "RESOURCE_EXHAUSTED", "details": details}}

    def tell(self, handler: Handler, path: str, body: Any) -> None:
        models = {
            name: {"name": f"models/{name}", "inputTokenLimit": 1_048_576, "outputTokenLimit": 65536}
            for name in self.models
        }
        if path.partition("?")[0] == "/v1beta/models":
            handler.send_json({"models": list(models.values())})
        elif path.removeprefix("/v1beta/models/") in models:
            handler.send_json(models[path.removeprefix("/v1beta/models/")])
        else:
            handler.send_json(self.error(404, "model is not found for API version v1beta"), 404)
