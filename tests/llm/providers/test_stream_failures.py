"""The failures of answers in pieces: those of whole ones, and what only a stream can have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from r2po.runlog.packing import unpack
from tests.llm.failures import IN_A_CALL, KEY, RETRIED, RETRY_AFTER_S, SHORT_S, STOPS, Failure, see_in_a_call, variants
from tests.llm.fake_servers import SERVERS
from tests.llm.providers.test_failures import EVENTS, assert_no_key
from tests.llm.stream_failures import IN_A_STREAM, TEXT, all_of, sends

pytestmark = pytest.mark.usefixtures("no_proxies")

SHORT = ("OpenAI", "Anthropic", "Gemini", "Ollama")
"""OpenRouter is the same format as OpenAI."""


def cases(failures: tuple[Failure, ...]) -> list[object]:
    """All of them; those whose like is among the others are slow."""
    return [
        pytest.param(
            failure,
            name,
            variant,
            id=f"{name}: {failure.what} {variant}",
            marks=[pytest.mark.slow] * (name not in SHORT or variant > 0 or "4 MB" in failure.what),
        )
        for failure in failures
        for name in SERVERS
        for variant in range(variants(failure, name))
    ]


@pytest.mark.parametrize(("failure", "name", "variant"), cases(IN_A_CALL))
def test_a_streamed_call_fails_like_a_whole_one(failure: Failure, name: str, variant: int, tmp_path: Path) -> None:
    # What stops a run is what the server says however it is asked.
    seen = see_in_a_call(failure, name, tmp_path, variant, lasting=failure.outcome == STOPS, streaming=True)
    if (name, failure.what, variant) == ("Gemini", "an unknown reason for the end, and none", 1):
        assert "the answer broke off" in seen.reason  # only the reason tells that this stream is at its end
        return
    assert seen.outcome == failure.outcome, seen.reason
    assert failure.reason in seen.reason
    if failure.what != "connection refused":
        assert [event["event"] for event in seen.events] == EVENTS[failure.outcome]
    if "Retry-After" in failure.what:
        assert RETRY_AFTER_S - 1 <= seen.waits[0] <= RETRY_AFTER_S + 1
    assert_no_key(seen, tmp_path)


@pytest.mark.parametrize(("failure", "name", "variant"), cases(IN_A_STREAM))
def test_a_failure_of_a_stream(failure: Failure, name: str, variant: int, tmp_path: Path) -> None:
    limits: dict[str, Any] = {"idle_timeout_s": SHORT_S} if "idle" in failure.what else {}
    limits |= {"timeout_s": SHORT_S} if "total" in failure.what else {}
    seen = see_in_a_call(failure, name, tmp_path, variant, streaming=True, **limits)
    assert seen.outcome == failure.outcome, seen.reason
    assert failure.reason in seen.reason
    assert seen.reason.isprintable()
    assert [event["event"] for event in seen.events] == EVENTS[failure.outcome]
    if failure.outcome == RETRIED:
        assert seen.events[1]["status"] == (529 if "529" in failure.reason else 200)
    if not seen.reason:
        assert unpack(seen.events[-1]["text"]) == TEXT
    assert_no_key(seen, tmp_path)


@pytest.mark.parametrize("name", SHORT)
def test_a_key_in_pieces_is_blanked(name: str, tmp_path: Path) -> None:
    failure = Failure("", sends(all_of, text=lambda _: f"it is {KEY}, is it not?"), "")
    seen = see_in_a_call(failure, name, tmp_path, streaming=True)
    assert unpack(seen.events[-1]["text"]) == "it is [key], is it not?"
    assert_no_key(seen, tmp_path)


@pytest.mark.parametrize("name", SHORT)
def test_an_endless_stream_is_given_up(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("r2po.llm.exchange.MAX_BODY_BYTES", 20_000)
    for text, outcome in (("x" * 19_000, "taken"), ("x" * 21_000, RETRIED)):
        folder = tmp_path / outcome
        folder.mkdir()
        failure = Failure("", sends(all_of, text=lambda _, text=text: text), "")
        seen = see_in_a_call(failure, name, folder, streaming=True)
        assert seen.outcome == outcome
    assert "too long" in seen.reason
