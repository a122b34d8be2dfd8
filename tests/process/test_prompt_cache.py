"""Runs whose server keeps the beginnings of prompts: what it charges is near the least that the prompts can cost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.cache_bill import LIFETIME_S, least
from r2po.cli import main
from r2po.config import load_config
from tests.llm.fake_servers import BillingAnthropic
from tests.llm.fake_servers.billing import count
from tests.process.processes import KEYS, logged, player, write_config

ROOT = Path(__file__).parents[2]
R2PO = "reflective_prompted_policy_optimization"
NEAR = 1.05
QUICK = {"num_evaluation_episodes": 1, "heldout_episodes": 0, "reevaluation_episodes": 0, "keep_trajectories": "none"}
Play = Callable[..., BillingAnthropic]


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Play:
    """Run a config of the repository against a server, in the working directory."""
    monkeypatch.chdir(tmp_path)

    def run(config: str, *, server: dict[str, Any] | None = None, **changes: Any) -> BillingAnthropic:
        values = load_config(ROOT / "configs" / f"{config}.yaml").model_dump(mode="json", exclude_unset=True)
        values |= {
            **QUICK,
            "llm_model_name": "claude-tiny",
            "temperature": None,
            "prompt_cache": True,
            "logdir": "logs",
        }
        write_config(Path(), {**values, **changes})
        with BillingAnthropic(player, **(server or {})) as fake:
            for name in KEYS:
                monkeypatch.delenv(name, raising=False)
            for name, value in fake.environ.items():
                monkeypatch.setenv(name, value)
            assert main(["run", "--config", "config.yaml", "--quiet"]) == 0
        return fake

    return run


SHORT = {"num_iterations": 3, "warmup_episodes": 8}
"""A few iterations, as far as the environment is slow."""


STYLES = ("published", "compact")
FULL = (f"cartpole/cartpole_{R2PO}", f"swimmer/swimmer_{R2PO}", "cartpole/cartpole_props", "swimmer/swimmer_props")


@pytest.mark.parametrize(
    ("config", "prompts", "changes"),
    [
        (f"cartpole/cartpole_{R2PO}", "published", {}),
        (f"cartpole/cartpole_{R2PO}", "compact", {"num_iterations": 25}),
        *((f"swimmer/swimmer_{R2PO}", prompts, SHORT) for prompts in STYLES),
        *(pytest.param(config, prompts, {}, marks=pytest.mark.slow) for config in FULL for prompts in STYLES),
    ],
)
@pytest.mark.sampled(3)
def test_a_run_is_charged_hardly_more_than_its_prompts_must_cost(
    play: Play, config: str, prompts: str, changes: dict[str, Any]
) -> None:
    """See ``least``: as if all was read that an earlier prompt began with, and nothing else was ever written."""
    server = play(config, prompts=prompts, **changes)
    bound, usual = least(server.prompts, count, server.cache.minimum), sum(map(count, server.prompts))
    assert bound <= server.bill.cost <= NEAR * bound
    assert usual - server.bill.cost >= (usual - bound) / NEAR > 0  # also where most of a prompt is new each time


def test_an_iteration_that_takes_longer_than_the_cache_keeps_costs_a_quarter_more_of_the_history(play: Play) -> None:
    server = play(f"cartpole/cartpole_{R2PO}", server={"step_s": LIFETIME_S + 1}, num_iterations=3)
    assert (server.bill.read, server.bill.written > 0) == (0, True)


def test_without_the_cache_a_run_sends_whole_prompts_and_logs_the_same(play: Play) -> None:
    """The replies, which are a function of the prompts, and what comes of them."""
    logs = []
    for number, prompt_cache in enumerate((True, False, None)):
        server = play(f"cartpole/cartpole_{R2PO}", num_iterations=2, prompt_cache=prompt_cache, logdir=f"logs_{number}")
        contents = [chat["messages"][0]["content"] for chat in server.chats]
        assert {type(content) for content in contents} == {list if prompt_cache else str}
        log = logged(Path(f"logs_{number}/run_1"))
        logs.append({name: log[name] for name in ("iterations.jsonl", "warmup.jsonl")})
    assert logs[0] == logs[1] == logs[2]
