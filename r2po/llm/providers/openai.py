"""OpenAI's ``/chat/completions``: OpenAI, OpenRouter, and servers that speak it, such as vLLM, llama.cpp, LM Studio."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import quote

from r2po.llm.providers import schema
from r2po.llm.providers.batches.batches import Batches
from r2po.llm.providers.batches.openai import OpenAIBatches
from r2po.llm.providers.context import AskedOnce
from r2po.llm.providers.marks import in_blocks, in_held_blocks
from r2po.llm.providers.payload import count, entries, entry, string, total
from r2po.llm.providers.server import Server
from r2po.llm.providers.streaming import StreamForm
from r2po.llm.providers.streams.openai import OpenAIAssembly
from r2po.llm.providers.wire import CHECK_TIMEOUT_S, JSON_SCHEMA, OK, WireFormat
from r2po.llm.types import AttemptFailed, Finish, Limit, ProviderSettings, Reply, Request
from r2po.llm.usage import Usage

_FINISH: dict[str, Finish] = {
    **dict.fromkeys(("stop", "eos_token", "stop_sequence", "end_turn"), "stop"),  # the latter are other servers' words
    "length": "length",
    "content_filter": "refusal",
}
_CONTEXT_LENGTHS = ("max_model_len", "context_length", "context_window", "max_context_length")  # by server
_LLAMA_CPP = "llamacpp"
_WEIGHTS = ("n_params", "size")
_CLAUDE, _GEMINI = "anthropic/", "google/gemini"
_COUNTING_STREAMS = (_LLAMA_CPP, "vllm", "sglang")
"""Who, as ``owned_by`` names it, knows ``stream_options.include_usage``."""


class OpenAI(WireFormat):
    """A model of OpenAI, or of any server that speaks its protocol."""

    server = Server("OpenAI", "https://api.openai.com/v1", "OPENAI_BASE_URL", "OPENAI_API_KEY")
    settings: ClassVar[Mapping[str, str]] = {
        "temperature": "temperature",
        "top_p": "top_p",
        "max_output_tokens": "max_tokens",
        "reasoning_effort": "reasoning_effort",
    }
    identity_names = ("canonical_slug", "root")  # OpenRouter's, and vLLM's: where the weights are
    served_names = ("model", "system_fingerprint", "provider")  # the last is OpenRouter's
    schema_words = ("response_format", JSON_SCHEMA, "JSON schema", "grammar")
    stream_form = StreamForm(OpenAIAssembly, asked={"stream": True, "stream_options": {"include_usage": True}})
    _chat_path = "/chat/completions"

    def __init__(self, model: str, settings: ProviderSettings) -> None:
        super().__init__(model, settings)
        self._told: Mapping[str, Any] | None = None
        self._told_length = AskedOnce(lambda: self._context_in(self._details()))
        self._looking = threading.Lock()

    def context_length(self) -> int | None:
        """Return the context length, which OpenAI itself does not tell but most other servers do."""
        return self._context_in(self._listed(self._ask(self.server.listing)[1]))

    def longest_prompt(self) -> Limit | None:
        """Return the context length as the limit of a prompt; OpenAI itself is not asked for it."""
        return None if self.server is OpenAI.server and self.is_at_home else super().longest_prompt()

    def batches(self) -> Batches | None:
        """Return its batches, which servers of one's own may have too."""
        return OpenAIBatches(self._transport)

    def details(self) -> str:
        """Return what the server tells of the model: its size and how its weights are stored."""
        meta = entry(self._details(), "meta")
        parameters, stored = count(meta, "n_params"), string(meta, "ftype")
        size = f"{parameters / 1e6:,.0f} million parameters" if parameters else ""
        return ", ".join(filter(None, (size, self.redact(stored))))

    def enforces_bounds(self) -> bool:
        """Return whether it is none of llama.cpp's servers: their grammars know no bounds of numbers."""
        return not self._is_llama_cpp

    @property
    def _is_llama_cpp(self) -> bool:
        return not self.is_at_home and string(self._details(), "owned_by") == _LLAMA_CPP

    def _tells_tokens_of_streams(self, *, surely: bool) -> bool:
        return self.is_at_home or (not surely and string(self._details(), "owned_by") in _COUNTING_STREAMS)

    def _details(self) -> Mapping[str, Any]:
        """Return what the server's list says of the model; it is asked until it answers."""
        with self._looking:
            if self._told is None:
                try:
                    answer = self._transport.get_json(self.server.listing, timeout_s=CHECK_TIMEOUT_S)
                except AttemptFailed as failure:
                    self._told = None if failure.status is None or failure.retryable else {}
                else:
                    self._told = self._listed(answer)
            return self._told or {}

    def _listed(self, answer: Any) -> Mapping[str, Any]:
        models = entries(answer, "data")
        return next((each for each in models if self.model in _names_of(each)), {})

    def _context_in(self, model: Mapping[str, Any]) -> int | None:
        """Return the context length that a server tells in its list or, as older ones of llama.cpp, in its settings."""
        lengths = [count(model.get(key)) for key in _CONTEXT_LENGTHS] + [count(model, "meta", "n_ctx")]
        length = next(filter(None, lengths), None)
        if length is None and string(model, "owned_by") == _LLAMA_CPP:
            try:
                props = self._transport.get_json("../props", timeout_s=CHECK_TIMEOUT_S)
            except AttemptFailed:
                return None
            length = count(props, "default_generation_settings", "n_ctx")
        return length

    def _knows_model(self) -> bool:
        status, answer = self._ask(self.server.listing)
        with self._looking:
            self._told = self._listed(answer) if status == OK else self._told
        self._identify(self._listed(answer))
        known = {name for each in entries(answer, "data") for name in _names_of(each)}
        if self.model in known or not isinstance(entry(answer, "data"), list):
            return self.model in known
        status, _ = self._ask(self._model_path, first=False)
        if status == 404:
            raise self._unknown_model(known)
        return status == 200

    def _identify(self, told: Any) -> None:
        """Keep also what llama.cpp's server tells of the weights, which has neither digest nor version."""
        weights = {name: count(told, "meta", name) for name in _WEIGHTS}
        found = {name: number for name, number in weights.items() if number is not None}
        stored = self._named(entry(told, "meta"), ("ftype",))
        self.identity = {**self._named(told, self.identity_names), **found, **stored} or None

    @property
    def _model_path(self) -> str:
        return f"/models/{quote(self.model, safe='/:')}"

    def _body(self, request: Request, settings: Mapping[str, Any]) -> dict[str, Any]:
        body: dict[str, Any] = {"model": self.model, "messages": [{"role": "user", "content": self._content(request)}]}
        body |= {self._wire_name(key): value for key, value in settings.items()}
        if request.sample:
            body["seed"] = request.sample
        if request.schema is not None:
            named = {"name": "answer", "strict": True, "schema": request.schema}
            body["response_format"] = {"type": JSON_SCHEMA, JSON_SCHEMA: named}
        return body

    def _content(self, request: Request) -> str | list[dict[str, Any]]:
        """Return the prompt as it is sent."""
        return request.prompt

    def _wire_name(self, key: str) -> str:
        # Only OpenAI knows the new name, and its reasoning models no longer know the old one.
        return "max_completion_tokens" if key == "max_output_tokens" and self.is_at_home else self.settings[key]

    def _told_error(self, payload: Any) -> Any:
        """Find it in the choice, too: where OpenRouter tells that a provider failed midway."""
        error = {"error": entry(payload, "choices", 0, "error")}
        return super()._told_error(payload) or super()._told_error(error)

    def _reply(self, payload: Mapping[str, Any], body: Mapping[str, Any]) -> Reply:
        choice = entry(payload, "choices", 0)
        message = entry(choice, "message")
        refusal = string(message, "refusal")
        sent = {key: value for key, value in body.items() if key not in ("model", "messages")}
        if "response_format" in sent:
            sent["response_format"] = schema.in_log(body["response_format"][JSON_SCHEMA]["schema"])
        end = string(choice, "finish_reason")
        return self._finished(
            _text(entry(message, "content")),
            thinking=string(message, "reasoning_content") or string(message, "reasoning"),
            end="content_filter" if refusal else end,
            known=_FINISH,
            usage=_usage(payload),
            sent=sent,
            said=refusal,
            context=None if end != "length" or self.is_at_home else self._context_in(self._details()),
        )


