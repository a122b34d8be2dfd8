"""Ollama's ``/api/chat``: models on one's own machine, or any server that speaks its protocol."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from typing import Any, ClassVar

from r2po.errors import nearest
from r2po.llm.failures import error_message, one_line
from r2po.llm.providers.wire import JSON_SCHEMA, Server, UnknownModelError, WireFormat, count, entries, entry, string
from r2po.llm.types import AttemptFailed, Finish, ProviderSettings, Reply, Request, Usage

MIN_NUM_CTX = 8192
REPLY_TOKENS = 16384
"""Room for an answer of unknown length: reasoning models think for thousands of tokens before they answer."""

_TEMPLATE_TOKENS = 64  # what the chat template puts around the message
_FINISH: dict[str, Finish] = {"stop": "stop", "length": "length"}


class Ollama(WireFormat):
    """A model served by Ollama.

    Ollama silently cuts a prompt that exceeds its context length, so every request says how long the context must be
    (``num_ctx``). It never shrinks, since each change can make the server load the model again.

    ``model`` is a name as in ``ollama list``; without a tag it means ``:latest``.
    """

    server = Server(
        "Ollama",
        "http://localhost:11434",
        "OLLAMA_BASE_URL",
        "OLLAMA_API_KEY",
        needs_key=False,
        hint="is `ollama serve` running? ",
    )
    settings: ClassVar[Mapping[str, str]] = {
        "temperature": "temperature",
        "top_p": "top_p",
        "max_output_tokens": "num_predict",
        # Ollama has one switch for both: true, false, "low", "medium" or "high".
        "think": "think",
        "reasoning_effort": "think",
    }
    _chat_path = "/api/chat"

    def __init__(self, model: str, settings: ProviderSettings) -> None:
        super().__init__(model, settings)
        self._fixed_num_ctx = settings.num_ctx
        self._largest_num_ctx = MIN_NUM_CTX
        self._growing = threading.Lock()

    def context_length(self) -> int | None:
        """Return the context length that the model was made for."""
        _, shown = self._ask("/api/show", {"model": self.model})
        info = entry(shown, "model_info")
        lengths = info.items() if isinstance(info, dict) else ()
        return next((count(value) for key, value in lengths if str(key).endswith(".context_length")), None)

    def restore(self, sent: Mapping[str, Any]) -> None:
        """Grow the context to what an earlier process of this run had reached, given the ``sent`` of each reply."""
        self._grow(count(sent, "num_ctx") or 0)

    def _knows_model(self) -> bool:
        _, tags = self._ask("/api/tags")
        if not isinstance(entry(tags, "models"), list):
            return False
        names = [string(each, "name") or string(each, "model") for each in entries(tags, "models")]
        installed = [one_line(name) for name in names if name]
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
        options["num_ctx"] = self._num_ctx(request.prompt, options.get("num_predict"))
        if request.sample:
            options["seed"] = request.sample  # another draw even where the server or the model file fixes the seed
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [{"role": "user", "content": request.prompt}],
            "stream": False,
            "options": options,
        }
        think = settings.get("think", settings.get("reasoning_effort"))
        if think is not None:
            body["think"] = think
        if request.schema is not None:
            body["format"] = request.schema
        return body

    def _num_ctx(self, prompt: str, num_predict: int | None) -> int:
        if self._fixed_num_ctx is not None:
            return self._fixed_num_ctx
        reply = num_predict if num_predict is not None and num_predict > 0 else REPLY_TOKENS  # Ollama: -1 is no limit
        needed = estimate_tokens(prompt) + _TEMPLATE_TOKENS + reply
        return self._grow(1 << (needed - 1).bit_length())  # a power of two

    def _grow(self, num_ctx: int) -> int:
        with self._growing:
            self._largest_num_ctx = max(self._largest_num_ctx, num_ctx)
            return self._largest_num_ctx

    def _reply(self, payload: Mapping[str, Any], body: Mapping[str, Any]) -> Reply:
        usage = Usage(count(payload, "prompt_eval_count"), completion_tokens=count(payload, "eval_count"))
        self._refuse_cut_prompt(usage, body["options"]["num_ctx"])
        think = {"think": body["think"]} if "think" in body else {}
        return self._finished(
            string(payload, "message", "content"),
            thinking=string(payload, "message", "thinking"),
            end=string(payload, "done_reason"),
            known=_FINISH,
            usage=usage,
            sent={**body["options"], **think, **({"format": JSON_SCHEMA} if "format" in body else {})},
            said=error_message(payload.get("error")),
        )

    def _refuse_cut_prompt(self, usage: Usage, num_ctx: int) -> None:
        # A count that is absent or small says nothing: the server leaves out a beginning that it has in its cache.
        if usage.prompt_tokens is not None and usage.prompt_tokens >= num_ctx:
            raise AttemptFailed(
                f"Ollama cut the prompt: it fills the whole context of {num_ctx} tokens; set num_ctx in the config to "
                "more than that, if the model can take it",
                retryable=False,
            )


def estimate_tokens(prompt: str) -> int:
    """Return about the most tokens that a prompt can have with any common tokenizer.

    Prose has four or more letters per token, but prompts here are mostly numbers, and several tokenizers give every
    digit, sign, point and blank before a number a token of its own: ``" -0.12"`` is six. So three letters count as one
    token, and every other byte as one, except a blank before a letter, which belongs to the word. Too long a context
    costs memory; too short a one costs part of the prompt.
    """
    letters = len(re.findall(r"[A-Za-z]", prompt))
    blanks = len(re.findall(r" (?=[A-Za-z])", prompt))
    others = len(prompt.encode("utf-8", "replace")) - letters - blanks
    return -(-letters // 3) + others


def _with_tag(model: str) -> str:
    return model if ":" in model.rpartition("/")[2] else f"{model}:latest"
