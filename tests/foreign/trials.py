"""What is tried with a server of others, and how what was seen is told in a few words."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from r2po.commands.doctor import Patient, examine
from r2po.config.load import resolve
from r2po.errors import InputError, R2POError, UnusableReply
from r2po.experiment.launch import launch
from r2po.experiment.observer import Observer
from r2po.experiment.setting import Setting
from r2po.llm.providers.context import fewest_tokens
from r2po.llm.providers.wire import WireFormat
from r2po.llm.registry import provider_for
from r2po.llm.types import SEARCH, AttemptFailed, Line, ProviderSettings, Reply, Request
from tests.foreign.servers import CONTEXT, Foreign

TIMEOUT_S = 300.0
STRUCTURED_REPLIES = 10
ITERATIONS = 5
WRONG_KEY = "sk-a-wrong-key-of-some-length"
_LONGEST = 200
_ADDRESS = re.compile(r"https?://\S+: ")
_PROMPT = "Which ten numbers would you choose?"


def ask(foreign: Foreign, prompt: str = _PROMPT, schema: Mapping[str, Any] | None = None, **changes: Any) -> Reply:
    """Make one attempt at a call, as a run does.

    Raises:
        AttemptFailed: As providers say.
    """
    environ = {**foreign.environ, **changes.pop("environ", {})}
    provider = provider_for(changes.pop("model", foreign.model), ProviderSettings(environ, TIMEOUT_S, None))
    sampling = {"temperature": 1.0, "max_output_tokens": 300, **changes.pop("sampling", {})}
    return provider.complete(Request(1, SEARCH, changes.pop("sample", 0), 1, prompt, schema, sampling=sampling))


def outcome(call: Callable[[], Reply]) -> str:
    """Return what became of an attempt."""
    try:
        reply = call()
    except AttemptFailed as failure:
        return f"{'retried' if failure.retryable else 'stops at once'}: {_short(failure.reason)}"
    return f"a reply, ended by {reply.finish!r}"


def doctor(foreign: Foreign) -> str:
    """``r2po doctor``: which of its checks found what."""
    found = {each.what: each for each in examine(Patient(foreign.model, foreign.environ, timeout_s=TIMEOUT_S))}
    good = {"server": "answers", "model": "known", "context": "told", "call": "answered"}
    words = [f"{what} {good[what] if found[what].verdict == 'ok' else 'not told'}" for what in good if what in found]
    failed = [f"FAILED at {each.what}: {_short(each.text)}" for each in found.values() if each.verdict == "FAILED"]
    return "; ".join(failed or words)


def plain(foreign: Foreign) -> str:
    """A reply in free text."""
    return outcome(lambda: ask(foreign))


def streamed(foreign: Foreign) -> str:
    """A reply that is asked for in pieces."""
    provider = provider_for(foreign.model, ProviderSettings(foreign.environ, TIMEOUT_S, streaming=True))
    assert isinstance(provider, WireFormat)
    came: list[bool] = []
    post = provider._chat.post

    def watch(body: Mapping[str, Any], request: Request, line: Line | None) -> tuple[dict[str, Any], bool]:
        answer, in_pieces = post(body, request, line)
        came.append(in_pieces)
        return answer, in_pieces

    vars(provider._chat)["post"] = watch
    try:
        reply = provider.complete(Request(1, SEARCH, 0, 1, _PROMPT, sampling={"max_output_tokens": 300}))
    except AttemptFailed as failure:
        return f"{'retried' if failure.retryable else 'stops at once'}: {_short(failure.reason)}"
    told = "tokens told" if reply.usage.total is not None else "no tokens told"
    return f"{'in pieces' if came == [True] else 'as a whole'}, ended by {reply.finish!r}, {told}"


def tokens(foreign: Foreign) -> str:
    """The counts of a reply, next to the fewest tokens that its texts can have."""
    reply = ask(foreign, _PROMPT * 20)
    counts = (reply.usage.prompt_tokens, reply.usage.completion_tokens)
    least = (fewest_tokens(_PROMPT * 20), fewest_tokens(reply.text))
    told = ", ".join(
        f"{what} {'unknown' if count is None else count}{'' if count is None or count >= low else ' (too few)'}"
        for what, count, low in zip(("prompt", "completion"), counts, least, strict=True)
    )
    return f"{told}, cached {'unknown' if reply.usage.cached_tokens is None else reply.usage.cached_tokens}"


def structured(foreign: Foreign) -> str:
    """Replies under the schema of CartPole's policies: how many are within range and decimals."""
    setting = Setting(_config(foreign, Path("unused")), 1)
    try:
        schema = setting.policy.schema()
        usable = 0
        for number in range(STRUCTURED_REPLIES):
            try:
                setting.policy.read(ask(foreign, f"{_PROMPT} {number}", schema).text)
            except UnusableReply:
                continue
            usable += 1
    finally:
        setting.close()
    return f"{usable} of {STRUCTURED_REPLIES} replies usable" + ("" if usable else ": the schema is not enforced")


