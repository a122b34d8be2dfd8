"""What a run had spent by the end of each iteration."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from r2po.analysis.logs.load import load_log_directory
from r2po.analysis.logs.run_data import RunData
from r2po.analysis.logs.spending import Spending, incumbent, spending_of
from r2po.llm.accounting import Accounting, Prices, Terms
from r2po.llm.store import CallStore
from tests.analysis.made_calls import write_calls
from tests.analysis.made_logs import write_run
from tests.analysis.published_format import write_published_run

PRICES = {"input": 1.0, "cached": None, "output": 10.0}
REPLIES = [
    (1, "search", 100, 10),
    (1, "search", 100, 20),  # unusable, and paid for
    (1, "critic", 50, 5),
    (2, "search", 200, 30),
    (4, "search", 900, 90),  # of an iteration that did not end
]


def run_with(folder: Path, config: dict[str, Any] | None = None, **changes: Any) -> RunData:
    path = write_run(folder, 1, [1.0, 3.0, 2.0], config={"method": "r2po", **(config or {})}, **changes)
    write_calls(path, REPLIES, refused=[2])
    return load_log_directory(folder).runs[0]


def spent(run: RunData, unit: str) -> Spending:
    (found,) = spending_of([run], unit)
    return found


def test_counts_of_the_log(tmp_path: Path) -> None:
    run = run_with(tmp_path)
    for unit, expected in (("episodes", [14, 18, 22]), ("steps", [100, 200, 300]), ("calls", [2, 4, 6])):
        np.testing.assert_array_equal(spent(run, unit).at, expected)


def test_tokens_are_those_of_all_replies_up_to_an_iteration(tmp_path: Path) -> None:
    np.testing.assert_array_equal(spent(run_with(tmp_path), "tokens").at, [285, 515, 515])


@pytest.mark.parametrize(
    ("config", "first"),
    [
        ({"prices": PRICES}, 250 + 350),
        ({"prices": PRICES, "critic": {"prices": {**PRICES, "input": 100.0}}}, 5000 + 200 + 350),
        ({"prices": PRICES, "critic": {"temperature": 0.0}}, 250 + 350),
    ],
)
def test_money_goes_by_the_prices_of_each_role(config: dict[str, Any], first: float, tmp_path: Path) -> None:
    at = spent(run_with(tmp_path, config), "money").at
    assert at is not None
    assert at * 1e6 == pytest.approx([first, first + 500, first + 500])


def test_what_is_not_on_record_is_said(tmp_path: Path) -> None:
    run = run_with(tmp_path / "a")
    assert spent(run, "money").problem == "its config has no prices"
    write_calls(run.path, [(1, "search", None, 10)])
    assert spent(run, "tokens").problem == "its provider did not count all tokens"
    (run.path / "llm_calls.jsonl").write_text("!\n")
    assert "llm_calls.jsonl, line 1" in spent(run, "tokens").problem
    (run.path / "llm_calls.jsonl").unlink()
    assert spent(run, "tokens").problem
    write_published_run(tmp_path / "nim_props", 1, [1.0])
    (published,) = load_log_directory(tmp_path / "nim_props").runs
    for unit in ("calls", "tokens", "money"):
        assert spent(published, unit).problem == "not logged by the published code"
        assert spent(published, unit).at is None


def test_without_a_model_calls_cost_nothing(tmp_path: Path) -> None:
    write_run(tmp_path, 1, [1.0, 2.0], config={"method": "random_search"}, description={"model": "none"})
    (run,) = load_log_directory(tmp_path).runs
    for unit in ("calls", "tokens", "money"):
        np.testing.assert_array_equal(spent(run, unit).at, [0, 0])


def test_calls_are_read_only_for_tokens_and_money(tmp_path: Path) -> None:
    run = run_with(tmp_path)
    (run.path / "llm_calls.jsonl").write_text("!\n")
    assert spent(run, "calls").problem == ""
    assert spent(run, "tokens").problem != ""


def test_the_run_keeps_the_same_accounts(tmp_path: Path) -> None:
    """After the last iteration, it is what the accounting of a running experiment says, in tokens and money."""
    run = run_with(tmp_path, {"prices": PRICES})
    write_calls(run.path, REPLIES[:4], refused=[2])
    with closing(CallStore(run.path)) as store:
        total = Accounting(store, lambda _: Terms(Prices.model_validate(PRICES))).total
    for unit, expected in (("tokens", total.usage.total), ("money", total.cost)):
        at = spent(run, unit).at
        assert at is not None
        assert at[-1] == pytest.approx(expected)


class TestIncumbent:
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    def run(self, rewards: list[float], fresh: list[float]) -> RunData:
        write_run(self.folder, 1, rewards)
        return replace(load_log_directory(self.folder).runs[0], reevaluated=np.array(fresh))

    def test_its_logged_reward_rises(self) -> None:
        run = self.run([1.0, 3.0, 2.0, 4.0], [0.0] * 4)
        np.testing.assert_array_equal(incumbent(run, reevaluated=False), [1, 3, 3, 4])

    def test_its_fresh_reward_is_that_of_the_policy_that_was_chosen(self) -> None:
        run = self.run([1.0, 3.0, 2.0, 4.0], [1.5, 0.5, 9.0, 2.0])
        np.testing.assert_array_equal(incumbent(run, reevaluated=True), [1.5, 0.5, 0.5, 2.0])

    def test_of_equals_the_first_stays(self) -> None:
        run = self.run([3.0, 3.0, 0.1 + 0.2 + 2.7], [1.0, 2.0, 5.0])
        np.testing.assert_array_equal(incumbent(run, reevaluated=True), [1.0, 1.0, 1.0])
