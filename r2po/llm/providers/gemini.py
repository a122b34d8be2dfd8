"""Gemini's ``generateContent``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import quote

from r2po.llm.providers.batches.batches import Batches
from r2po.llm.providers.batches.gemini import GeminiBatches
from r2po.llm.providers.payload import count, entries, entry, string, total
from r2po.llm.providers.server import Server
from r2po.llm.providers.streaming import StreamForm
from r2po.llm.providers.streams.gemini import GeminiAssembly
from r2po.llm.providers.wire import JSON_SCHEMA, WireFormat
from r2po.llm.types import Finish, Reply, Request
from r2po.llm.usage import Usage

_REFUSALS = ("SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY")
_FINISH: dict[str, Finish] = {"STOP": "stop", "MAX_TOKENS": "length", **dict.fromkeys(_REFUSALS, "refusal")}
_WHOLE = ":generateContent"
_IN_PIECES = ":streamGenerateContent?alt=sse"


class Gemini(WireFormat):
    """A Gemini model. The key goes in a header: an address ends up in logs."""

    server = Server(
        "Gemini",
        "https://generativelanguage.googleapis.com",
        "GEMINI_BASE_URL",
        "GEMINI_API_KEY",
        listing="/v1beta/models?pageSize=1000",
    )
    settings: ClassVar[Mapping[str, str]] = {
        "temperature": "temperature",
        "top_p": "topP",
        "max_output_tokens": "maxOutputTokens",
        "reasoning_effort": "thinkingLevel",
        "think": "thinkingConfig",
    }
    identity_names = ("version",)
    served_names = ("modelVersion",)
    schema_words = ("responseSchema", "response_schema", "responseMimeType", "response_mime_type", "JSON mode")
    stream_form = StreamForm(GeminiAssembly, asked={}, path=lambda path: f"{path.removesuffix(_WHOLE)}{_IN_PIECES}")
    cached_price_share = 1.0  # its guide: they cost what they do in other traffic
    key_refusals = frozenset({400, 401, 403})  # 400: a key that it does not know, or a place that it does not serve

    def context_length(self) -> int | None:
        """Return the most tokens that a prompt can have."""
        return count(self._ask(self._model_path)[1], "inputTokenLimit")

    def batches(self) -> Batches | None:
        """Return its batches, which this model answers."""
        return GeminiBatches(self._transport, self._model_path)

    def _headers(self, key: str) -> dict[str, str]:
        return {"x-goog-api-key": key} if key else {}

    @property
    def _model_path(self) -> str:
        return f"/v1beta/models/{quote(self.model, safe='')}"

    @property
    def _chat_path(self) -> str:
        return f"{self._model_path}{_WHOLE}"

    def _knows_model(self) -> bool:
        return self._is_found(self._model_path, self.server.listing, "models", "name", prefix="models/")

    def _body(self, request: Request, settings: Mapping[str, Any]) -> dict[str, Any]:
        generation = self._renamed(settings, "temperature", "top_p", "max_output_tokens")
        if request.sample:
            generation["seed"] = request.sample
        thinking = self._thinking(settings)
        if thinking:
            generation["thinkingConfig"] = thinking
        if request.schema is not None:
            generation |= {"responseMimeType": "application/json", "responseSchema": _openapi(request.schema)}
        body: dict[str, Any] = {"contents": [{"role": "user", "parts": [{"text": request.prompt}]}]}
        return {**body, "generationConfig": generation} if generation else body

    def _thinking(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        think = settings.get("think")
        if isinstance(think, str):
            raise self._unusable(f"think: {think}", "it has think: true or false, and reasoning_effort")
        thinking: dict[str, Any] = {}
        if think is not None:
            thinking = {"includeThoughts": True} if think else {"thinkingBudget": 0}
        if "reasoning_effort" in settings:
            thinking["thinkingLevel"] = settings["reasoning_effort"]
        return thinking

    def _reply(self, payload: Mapping[str, Any], body: Mapping[str, Any]) -> Reply:
        candidate = entry(payload, "candidates", 0)
        blocked = string(payload, "promptFeedback", "blockReason")
        reason = string(candidate, "finishReason")
        parts = entries(candidate, "content", "parts")
        thoughts = count(payload, "usageMetadata", "thoughtsTokenCount")
        answer = count(payload, "usageMetadata", "candidatesTokenCount")
        usage = Usage(
            count(payload, "usageMetadata", "promptTokenCount"),
            count(payload, "usageMetadata", "cachedContentTokenCount"),
            total(answer, thoughts) if answer is not None else thoughts,  # the server counts thoughts apart
            thoughts,
        )
        sent = dict(body.get("generationConfig", {}))
        return self._finished(
            "".join(string(part, "text") for part in parts if not part.get("thought")),
            thinking="".join(string(part, "text") for part in parts if part.get("thought")),
            end="SAFETY" if blocked else reason,
            known=_FINISH,
            usage=usage,
            sent={**sent, "responseSchema": JSON_SCHEMA} if "responseSchema" in sent else sent,
            said=blocked or entry(candidate, "finishMessage") or reason,
        )


def _openapi(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a JSON schema in the subset that Gemini takes: no further keys, and only strings have an ``enum``."""
    kept = {key: value for key, value in schema.items() if key not in ("additionalProperties", "enum", "properties")}
    if "items" in schema:
        kept["items"] = _openapi(schema["items"])
    if "properties" in schema:
        kept["properties"] = {name: _openapi(value) for name, value in schema["properties"].items()}
        kept["propertyOrdering"] = list(schema["properties"])
    if "enum" in schema:
        kept |= {"minimum": min(schema["enum"]), "maximum": max(schema["enum"])}
    return kept
