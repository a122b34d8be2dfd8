from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from r2po.analysis.lineage.reading import read_log
from r2po.report.head import UNKNOWN, setting_rows, tiles_of_log
from r2po.runlog import open_run
from tests.report.runs import with_cost


@pytest.mark.parametrize(
    ("cost", "text"),
    [
        (None, UNKNOWN),
        ("much", UNKNOWN),
        (0, "0.00"),
        (0.0042, "0.0042"),
        (0.0000123, "0.000012"),
        (0.005, "0.01"),
        (1234.5, "1,234.50"),
    ],
)
def test_little_money_is_not_none(cost: Any, text: str, tmp_path: Path) -> None:
    log = read_log(open_run(with_cost(tmp_path, cost)))
    spent = [{"role": "search", "refused": 0, "tokens": {"prompt_tokens": 1, "completion_tokens": 1}}]
    assert {what: value for value, what in tiles_of_log(log, None, spent)}["money spent"] == text


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://user:pw@host/v1", "https://host/v1"),
        ("https://user:p/w@host/v1", "https://host/v1"),
        ("https://host/v1?api_key=pw&x=1", "https://host/v1?…"),
        ("https://host/v1", "https://host/v1"),
    ],
)
def test_what_an_address_may_hold_of_a_key_is_not_shown(address: str, shown: str) -> None:
    assert setting_rows({"base_url": address}) == [["base_url", shown]]
