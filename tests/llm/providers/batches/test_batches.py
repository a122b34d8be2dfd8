"""The batches of each protocol: requests and replies are those of calls of their own, and what servers say is read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import pytest

from r2po.errors import InputError
from r2po.llm.providers.batches.batches import Batches, Item, Outcome, batches_of, is_older
from r2po.llm.registry import provider_for
from r2po.llm.types import AttemptFailed, Provider, ProviderSettings, Reply, Request
from r2po.runlog import events
from tests.llm.fake_servers import SERVERS, FakeOpenAI
from tests.llm.fake_servers.batching import ANSWERED, BATCHING, EXPIRED, FAILED, INVALID, Batching, BatchingGemini
from tests.llm.fake_servers.core import status
from tests.scripted import make_request

KEY = "sk-secret-key-0123456789"
SINCE = datetime.now(timezone.utc)
SCHEMA = {"type": "object", "properties": {"params": {"type": "array"}}, "required": ["params"]}


@pytest.fixture(params=BATCHING)
def server(request: pytest.FixtureRequest) -> Iterator[Batching]:
    with BATCHING[request.param](lambda prompt: f"answer to {prompt}", key=KEY) as server:
        server.looks_needed = 0
        yield server


def provider_at(server: Batching) -> Provider:
    return provider_for(server.model, ProviderSettings(server.environ, timeout_s=5.0))


def batches_at(server: Batching) -> Batches:
    batches = batches_of(provider_at(server))
    assert batches is not None
    return batches


def made(batches: Batches, *bodies: Any, own_id: str = "r2po-1") -> dict[str, Outcome]:
    """Send a batch, look at it once, and return its results."""
    items = [Item(f"{own_id}-{place}", body) for place, body in enumerate(bodies)]
    name = batches.send(own_id, items, batches.prepare(own_id, items))
    assert batches.standing(name).is_over
    return dict(batches.results(name, [item.name for item in items]).outcomes)


def in_a_batch(server: Batching, request: Request) -> Reply:
    """Ask in a batch of one."""
    provider, batches = provider_at(server), batches_at(server)

    def line(_: Request, body: Any) -> tuple[int, Any]:
        outcome = made(batches, body)["r2po-1-0"]
        assert outcome.status is not None
        return outcome.status, outcome.body

    provider.line, provider.price_share = line, 0.5
    return provider.complete(request)


@pytest.mark.parametrize("schema", [None, SCHEMA])
def test_a_reply_in_a_batch_is_that_of_a_call_of_its_own(server: Batching, schema: Any) -> None:
    server._reply = lambda prompt: '{"params": [1]}'
    request = replace(make_request("say something"), schema=schema, sampling={"temperature": 0.5, "top_p": 0.9})
    live = provider_at(server).complete(request)
    batched = in_a_batch(server, request)
    assert batched == replace(live, usage=replace(live.usage, price_share=0.5))
    assert server.batches[0].requests[0][1] == server.chats[0]


@pytest.mark.parametrize(("fate", "retryable"), [(FAILED, True), (INVALID, False)])
def test_an_error_in_a_batch_is_judged_as_that_of_a_call(server: Batching, fate: str, retryable: bool) -> None:
    server.said = "temperature is not supported"
    server.fate = lambda _batch, _place: fate
    request = replace(make_request("say something"), sampling={"temperature": 0.5})
    with pytest.raises(AttemptFailed) as failed:
        in_a_batch(server, request)
    assert failed.value.retryable is retryable
    assert "temperature is not supported" in failed.value.reason
    assert ("change or remove temperature in the config" in failed.value.reason) is not retryable


def test_what_expired_says_so(server: Batching) -> None:
    server.fate = lambda _batch, place: ANSWERED if place else EXPIRED
    bodies = [_body(server, prompt) for prompt in ("a", "b")]
    outcomes = made(batches_at(server), *bodies)
    assert [outcomes[f"r2po-1-{place}"].is_answer for place in (0, 1)] == [False, True]
    assert outcomes["r2po-1-0"].reason


def _body(server: Batching, prompt: str) -> Any:
    """Return the body of a request."""
    provider, taken = provider_at(server), list[Any]()

    def line(_: Request, body: Any) -> tuple[int, Any]:
        taken.append(body)
        return 500, {}

    provider.line = line
    with pytest.raises(AttemptFailed):
        provider.complete(make_request(prompt))
    return taken[0]


def test_a_batch_is_found_by_its_own_id_and_by_no_other(server: Batching) -> None:
    batches = batches_at(server)
    for own_id in ("r2po-1", "r2po-2"):
        made(batches, _body(server, "a"), own_id=own_id)
    first, second = (batch.name for batch in server.batches)
    assert batches.find("r2po-1", 1, SINCE, ()).name == first
    assert batches.find("r2po-2", 1, SINCE, ()).name == second
    assert batches.find("r2po-3", 1, SINCE, ()).name == ""


def test_the_search_ends_at_batches_that_are_too_old_only_where_lists_have_an_order() -> None:
    """Accounts have thousands."""
    pages = {}
    for name in BATCHING:
        with BATCHING[name]() as server:
            batches = batches_at(server)
            for number in range(250):
                batch = server.accept(f"other-{number}", [("x", {})])
                batch.created -= 7200 + 250 - number
            assert batches.find("r2po-1", 1, SINCE, ()).name == ""
            pages[name] = server.steps
    assert pages == {"OpenAI": ["list"] * 3, "Anthropic": ["list"], "Gemini": ["list"] * 3}


def test_anthropic_shows_no_name_before_the_end() -> None:
    with BATCHING["Anthropic"](lambda prompt: prompt) as server:
        server.looks_needed = 3
        batches = batches_at(server)
        items = [Item("r2po-1-0", _body(server, "a"))]
        name = batches.send("r2po-1", items, "")
        found = batches.find("r2po-1", 1, SINCE, ())
        assert (found.name, found.doubtful) == ("", name)
        assert batches.find("r2po-1", 1, SINCE, {name}).doubtful == ""  # known to be another
        assert batches.find("r2po-1", 2, SINCE, ()).doubtful == ""  # with other requests
        while not found.name:
            found = batches.find("r2po-1", 1, SINCE, ())
        assert found.name == name


def test_gemini_may_leave_out_the_keys_and_keeps_the_order() -> None:
    with BatchingGemini(lambda prompt: f"answer to {prompt}") as server:
        server.looks_needed, server.keeps_keys = 0, False
        outcomes = made(batches_at(server), *(_body(server, prompt) for prompt in ("a", "b", "c")))
        texts = [outcome.body["candidates"][0]["content"]["parts"][0]["text"] for outcome in outcomes.values()]
        assert list(outcomes) == ["r2po-1-0", "r2po-1-1", "r2po-1-2"]
        assert texts == ["answer to a", "answer to b", "answer to c"]


def test_a_batch_that_failed_tells_why(server: Batching) -> None:
    if "claude" in server.model:
        pytest.skip("Anthropic's batches fail when they are sent, or not at all")
    server.refusals_to_come = [f"no such model for {KEY}"]
    batches = batches_at(server)
    items = [Item("r2po-1-0", _body(server, "a"))]
    name = batches.send("r2po-1", items, batches.prepare("r2po-1", items))
    standing = batches.standing(name)
    assert standing.is_over
    assert standing.refusal.startswith("no such model for ")
    assert KEY not in standing.refusal


def test_a_cancelled_batch_is_over(server: Batching) -> None:
    server.looks_needed = 99
    batches = batches_at(server)
    items = [Item("r2po-1-0", _body(server, "a"))]
    name = batches.send("r2po-1", items, batches.prepare("r2po-1", items))
    assert not batches.standing(name).is_over
    batches.cancel(name)
    assert batches.standing(name).is_over
    assert not batches.results(name, ["r2po-1-0"]).outcomes["r2po-1-0"].is_answer


@pytest.mark.parametrize("name", ["Ollama", "OpenRouter"])
def test_other_protocols_have_none(name: str) -> None:
    with SERVERS[name]() as server:
        assert batches_of(provider_for(server.model, ProviderSettings(server.environ))) is None
    assert batches_of(provider_for("embedded/search", ProviderSettings({}))) is None


def test_a_server_without_a_list_of_batches_has_none(server: Batching) -> None:
    batches_at(server).check()
    with FakeOpenAI() as other, pytest.raises(InputError, match=r"/batches\?limit=1 answers HTTP 404$"):
        batches_of(provider_for(other.model, ProviderSettings(other.environ))).check()  # type: ignore[union-attr]
    server.always(status(401, server.error(401, "no")), path=batches_at(server).list_path)
    with pytest.raises(InputError, match=f"check {server.key_variable}"):
        batches_at(server).check()


@pytest.mark.parametrize(
    ("told", "older"),
    [
        ("2026-01-01T00:00:00Z", True),
        ("2026-01-01T10:59:59.123456789Z", True),
        ("2026-01-01T11:00:01+00:00", False),
        (datetime(2026, 1, 1, 10, 59, tzinfo=timezone.utc).timestamp(), True),
        (datetime(2026, 1, 1, 13, tzinfo=timezone.utc).timestamp(), False),
        ("yesterday", False),
        (None, False),
        (1e300, False),
    ],
)
def test_clocks_may_differ_by_an_hour(told: Any, older: bool) -> None:
    assert is_older(told, datetime(2026, 1, 1, 12, tzinfo=timezone.utc)) is older


def test_results_that_are_too_long_are_not_read(server: Batching, monkeypatch: pytest.MonkeyPatch) -> None:
    module = f"r2po.llm.providers.batches.{batches_at(server).__module__.rpartition('.')[2]}"
    monkeypatch.setattr(f"{module}.MOST_RESULT_BYTES", 400)
    server._reply = lambda prompt: "x" * 5000
    with pytest.raises(AttemptFailed, match="the answer is too long"):
        made(batches_at(server), _body(server, "a"))


def test_gemini_says_that_its_cached_tokens_are_not_halved() -> None:
    with BatchingGemini(str) as server:
        payload = {
            "candidates": [{"content": {"parts": [{"text": "yes"}]}, "finishReason": "STOP"}],
            "usageMetadata": {"promptTokenCount": 10, "cachedContentTokenCount": 8, "candidatesTokenCount": 1},
        }
        provider = provider_at(server)
        provider.line, provider.price_share = lambda _request, _body: (200, payload), 0.5
        usage = provider.complete(make_request("a")).usage
        assert (usage.price_share, usage.cached_price_share) == (0.5, 1.0)
        event = {"call": 1, "usage": usage.record}
        assert events._usage(event) == event["usage"], "logs can be read"


def test_requests_in_batches_mark_nothing_for_a_cache_of_five_minutes() -> None:
    with BATCHING["Anthropic"](str) as server:
        settings = ProviderSettings(server.environ, prompt_cache=True)
        request = replace(make_request("a long beginning; the rest"), stable=(len("a long beginning; "),))
        live, batched = (provider_for(server.model, settings) for _ in range(2))
        bodies: list[Any] = []

        def line(_request: Request, body: Any) -> tuple[int, Any]:
            bodies.append(body)
            return 500, {}

        batched.line = line
        with pytest.raises(AttemptFailed):
            batched.complete(request)
        live.complete(request)
        plain = provider_for(server.model, replace(settings, prompt_cache=False))
        plain.complete(request)
        assert [provider.writes_cache for provider in (live, batched, plain)] == [True, False, False]
        assert "cache_control" in str(server.chats[0])
        assert bodies == [server.chats[1]]
