"""Batches as the three providers document them, on the fake servers of their protocols.

What a request of a batch gets is what a call of its own would get, unless its fate is another.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, ClassVar

from tests.llm.fake_servers.anthropic import FakeAnthropic
from tests.llm.fake_servers.core import FakeServer, Handler
from tests.llm.fake_servers.gemini import FakeGemini
from tests.llm.fake_servers.openai import FakeOpenAI

ANSWERED, EXPIRED, FAILED, INVALID, LOST = "answered", "expired", "failed", "invalid", "lost"
"""Fates: an answer; no answer in time; an error of the server; a refusal of the request; not mentioned at all."""

Fate = Callable[[int, int], str]
"""Given the number of the batch, and that of the request in it."""


@dataclass
class Batch:
    """A batch as the server has it."""

    name: str
    own_id: str
    requests: list[tuple[str, Any]]
    created: float = field(default_factory=time.time)
    looks: int = 0
    refusal: str = ""
    is_cancelled: bool = False
    fates: list[str] = field(default_factory=list)


@dataclass
class Step:
    """A request to the batch endpoints, and whether it was carried out already."""

    name: str
    is_done: bool


class Refused(Exception):
    """A test lets the server refuse a step."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Batching(FakeServer):
    """What the servers have in common."""

    prefix: ClassVar[str] = "batch_"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.batches: list[Batch] = []
        self.steps: list[str] = []
        self.looks_needed = 1
        """So many looks at a batch find it under way."""
        self.fate: Fate = lambda _batch, _request: ANSWERED
        self.said = "no luck"
        """What errors of single requests say."""
        self.refusals_to_come: list[str] = []
        """Reasons for which the next batches fail."""
        self.hidden = False
        """Whether the list of batches leaves them out."""
        self.on_step: Callable[[Step], None] = lambda _step: None
        self.prompts_answered: list[str] = []

    def accept(self, own_id: str, requests: Iterable[tuple[str, Any]]) -> Batch:
        batch = Batch(f"{self.prefix}{len(self.batches) + 1}", own_id, list(requests))
        number = len(self.batches) + 1
        batch.fates = [self.fate(number, place) for place in range(len(batch.requests))]
        if self.refusals_to_come:
            batch.refusal = self.refusals_to_come.pop(0)
        self.batches.append(batch)
        return batch

    def batch(self, name: str) -> Batch:
        return next(batch for batch in self.batches if batch.name == name)

    def is_over(self, batch: Batch) -> bool:
        return bool(batch.refusal) or batch.is_cancelled or batch.looks > self.looks_needed

    def answer(self, body: Any) -> dict[str, Any]:
        self.prompts_answered.append(self.prompt_of(body))
        return self.chat(body)

    def newest_first(self) -> list[Batch]:
        return [] if self.hidden else self.batches[::-1]

    def step(self, handler: Handler, name: str, act: Callable[[], Any]) -> None:
        """Carry out a request; tests are told before and after."""
        self.steps.append(name)
        try:
            self.on_step(Step(name, is_done=False))
            answer = act()
            self.on_step(Step(name, is_done=True))
        except Refused as refused:
            handler.send_json(self.error(refused.status, "not now"), refused.status)
            return
        except ConnectionAbortedError:
            handler.close_connection = True
            return
        if isinstance(answer, bytes):
            handler.send_bytes(answer, headers={"Content-Type": "application/octet-stream"})
        else:
            handler.send_json(answer)


