"""What the wire formats have in common: settings, one request and its answer, the first contact."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

from r2po.errors import InputError
from r2po.llm.failures import told_error
from r2po.llm.providers import schema as schemas
from r2po.llm.providers.advice import NO_MATCH, advised
from r2po.llm.providers.context import LONGER_MODEL, SERVE_LONGER, AskedOnce
from r2po.llm.providers.payload import entries, string
from r2po.llm.providers.server import Server, UnknownModelError
from r2po.llm.providers.streaming import Chat, StreamForm
from r2po.llm.transport import Transport
from r2po.llm.types import AttemptFailed, Finish, Limit, Provider, ProviderSettings, Reply, Request
from r2po.llm.usage import Usage

CHECK_TIMEOUT_S = 10.0
JSON_SCHEMA = "json_schema"
OK = 200


class WireFormat(Provider, ABC):
    """A provider over HTTP. A subclass knows where things are in its requests and answers.

    Raises:
        InputError: Base URL or key cannot be used, or must not be used together.
    """

    server: ClassVar[Server]
    settings: ClassVar[Mapping[str, str]]
    """The config keys that it understands, and what each is called in a request."""
    filled_in: ClassVar[Mapping[str, str]] = {}
    """The config keys of which it sends a value of its own if the config sets none, and what each is called."""
    schema_words: ClassVar[tuple[str, ...]] = ()
    """What a refusal mentions that is about the schema of ``structured_output``."""
    identity_names: ClassVar[tuple[str, ...]] = ()
    """What identifies a model in what the server tells of it."""
    served_names: ClassVar[tuple[str, ...]] = ("model",)
    """What tells in a reply which model answered, and which version of it."""
    stream_form: ClassVar[StreamForm | None] = None
    """How an answer comes in pieces; None if it never does."""
    key_refusals: ClassVar[frozenset[int]] = frozenset({401, 403})
    """Statuses by which the server refuses the key at the first contact."""

    def __init__(self, model: str, settings: ProviderSettings) -> None:
        key = self.server.key(settings)
        base_url, self._chosen_by = self.server.chosen(settings)
        self.model = model
        self.has_key = bool(key)
        self._prompt_cache = settings.prompt_cache
        self._told_length = AskedOnce(self.context_length)
        self._transport = Transport(
            base_url,
            base_url_variable=self._chosen_by,
            key_variable=self.server.key_variable,
            key=key,
            headers=self._headers(key),
            timeout_s=settings.timeout_s,
            idle_timeout_s=settings.idle_timeout_s,
        )
        self._chat = Chat(
            self._transport,
            self._chat_path,
            self.stream_form,
            settings.streaming,
            tells_tokens=partial(self._tells_tokens_of_streams, surely=settings.streaming == "own"),
            told_error=self._told_error,
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.model!r}, {self.address!r})"

    @property
    def address(self) -> str:
        """The base URL of the server."""
        return self._transport.base_url

    @property
    def is_at_home(self) -> bool:
        """Whether this is the provider's own server, and not one that only speaks its protocol."""
        return self.address == self.server.base_url

    @property
    def _marks_prompts(self) -> bool:
        """Whether prompts are marked for the cache; others than its own servers may join the blocks in another way."""
        return self.is_at_home if self._prompt_cache is None else self._prompt_cache

    @property
    def lacks_key(self) -> bool:
        """Whether there is no key and nothing can be had without one."""
        return self.server.needs_key and self.is_at_home and not self.has_key

    def check(self) -> None:
        """Find out whether the server answers, takes the key and knows the model."""
        self.knows_model()

    def knows_model(self) -> bool:
        """Return whether the server says that it knows the model.

        A server that answers but does not say gets the benefit of the doubt: proxies often pass on nothing but chats.

        Raises:
            InputError: No key where one is needed, an unreachable server, a refused key or an unknown model.
        """
        if self.lacks_key:
            raise InputError(
                f"{self.server.key_variable} is not set, and {self.server.name} needs a key: set it in the environment "
                "or in .env"
            )
        return self._knows_model()

    def probe(self) -> None:
        """Ask for the list of models; any failure is raised as it is."""
        self._transport.get_json(self.server.listing, timeout_s=CHECK_TIMEOUT_S)

    def context_length(self) -> int | None:
        """Return the most tokens that the model takes, if the server tells."""
        return None

    def longest_prompt(self) -> Limit | None:
        """Return the context length as the limit of a prompt; the server is asked for it once."""
        length = self._told_length()
        return None if length is None else Limit(length, LONGER_MODEL if self.is_at_home else SERVE_LONGER)

    def details(self) -> str:
        """Return what the server tells of the model besides: its size and the like; often nothing."""
        return ""

    def redact(self, text: str) -> str:
        """Return a text as one short line without the key."""
        return self._transport.redact(text)

    def complete(self, request: Request) -> Reply:
        """Make one attempt.

        Raises:
            AttemptFailed: No answer, a refusal, or one without text that was not cut off at the token limit.
        """
        settings = self._settings(request)
        if request.schema is not None:
            enforceable = schemas.bounded if self.enforces_bounds() else schemas.listed
            request = replace(request, schema=enforceable(request.schema))
        body = self._body(request, settings)
        try:
            payload, in_pieces = self._chat.post(body, request, self.line)
        except AttemptFailed as failure:
            if NO_MATCH.search(failure.reason):
                return Reply("", unreadable="the server found no answer of the expected format in it")
            raise self._advised(failure, request) from None
        reply = self._reply(payload, body)
        if in_pieces:
            self._chat.count(reply.usage)
        usage = reply.usage.at(self.price_share, self.cached_price_share)
        return replace(reply, usage=usage, served=self._named(payload, self.served_names), note=self._chat.note)

    def close(self) -> None:
        """Close the connections of answers that are coming; send nothing more."""
        self._transport.close()

    def _tells_tokens_of_streams(self, *, surely: bool) -> bool:  # noqa: ARG002 - subclasses use it
        """Whether a server is known to tell the tokens of answers in pieces; ``surely``, only the provider's own is."""
        return self.is_at_home

    def enforces_bounds(self) -> bool:
        """Whether the server holds numbers to the bounds of a schema; if not, it is sent a list of their values."""
        return True

    @property
    @abstractmethod
    def _chat_path(self) -> str:
        """Path of the request for a reply."""

    def _headers(self, key: str) -> dict[str, str]:
        """Return what is sent with every request; the key may be empty."""
        return {"Authorization": f"Bearer {key}"} if key else {}

    @abstractmethod
    def _knows_model(self) -> bool:
        """Ask the server for the model."""

    @abstractmethod
    def _body(self, request: Request, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Write a request, given the settings that are set."""

    def _told_error(self, payload: Any) -> Any:
        """Return the error object in an answer whose status is good, or None."""
        return told_error(payload)

    @abstractmethod
    def _reply(self, payload: Mapping[str, Any], body: Mapping[str, Any]) -> Reply:
        """Read an answer to a request."""

    def _advised(self, failure: AttemptFailed, request: Request) -> AttemptFailed:
        """Say which config keys a refused request is about, if the refusal names any."""
        configured = {key: self.settings[key] for key in self._settings(request)}
        return advised(failure, configured, self.filled_in, () if request.schema is None else self.schema_words)

    def _renamed(self, settings: Mapping[str, Any], *keys: str) -> dict[str, Any]:
        """Return those of some settings that are set, under the names of the wire."""
        return {self.settings[key]: settings[key] for key in keys if key in settings}

    def _settings(self, request: Request) -> dict[str, Any]:
        settings = {key: value for key, value in request.sampling.items() if value is not None}
        settings.pop("structured_output", None)  # the request has the schema itself
        for key in sorted(settings.keys() - self.settings.keys()):
            raise self._unusable(key, f"it has {', '.join(self.settings)}")
        return settings

    def _unusable(self, key: str, expected: str) -> AttemptFailed:
        return AttemptFailed(f"{self.server.name} has no setting {key!r}; {expected}", retryable=False)

    def _ask(self, path: str, body: Mapping[str, Any] | None = None, *, first: bool = True) -> tuple[int, Any]:
        """Make contact, posting ``body`` if there is one; return the status and, if it was understood, the answer.

        Raises:
            InputError: The server refuses the key or, at the first contact, cannot be reached.
        """
        try:
            if body is not None:
                return 200, self._transport.post_json(path, body, timeout_s=CHECK_TIMEOUT_S)
            return 200, self._transport.get_json(path, timeout_s=CHECK_TIMEOUT_S)
        except AttemptFailed as failure:
            if failure.status is None and first:
                raise self.server.unreachable(failure, self._chosen_by) from None
            if failure.status in self.key_refusals:
                raise InputError(failure.reason) from None
            status = failure.status or 0
            return (0 if 200 <= status < 300 else status), None  # an answer that was not understood says nothing

    def _is_found(self, path: str, listing: str, models: str, name: str, prefix: str = "") -> bool:
        """Ask for the model at its own path and, should the server lack that path, look for it in the list of all."""
        status, answer = self._ask(path)
        self._identify(answer)
        if status == 404:
            _, answer = self._ask(listing, first=False)
            known = [string(each, name).removeprefix(prefix) for each in entries(answer, models)]
            if known and self.model not in known:
                raise self._unknown_model(known)
            return bool(known)
        return status == 200

    def _identify(self, told: Any) -> None:
        """Keep what identifies the model in what the server tells of it."""
        self.identity = self._named(told, self.identity_names) or None

    def _named(self, told: Any, names: Iterable[str]) -> dict[str, str]:
        """Return those of these texts that a server tells, without any key in them."""
        texts = {name: self._transport.redact(string(told, name)) for name in names}
        return {name: text for name, text in texts.items() if text}

    def _unknown_model(self, known: Iterable[str]) -> UnknownModelError:
        return UnknownModelError.among(f"{self.server.name} at {self.address}", self.model, map(self.redact, known))

    def _finished(
        self,
        text: str,
        *,
        thinking: str,
        end: str,
        known: Mapping[str, Finish],
        usage: Usage,
        sent: Mapping[str, Any],
        said: object = None,
        context: int | None = None,
    ) -> Reply:
        """Return the reply, if there is one.

        Args:
            text: What the model answered.
            thinking: What it thought.
            end: The provider's word for why it stopped; none counts as a good end.
            known: What such words mean.
            usage: Token counts.
            sent: Settings in effect.
            said: What the server said in the place of an answer.
            context: The tokens that prompt and reply may have together, if known.

        Raises:
            AttemptFailed: The model refused, failed on the way, or said nothing.
        """
        reason = f": {self._transport.redact(said)}" if isinstance(said, str) and said.strip() else ""
        finish = known.get(end, "unknown") if end else "stop"
        if finish == "refusal":
            raise AttemptFailed(f"{self.model} refused to answer{reason}", retryable=True)
        if end.casefold() == "error":
            raise AttemptFailed(f"{self.model} failed before the end of its answer{reason}", retryable=True)
        if not text.strip() and finish != "length":
            raise AttemptFailed(f"the answer of {self.model} has no text{reason}", retryable=True)
        end_said = self._transport.redact(end) if finish == "unknown" else ""
        is_full = finish == "length" and context is not None and (usage.total or 0) >= context - 1
        return Reply(text, thinking, finish, usage, sent, end_said, context if is_full else None)
