from __future__ import annotations

import base64
import gzip
import json
import math
import re

from r2po.report.packing import pack, unpack


def test_values_come_back() -> None:
    values = {"b": [1, 2.5, None, True, "text"], "a": {"nested": []}}
    assert unpack(pack(values)) == values


def test_a_browser_can_read_numbers_that_are_not_finite() -> None:
    text = gzip.decompress(base64.b64decode(pack({"x": [math.inf, -math.inf, math.nan]}))).decode()
    assert json.loads(text, parse_constant=lambda name: "not JSON") == {"x": ["inf", "-inf", "nan"]}


def test_no_text_can_end_the_element_that_a_block_stands_in() -> None:
    block = pack({"text": "</script><!-- & \u2028 \ud800"})
    assert re.fullmatch("[A-Za-z0-9+/=]+", block)
    assert unpack(block) == {"text": "</script><!-- & \u2028 \ud800"}


def test_the_same_values_give_the_same_text_in_any_order() -> None:
    assert pack({"a": 1, "b": 2}) == pack({"b": 2, "a": 1})
