"""Accounting: what replies used and cost, what is unknown, and what the next call may take."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from r2po.llm.accounting import Accounting, Prices, Terms, earlier_seconds
from r2po.llm.budget import Budget, CapReached
from r2po.llm.client import CallFailed
from r2po.llm.ledger import Caps
from r2po.llm.store import CallStore, call_key
from r2po.llm.types import AttemptFailed, Question, Reply
from r2po.llm.usage import Usage
from tests.builders import open_client
from tests.scripted import Scripted
from tests.unsealed import without_checksums

PRICES = Prices(input=3.0, cached=0.3, output=15.0)
QUESTION = Question(1, "search", 0, 1, "x" * 100)
NUMBERS = "f = -41.25; 13\n" * 40
"""13 tokens a line if digits are split: f, =, -, 4, 1, ., 2, 5, ;, a blank, 1, 3, a line break; 10 if they are not."""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[CallStore]:
    store = CallStore(tmp_path)
    yield store
    store.close()


def record(store: CallStore, usage: Usage, *, refusal: str = "", **changes: Any) -> None:
    """Ask a new question and answer it after 2 s."""
    asked = dataclasses.replace(QUESTION, sample=len(store.replies), **changes)
    key = call_key("model", {}, asked)
    store.reply(store.request(key, asked), key, Reply("text", usage=usage), refusal, 2.0)


# ---- Prices ----


def test_a_reply_costs_what_its_tokens_cost() -> None:
    usage = Usage(prompt_tokens=1_000_000, cached_tokens=400_000, completion_tokens=100_000, reasoning_tokens=90_000)
    assert PRICES.cost(usage) == pytest.approx(0.6 * 3 + 0.4 * 0.3 + 0.1 * 15)


def test_more_cached_tokens_than_there_are_give_nothing_back() -> None:
    assert Prices(input=3.0, cached=0.3, output=15.0).cost(Usage(100, 200, 0)) == pytest.approx(200 * 0.3 / 1e6)


def test_cached_tokens_without_a_price_of_their_own_cost_as_much_as_others() -> None:
    prices = Prices(input=3.0, output=15.0)
    for cached in (None, 0, 400_000):
        assert prices.cost(Usage(1_000_000, cached, 0)) == pytest.approx(3.0)


def test_written_tokens_cost_a_quarter_more_unless_they_have_a_price_of_their_own() -> None:
    """Of a million, 400,000 are read and 500,000 are written."""
    usage = Usage(1_000_000, 400_000, 0, cache_write_tokens=500_000)
    assert PRICES.cost(usage) == pytest.approx(0.1 * 3 + 0.4 * 0.3 + 0.5 * 3.75)
    assert Prices(input=3.0, cached=0.3, cache_write=6.0, output=15.0).cost(usage) == pytest.approx(0.42 + 0.5 * 6)
    assert Prices(input=3.0, output=15.0).cost(usage) == pytest.approx(0.5 * 3 + 0.5 * 3.75)
    assert Prices(input=3.0, cache_write=0.0, output=15.0).cost(usage) == pytest.approx(0.5 * 3)


def test_a_reply_in_a_batch_costs_a_part_of_all_prices_and_says_so_in_the_log() -> None:
    """The same tokens as above: half of 0.3 + 0.12 + 1.875."""
    usage = Usage(1_000_000, 400_000, 0, cache_write_tokens=500_000, price_share=0.5)
    assert PRICES.cost(usage) == pytest.approx(1.1475)
    assert usage.record["price_share"] == 0.5
    assert "price_share" not in Usage(1, 1, 1).record
    assert (usage + usage).price_share is None  # half of what? A sum has no price
    assert PRICES.most(1000, 100, 0, 0.5) == PRICES.most(1000, 100, 0) / 2


def test_who_does_not_tell_what_was_written_charges_nothing_for_it() -> None:
    prices = Prices(input=3.0, cached=0.3, cache_write=6.0, output=15.0)
    assert prices.cost(Usage(1_000_000, 0, 0)) == prices.cost(Usage(1_000_000, 0, 0, cache_write_tokens=0)) == 3.0


def test_a_price_that_is_not_set_is_not_logged() -> None:
    """So that the logs of runs without it stay as they were."""
    assert PRICES.model_dump(mode="json") == {"input": 3.0, "cached": 0.3, "output": 15.0}
    assert Prices(input=1, cache_write=2, output=3).model_dump(mode="json")["cache_write"] == 2.0


@pytest.mark.parametrize("usage", [Usage(), Usage(10, 0, None), Usage(None, 0, 10), Usage(10, None, 10)])
def test_what_is_partly_known_is_not_guessed(usage: Usage) -> None:
    assert PRICES.cost(usage) is None


counts = st.integers(0, 10**7)


@given(prompt=counts, share=st.floats(0, 1), completion=counts)
def test_cached_tokens_never_make_a_reply_dearer_than_its_parts(prompt: int, share: float, completion: int) -> None:
    cached = int(prompt * share)
    cost = PRICES.cost(Usage(prompt, cached, completion))
    parts = [
        PRICES.cost(usage)
        for usage in (Usage(prompt - cached, 0, 0), Usage(cached, cached, 0), Usage(0, 0, completion))
    ]
    assert cost is not None
    assert cost == pytest.approx(sum(part for part in parts if part is not None))
    assert cost <= (prompt * 3.0 + completion * 15.0) / 1e6 + 1e-12


@pytest.mark.parametrize("values", [{"input": -1, "output": 1}, {"input": True, "output": 1}, {"input": float("inf")}])
def test_impossible_prices_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(pydantic.ValidationError):
        Prices(**values)


# ---- Accounts ----


def test_accounts_add_up_by_role(store: CallStore) -> None:
    record(store, Usage(100, 40, 10, 5))
    record(store, Usage(200, 0, 20, 0), refusal="no parameters")
    record(store, Usage(1000, 0, 30, 0), role="critic")
    call = store.request("key", QUESTION)
    store.failure(call, 1, AttemptFailed("busy", retryable=True))
    accounting = Accounting(store, lambda _: Terms(PRICES))
    search, critic, total = accounting.of("search"), accounting.of("critic"), accounting.total
    assert accounting.roles == ["critic", "search"]
    assert (search.attempts, search.failures, search.replies, search.refused) == (3, 1, 2, 1)
    assert (critic.attempts, critic.failures, critic.replies, critic.refused) == (1, 0, 1, 0)
    assert search.tokens == {
        "prompt_tokens": 300,
        "cached_tokens": 40,
        "completion_tokens": 30,
        "reasoning_tokens": 5,
    }
    assert (search.latency_s, total.latency_s) == (4.0, 6.0)
    assert (total.attempts, total.usage.total) == (4, 1360)
    assert search.cost is not None
    assert critic.cost is not None
    assert total.cost == pytest.approx(search.cost + critic.cost)
    assert search.cost == pytest.approx((260 * 3 + 40 * 0.3 + 30 * 15) / 1e6)


def test_one_unknown_makes_the_sum_unknown_and_no_other(store: CallStore) -> None:
    record(store, Usage(100, None, 10, None))
    record(store, Usage(100, 0, 10, 0), role="critic")
    accounting = Accounting(store, lambda _: Terms(PRICES))
    assert (accounting.of("search").usage.cached_tokens, accounting.of("search").cost) == (None, None)
    assert accounting.of("search").usage.prompt_tokens == 100
    assert accounting.of("critic").cost is not None
    usage = accounting.total.usage
    assert (usage.prompt_tokens, usage.cached_tokens, accounting.total.cost) == (200, None, None)


def test_written_tokens_are_logged_and_added_up_where_they_are_told(tmp_path: Path) -> None:
    store = CallStore(tmp_path)
    record(store, Usage(100, 0, 10, 5, 80))
    record(store, Usage(100, 80, 10, 5, 20))
    record(store, Usage(100, 0, 10, 5), role="critic")
    lines = [json.loads(line) for line in store.path.read_text().splitlines()]
    usages = [line["usage"] for line in lines if line["event"] == "reply"]
    assert [usage.get("cache_write_tokens", "not logged") for usage in usages] == [80, 20, "not logged"]
    for each in (store, CallStore(tmp_path)):
        accounting = Accounting(each, lambda _: Terms(PRICES))
        assert accounting.of("search").tokens["cache_write_tokens"] == 100
        assert accounting.of("search").cost == pytest.approx((20 * 3 + 80 * 0.3 + 100 * 3.75 + 20 * 15) / 1e6)
        assert "cache_write_tokens" not in accounting.of("critic").tokens
        assert accounting.total.usage.cache_write_tokens is None
        each.close()


def test_without_prices_the_cost_is_unknown(store: CallStore) -> None:
    record(store, Usage(100, 0, 10, 0))
    assert Accounting(store).total.cost is None


def test_a_later_process_counts_all_that_was_paid(tmp_path: Path) -> None:
    store = CallStore(tmp_path)
    record(store, Usage(100, 40, 10, 5))
    store.failure(store.request("key", QUESTION), 1, AttemptFailed("busy", retryable=True))
    before = [Accounting(store, lambda _: Terms(PRICES)).of(role) for role in ("search", "critic")] + [
        Accounting(store, lambda _: Terms(PRICES)).total
    ]
    store.close()
    store = CallStore(tmp_path)
    assert [Accounting(store, lambda _: Terms(PRICES)).of(role) for role in ("search", "critic")] + [
        Accounting(store, lambda _: Terms(PRICES)).total
    ] == before
    store.close()


# ---- Caps ----


def budget(store: CallStore, *, prices: Prices | None = None, clock: Any = lambda: 0.0, **settings: Any) -> Budget:
    terms = Terms(prices, settings.pop("max_output_tokens", None))
    earlier_s = settings.pop("earlier_s", 0.0)
    return Budget(Caps(**settings), Accounting(store, lambda _: terms), clock=clock, earlier_s=earlier_s)


def test_the_first_call_is_expected_to_be_large(store: CallStore) -> None:
    asked = dataclasses.replace(QUESTION, prompt=NUMBERS)
    tokens = 13 * 40 + 30  # one for each digit, mark, blank before a digit, word and line break; and what is around it
    prompt, completion = budget(store).expected_tokens(asked)
    assert tokens <= prompt < 1.1 * tokens
    assert completion == 500
    assert budget(store, max_output_tokens=7).expected_tokens(asked)[1] == 7


def test_later_calls_are_judged_by_those_of_their_role(store: CallStore) -> None:
    asked = dataclasses.replace(QUESTION, prompt=NUMBERS)
    record(store, Usage(520, 0, 10), prompt=NUMBERS)
    record(store, Usage(1040, 0, 30), prompt=NUMBERS * 2)
    prompt, completion = budget(store).expected_tokens(asked)
    assert prompt == pytest.approx(520, rel=0.02)
    assert completion == 30
    record(store, Usage(1040, 0, 900), prompt=NUMBERS * 2, role="critic")
    assert budget(store).expected_tokens(asked)[1] == 30
    assert budget(store).expected_tokens(dataclasses.replace(asked, role="critic"))[1] == 900


def test_a_role_without_replies_is_judged_by_those_of_the_same_model(store: CallStore) -> None:
    record(store, Usage(400, 0, 10), prompt=NUMBERS)  # a token for each group of digits
    asked = dataclasses.replace(QUESTION, prompt=NUMBERS, role="critic")
    models = {"search": "small", "critic": "small"}
    accounting = Accounting(store, lambda role: Terms(model=models[role]))
    assert Budget(Caps(), accounting).expected_tokens(asked)[0] == pytest.approx(400, rel=0.02)
    models["critic"] = "large"
    assert Budget(Caps(), accounting).expected_tokens(asked)[0] > 520


def test_what_may_be_written_to_a_cache_is_expected_at_its_price(store: CallStore) -> None:
    """Later prompts begin with four fifths of this one; nothing is expected to be read."""
    question = dataclasses.replace(QUESTION, stable=(30, 80))
    prompt, reply = Budget(Caps(), Accounting(store)).expected_tokens(question)
    assert (prompt % 5, reply) == (4, 500)
    for writes, dearer in ((False, 0.0), (True, (4 * prompt / 5 + 0.8) * 0.75)):  # rounded up to a whole token
        terms = Terms(PRICES, writes_cache=writes)
        expected = Budget(Caps(max_cost=1.0), Accounting(store, {"search": terms}.__getitem__)).expected(question)
        assert expected.cost == pytest.approx((prompt * 3 + dearer + 500 * 15) / 1e6)
    nothing_gained = Prices(input=3.0, cache_write=1.0, output=15.0)  # nothing may be written after all
    cheap = Terms(nothing_gained, writes_cache=True)
    expected = Budget(Caps(), Accounting(store, lambda _: cheap)).expected(question)
    assert expected.cost == pytest.approx((prompt * 3 + 500 * 15) / 1e6)


def test_without_caps_nothing_is_refused(store: CallStore) -> None:
    record(store, Usage())
    budget(store).check(QUESTION)


def test_the_call_that_would_exceed_is_refused_and_not_the_one_before(store: CallStore) -> None:
    record(store, Usage(50, 0, 10))  # 2 characters per token: the next takes 60, too
    for settings, is_enough in (
        ({"max_llm_calls": 2}, True),
        ({"max_llm_calls": 1}, False),
        ({"max_tokens": 120}, True),
        ({"max_tokens": 119}, False),
        ({"max_cost": 2 * 300e-6 + 1e-9}, True),
        ({"max_cost": 2 * 300e-6 - 1e-9}, False),
        ({"max_wall_time_s": 2.0}, True),
        ({"max_wall_time_s": 1.9}, False),
    ):
        checked = budget(store, prices=Prices(input=3.0, output=15.0), **settings)
        if is_enough:
            checked.check(QUESTION)
            continue
        with pytest.raises(CapReached) as caught:
            checked.check(QUESTION)
        key = next(iter(settings))
        assert str(caught.value).startswith(f"{key} is reached: ")
        # What is proposed is enough for the next call.
        name, _, value = caught.value.setting.partition("=")
        assert name == key
        budget(store, prices=Prices(input=3.0, output=15.0), **{key: float(value)}).check(QUESTION)


def test_wall_time_counts_earlier_processes_waits_and_the_latest_call(store: CallStore) -> None:
    now = [100.0]
    checked = budget(store, clock=lambda: now[0], earlier_s=50.0, max_wall_time_s=60.0)
    now[0] += 7.0
    checked.check(QUESTION)
    with pytest.raises(CapReached, match=r"57\.0 of 60 s have passed, and the next call may take 4\.0"):
        checked.check(QUESTION, 4.0)
    record(store, Usage())  # took 2 s
    checked.check(QUESTION, 1.0)
    with pytest.raises(CapReached):
        checked.check(QUESTION, 1.1)
    checked.check(dataclasses.replace(QUESTION, role="critic"), 3.0)


def test_calls_of_unknown_outcome_count(tmp_path: Path) -> None:
    store = CallStore(tmp_path)
    store.request("key", QUESTION)
    store.close()
    store = CallStore(tmp_path)
    with pytest.raises(CapReached, match="1 of 1 calls are used, 1 of them interrupted"):
        budget(store, max_llm_calls=1).check(QUESTION)
    budget(store, max_llm_calls=2).check(QUESTION)
    store.close()


@pytest.mark.parametrize(
    ("settings", "usage", "expected"),
    [
        ({"max_tokens": 1000}, Usage(10, 0, None), "max_tokens cannot be enforced: .* how many tokens"),
        ({"max_cost": 1000}, Usage(None, 0, 10), "max_cost cannot be enforced: .* how many tokens"),
        ({"max_cost": 1000}, Usage(10, None, 10), "max_cost cannot be enforced: .* were cached"),
    ],
)
def test_a_cap_that_cannot_be_kept_is_named(
    store: CallStore, settings: dict[str, Any], usage: Usage, expected: str
) -> None:
    budget(store, prices=PRICES, **settings).check(dataclasses.replace(QUESTION, prompt=""))
    record(store, usage)
    with pytest.raises(CapReached, match=expected) as caught:
        budget(store, prices=PRICES, **settings).check(QUESTION)
    assert caught.value.setting == f"{next(iter(settings))}=null"


def test_a_wait_that_would_exceed_the_cap_is_not_begun(tmp_path: Path) -> None:
    waits: list[float] = []
    busy = AttemptFailed("busy", retryable=True, retry_after_s=30.0)
    with open_client(Scripted([busy]), tmp_path, sleep=waits.append) as client:
        client.budget = budget(client.store, max_wall_time_s=20.0)
        with pytest.raises(CapReached):
            client.ask(QUESTION, str)
    assert waits == []
    store = CallStore(tmp_path)
    assert (store.interrupted, store.lost, store.failures) == (0, 0, 1)
    store.close()


def test_recorded_replies_are_handed_out_when_a_cap_is_reached(tmp_path: Path) -> None:
    with open_client(Scripted(["one"]), tmp_path) as client:
        client.ask(QUESTION, str)
    with open_client(Scripted([]), tmp_path) as client:
        client.budget = budget(client.store, max_llm_calls=1)
        assert client.ask(QUESTION, str).value == "one"
        with pytest.raises(CapReached):
            client.ask(dataclasses.replace(QUESTION, sample=1), str)


# ---- Time of earlier processes ----


def iteration(elapsed_s: float, llm_s: float, rollout_s: float) -> dict[str, Any]:
    return {"times": {"elapsed_s": elapsed_s, "llm_s": llm_s, "rollout_s": rollout_s}}


def test_earlier_time_is_what_the_log_shows(store: CallStore) -> None:
    assert earlier_seconds([], store) == 0.0
    assert earlier_seconds([iteration(10.0, 7.0, 2.0)], store) == 10.0
    # Done again: its calls were answered from the record.
    assert earlier_seconds([iteration(3.0, 7.0, 2.0)], store) == 9.0
    record(store, Usage())
    assert earlier_seconds([iteration(10.0, 7.0, 2.0)], store) == 10.0  # its call
    record(store, Usage(), iteration=2)
    assert earlier_seconds([iteration(10.0, 7.0, 2.0)], store) == 12.0


def test_time_spent_on_calls_without_a_reply_counts(tmp_path: Path) -> None:
    failed = AttemptFailed("no", retryable=False)
    with open_client(Scripted([failed]), tmp_path) as client, pytest.raises(CallFailed):
        client.ask(QUESTION, str)
    path = tmp_path / "llm_calls.jsonl"
    lines = without_checksums(path.read_text()).splitlines()
    assert len(lines) == 3
    lines[2] = lines[2].replace('"at":"20', '"at":"21')  # a hundred years later
    path.write_text("\n".join(lines) + "\n")
    store = CallStore(tmp_path)
    assert earlier_seconds([], store) == pytest.approx(100 * 365.24 * 86400, rel=1e-3)
    store.close()


def test_cached_tokens_cost_all_of_their_price_in_batches_of_gemini() -> None:
    """A million tokens at 1.25, of which 800,000 are read at 0.125: 0.2 * 1.25 / 2 + 0.8 * 0.125."""
    usage = Usage(1_000_000, 800_000, 0).at(0.5, 1.0)
    assert Prices(input=1.25, cached=0.125, output=10.0).cost(usage) == pytest.approx(0.225)
    assert Prices(input=1.25, output=10.0).cost(usage) == pytest.approx(0.625)  # nobody said that they cost less
    assert Usage(**usage.record) == usage
    assert "cached_price_share" not in Usage(10, 0, 0).at(0.5, 1.0).record
    assert Usage(10, 5, 0).at(None, 1.0) == Usage(10, 5, 0)