def cut(foreign: Foreign) -> str:
    """A reply that is cut off after 5 tokens; greedily, since random weights may else end it before."""
    return outcome(lambda: ask(foreign, sampling={"max_output_tokens": 5, "temperature": 0.0}))


def too_long(foreign: Foreign) -> str:
    """A prompt that is longer than the context."""
    return outcome(lambda: ask(foreign, "how now " * CONTEXT))


def wrong_key(foreign: Foreign) -> str:
    """A key that the server does not know."""
    return _refused(foreign, foreign.model, {foreign.key_variable: WRONG_KEY})


def unknown_model(foreign: Foreign) -> str:
    """A model that the server does not have."""
    return _refused(foreign, foreign.unknown, {})


def _refused(foreign: Foreign, model: str, environ: Mapping[str, str]) -> str:
    provider = provider_for(model, ProviderSettings({**foreign.environ, **environ}, TIMEOUT_S, None))
    try:
        provider.check()
    except InputError as error:
        return f"error at once: {_short(str(error))}"
    return f"not noticed at first contact; then {outcome(lambda: ask(foreign, model=model, environ=environ))}"


def second_sample(foreign: Foreign) -> str:
    """Two samples of a prompt."""
    first, second = (ask(foreign, sample=sample).text for sample in (0, 1))
    return "differ" if first != second else "are equal"


def run(foreign: Foreign) -> str:
    """A run of ProPS on CartPole with structured output."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            result = launch(_config(foreign, Path(folder)), None, foreign.environ, Observer())
        except R2POError as error:
            return f"stopped: {_short(str(error))}"
    return f"{result['iterations']} of {ITERATIONS} iterations, {result['refused_replies']} replies refused"


def _config(foreign: Foreign, logdir: Path) -> Any:
    values = {
        "method": "props",
        "gym_env_name": "CartPole-v1",
        "llm_model_name": foreign.model,
        "logdir": str(logdir),
        "num_iterations": ITERATIONS,
        "num_evaluation_episodes": 2,
        "heldout_episodes": 0,
        "warmup_episodes": 2,
        "structured_output": True,
        "temperature": 1.0,
        "max_output_tokens": 300,
        "llm_max_attempts": 2,
    }
    return resolve(values, "the trial")


def _short(text: str) -> str:
    """Return a message as the cell of a table: without the address, and with its end, where the advice is."""
    line = _ADDRESS.sub("", " ".join(text.replace("|", "/").split()))
    half = _LONGEST // 2
    return line if len(line) <= _LONGEST else f"{line[:half].rstrip()} ... {line[-half:].lstrip()}"


TRIALS: Mapping[str, Callable[[Foreign], str]] = {
    "`r2po doctor`": doctor,
    "reply in free text": plain,
    "reply in pieces, `llm_streaming: true`": streamed,
    "token counts": tokens,
    "two samples of a prompt": second_sample,
    "structured output": structured,
    "reply cut at `max_output_tokens`": cut,
    "prompt longer than the context": too_long,
    "wrong key": wrong_key,
    "unknown model": unknown_model,
    f"run of {ITERATIONS} iterations, structured output": run,
}
