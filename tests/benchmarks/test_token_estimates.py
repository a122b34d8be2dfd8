"""Estimates of tokens are within a tenth of what tokenizers count, once each role has one answer."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import pytest

from benchmarks.prompt_tokens import R2PO, Count, counter
from benchmarks.token_estimates import CASES, STYLES, errors, played, served_counter
from tests.real_server import needs_smollm2, smollm2_server

MOST = 0.1
FEW: dict[str, dict[str, Any]] = {
    f"frozenlake/frozenlake_{R2PO}": {"num_iterations": 12},
    f"cartpole/cartpole_{R2PO}": {"num_iterations": 15},
    "mountaincarcontinuous/mountaincar_continuous_three_traj": {"num_iterations": 15},
    "cartpole/cartpole_propsp": {"num_iterations": 12},
    "cartpole/cartpole_props": {"num_iterations": 12},
    f"swimmer/swimmer_{R2PO}": {"num_iterations": 3, "warmup_episodes": 10, "max_traj_length": 200},
    "cartpole/cartpole_promptpo": {
        "num_iterations": 2,
        "candidates": 1,
        "max_traj_length": 20,
        "repairs": 0,
        "budget": "iterations",
    },
}
needs_o200k = pytest.mark.skipif(find_spec("bpe_openai") is None, reason="bpe-openai is not installed here")


def assert_close(name: str, count: Count, **changes: Any) -> None:
    by_style = played(name, **changes)
    assert set(by_style) == set(STYLES)
    for style, asked in by_style.items():
        for role, found in errors(asked, count).items():
            assert found.prompts
            assert found.largest <= MOST, (style, role)


@pytest.fixture(scope="module")
def o200k() -> Count:
    return counter()


@needs_o200k
@pytest.mark.parametrize("name", FEW)
@pytest.mark.sampled(3)
def test_short_runs_with_o200k(name: str, o200k: Count) -> None:
    assert_close(name, o200k, **FEW[name])


@pytest.mark.slow
@needs_o200k
@pytest.mark.parametrize("name", CASES)
def test_full_runs_with_o200k(name: str, o200k: Count) -> None:
    assert_close(name, o200k)


@pytest.mark.slow
@needs_smollm2
def test_full_runs_with_the_tokenizer_of_smollm2() -> None:
    with smollm2_server() as served:
        count = served_counter(served)
        for name in CASES:
            assert_close(name, count)
