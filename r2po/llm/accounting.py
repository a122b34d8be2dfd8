"""What the calls of a run have used: everything is computed from the call store."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from r2po.llm.ledger import Amount
from r2po.llm.prices import Prices as Prices
from r2po.llm.store import CallStore, RecordedReply
from r2po.llm.tokens import Features, estimate
from r2po.llm.types import SEARCH
from r2po.llm.usage import Usage


@dataclass(frozen=True)
class Terms:
    """What is known of a role's replies before they come.

    Attributes:
        prices: What tokens cost, if known.
        max_output_tokens: The config's limit on the tokens of a reply, if it sets one.
        writes_cache: Whether what later prompts begin with may be written to a cache.
        model: Who answers: roles that agree in it have the same tokenizer.
        price_share: The part of the prices that a reply costs; None for all of them.
    """

    prices: Prices | None = None
    max_output_tokens: int | None = None
    writes_cache: bool = False
    model: str = ""
    price_share: float | None = None


@dataclass(frozen=True)
class Account:
    """What calls have used.

    Attributes:
        failures: Attempts at calls that failed.
        replies: Replies, unusable ones included.
        refused: Of them, those that could not be used.
        latency_s: Time from requests to replies, failed attempts and waits included, in seconds.
        usage: Tokens of all replies.
        cost: Money; None without prices, or if the cost of a reply is not known.
    """

    failures: int
    replies: int
    refused: int
    latency_s: float
    usage: Usage
    cost: float | None

    @property
    def attempts(self) -> int:
        """Attempts at calls that came to an end."""
        return self.failures + self.replies

    @property
    def tokens(self) -> dict[str, Any]:
        """The token counts by name."""
        return self.usage.record


class Accounting:
    """The accounts of a run, always up to date; ``terms`` gives those of a role."""

    def __init__(self, store: CallStore, terms: Callable[[str], Terms] = lambda _: Terms()) -> None:
        self.store = store
        self.terms = terms

    @property
    def roles(self) -> list[str]:
        """The roles that have made calls, by name."""
        return sorted({reply.role for reply in self.store.replies} | set(self.store.failures_by_role))

    def of(self, role: str) -> Account:
        """Return the account of one role."""
        replies = [reply for reply in self.store.replies if reply.role == role]
        return self._account(replies, self.store.failures_by_role[role])

    @property
    def total(self) -> Account:
        """The account of the whole run."""
        return self._account(self.store.replies, self.store.failures)

    @property
    def used(self) -> Amount:
        """What counts against the caps: calls that an earlier process left without a reply may have been paid for."""
        total = self.total
        return Amount(total.replies + self.store.lost, total.usage.total, total.cost)

    def prompt_tokens(self, role: str, features: Features) -> int | None:
        """Return about how many tokens a prompt has, judging by what the server counted; None if it tells nothing."""
        own, others = [], []
        for reply in self.store.replies:
            if reply.counted is None:
                continue
            if reply.role == role:
                own.append(reply.counted)
            elif self.terms(reply.role).model == self.terms(role).model:
                others.append(reply.counted)
        return estimate(features, own, others)

    def has_counted(self, role: str) -> bool:
        """Return whether the server has counted a prompt of this role."""
        counts = (reply.counted for reply in self.store.replies if reply.role == role)
        return any(each is not None and each.is_plausible for each in counts)

    def _account(self, replies: Sequence[RecordedReply], failures: int) -> Account:
        return Account(
            failures=failures,
            replies=len(replies),
            refused=sum(bool(reply.refusal) for reply in replies),
            latency_s=round(math.fsum(reply.latency_s for reply in replies), 3),
            usage=sum((reply.reply.usage for reply in replies), Usage(0, 0, 0, 0, 0)),
            cost=self._cost(replies),
        )

    def _cost(self, replies: Sequence[RecordedReply]) -> float | None:
        prices = {role: self.terms(role).prices for role in {reply.role for reply in replies} or {SEARCH}}
        costs = [each.cost(reply.reply.usage) for reply in replies if (each := prices[reply.role])]
        known = [cost for cost in costs if cost is not None]
        return math.fsum(known) if len(known) == len(replies) and None not in prices.values() else None


def amount_of(usage: Usage, prices: Prices | None) -> Amount:
    """Return what one reply used; without prices, its cost is not known."""
    return Amount(1, usage.total, prices.cost(usage) if prices else None)


def earlier_seconds(iterations: Sequence[Mapping[str, Any]], store: CallStore) -> float:
    """Return the seconds that earlier processes spent on a run, as far as its log shows.

    Args:
        iterations: The logged iterations.
        store: The calls, before this process makes any.
    """
    # The elapsed time of a repeated iteration lacks the calls of its first time, but llm_s has them.
    times = [iteration["times"] for iteration in iterations]
    done = math.fsum(max(each.get("elapsed_s") or 0, each["llm_s"] + (each.get("rollout_s") or 0)) for each in times)
    under_way = math.fsum(reply.latency_s for reply in store.replies if reply.iteration > len(times))
    return done + under_way + store.unanswered_s