class BatchingOpenAI(Batching, FakeOpenAI):
    """OpenAI's."""

    model = "tiny"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.files: dict[str, bytes] = {}

    def tell(self, handler: Handler, path: str, body: Any) -> None:
        plain, _, query = path.partition("?")
        if plain == "/files":
            self.step(handler, "upload", lambda: self._upload(body))
        elif plain.startswith("/files/") and handler.command == "DELETE":
            self.step(handler, "delete", lambda: self._delete(plain.split("/")[2]))
        elif plain.startswith("/files/"):
            self.step(handler, "results", lambda: self.files[plain.split("/")[2]])
        elif plain == "/batches" and body is not None:
            self.step(handler, "send", lambda: self._shown(self._create(body)))
        elif plain == "/batches":
            self.step(handler, "list", lambda: self._page(query))
        elif plain.endswith("/cancel"):
            self.step(handler, "cancel", lambda: self._cancel(plain.split("/")[2]))
        elif plain.startswith("/batches/"):
            self.step(handler, "look", lambda: self._look(plain.split("/")[2]))
        else:
            super().tell(handler, path, body)

    def _upload(self, body: bytes) -> Any:
        assert b'name="purpose"\r\n\r\nbatch\r\n' in body
        content = re.search(rb'name="file".*?\r\n\r\n(.*?)\r\n--', body, re.DOTALL)
        assert content is not None
        name = f"file-{len(self.files) + 1}"
        self.files[name] = content[1]
        return {"id": name, "object": "file", "purpose": "batch"}

    def _delete(self, name: str) -> Any:
        del self.files[name]
        return {"id": name, "object": "file", "deleted": True}

    def _create(self, body: Any) -> Batch:
        assert (body["endpoint"], body["completion_window"]) == ("/v1/chat/completions", "24h")
        lines = [json.loads(line) for line in self.files[body["input_file_id"]].splitlines()]
        assert all((line["method"], line["url"]) == ("POST", "/v1/chat/completions") for line in lines)
        assert len({line["custom_id"] for line in lines}) == len(lines)
        requests = ((line["custom_id"], line["body"]) for line in lines)
        return self.accept(next(iter(body["metadata"].values())), requests)

    def _cancel(self, name: str) -> Any:
        self.batch(name).is_cancelled = True
        return self._shown(self.batch(name))

    def _look(self, name: str) -> Any:
        self.batch(name).looks += 1
        return self._shown(self.batch(name))

    def _status(self, batch: Batch) -> str:
        if batch.refusal:
            return "failed"
        if batch.is_cancelled:
            return "cancelled"
        if not self.is_over(batch):
            return "in_progress"
        return "expired" if EXPIRED in batch.fates else "completed"

    def _shown(self, batch: Batch) -> Any:
        files: dict[str, Any] = {}
        if self.is_over(batch) and not batch.refusal:
            for key, lines in zip(("output_file_id", "error_file_id"), self._lines(batch), strict=True):
                if lines:
                    files[key] = f"{batch.name}-{key}"
                    self.files[files[key]] = "".join(f"{json.dumps(line)}\n" for line in lines).encode()
        errors: Any = {"object": "list", "data": [{"code": "invalid", "message": batch.refusal, "line": 1}]}
        return {
            "id": batch.name,
            "object": "batch",
            "status": self._status(batch),
            "created_at": int(batch.created),
            "metadata": {"r2po_batch": batch.own_id},
            "errors": errors if batch.refusal else None,
            "output_file_id": None,
            "error_file_id": None,
            **files,
        }

    def _lines(self, batch: Batch) -> tuple[list[Any], list[Any]]:
        """Return the answers, in no order, and the errors."""
        if f"{batch.name}-output_file_id" in self.files or f"{batch.name}-error_file_id" in self.files:
            return tuple(  # type: ignore[return-value]
                [json.loads(line) for line in self.files.get(f"{batch.name}-{key}", b"").splitlines()]
                for key in ("output_file_id", "error_file_id")
            )
        answered: list[Any] = []
        failed: list[Any] = []
        for (name, body), fate in zip(batch.requests, batch.fates, strict=True):
            if batch.is_cancelled or fate == EXPIRED:
                error = {"code": "batch_expired", "message": "It could not be executed before the window expired."}
                failed.append({"id": f"r-{name}", "custom_id": name, "response": None, "error": error})
            elif fate == ANSWERED:
                response = {"status_code": 200, "request_id": "r", "body": self.answer(body)}
                answered.append({"id": f"r-{name}", "custom_id": name, "response": response, "error": None})
            elif fate in (FAILED, INVALID):
                status = 500 if fate == FAILED else 400
                response = {"status_code": status, "request_id": "r", "body": self.error(status, self.said)}
                failed.append({"id": f"r-{name}", "custom_id": name, "response": response, "error": None})
        return answered[::-1], failed

    def _page(self, query: str) -> Any:
        asked = dict(re.findall(r"(\w+)=([^&]*)", query))
        listed = self.newest_first()
        if "after" in asked:
            listed = listed[[batch.name for batch in listed].index(asked["after"]) + 1 :]
        size = int(asked.get("limit", 20))
        page = [self._shown(batch) for batch in listed[:size]]
        return {"object": "list", "data": page, "has_more": len(listed) > size}