class OpenRouter(OpenAI):
    """A model behind OpenRouter."""

    server = Server("OpenRouter", "https://openrouter.ai/api/v1", "OPENROUTER_BASE_URL", "OPENROUTER_API_KEY")
    settings: ClassVar[Mapping[str, str]] = {
        **OpenAI.settings,
        "reasoning_effort": "reasoning",
        "think": "reasoning",
    }

    @property
    def writes_cache(self) -> bool:
        """Whether it marks prompts: other vendors' models need no marks."""
        return self._marks_prompts and self._plain_name.startswith((_CLAUDE, _GEMINI))

    def batches(self) -> Batches | None:
        """Return that it has none."""
        return None

    @property
    def _plain_name(self) -> str:
        """The model without the sign of names that stand for a vendor's latest, as ``~google/gemini-pro-latest``."""
        return self.model.removeprefix("~")

    def _content(self, request: Request) -> str | list[dict[str, Any]]:
        if not self.writes_cache:
            return request.prompt
        # Of a prompt for Gemini, OpenRouter keeps what stands before the last mark, and finds no part of it.
        return in_blocks(request) if self._plain_name.startswith(_CLAUDE) else in_held_blocks(request)

    def _knows_model(self) -> bool:
        self._ask("/key")  # everyone may see its list of models, with whatever key
        return super()._knows_model()

    @property
    def _model_path(self) -> str:
        # Not every name is in the list: endings like ":online" can be added to any.
        return f"/models/{quote(self.model.partition(':')[0], safe='/')}/endpoints"

    def _body(self, request: Request, settings: Mapping[str, Any]) -> dict[str, Any]:
        think, effort = settings.get("think"), settings.get("reasoning_effort")
        others = {key: value for key, value in settings.items() if key not in ("think", "reasoning_effort")}
        body = super()._body(request, others)
        if think is False:
            body["reasoning"] = {"enabled": False}
        elif effort or isinstance(think, str):
            body["reasoning"] = {"effort": effort or think}
        elif think:
            body["reasoning"] = {"enabled": True}
        if request.schema is not None:
            body["provider"] = {"require_parameters": True}  # else it may choose a provider that ignores the schema
        return body


