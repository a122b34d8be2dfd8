"""Anthropic's ``/v1/messages``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import quote

from r2po.llm.providers.batches.anthropic import AnthropicBatches
from r2po.llm.providers.batches.batches import Batches
from r2po.llm.providers.marks import in_blocks
from r2po.llm.providers.payload import count, entries, string, total
from r2po.llm.providers.server import Server
from r2po.llm.providers.streaming import StreamForm
from r2po.llm.providers.streams.anthropic import CUT_INPUT, AnthropicAssembly
from r2po.llm.providers.wire import WireFormat
from r2po.llm.types import AttemptFailed, Finish, Reply, Request
from r2po.llm.usage import Usage

VERSION = "2023-06-01"
MAX_TOKENS = 16384
"""Limit on the reply, thinking included, where the config sets none: the protocol requires one."""
MIN_THINKING_TOKENS = 1024
_ANSWER_TOOL = "answer"
_FINISH: dict[str, Finish] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "refusal",
}


class Anthropic(WireFormat):
    """A model of Anthropic. It takes no seed: a second sample is a second draw, unless the temperature is 0."""

    server = Server(
        "Anthropic",
        "https://api.anthropic.com",
        "ANTHROPIC_BASE_URL",
        "ANTHROPIC_API_KEY",
        listing="/v1/models?limit=1000",
    )
    settings: ClassVar[Mapping[str, str]] = {
        "temperature": "temperature",
        "top_p": "top_p",
        "max_output_tokens": "max_tokens",
        "reasoning_effort": "output_config",
        "think": "thinking",
    }
    filled_in: ClassVar[Mapping[str, str]] = {"max_output_tokens": "max_tokens"}
    identity_names = ("id", "created_at")
    schema_words = ("tool_choice", "tools.")
    stream_form = StreamForm(AnthropicAssembly)
    _chat_path = "/v1/messages"

    def context_length(self) -> int | None:
        """Return the most tokens that a prompt can have, if the server tells."""
        told = count(self._ask(self._model_path)[1], "max_input_tokens")
        return told if told is not None else self._listed_context()

    def _listed_context(self) -> int | None:
        """Return what the list of models says, as llama.cpp's server does, which has no path for each of them."""
        listed = entries(self._ask(self.server.listing, first=False)[1], "data")
        mine = (each for each in listed if string(each, "id") == self.model)
        return next((count(each, "meta", "n_ctx") for each in mine), None)

    @property
    def writes_cache(self) -> bool:
        """Whether it marks prompts: not in batches, whose replies come hours after what was written is forgotten."""
        return self._marks_prompts and self.line is None

    def batches(self) -> Batches | None:
        """Return its batches."""
        return AnthropicBatches(self._transport)

    def _headers(self, key: str) -> dict[str, str]:
        return {"anthropic-version": VERSION, **({"x-api-key": key} if key else {})}

    @property
    def _model_path(self) -> str:
        return f"/v1/models/{quote(self.model, safe=':@')}"

    def _knows_model(self) -> bool:
        return self._is_found(self._model_path, self.server.listing, "data", "id")

    def _body(self, request: Request, settings: Mapping[str, Any]) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [{"role": "user", "content": in_blocks(request) if self.writes_cache else request.prompt}],
            "max_tokens": settings.get("max_output_tokens", MAX_TOKENS),
        }
        body |= self._renamed(settings, "temperature", "top_p")
        if "reasoning_effort" in settings:
            body["output_config"] = {"effort": settings["reasoning_effort"]}
        if "think" in settings:
            body["thinking"] = self._thinking(settings["think"], body["max_tokens"])
        if request.schema is not None:
            if settings.get("think"):
                raise AttemptFailed(
                    "Anthropic's models cannot think when a schema is enforced: remove think or structured_output "
                    "in the config",
                    retryable=False,
                )
            body["tools"] = [{"name": _ANSWER_TOOL, "description": "Gives the answer.", "input_schema": request.schema}]
            body["tool_choice"] = {"type": "tool", "name": _ANSWER_TOOL}
        return body

    def _thinking(self, think: bool | str, max_tokens: int) -> dict[str, Any]:
        if think == "adaptive" or not think:
            return {"type": think or "disabled"}
        if think is not True:
            raise AttemptFailed(f"think is {think!r}; Anthropic has true, false or 'adaptive'", retryable=False)
        # Thoughts count towards the limit: half of it is left for the answer.
        budget = max_tokens // 2
        if budget < MIN_THINKING_TOKENS:
            raise AttemptFailed(
                f"max_output_tokens is {max_tokens}; with think: true it takes {2 * MIN_THINKING_TOKENS} or more",
                retryable=False,
            )
        return {"type": "enabled", "budget_tokens": budget}

    def _reply(self, payload: Mapping[str, Any], body: Mapping[str, Any]) -> Reply:
        blocks = entries(payload, "content")
        answers = [_input(block) for block in blocks if block.get("type") == "tool_use"]
        texts = [string(block, "text") for block in blocks if block.get("type") == "text"]
        cached = count(payload, "usage", "cache_read_input_tokens")
        written = count(payload, "usage", "cache_creation_input_tokens")
        # The server counts apart what it read from its cache and what it wrote there.
        prompt = total(count(payload, "usage", "input_tokens"), cached, written)
        sent = {key: value for key, value in body.items() if key not in ("model", "messages", "tools")}
        return self._finished(
            "".join(answers or texts),
            thinking="".join(string(block, "thinking") for block in blocks if block.get("type") == "thinking"),
            end=string(payload, "stop_reason"),
            known=_FINISH,
            usage=Usage(prompt, cached, count(payload, "usage", "output_tokens"), None, written),
            sent={**sent, "seed": None},
            said="".join(texts),
        )


def _input(block: Mapping[str, Any]) -> str:
    """Return the input of a tool as JSON; what was cut off is none."""
    return string(block, CUT_INPUT) or json.dumps(block.get("input"))
