"""Numbers of a run's files agree if they differ by rounding alone, however large their terms are."""

from __future__ import annotations

import pytest

from r2po.rounding import mean
from r2po.runlog.consistency import check_result, contradicted
from r2po.runlog.jsonl import DamagedLog

CANCELLING = [0.1 * 10**9, 0.2 * 10**9, -0.3 * 10**9 + 1e-7]


def test_a_mean_of_large_rewards_that_cancel_contradicts_nothing() -> None:
    assert sum(CANCELLING) / 3 != mean(CANCELLING) == 0
    iterations = [{"reward": reward, "episodes": 3, "steps": 3} for reward in CANCELLING]
    result = {"iterations": 3, "mean_reward": mean(CANCELLING)}
    check_result(result, iterations)
    with pytest.raises(DamagedLog, match=r"says mean_reward 1\.0"):
        check_result({**result, "mean_reward": 1.0}, iterations)


def test_returns_in_another_order_contradict_nothing() -> None:
    returns = [1e9, 0.1, -1e9, 0.2]
    assert not contradicted(sum(returns) / 4, {"returns": sorted(returns)})
    assert contradicted(0.1, {"returns": returns})