def _names_of(model: Mapping[str, Any]) -> set[str]:
    """Return the names under which a server lists a model."""
    aliases = model.get("aliases")
    return {
        string(model, "id"),
        *(name for name in (aliases if isinstance(aliases, list) else []) if isinstance(name, str)),
    }


def _usage(payload: Mapping[str, Any]) -> Usage:
    """Return the counts; some servers count reasoning, or what was read from a cache or written, apart from the rest.

    A part is no larger than the whole, and the total is no larger than prompt and completion.
    """
    prompt = count(payload, "usage", "prompt_tokens")
    cached = count(payload, "usage", "prompt_tokens_details", "cached_tokens")
    written = count(payload, "usage", "prompt_tokens_details", "cache_write_tokens")
    completion = count(payload, "usage", "completion_tokens")
    reasoning = count(payload, "usage", "completion_tokens_details", "reasoning_tokens")
    completion = _with_part(completion, reasoning)
    every = count(payload, "usage", "total_tokens")
    whole_prompt = _with_part(prompt, total(0, cached, written))
    if every is not None and prompt is not None and completion is not None:
        whole_prompt = _apart(prompt, every - prompt - completion, (cached, written), reasoning) or whole_prompt
    if every is not None and whole_prompt is not None and completion is not None:
        completion = max(completion, every - whole_prompt)
    return Usage(whole_prompt, cached, completion, reasoning, written)


def _apart(prompt: int, missing: int, parts: tuple[int | None, int | None], reasoning: int | None) -> int | None:
    """Return the prompt with those parts of it that the total shows to be counted apart; None if it shows none.

    What may as well be reasoning is taken for it: that costs no less.

    Args:
        prompt: Its tokens as they are told.
        missing: Tokens of the total that belong to neither the prompt nor the completion as they are told.
        parts: Tokens of the prompt that were read from a cache, and those written to it.
        reasoning: Tokens of reasoning, which may be counted apart as well.
    """
    least = total(0, *parts) or 0
    for part in (*parts, least):
        if part and part != reasoning and missing in (part, part + (reasoning or 0)) and prompt + part >= least:
            return prompt + part
    return None


def _with_part(whole: int | None, part: int | None) -> int | None:
    return whole + part if whole is not None and part is not None and part > whole else whole


def _text(content: Any) -> str:
    """Return the text of a message, which some servers give in parts."""
    return string(content) or "".join(string(part, "text") for part in entries(content))
