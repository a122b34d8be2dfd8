"""The wire format of OpenAI, and of OpenRouter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import unquote

from tests.llm.fake_servers.core import CHARS_PER_TOKEN, FakeServer, Handler, event, portions


class FakeOpenAI(FakeServer):
    """A server that speaks OpenAI's protocol; it tells context lengths as vLLM does."""

    chat_path = "/chat/completions"
    contact_path = "/models"
    base_path = "/v1"
    base_url_variable = "OPENAI_BASE_URL"
    key_variable = "OPENAI_API_KEY"
    model = "tiny"

    def key_of(self, headers: Mapping[str, str]) -> str:
        return headers.get("Authorization", "").removeprefix("Bearer ")

    def prompt_of(self, body: Any) -> str:
        return str(body["messages"][-1]["content"])

    def response(self, text: str, prompt: str, body: Any) -> dict[str, Any]:
        asked, answered = len(prompt) // CHARS_PER_TOKEN, len(text) // CHARS_PER_TOKEN
        return {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "model": body["model"],
            "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": asked, "completion_tokens": answered, "total_tokens": asked + answered},
        }

    def pieces(self, response: Mapping[str, Any], body: Any) -> list[bytes]:
        top = {key: value for key, value in response.items() if key not in ("choices", "usage")}
        choice = dict((response.get("choices") or [{}])[0])
        message = choice.pop("message", None) or {}
        deltas = [{"role": "assistant", "content": ""}]
        deltas += [
            {name: part} for name in ("reasoning_content", "content", "refusal") for part in portions(message.get(name))
        ]
        chunks = [{"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
        chunks.append({"choices": [{"finish_reason": None, **choice, "index": 0, "delta": {}}]})
        if "usage" in response and (body.get("stream_options") or {}).get("include_usage"):
            chunks.append({"choices": [], "usage": response["usage"]})
        return [*(event({**top, "object": "chat.completion.chunk", **chunk}) for chunk in chunks), event("[DONE]")]

    token_limit = "length"

    def ended(self, text: str, why: str | None) -> dict[str, Any]:
        return {"choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": why}]}

    def refusals(self, said: str) -> list[dict[str, Any]]:
        return [
            {"choices": [{"message": {"content": None, "refusal": said}, "finish_reason": "stop"}]},
            {"choices": [{"message": {"content": said}, "finish_reason": "content_filter"}]},
        ]

    def error(self, status: int, said: str) -> Any:
        return {"error": {"message": said, "type": "some_error", "param": None, "code": None}}

    def exhausted(self, said: str) -> tuple[int, Any]:
        return 429, {"error": {"message": said, "type": "insufficient_quota", "code": "insufficient_quota"}}

    def tell(self, handler: Handler, path: str, body: Any) -> None:
        models = {name: {"id": name, "object": "model", "max_model_len": 65536} for name in self.models}
        model = unquote(path.removeprefix("/models/"))
        if path == "/models":
            handler.send_json({"object": "list", "data": list(models.values())})
        elif model in models:
            handler.send_json(models[model])
        elif path.startswith("/models/"):
            handler.send_json(self.error(404, f"The model '{model}' does not exist"), 404)
        else:
            handler.send_nothing_there()


class FakeLlamaCpp(FakeOpenAI):
    """llama.cpp's server; older ones told the length of the context in ``/props`` only."""

    contact_path = "/models"
    meta: ClassVar[dict[str, Any]] = {"n_ctx": 4096, "n_ctx_train": 8192, "n_params": 134_515_008, "ftype": "Q4_1"}

    def tell(self, handler: Handler, path: str, body: Any) -> None:
        if path == "/models":
            model = {"id": self.models[0], "aliases": ["small"], "owned_by": "llamacpp", "meta": self.meta}
            handler.send_json({"object": "list", "data": [model]})
        elif path == "/props":
            handler.send_json({"default_generation_settings": {"n_ctx": 4096}})
        else:
            handler.send_nothing_there()


class FakeOpenRouter(FakeOpenAI):
    """OpenRouter: everyone may see the list of models; comments come while nothing else does."""

    def pieces(self, response: Mapping[str, Any], body: Any) -> list[bytes]:
        return [b": OPENROUTER PROCESSING\n\n", *super().pieces(response, body)]

    contact_path = "/key"
    base_path = "/api/v1"
    base_url_variable = "OPENROUTER_BASE_URL"
    key_variable = "OPENROUTER_API_KEY"
    model = "openrouter/vendor/tiny"
    default_models = ("vendor/tiny",)

    def exhausted(self, said: str) -> tuple[int, Any]:
        return 402, {"error": {"message": said, "code": 402}}

    def tell(self, handler: Handler, path: str, body: Any) -> None:
        if path == "/key":
            handler.send_json({"data": {"label": "sk-or-v1-0e6...1c6", "usage": 1.5, "limit": None}})
        elif path == "/models":
            data = [{"id": name, "context_length": 200_000} for name in self.models]
            handler.send_json({"data": data})
        elif path.endswith("/endpoints") and path[len("/models/") : -len("/endpoints")] in self.models:
            handler.send_json({"data": {"endpoints": []}})
        else:
            handler.send_json(self.error(404, "Model not found"), 404)