class BatchingAnthropic(Batching, FakeAnthropic):
    """Anthropic's: nothing but the results names a batch's requests."""

    prefix = "msgbatch_"
    model = "claude-tiny"

    def tell(self, handler: Handler, path: str, body: Any) -> None:
        plain, _, query = path.partition("?")
        base = "/v1/messages/batches"
        if plain == base and body is not None:
            self.step(handler, "send", lambda: self._create(body))
        elif plain == base:
            self.step(handler, "list", lambda: self._page(query))
        elif plain.endswith("/results"):
            self.step(handler, "results", lambda: self._results(self.batch(plain.split("/")[4])))
        elif plain.endswith("/cancel"):
            self.step(handler, "cancel", lambda: self._cancel(plain.split("/")[4]))
        elif plain.startswith(f"{base}/"):
            self.step(handler, "look", lambda: self._look(plain.split("/")[4]))
        else:
            super().tell(handler, path, body)

    def _create(self, body: Any) -> Any:
        names = [request["custom_id"] for request in body["requests"]]
        assert all(re.fullmatch("[a-zA-Z0-9_-]{1,64}", name) for name in names)
        assert len(set(names)) == len(names)
        return self._shown(self.accept("", ((each["custom_id"], each["params"]) for each in body["requests"])))

    def _cancel(self, name: str) -> Any:
        self.batch(name).is_cancelled = True
        return self._shown(self.batch(name))

    def _look(self, name: str) -> Any:
        self.batch(name).looks += 1
        return self._shown(self.batch(name))

    def _shown(self, batch: Batch) -> Any:
        over = self.is_over(batch)
        counts = dict.fromkeys(("processing", "succeeded", "errored", "canceled", "expired"), 0)
        for fate in batch.fates:
            told = {ANSWERED: "succeeded", EXPIRED: "expired"}.get(fate, "errored")
            counts["processing" if not over else "canceled" if batch.is_cancelled else told] += 1
        return {
            "id": batch.name,
            "type": "message_batch",
            "processing_status": "ended" if over else "in_progress",
            "request_counts": counts,
            "created_at": datetime.fromtimestamp(batch.created, timezone.utc).isoformat().replace("+00:00", "Z"),
            "results_url": f"https://elsewhere.example/{batch.name}/results" if over else None,
        }

    def _results(self, batch: Batch) -> bytes:
        if not hasattr(batch, "lines"):
            lines = [self._line(batch, *each) for each in zip(batch.requests, batch.fates, strict=True)]
            vars(batch)["lines"] = [line for line in lines[::-1] if line]
        return "".join(f"{json.dumps(line)}\n" for line in vars(batch)["lines"]).encode()

    def _line(self, batch: Batch, request: tuple[str, Any], fate: str) -> Any:
        name, body = request
        if fate == LOST:
            return None
        if batch.is_cancelled:
            result: dict[str, Any] = {"type": "canceled"}
        elif fate == EXPIRED:
            result = {"type": "expired"}
        elif fate == ANSWERED:
            assert body["max_tokens"] > 0, "max_tokens: Field required"
            self.prompts_answered.append(self.prompt_of(body))
            result = {"type": "succeeded", "message": self.chat(body)}
        else:
            kind = "api_error" if fate == FAILED else "invalid_request_error"
            result = {"type": "errored", "error": {"type": "error", "error": {"type": kind, "message": self.said}}}
        return {"custom_id": name, "result": result}

    def _page(self, query: str) -> Any:
        asked = dict(re.findall(r"(\w+)=([^&]*)", query))
        listed = self.newest_first()
        if "after_id" in asked:
            listed = listed[[batch.name for batch in listed].index(asked["after_id"]) + 1 :]
        size = int(asked.get("limit", 20))
        for batch in listed[:size]:
            batch.looks += 1
        return {"data": [self._shown(batch) for batch in listed[:size]], "has_more": len(listed) > size}


