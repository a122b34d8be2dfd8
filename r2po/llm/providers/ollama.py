"""Ollama's ``/api/chat``: models on one's own machine, or any server that speaks its protocol."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import urlsplit

from r2po.errors import nearest
from r2po.llm.key_hosts import origin_of
from r2po.llm.providers import schema
from r2po.llm.providers.context import TOO_LONG, cut_to, estimate_tokens, fewest_tokens
from r2po.llm.providers.payload import count, entries, entry, string
from r2po.llm.providers.server import Server, UnknownModelError
from r2po.llm.providers.streaming import StreamForm
from r2po.llm.providers.streams.ollama import OllamaAssembly
from r2po.llm.providers.wire import CHECK_TIMEOUT_S, WireFormat
from r2po.llm.stream import Lines
from r2po.llm.types import AttemptFailed, Finish, Limit, ProviderSettings, Reply, Request
from r2po.llm.usage import Usage

MIN_NUM_CTX = 8192
REPLY_TOKENS = 16384
"""Room for an answer of unknown length: reasoning models think for thousands of tokens before they answer."""

_MARGIN = 1.25  # above the estimate: a context that is too short costs the run, one that is too long only memory
_TEMPLATE_TOKENS = 64  # what the chat template puts around the message
_NO_CUTS = {"truncate": False, "shift": False}
"""Neither cut the prompt to the context, nor drop its beginning when prompt and reply fill the context."""
_FINISH: dict[str, Finish] = {"stop": "stop", "length": "length"}


class Ollama(WireFormat):
    """A model served by Ollama.

    Ollama silently cuts a prompt that exceeds its context length, so every request says how long the context must be
    (``num_ctx``). It never shrinks, since each change can make the server load the model again. The server silently
    shortens it to what the model was made for, so that is asked first. Newer servers refuse what does not fit, if told
    to (``truncate`` and ``shift``); with older ones, the count of the reply shows that the prompt was cut.

    ``model`` is a name as in ``ollama list``; without a tag it means ``:latest``.
    """

    server = Server(
        "Ollama",
        "http://localhost:11434",
        "OLLAMA_BASE_URL",
        "OLLAMA_API_KEY",
        needs_key=False,
        hint="is `ollama serve` running? ",
        home="https://ollama.com",
        listing="/api/tags",
    )
    settings: ClassVar[Mapping[str, str]] = {
        "temperature": "temperature",
        "top_p": "top_p",
        "max_output_tokens": "num_predict",
        # Ollama has one switch for both: true, false, "low", "medium" or "high".
        "think": "think",
        "reasoning_effort": "think",
    }
    filled_in: ClassVar[Mapping[str, str]] = {"num_ctx": "num_ctx"}
    identity_names = ("digest",)
    schema_words = ("grammar", "schema", "format")
    stream_form = StreamForm(OllamaAssembly, Lines)
    _chat_path = "/api/chat"

    def __init__(self, model: str, settings: ProviderSettings) -> None:
        super().__init__(model, settings)
        self._fixed_num_ctx = settings.num_ctx
        self._largest_num_ctx = MIN_NUM_CTX
        self._growing = threading.Lock()
        self._most: int | None = None
        self._has_said_most = False

    @property
    def _is_own_server(self) -> bool:
        """Whether this is Ollama on this machine, where it listens unless told otherwise, or Ollama's cloud."""
        usual, asked = origin_of(self.server.base_url), origin_of(self.address)
        if usual is None or asked is None or urlsplit(self.address).path:  # a path leads to what a proxy has behind it
            return False
        return (asked.is_here and asked.port == usual.port) or asked == origin_of(self.server.home)

    def enforces_bounds(self) -> bool:
        """Return that it does not: its grammars, which are llama.cpp's, know no bounds of numbers."""
        return False

    def context_length(self) -> int | None:
        """Return the context length that the model was made for."""
        return _context_length(self._ask("/api/show", {"model": self.model})[1])

    def longest_prompt(self) -> Limit | None:
        """Return the shorter of what the config sets and what the model was made for; the server cuts to that."""
        length = self._shortest()
        return None if length is None else Limit(length, _remedy(length, self._most))

    def restore(self, sent: Mapping[str, Any]) -> None:
        """Grow the context to what an earlier process of this run had reached, given the ``sent`` of each reply."""
        self._grow(count(sent, "num_ctx") or 0)

    def _tells_tokens_of_streams(self, *, surely: bool) -> bool:
        return not surely or self._is_own_server  # its protocol has no way to leave them out; others speak it too

    def _knows_model(self) -> bool:
        _, tags = self._ask(self.server.listing)
        if not isinstance(entry(tags, "models"), list):
            return False
        listed = {string(each, "name") or string(each, "model"): each for each in entries(tags, "models")}
        installed = [self._transport.redact(name) for name in listed if name]
        self._identify(next((each for name, each in listed.items() if _with_tag(name) == _with_tag(self.model)), None))
        if _with_tag(self.model) in map(_with_tag, installed):
            return True
        # The list lacks models that the server would fetch on demand.
        status, _ = self._ask("/api/show", {"model": self.model}, first=False)
        if status == 404:
            raise self._not_installed(installed)
        return status == 200

    def _not_installed(self, installed: list[str]) -> UnknownModelError:
        names = ", ".join(installed[:10]) + (", …" if installed[10:] else "")
        return UnknownModelError(
            f"Ollama at {self.address} has no model {self.model!r}{nearest(self.model, installed)};"
            f" installed: {names or 'none'}; to get it: ollama pull {self.model}"
        )

    def _body(self, request: Request, settings: Mapping[str, Any]) -> dict[str, Any]:
        options = self._renamed(settings, "temperature", "top_p", "max_output_tokens")
        self._refuse_what_cannot_fit(request.prompt)
        options["num_ctx"] = self._num_ctx(request, options.get("num_predict"))
        if request.sample:
            options["seed"] = request.sample  # another draw even where the server or the model file fixes the seed
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [{"role": "user", "content": request.prompt}],
            "stream": False,
            **_NO_CUTS,
            "options": options,
        }
        think = settings.get("think", settings.get("reasoning_effort"))
        if think is not None:
            body["think"] = think
        if request.schema is not None:
            body["format"] = request.schema
        return body

    def _num_ctx(self, request: Request, num_predict: int | None) -> int:
        if self._fixed_num_ctx is not None:
            return self._fixed_num_ctx
        reply = num_predict if num_predict is not None and num_predict > 0 else REPLY_TOKENS  # Ollama: -1 is no limit
        most = estimate_tokens(request.prompt)
        if request.prompt_tokens is not None:
            most = min(most, max(math.ceil(_MARGIN * request.prompt_tokens), fewest_tokens(request.prompt)))
        needed = most + _TEMPLATE_TOKENS + reply
        grown = self._grow(1 << (needed - 1).bit_length())  # a power of two
        return grown if self._most is None else min(grown, self._most)

    def _grow(self, num_ctx: int) -> int:
        with self._growing:
            self._largest_num_ctx = max(self._largest_num_ctx, num_ctx)
            return self._largest_num_ctx

    def _advised(self, failure: AttemptFailed, request: Request) -> AttemptFailed:
        if TOO_LONG.search(failure.reason):  # by version, the status is 400, 413 or 500
            return failure.with_advice(_remedy(self._num_ctx(request, None), self._most))
        return super()._advised(failure, request)

    def _refuse_what_cannot_fit(self, prompt: str) -> None:
        length = self._shortest()
        if length is not None and fewest_tokens(prompt) > length:
            raise _cut(f"would cut the prompt of {fewest_tokens(prompt)} tokens or more", length, self._most)

    def _shortest(self) -> int | None:
        """Return the longest context that a request can have."""
        return min((each for each in (self._fixed_num_ctx, self._longest_context()) if each is not None), default=None)

    def _longest_context(self) -> int | None:
        """Return the context that the model was made for, if the server tells; it is asked until it answers."""
        if not self._has_said_most:
            try:
                shown = self._transport.post_json("/api/show", {"model": self.model}, timeout_s=CHECK_TIMEOUT_S)
            except AttemptFailed as failure:
                self._has_said_most = failure.status is not None
            else:
                self._most, self._has_said_most = _context_length(shown) or None, True
        return self._most

    def _loaded_context(self) -> int | None:
        """Return the context that the model has in the server's memory, if it tells."""
        try:
            loaded = self._transport.get_json("/api/ps", timeout_s=CHECK_TIMEOUT_S)
        except AttemptFailed:
            return None
        mine = (each for each in entries(loaded, "models") if _with_tag(string(each, "model")) == _with_tag(self.model))
        return next((count(each, "context_length") for each in mine), None)

    def _reply(self, payload: Mapping[str, Any], body: Mapping[str, Any]) -> Reply:
        usage = Usage(count(payload, "prompt_eval_count"), completion_tokens=count(payload, "eval_count"))
        self._refuse_cut_prompt(usage.prompt_tokens, body["messages"][0]["content"], body["options"]["num_ctx"])
        sent = {**body["options"], **({"think": body["think"]} if "think" in body else {})}
        if "format" in body:
            sent["format"] = schema.in_log(body["format"])
        return self._finished(
            string(payload, "message", "content"),
            thinking=string(payload, "message", "thinking"),
            end=string(payload, "done_reason"),
            known=_FINISH,
            usage=usage,
            sent=sent,
            context=body["options"]["num_ctx"],
        )

    def _refuse_cut_prompt(self, counted: int | None, prompt: str, num_ctx: int) -> None:
        if counted is None:
            return
        contexts = {num_ctx, self._most or num_ctx}
        if counted < fewest_tokens(prompt):
            contexts.add(self._loaded_context() or num_ctx)
        context = cut_to(counted, prompt, contexts)
        if context is not None:
            raise _cut(f"cut the prompt: it counted {counted} tokens", context, self._most)


def _cut(what: str, context: int, most: int | None) -> AttemptFailed:
    return AttemptFailed(f"Ollama {what}, and the context has {context}; {_remedy(context, most)}", retryable=False)


def _remedy(context: int, most: int | None) -> str:
    if most is not None and context >= most:
        return f"the model was made for {most} tokens: use one with a longer context"
    return f"set num_ctx in the config to more than {context}, if the model and the server can take it"


def _context_length(shown: Any) -> int | None:
    info = entry(shown, "model_info")
    lengths = info.items() if isinstance(info, dict) else ()
    return next((count(value) for key, value in lengths if str(key).endswith(".context_length")), None)


def _with_tag(model: str) -> str:
    return model if ":" in model.rpartition("/")[2] else f"{model}:latest"
