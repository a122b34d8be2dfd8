"""Prices from a list: which model is looked up, and that what cannot be known is said."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import pytest

from r2po.errors import InputError
from r2po.llm.price_list import look_up
from r2po.llm.prices import Prices
from tests.llm.listed_prices import LISTED, VERSION, list_prices


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> None:
    list_prices(monkeypatch, LISTED)


@pytest.mark.parametrize(
    ("name", "prices"),
    [
        ("claude-tiny", (3, 0.3, 3.75, 15)),
        (" anthropic:claude-tiny ", (3, 0.3, 3.75, 15)),
        ("tiny", (0.25, 0.025, None, 2)),
        ("openai:tiny", (0.25, 0.025, None, 2)),
        ("gemini-tiny", (1, 0.1, None, 10)),
        ("models/gemini-tiny", (1, 0.1, None, 10)),
        ("gemini:gemini-tiny", (1, 0.1, None, 10)),
        ("gemini:models/gemini-tiny", (1, 0.1, None, 10)),
        ("openrouter/qwen/qwen3-8b", (0.035, None, None, 0.138)),
        ("openrouter:qwen/qwen3-8b", (0.035, None, None, 0.138)),
    ],
)
@pytest.mark.usefixtures("listed")
def test_the_name_of_a_model_says_whose_list_it_is_on(name: str, prices: tuple[float | None, ...]) -> None:
    found = look_up(name)
    assert (found.input, found.cached, found.cache_write, found.output) == prices


@pytest.mark.parametrize(
    ("name", "cache_write"),
    [
        ("openrouter/google/gemini-tiny", 0.383),  # 0.3, and 5 minutes of storage at 1 per hour
        ("openrouter:~google/gemini-latest", 2.375),
        ("openrouter/google/gemini-older", 0.383),  # the list has the sum
        ("openrouter/anthropic/claude-tiny", 3.75),
    ],
)
@pytest.mark.usefixtures("listed")
def test_storage_comes_on_top_of_what_written_tokens_cost_anyway(name: str, cache_write: float) -> None:
    assert look_up(name).cache_write == pytest.approx(cache_write)


@pytest.mark.usefixtures("listed")
def test_where_prices_are_from_is_told() -> None:
    source = look_up("claude-tiny").source
    assert source is not None
    assert source.startswith(f"genai-prices {VERSION}, looked up on 20")
    assert str(look_up("gemini-tiny").source).endswith(", for prompts of up to 200,000 tokens")
    prices = Prices(input=3, output=15, source="a list")
    assert prices.told == "input 3, output 15 (a list)"  # and none that the list does not have
    assert look_up("claude-tiny").told.startswith("input 3, cached 0.3, cache_write 3.75, output 15 (genai-prices ")
    assert prices.model_dump(mode="json") == {"input": 3, "cached": None, "output": 15, "source": "a list"}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("claude-huge", f"genai-prices {VERSION} knows no model 'claude-huge' of anthropic"),
        ("openai/tiny", f"genai-prices {VERSION} knows no model 'openai/tiny' of openai"),  # a slash is no prefix there
        ("gemini:gemini/tiny", f"genai-prices {VERSION} knows no model 'gemini/tiny' of google"),
        ("ollama/qwen3:8b", "genai-prices lists no prices of 'ollama/qwen3:8b'"),
        ("embedded/search", "genai-prices lists no prices of 'embedded/search'"),
        ("openrouter/perplexity/sonar", "has no prices for tokens only of 'perplexity/sonar'"),
        ("whisper", "has no prices for tokens only of 'whisper'"),
    ],
)
@pytest.mark.usefixtures("listed")
def test_a_model_without_prices_is_named(name: str, reason: str) -> None:
    with pytest.raises(InputError) as caught:
        look_up(name)
    assert reason in str(caught.value)
    assert str(caught.value).endswith("; set prices.input and prices.output")


def test_without_the_package_its_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    monkeypatch.setitem(sys.modules, "genai_prices.data", None)
    with pytest.raises(InputError, match=r"needs the package 'genai-prices', .*: pip install 'r2po\[prices\]'"):
        look_up("claude-tiny")


OFFLINE = """
import socket

def refused(*_):
    raise AssertionError("the network was used")

socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refused
import threading
from r2po.llm.price_list import look_up

prices = look_up("claude-haiku-4-5")
assert 0 < prices.cached < prices.input < prices.cache_write < prices.output, prices
assert threading.active_count() == 1, threading.enumerate()
print(prices.told)
"""


@pytest.mark.skipif(find_spec("genai_prices") is None, reason="genai-prices is not installed")
def test_the_package_is_asked_without_a_network_and_starts_nothing() -> None:
    done = subprocess.run([sys.executable, "-c", OFFLINE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "genai-prices " in done.stdout
