"""What ``r2po doctor`` finds out about a model: key, server, model, context length, and one tiny call."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any, Literal

from r2po.config import Config
from r2po.errors import InputError, UnusableReply
from r2po.experiment.pricing import priced
from r2po.llm.providers.server import KeyNotSentError, UnknownModelError
from r2po.llm.providers.wire import WireFormat
from r2po.llm.registry import provider_for, usages
from r2po.llm.types import CRITIC, SEARCH, AttemptFailed, Provider, ProviderSettings, Reply, Request, Streaming
from r2po.policies.tabular import Tabular
from r2po.tasks.spaces import Spaces

TIMEOUT_S = 300.0
"""For one tiny call: a local server may have to load the model first."""

_QUESTION = """This is a test. There are 2 parameters, params[0] and params[1]. Each is one of the integers 0, 1.

# Reply format
"""
_FREE_TEXT = """The first line of your reply holds all 2 parameters and nothing else, in this form:
params[0]: v, params[1]: v
"""
_JSON = """Your reply is one JSON object and nothing else, in this form:
{"params": [v, v, ...], "reasoning": "..."}
The list "params" holds all 2 parameters.
"""


@dataclass(frozen=True)
class Finding:
    """One thing that was checked. A failure says what to change, and is the last finding on its model."""

    verdict: Literal["ok", "note", "FAILED"]
    what: str
    text: str


@dataclass(frozen=True)
class Patient:
    """The model to examine, and what a config says about its use.

    Attributes:
        model: ``llm_model_name``.
        environ: Environment with keys and base URLs.
        sampling: The sampling settings that the config sets.
        timeout_s: Seconds that one call may take.
        num_ctx: Context length in tokens that the config sets.
        base_url: Address of the server that the config sets.
        streaming: Whether answers are streamed.
        idle_timeout_s: Seconds that may pass between two pieces of an answer.
    """

    model: str
    environ: Mapping[str, str]
    sampling: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    timeout_s: float = TIMEOUT_S
    num_ctx: int | None = None
    base_url: str | None = None
    streaming: Streaming = "auto"
    idle_timeout_s: float | None = None


def list_keys(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Say for each provider whether its key is set; no server is contacted."""
    for form, provider, variable in usages():
        if variable != "-":
            state = "set" if environ.get(variable, "").strip() else "not set"
            yield Finding("ok" if state == "set" else "note", "key", f"{variable} is {state}; {provider}: {form}")


def examine_all(patients: Sequence[Patient]) -> Iterator[Finding]:
    """Examine the model of the search and, if there is another, that of the critic."""
    for role, patient in zip((SEARCH, CRITIC), patients, strict=False):
        if len(patients) > 1:
            yield Finding("note", role, patient.model)
        yield from examine(patient)


def examine_prices(config: Config) -> Iterator[Finding]:
    """Look up the prices that a config leaves to a list."""
    found: list[str] = []
    try:
        priced(config, None, found.append)
    except InputError as error:
        yield Finding("FAILED", "prices", str(error))
    for text in found:
        yield Finding("ok", "prices", text)


def examine(patient: Patient) -> Iterator[Finding]:
    """Check one thing after another, up to the first that fails."""
    settings = ProviderSettings(
        patient.environ,
        timeout_s=patient.timeout_s,
        num_ctx=patient.num_ctx,
        base_url=patient.base_url,
        streaming=patient.streaming,
        idle_timeout_s=patient.idle_timeout_s,
    )
    try:
        provider = provider_for(patient.model, settings)
    except KeyNotSentError as error:
        yield Finding("FAILED", "key", str(error))
        return
    except InputError as error:
        yield Finding("FAILED", "name", str(error))
        return
    steps = [_contact(provider, patient), _call(provider, patient)] if isinstance(provider, WireFormat) else []
    if not steps:
        yield Finding("note", "model", f"{patient.model} needs no key and no server")
        steps = [] if provider.recording else [_call(provider, patient)]
    for step in steps:
        for finding in step:
            yield finding
            if finding.verdict == "FAILED":
                return


