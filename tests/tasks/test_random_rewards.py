"""The random rewards on the task cards are those that the benchmark measures."""

from __future__ import annotations

import pytest

from benchmarks.random_policy import main, random_returns
from r2po.tasks import TASKS


@pytest.mark.parametrize("name", ["cartpole", "nim", "maze", "frozenlake"])
def test_cards_hold_what_is_measured(name: str) -> None:
    task = TASKS[name]
    returns = random_returns(task, 150, seed=1)
    assert task.random_reward is not None
    error = max(float(returns.std(ddof=1)), 0.1) / 150**0.5
    assert abs(float(returns.mean()) - task.random_reward) < 4 * error


def test_the_seed_decides(capsys: pytest.CaptureFixture[str]) -> None:
    assert random_returns(TASKS["nim"], 20, 0).tolist() == random_returns(TASKS["nim"], 20, 0).tolist()
    main(["--only-env", "nim", "--policies", "20"])
    assert capsys.readouterr().out.startswith("nim")
