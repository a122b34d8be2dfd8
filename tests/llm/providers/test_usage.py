"""Counts of tokens that do not add up: what money is counted by, caps above all, is never too little."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from r2po.llm.accounting import Prices
from r2po.llm.registry import provider_for
from r2po.llm.types import ProviderSettings
from r2po.llm.usage import Usage
from tests.llm.fake_servers import SERVERS
from tests.process.processes import CARTPOLE, one_line, player, run_main, write_config
from tests.scripted import make_request


def counted(
    prompt: Any, completion: Any, total: Any = None, *, reasoning: Any = None, cached: Any = None, written: Any = None
) -> Any:
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": total,
        "completion_tokens_details": {"reasoning_tokens": reasoning},
        "prompt_tokens_details": {"cached_tokens": cached, "cache_write_tokens": written},
    }


@pytest.mark.parametrize("name", ["OpenAI", "OpenRouter"])
@pytest.mark.parametrize(
    ("said", "usage"),
    [
        # reasoning inside the completion, as OpenAI counts
        (counted(1000, 100, 1100, reasoning=90), Usage(1000, None, 100, 90)),
        (counted(1000, 100, reasoning=100), Usage(1000, None, 100, 100)),
        (counted(1000, 100, "many", reasoning=0), Usage(1000, None, 100, 0)),
        # reasoning apart
        (counted(1000, 100, 101_100, reasoning=100_000), Usage(1000, None, 100_100, 100_000)),
        (counted(1000, 100, 1150, reasoning=50), Usage(1000, None, 150, 50)),
        (counted(1000, 100, reasoning=100_000), Usage(1000, None, 100_100, 100_000)),
        (counted(1000, 100, 1100, reasoning=100_000), Usage(1000, None, 100_100, 100_000)),
        (counted(1000, 0, 1500), Usage(1000, None, 500, None)),
        # cached tokens apart
        (counted(100, 10, 110, cached=90), Usage(100, 90, 10, None)),
        (counted(100, 10, 1010, cached=900), Usage(1000, 900, 10, None)),
        (counted(1000, 10, 1910, cached=900), Usage(1900, 900, 10, None)),
        (counted(1000, 10, 1010, cached=900), Usage(1000, 900, 10, None)),
        # written tokens apart, or both
        (counted(6000, 60, 11_060, cached=0, written=5000), Usage(11_000, 0, 60, None, 5000)),
        (counted(6000, 60, 6060, cached=1000, written=5000), Usage(6000, 1000, 60, None, 5000)),
        (counted(6000, 60, 12_060, cached=1000, written=5000), Usage(12_000, 1000, 60, None, 5000)),
        (counted(6000, 60, 9060, cached=5000, written=3000), Usage(9000, 5000, 60, None, 3000)),
        (counted(21, 60, 10_399, cached=0, written=10_318), Usage(10_339, 0, 60, None, 10_318)),
        (counted(6000, 60, cached=1000, written=6000), Usage(13_000, 1000, 60, None, 6000)),
        (counted(21, 60, written=10_318), Usage(10_339, None, 60, None, 10_318)),
        # both reasoning and cached tokens apart; what may be either is taken for what costs more
        (counted(1000, 10, 1930, reasoning=20, cached=900), Usage(1900, 900, 30, 20)),
        (counted(1000, 100, 1150, reasoning=50, cached=50), Usage(1000, 50, 150, 50)),
        # nothing to go by
        (counted(None, 10, 500, reasoning=20), Usage(None, None, 30, 20)),
        (counted(1000, None, 5000, reasoning=20), Usage(1000, None, None, 20)),
    ],
)
def test_a_part_is_in_the_whole(name: str, said: Mapping[str, Any], usage: Usage) -> None:
    answer = {"usage": said}
    with SERVERS[name]([{**answer, "choices": [{"message": {"content": "text"}, "finish_reason": "stop"}]}]) as server:
        provider = provider_for(server.model, ProviderSettings(server.environ, 10))
        assert provider.complete(make_request("hello")).usage == usage


def test_what_was_cached_apart_costs_no_less_than_nothing() -> None:
    said = counted(100, 10, cached=900)
    with SERVERS["OpenAI"]([{"usage": said, "choices": [{"message": {"content": "text"}}]}]) as server:
        usage = provider_for(server.model, ProviderSettings(server.environ, 10)).complete(make_request("x")).usage
    assert Prices(input=2, cached=1, output=10).cost(usage) == pytest.approx((100 * 2 + 900 * 1 + 10 * 10) / 1e6)


def test_a_cap_on_money_counts_reasoning_that_the_server_counts_apart(tmp_path: Path) -> None:
    write_config(tmp_path, {**CARTPOLE, "llm_model_name": "tiny"})
    with SERVERS["OpenAI"](player) as server:
        chat = server.chat
        said = {"usage": counted(1000, 100, 101_100, reasoning=100_000)}
        server.chat = lambda body: {**chat(body), **said}  # type: ignore[method-assign]
        options = ["--set", "max_cost=1", "prices.input=1", "prices.output=10"]
        done = run_main(tmp_path, *options, server=server)
        assert done.returncode == 1, done.stderr
        assert "max_cost" in one_line(done.stderr)
        assert len(server.chats) == 1  # 0.001 + 1.001