def _contact(provider: WireFormat, patient: Patient) -> Iterator[Finding]:
    variable = provider.server.key_variable
    if provider.has_key:
        yield Finding("ok", "key", f"{variable} is set")
    elif not provider.lacks_key:
        yield Finding("note", "key", f"{variable} is not set; many self-hosted servers need none")
    try:
        known = provider.knows_model()
    except UnknownModelError as error:
        yield Finding("ok", "server", f"{provider.address} answers")
        yield Finding("FAILED", "model", str(error))
        return
    except InputError as error:
        yield Finding("FAILED", "key" if provider.lacks_key else "server", str(error))
        return
    yield Finding("ok", "server", f"{provider.address} answers")
    if known:
        details = provider.details()
        yield Finding("ok", "model", f"{provider.model} is known there{f': {details}' if details else ''}")
    else:
        yield Finding("note", "model", f"the server does not say whether it knows {provider.model}")
    yield _context(provider, patient.num_ctx)


def _context(provider: WireFormat, num_ctx: int | None) -> Finding:
    try:
        length = provider.context_length()
    except InputError:
        length = None
    if length is None:
        return Finding("note", "context", "the server does not report the context length")
    if num_ctx is not None and num_ctx > length:
        return Finding("FAILED", "context", f"{length:,} tokens, but num_ctx is {num_ctx:,}: lower it in the config")
    return Finding("ok", "context", f"{length:,} tokens")


def _call(provider: Provider, patient: Patient) -> Iterator[Finding]:
    structured = bool(patient.sampling.get("structured_output"))
    policy = Tabular(Spaces(True, 2, True, 2, 0, (), (), None))
    prompt = _QUESTION + (_JSON if structured else _FREE_TEXT)
    schema = policy.schema() if structured else None
    request = Request(0, SEARCH, 0, 1, prompt, schema, sampling=patient.sampling)
    started = time.monotonic()
    try:
        reply = provider.complete(request)
    except AttemptFailed as failure:
        later = "; this may pass: try again later" if failure.retryable else ""
        yield Finding("FAILED", "call", f"{failure.reason}{later}")
        return
    seconds = time.monotonic() - started
    if reply.finish == "length":
        yield Finding("FAILED", "call", f"the reply was cut off {_why_cut(reply, patient)}")
        return
    yield Finding("ok", "call", f"answered in {seconds:.1f} s")
    yield _tokens(reply)
    if reply.note:
        yield Finding("note", "streaming", reply.note)
    if reply.thinking:
        yield Finding("ok", "thinking", f"{len(reply.thinking):,} characters, kept apart from the answer")
    if schema is not None and not _is_object(reply.text):
        yield Finding("note", "schema", "the server does not hold the model to the schema of structured_output")
    yield _format(provider, reply, policy)


def _is_object(text: str) -> bool:
    """Whether a reply is what the schema asks for: one JSON object with the parameters, and nothing around it."""
    try:
        answer = json.loads(text)
    except ValueError:
        return False
    return isinstance(answer, dict) and isinstance(answer.get("params"), list)


def _why_cut(reply: Reply, patient: Patient) -> str:
    if reply.filled_context is not None:
        return f"where it filled the context of {reply.filled_context:,} tokens: the model may not come to an end"
    if "max_output_tokens" in patient.sampling:
        return "at the token limit: raise max_output_tokens or remove it"
    return "at a token limit that the config does not set: raise max_output_tokens, or set it"


def _tokens(reply: Reply) -> Finding:
    names = (each.name for each in fields(reply.usage) if each.name.endswith("_tokens"))
    counts = {name.removesuffix("_tokens"): getattr(reply.usage, name) for name in names}
    text = ", ".join(f"{name} {'unknown' if count is None else f'{count:,}'}" for name, count in counts.items())
    counted = None not in (reply.usage.prompt_tokens, reply.usage.completion_tokens)
    return Finding("ok" if counted else "note", "tokens", text)


def _format(provider: Provider, reply: Reply, policy: Tabular) -> Finding:
    why = reply.unreadable
    try:
        policy.read(reply.text)
    except UnusableReply as refusal:
        why = why or provider.redact(str(refusal))
        return Finding("note", "format", f"the reply could not be used ({why}); a run would ask again")
    return Finding("ok", "format", "the reply could be used")