class BatchingGemini(Batching, FakeGemini):
    """Gemini's; ``keeps_keys`` is whether answers come with the keys that were sent."""

    prefix = "batches/"
    model = "gemini-tiny"
    keeps_keys = True

    def tell(self, handler: Handler, path: str, body: Any) -> None:
        plain, _, query = path.partition("?")
        if plain.endswith(":batchGenerateContent"):
            self.step(handler, "send", lambda: self._create(body["batch"]))
        elif plain == "/v1beta/batches":
            self.step(handler, "list", lambda: self._page(query))
        elif plain.endswith(":cancel"):
            self.step(handler, "cancel", lambda: self._cancel(plain.removeprefix("/v1beta/").removesuffix(":cancel")))
        elif plain.startswith("/v1beta/batches/"):
            name = plain.removeprefix("/v1beta/")
            over = self.is_over(self.batch(name))
            self.step(handler, "results" if over else "look", lambda: self._look(name))
        else:
            super().tell(handler, path, body)

    def _create(self, batch: Any) -> Any:
        requests = batch["input_config"]["requests"]["requests"]
        made = self.accept(batch["display_name"], ((each["metadata"]["key"], each["request"]) for each in requests))
        return self._shown(made)

    def _cancel(self, name: str) -> Any:
        self.batch(name).is_cancelled = True
        return {}

    def _look(self, name: str) -> Any:
        self.batch(name).looks += 1
        return self._shown(self.batch(name))

    def _state(self, batch: Batch) -> str:
        if batch.refusal:
            return "FAILED"
        if batch.is_cancelled:
            return "CANCELLED"
        if not self.is_over(batch):
            return "RUNNING"
        return "EXPIRED" if set(batch.fates) == {EXPIRED} else "SUCCEEDED"

    def _shown(self, batch: Batch) -> Any:
        created = datetime.fromtimestamp(batch.created, timezone.utc).isoformat().replace("+00:00", "Z")
        state = self._state(batch)
        metadata = {"displayName": batch.own_id, "state": f"BATCH_STATE_{state}", "createTime": created}
        operation: dict[str, Any] = {"name": batch.name, "metadata": metadata, "done": self.is_over(batch)}
        if batch.refusal:
            operation["error"] = {"code": 3, "message": batch.refusal}
        elif state == "SUCCEEDED":
            operation["response"] = {"inlinedResponses": {"inlinedResponses": self._answers(batch)}}
        return operation

    def _answers(self, batch: Batch) -> list[Any]:
        if not hasattr(batch, "answers"):
            answers = [self._one(*each) for each in zip(batch.requests, batch.fates, strict=True)]
            vars(batch)["answers"] = [each for each in answers if each]
        found: list[Any] = vars(batch)["answers"]
        return found

    def _one(self, request: tuple[str, Any], fate: str) -> Any:
        name, body = request
        told = {"metadata": {"key": name}} if self.keeps_keys else {}
        if fate == LOST:
            return None
        if fate == ANSWERED:
            return {"response": self.answer(body), **told}
        code = {EXPIRED: 1, FAILED: 13, INVALID: 3}[fate]
        return {"error": {"code": code, "message": self.said}, **told}

    def _page(self, query: str) -> Any:
        asked = dict(re.findall(r"(\w+)=([^&]*)", query))
        size, start = int(asked.get("pageSize", 50)), int(asked.get("pageToken", 0))
        shown = [self._shown(batch) for batch in ([] if self.hidden else self.batches)]
        more = {"nextPageToken": str(start + size)} if len(shown) > start + size else {}
        return {"operations": shown[start : start + size], **more}


BATCHING: dict[str, type[Batching]] = {
    "OpenAI": BatchingOpenAI,
    "Anthropic": BatchingAnthropic,
    "Gemini": BatchingGemini,
}
