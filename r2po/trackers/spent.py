"""What the calls of a run had used by the end of each iteration, read from the log of the calls."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from r2po.llm.prices import Prices
from r2po.llm.types import CRITIC
from r2po.llm.usage import Usage
from r2po.trackers.metrics import known, part
from r2po.trackers.tail import LogTail

_NONE = Usage(0, 0, 0, 0, 0)


class Spent:
    """Adds the calls up, iteration by iteration.

    Args:
        calls: The log of the calls.
        config: The config of the run, whose prices count.
    """

    def __init__(self, calls: Path, config: Mapping[str, Any]) -> None:
        self._tail = LogTail(calls)
        self._prices = _prices(config)
        self._asked: dict[int, tuple[int, str]] = {}
        self._to_come: dict[int, list[tuple[str, Mapping[str, Any]]]] = defaultdict(list)
        self._failed = self._refused = 0
        self._usage: dict[str, Usage] = {}
        self._costs: list[float | None] = []

    def by(self, iteration: int) -> dict[str, float]:
        """Return what all iterations up to this one used, whose line is logged already, as scalars."""
        for line in self._tail.new():
            self._sort(line)
        for number in sorted(number for number in self._to_come if number <= iteration):
            for role, event in self._to_come.pop(number):
                self._count(role, event)
        return known({"llm/refused": self._refused, "llm/failed_attempts": self._failed, **self._tokens, **self._cost})

    def _sort(self, event: Mapping[str, Any]) -> None:
        """Put an event to the iteration that asked: by now, the next one may have begun."""
        if event["event"] == "request":
            self._asked[event["call"]] = event["iteration"], event["role"]
        elif event["event"] in ("failure", "reply"):
            iteration, role = self._asked[event["call"]]
            self._to_come[iteration].append((role, event))

    def _count(self, role: str, event: Mapping[str, Any]) -> None:
        if event["event"] == "failure":
            self._failed += 1
            return
        usage = Usage(**{name: event["usage"].get(name) for name in vars(_NONE)})
        prices = self._prices.get(role, self._prices[""])
        self._refused += bool(event["refusal"])
        self._usage[role] = self._usage.get(role, _NONE) + usage
        self._costs.append(None if prices is None else prices.cost(usage))

    @property
    def _tokens(self) -> dict[str, int | None]:
        kinds = [name for name in vars(_NONE) if name.endswith("_tokens")]
        return {
            f"tokens/{part(role)}/{kind.removesuffix('_tokens')}": getattr(usage, kind)
            for role, usage in self._usage.items()
            for kind in kinds
        }

    @property
    def _cost(self) -> dict[str, float]:
        """The money; nothing if that of any reply is not known."""
        costs = [cost for cost in self._costs if cost is not None]
        return {"cost/total": math.fsum(costs)} if costs and len(costs) == len(self._costs) else {}


def _prices(config: Mapping[str, Any]) -> dict[str, Prices | None]:
    """Return the prices by role; "" stands for the roles that are not named."""
    usual, critic = config.get("prices"), config.get("critic")
    own = critic["prices"] if isinstance(critic, Mapping) and "prices" in critic else usual
    found: dict[str, Any] = {"": usual, CRITIC: own}
    return {role: Prices(**prices) if isinstance(prices, Mapping) else None for role, prices in found.items()}
