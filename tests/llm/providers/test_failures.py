"""The failure table: each failure with each provider, against a real server, through the real client."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest

from r2po.llm.providers import wire
from r2po.llm.registry import provider_for
from r2po.llm.types import ProviderSettings
from r2po.runlog.packing import unpack
from tests.llm.failures import (
    ASKED_AGAIN,
    AT_FIRST_CONTACT,
    ATTEMPTS,
    CONTROL,
    ERROR,
    IN_A_CALL,
    KEY,
    LONG,
    LONG_S,
    RETRIED,
    RETRY_AFTER_S,
    SHORT_S,
    STOPS,
    TAKEN,
    Failure,
    Seen,
    expected,
    see_at_first_contact,
    see_in_a_call,
    table,
    variants,
)
from tests.llm.fake_servers import SERVERS

pytestmark = pytest.mark.usefixtures("no_proxies")

DOC = Path(__file__).parents[3] / "docs/providers.md"
BEGIN, END = "<!-- failure table -->\n", "\n<!-- end of the failure table -->"

EVENTS = {
    RETRIED: ["request", "failure", "reply"],
    STOPS: ["request", "failure", "gave_up"],
    ASKED_AGAIN: ["request", "reply"],
    TAKEN: ["request", "reply"],
}


def cases(failures: tuple[Failure, ...]) -> list[object]:
    return [
        pytest.param(failure, name, variant, id=f"{name}: {failure.what} {variant}")
        for failure in failures
        for name in SERVERS
        for variant in range(variants(failure, name))
    ]


def assert_no_key(seen: Seen, folder: Path) -> None:
    assert KEY not in seen.reason
    for path in folder.rglob("*"):
        assert KEY.encode() not in path.read_bytes()
    assert seen.received is None or KEY not in str(seen.received.value)


@pytest.mark.parametrize(("failure", "name", "variant"), cases(IN_A_CALL))
@pytest.mark.sampled(3)
def test_a_failure_during_a_call(failure: Failure, name: str, variant: int, tmp_path: Path) -> None:
    seen = see_in_a_call(failure, name, tmp_path, variant)
    assert seen.outcome == failure.outcome, seen.reason
    assert failure.reason in seen.reason
    assert "\n" not in seen.reason
    assert seen.reason.isprintable()
    recorded = [event["event"] for event in seen.events]
    if failure.what == "connection refused":
        assert recorded == ["request", *["failure"] * ATTEMPTS, "gave_up"]
    else:
        assert recorded == EVENTS[failure.outcome]
    if "Retry-After" in failure.what:
        assert RETRY_AFTER_S - 1 <= seen.waits[0] <= RETRY_AFTER_S + 1
    assert len(seen.waits) == recorded.count("failure") - recorded.count("gave_up")
    for event in seen.events:
        if event["event"] == "failure":
            assert failure.reason.partition("; ")[0] in event["reason"] or failure.outcome == STOPS
    assert_no_key(seen, tmp_path)


@pytest.mark.parametrize(
    ("failure", "name", "variant"),
    cases(tuple(failure for failure in IN_A_CALL if failure.outcome == RETRIED)),
)
@pytest.mark.sampled(3)
def test_a_failure_that_lasts_ends_the_run_after_bounded_attempts(
    failure: Failure, name: str, variant: int, tmp_path: Path
) -> None:
    seen = see_in_a_call(failure, name, tmp_path, variant, lasting=True)
    assert seen.received is None
    assert seen.outcome == RETRIED
    assert seen.reason.endswith(f"({ATTEMPTS} attempts)")
    assert [event["event"] for event in seen.events] == ["request", *["failure"] * ATTEMPTS, "gave_up"]
    assert_no_key(seen, tmp_path)


@pytest.mark.parametrize("name", SERVERS)
@pytest.mark.sampled(2)
def test_odd_replies_are_kept_as_they_are(name: str, tmp_path: Path) -> None:
    texts: dict[str, list[str]] = {}
    for failure in IN_A_CALL:
        if failure.outcome == TAKEN:
            for variant in range(variants(failure, name)):
                folder = tmp_path / f"{len(texts)} {variant}"
                folder.mkdir()
                seen = see_in_a_call(failure, name, folder, variant)
                assert seen.received is not None
                assert unpack(seen.events[-1]["text"]) == seen.received.value
                texts.setdefault(failure.what, []).append(str(seen.received.value))
    assert list(texts.values()) == [
        ["params[0]: 1.0", "params[0]: 1.0"],
        [LONG],
        [CONTROL],
        ["größer \N{RIGHTWARDS ARROW} 大"] * 2,
        ["params[0]: 1\N{REPLACEMENT CHARACTER}"],
    ]


@pytest.mark.parametrize(("failure", "name", "variant"), cases(AT_FIRST_CONTACT))
def test_a_failure_at_first_contact(failure: Failure, name: str, variant: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "CHECK_TIMEOUT_S", SHORT_S if "silence" in failure.what else LONG_S)
    seen = see_at_first_contact(failure, name, variant)
    assert seen.outcome == failure.outcome, seen.reason
    assert failure.reason in seen.reason
    assert KEY not in seen.reason
    if failure.outcome == ERROR:
        assert "\n" not in seen.reason
        variable = SERVERS[name].key_variable if "key" in failure.what else SERVERS[name].base_url_variable
        assert variable in seen.reason or failure.what == "unknown model"


@pytest.mark.parametrize("name", SERVERS)
def test_an_unknown_model_gets_the_nearest_name(name: str) -> None:
    with SERVERS[name](models=["gemini-tiny-2", "claude-tiny-2", "tiny-2", "vendor/tiny-2"]) as server:
        provider = provider_for(server.model, ProviderSettings(server.environ, 1))
        with pytest.raises(Exception, match=r"has no model '([a-z/-]*)' \(did you mean '\1-2'\?\)") as caught:
            provider.check()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", SERVERS)
def test_no_traceback_holds_the_key(name: str, tmp_path: Path) -> None:
    with SERVERS[name](key=KEY) as server:
        provider = provider_for(server.model, ProviderSettings(server.environ, 1))
        server.key = "another-key-of-the-server"
        with pytest.raises(Exception, match=server.key_variable) as caught:
            provider.check()
    assert KEY not in "".join(traceback.format_exception(caught.value)) + repr(provider)


def test_the_table_in_the_documentation_is_this_one() -> None:
    text = DOC.read_text(encoding="utf-8")
    assert text.partition(BEGIN)[2].partition(END)[0] == table(expected)
