"""Ollama's ``/api/chat``: models on one's own machine, or any server that speaks its protocol."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from r2po.errors import InputError, nearest
from r2po.llm.transport import Transport, error_message, one_line
from r2po.llm.types import AttemptFailed, Finish, Provider, Reply, Request, Usage

DEFAULT_BASE_URL = "http://localhost:11434"
MIN_NUM_CTX = 8192
REPLY_TOKENS = 16384
"""Room for an answer of unknown length: reasoning models think for thousands of tokens before they answer."""

_CHECK_TIMEOUT_S = 10.0
_TEMPLATE_TOKENS = 64  # what the chat template puts around the message
_OPTIONS = {"temperature": "temperature", "top_p": "top_p", "max_output_tokens": "num_predict"}
_THINK = ("think", "reasoning_effort")  # Ollama has one switch for both: true, false, "low", "medium" or "high"
_FINISH: dict[str, Finish] = {"stop": "stop", "length": "length"}


class Ollama(Provider):
    """A model served by Ollama.

    Ollama cuts a prompt that exceeds its context length without a word, so every request says how long the context
    must be (``num_ctx``). It never shrinks, since each change can make the server load the model again.

    Args:
        model: Name as in ``ollama list``; without a tag it means ``:latest``.
        environ: Environment to read OLLAMA_BASE_URL and OLLAMA_API_KEY from.
        timeout_s: Seconds that one call may take.
        num_ctx: Context length in tokens for all requests; None to choose it from the prompts.

    Raises:
        InputError: OLLAMA_BASE_URL or OLLAMA_API_KEY cannot be used.
    """

    name = "ollama"
    is_stand_in = False

    def __init__(
        self, model: str, *, environ: Mapping[str, str], timeout_s: float = 300.0, num_ctx: int | None = None
    ) -> None:
        key = environ.get("OLLAMA_API_KEY", "").strip()
        self.model = model
        self._fixed_num_ctx = num_ctx
        self._largest_num_ctx = MIN_NUM_CTX
        self._transport = Transport(
            environ.get("OLLAMA_BASE_URL", "").strip() or DEFAULT_BASE_URL,
            base_url_variable="OLLAMA_BASE_URL",
            key_variable="OLLAMA_API_KEY",
            key=key,
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout_s=timeout_s,
        )

    def __repr__(self) -> str:
        return f"Ollama({self.model!r}, {self._transport.base_url!r})"

    def check(self) -> None:
        """Find out whether the server answers, takes the key and knows the model.

        A server that answers but lists no models is given the benefit of the doubt: proxies often pass on ``/api/chat``
        alone.

        Raises:
            InputError: With one line that says what to change.
        """
        try:
            installed = _model_names(self._transport.get_json("/api/tags", timeout_s=_CHECK_TIMEOUT_S))
        except AttemptFailed as failure:
            if failure.status is None:
                raise InputError(
                    f"cannot reach Ollama: {failure.reason}; is `ollama serve` running? "
                    "OLLAMA_BASE_URL chooses the server"
                ) from None
            _refuse_key(failure)
            return
        if installed is not None and _with_tag(self.model) not in map(_with_tag, installed):
            self._confirm_unknown(installed)

    def complete(self, request: Request) -> Reply:
        """Make one attempt.

        Raises:
            AttemptFailed: No usable answer, an empty one, or one to a prompt that was cut. An empty answer that was cut
                off at the token limit is returned as such.
        """
        body = self._body(request)
        payload = self._transport.post_json("/api/chat", body)
        return self._reply(payload, body)

    def restore(self, sent: Mapping[str, Any]) -> None:
        """Take up what an earlier process of this run had come to, given the ``sent`` of each of its replies."""
        self._largest_num_ctx = max(self._largest_num_ctx, _count(sent.get("num_ctx")) or 0)

    def _confirm_unknown(self, installed: list[str]) -> None:
        """Raise if the server says it does not know the model: the list lacks models that it would fetch on demand."""
        try:
            self._transport.post_json("/api/show", {"model": self.model}, timeout_s=_CHECK_TIMEOUT_S)
        except AttemptFailed as failure:
            _refuse_key(failure)
            if failure.status == 404:
                names = ", ".join(installed[:10]) + (", …" if installed[10:] else "")
                raise InputError(
                    f"Ollama at {self._transport.base_url} has no model {self.model!r}{nearest(self.model, installed)};"
                    f" installed: {names or 'none'}; to get it: ollama pull {self.model}"
                ) from None

    def _body(self, request: Request) -> dict[str, Any]:
        settings = {name: value for name, value in request.sampling.items() if value is not None}
        for name in settings:
            if name not in (*_OPTIONS, *_THINK):
                known = ", ".join((*_OPTIONS, *_THINK))
                raise AttemptFailed(f"Ollama has no setting {name!r}; it has {known}", retryable=False)
        options = {wire: settings[name] for name, wire in _OPTIONS.items() if name in settings}
        options["num_ctx"] = self._num_ctx(request.prompt, options.get("num_predict"))
        if request.sample:
            options["seed"] = request.sample  # another draw even where the server or the model file fixes the seed
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [{"role": "user", "content": request.prompt}],
            "stream": False,
            "options": options,
        }
        think = next((settings[name] for name in _THINK if name in settings), None)
        return body if think is None else {**body, "think": think}

    def _num_ctx(self, prompt: str, num_predict: int | None) -> int:
        if self._fixed_num_ctx is not None:
            return self._fixed_num_ctx
        reply = num_predict if num_predict is not None and num_predict > 0 else REPLY_TOKENS  # Ollama: -1 is no limit
        needed = estimate_tokens(prompt) + _TEMPLATE_TOKENS + reply
        power_of_two = 1 << (needed - 1).bit_length()
        self._largest_num_ctx = max(self._largest_num_ctx, power_of_two)
        return self._largest_num_ctx

    def _reply(self, payload: Mapping[str, Any], body: Mapping[str, Any]) -> Reply:
        message = payload.get("message")
        text = message.get("content") if isinstance(message, dict) else None
        thinking = message.get("thinking") if isinstance(message, dict) else None
        finish = _FINISH.get(str(payload.get("done_reason")), "unknown")
        usage = Usage(_count(payload.get("prompt_eval_count")), completion_tokens=_count(payload.get("eval_count")))
        options = body["options"]
        self._refuse_cut_prompt(usage, options["num_ctx"])
        if not isinstance(text, str) or not (text.strip() or finish == "length"):
            said = self._transport.redact(error_message(payload.get("error")))
            raise AttemptFailed(f"the answer of {self.model} has no text{': ' + said if said else ''}", retryable=True)
        sent = {**options, "think": body["think"]} if "think" in body else dict(options)
        return Reply(text, thinking if isinstance(thinking, str) else "", finish, usage, sent)

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


def _refuse_key(failure: AttemptFailed) -> None:
    if failure.status in (401, 403):
        raise InputError(failure.reason) from None


def _model_names(tags: Any) -> list[str] | None:
    """Return the names in an answer of ``/api/tags``; None if it is something else."""
    models = tags.get("models") if isinstance(tags, dict) else None
    if not isinstance(models, list):
        return None
    names = [model.get("name") or model.get("model") for model in models if isinstance(model, dict)]
    return [one_line(name) for name in names if isinstance(name, str)]


def _with_tag(model: str) -> str:
    return model if ":" in model.rpartition("/")[2] else f"{model}:latest"


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
