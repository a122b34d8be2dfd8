"""Marks for a server's cache: where they are, what is sent, and what the rules of the bill are."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from benchmarks.cache_bill import LIFETIME_S, Charge, PromptCache, RefusedError, common, least
from r2po.llm.providers.anthropic import Anthropic
from r2po.llm.providers.marks import HELD, MARK, in_blocks, in_held_blocks
from r2po.llm.providers.openai import OpenRouter
from r2po.llm.store import call_key
from r2po.llm.types import ProviderSettings, Request
from tests.llm.fake_servers import BillingAnthropic, FakeAnthropic, FakeOpenRouter, FakeServer
from tests.scripted import make_request


def texts(content: Any) -> list[str]:
    return [block["text"] for block in content]


def marked(content: Any) -> list[int]:
    return [number for number, block in enumerate(content) if "cache_control" in block]


def test_a_prompt_is_cut_at_its_places_and_marked_at_the_last() -> None:
    content = in_blocks(make_request("task\none\ntwo\n# Now", stable=(9, 13)))
    assert content == [
        {"type": "text", "text": "task\none\n"},
        {"type": "text", "text": "two\n", "cache_control": {"type": "ephemeral"}},
        {"type": "text", "text": "# Now"},
    ]


@pytest.mark.parametrize(("prompt", "stable"), [("task", ()), ("  \ntask", (3,)), ("task \n", (4,)), ("task", (4,))])
def test_a_prompt_without_places_or_with_blank_parts_is_sent_as_it_is(prompt: str, stable: tuple[int, ...]) -> None:
    assert in_blocks(make_request(prompt, stable=stable)) == prompt


def growing(trials: int) -> Request:
    """Return a prompt with some trials, the beginning of the next."""
    lines = ["task\n", *(f"trial {number}\n" for number in range(trials))]
    places = [len("".join(lines[: number + 1])) for number in range(1, trials + 1)]
    return make_request("".join(lines) + "now", stable=tuple(places))


def test_a_held_mark_moves_on_after_so_many_prompts() -> None:
    """The block before it is equal in between: the server finds it there or nowhere."""
    before = [texts(in_held_blocks(growing(trials)))[0] for trials in range(1, 2 * HELD + 2)]
    assert [len(set(before[:HELD])), len(set(before[HELD : 2 * HELD])), len(set(before))] == [1, 1, 3]
    content = in_held_blocks(growing(HELD + 5))
    assert (len(content), marked(content), "".join(texts(content))) == (2, [0], growing(HELD + 5).prompt)


def test_the_address_of_a_reply_does_not_depend_on_places() -> None:
    assert call_key("m", {}, make_request("task\none", stable=(5,))) == call_key("m", {}, make_request("task\none"))


# ---- Who is sent marks ----

REQUEST = make_request("task\none\n# Now", stable=(9,))
BLOCKS = [{"type": "text", "text": "task\none\n", **MARK}, {"type": "text", "text": "# Now"}]


def sent(fake: FakeServer, provider: type[Anthropic] | type[OpenRouter], **settings: Any) -> Any:
    with fake:
        provider(fake.models[0], ProviderSettings(fake.environ, **settings)).complete(REQUEST)
    return fake.chats[0]["messages"][0]["content"]


def test_other_servers_are_sent_marks_only_if_the_config_says_so() -> None:
    """Some join blocks with line breaks between them, which would change the prompt."""
    assert sent(FakeAnthropic(), Anthropic) == REQUEST.prompt
    assert sent(FakeAnthropic(), Anthropic, prompt_cache=True) == BLOCKS


@pytest.mark.parametrize(("prompt_cache", "marks"), [(None, True), (True, True), (False, False)])
def test_the_providers_own_servers_are_sent_marks_unless_the_config_forbids_it(
    prompt_cache: bool | None, marks: bool
) -> None:
    settings = ProviderSettings({"ANTHROPIC_API_KEY": "k", "OPENROUTER_API_KEY": "k"}, prompt_cache=prompt_cache)
    assert Anthropic("claude-tiny", settings).writes_cache is marks
    assert OpenRouter("anthropic/claude-tiny", settings).writes_cache is marks
    assert OpenRouter("google/gemini-tiny", settings).writes_cache is marks
    assert OpenRouter("~anthropic/claude-latest", settings).writes_cache is marks
    assert OpenRouter("~google/gemini-latest", settings).writes_cache is marks
    assert OpenRouter("qwen/qwen3-8b", settings).writes_cache is False


@pytest.mark.parametrize("model", ["anthropic/claude-tiny", "~anthropic/claude-latest", "google/gemini-tiny"])
def test_openrouter_is_sent_marks_for_models_that_need_them(model: str) -> None:
    assert sent(FakeOpenRouter(models=[model]), OpenRouter, prompt_cache=True) == BLOCKS
    assert sent(FakeOpenRouter(models=["qwen/qwen3-8b"]), OpenRouter, prompt_cache=True) == REQUEST.prompt


def test_a_server_that_bills_gets_a_few_marks_and_reads_again_what_it_wrote() -> None:
    with BillingAnthropic(minimum=10) as fake:
        provider = Anthropic("claude-tiny", ProviderSettings(fake.environ, prompt_cache=True))
        usages = [provider.complete(growing(trials)).usage for trials in range(1, 30)]
    kept = [len(growing(trials).prompt) - len("now") for trials in range(1, 30)]
    assert [usage.prompt_tokens for usage in usages] == [tokens + len("now") for tokens in kept]
    assert [usage.cached_tokens for usage in usages] == [0, *kept[:-1]]
    assert [usage.cache_write_tokens for usage in usages] == [b - a for a, b in pairwise([0, *kept])]


# ---- The rules, by hand ----


def cache(minimum: int = 4) -> PromptCache:
    return PromptCache(len, minimum)


def test_the_first_prompt_writes_and_the_second_reads() -> None:
    kept = cache()
    assert kept.charge([("abcdef", True), ("x", False)], 0.0) == Charge(0, 6, 1)
    assert kept.charge([("abcdef", True), ("yz", False)], 1.0) == Charge(6, 0, 2)
    assert Charge(6, 4, 2).cost == pytest.approx(0.6 + 5 + 2)


def test_what_is_kept_is_told_apart_by_blocks_and_by_all_before() -> None:
    kept = cache()
    kept.charge([("abc", False), ("def", True)], 0.0)
    assert kept.charge([("abcdef", True)], 0.0) == Charge(0, 6, 0)
    assert kept.charge([("abx", False), ("def", True)], 0.0) == Charge(0, 6, 0)
    assert kept.charge([("abc", False), ("def", True)], 0.0) == Charge(6, 0, 0)


def test_less_than_the_minimum_is_neither_written_nor_read() -> None:
    kept = cache(7)
    assert [kept.charge([("abcdef", True), ("x", False)], 0.0) for _ in range(2)] == [Charge(0, 0, 7)] * 2


def test_it_is_kept_five_minutes_since_its_last_use() -> None:
    kept, prompt = cache(), [("abcdef", True)]
    read = [kept.charge(prompt, time).read for time in (0.0, 300.0, 600.0, 900.1)]
    assert read == [0, 6, 6, 0]
    assert LIFETIME_S == 300.0


def test_it_looks_back_twenty_blocks() -> None:
    for blocks, read in ((19, 4), (20, 0)):
        kept = cache()
        kept.charge([("abcd", True)], 0.0)
        added = [("e", False)] * blocks
        added[-1] = ("e", True)
        assert kept.charge([("abcd", False), *added], 0.0) == Charge(read, 4 + blocks - read, 0)


def test_a_fifth_mark_and_a_blank_block_are_refused() -> None:
    cache().charge([("a", True)] * 4, 0.0)
    with pytest.raises(RefusedError, match="maximum of 4"):
        cache().charge([("a", True)] * 5, 0.0)
    with pytest.raises(RefusedError, match="non-whitespace"):
        cache().charge([("a", True), ("\n", False)], 0.0)


# ---- The least ----


def test_the_least_by_hand() -> None:
    """``abcd`` is written once and read twice; ``ef`` besides is written once and read once."""
    prompts = ["abcdefx", "abcdefy", "abcdzz"]
    assert least(prompts, len, 4) == pytest.approx(7 + (1 + 0.6) + (2 + 0.4) + 0.25 * 6)
    assert least(prompts, len, 7) == 7 + 7 + 6
    assert common("abc", "abd") == "ab"
    assert [common("", "a"), common("ab", "ab"), common("b", "a")] == ["", "ab", ""]


def test_no_way_to_mark_these_prompts_is_cheaper_than_the_least() -> None:
    """All ways to cut three prompts into marked and unmarked blocks of two characters."""
    prompts = ["abcdefgh", "abcdefxy", "abcdzz"]
    costs = []
    for number in range(2**11):
        kept, cost = cache(4), 0.0
        for place, prompt in enumerate(prompts):
            bits = number >> (4 * place)
            blocks = [(prompt[at : at + 2], bool(bits >> at // 2 & 1)) for at in range(0, len(prompt), 2)]
            cost += kept.charge(blocks, 0.0).cost
        costs.append(cost)
    assert min(costs) >= least(prompts, len, 4) - 1e-9
    assert min(costs) == pytest.approx(least(prompts, len, 4))
