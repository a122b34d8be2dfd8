"""What the calls of a run have used, and the caps on it. Everything is computed from the call store."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from typing import Any

from pydantic import Field

from r2po.errors import RunStopped
from r2po.llm.store import CallStore, RecordedReply
from r2po.llm.types import SEARCH, Question, Usage
from r2po.validation import Section

PER = 1_000_000
"""Prices are for a million tokens."""
FIRST_CHARACTERS_PER_TOKEN = 2.0
"""Of a role without replies. Prompts here are mostly numbers, with 2 to 3 characters per token: rather too many."""
FIRST_COMPLETION_TOKENS = 500
"""Of the first call, if the config sets no limit: room for the parameters and a few sentences."""


class Prices(Section):
    """Money per million tokens, in any currency. Without a price of their own, cached tokens cost as much as others."""

    input: float = Field(ge=0, allow_inf_nan=False)
    cached: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    output: float = Field(ge=0, allow_inf_nan=False)

    def cost(self, usage: Usage) -> float | None:
        """Return what a reply cost; None if the provider does not say enough to know."""
        if usage.prompt_tokens is None or usage.completion_tokens is None:
            return None
        output = usage.completion_tokens * self.output
        if self.cached is None or self.cached == self.input:
            return (usage.prompt_tokens * self.input + output) / PER
        if usage.cached_tokens is None:
            return None
        fresh = usage.prompt_tokens - usage.cached_tokens
        return (fresh * self.input + usage.cached_tokens * self.cached + output) / PER


@dataclass(frozen=True)
class Terms:
    """What is known of a role's replies before they come.

    Attributes:
        prices: What tokens cost, if known.
        max_output_tokens: The config's limit on the tokens of a reply, if it sets one.
    """

    prices: Prices | None = None
    max_output_tokens: int | None = None


@dataclass(frozen=True)
class Account:
    """What calls have used. Of a sum to which something unknown belongs, nothing is known: None.

    Attributes:
        attempts: Attempts at calls that came to an end: ``failures`` and ``replies``.
        failures: Those that failed.
        replies: Replies, unusable ones included.
        refused: Of them, those that could not be used.
        latency_s: Time from requests to replies, failed attempts and waits included, in seconds.
        prompt_tokens: Of all replies, like the ones below.
        cached_tokens: Of the prompt tokens.
        completion_tokens: Tokens of replies and reasoning.
        reasoning_tokens: Of the completion tokens.
        cost: Money; None without prices.
    """

    attempts: int
    failures: int
    replies: int
    refused: int
    latency_s: float
    prompt_tokens: int | None
    cached_tokens: int | None
    completion_tokens: int | None
    reasoning_tokens: int | None
    cost: float | None

    @property
    def tokens(self) -> dict[str, int | None]:
        """The token counts by name."""
        return {field.name: getattr(self, field.name) for field in fields(Usage)}

    @property
    def total_tokens(self) -> int | None:
        """Prompt and completion tokens."""
        return _sum([self.prompt_tokens, self.completion_tokens])


class Accounting:
    """The accounts of a run, always up to date.

    Args:
        store: The run's calls, those of earlier processes included.
        terms: Gives the terms of a role.
    """

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

    def _account(self, replies: Sequence[RecordedReply], failures: int) -> Account:
        usages = [asdict(reply.reply.usage) for reply in replies]
        return Account(
            attempts=failures + len(replies),
            failures=failures,
            replies=len(replies),
            refused=sum(bool(reply.refusal) for reply in replies),
            latency_s=round(math.fsum(reply.latency_s for reply in replies), 3),
            **{field.name: _sum(usage[field.name] for usage in usages) for field in fields(Usage)},
            cost=self._cost(replies),
        )

    def _cost(self, replies: Sequence[RecordedReply]) -> float | None:
        prices = {role: self.terms(role).prices for role in {reply.role for reply in replies} or {SEARCH}}
        costs = [each.cost(reply.reply.usage) for reply in replies if (each := prices[reply.role])]
        known = [cost for cost in costs if cost is not None]
        return math.fsum(known) if len(known) == len(replies) and None not in prices.values() else None


def _sum(counts: Iterable[int | None]) -> int | None:
    total = 0
    for count in counts:
        if count is None:
            return None
        total += count
    return total


def earlier_seconds(iterations: Sequence[Mapping[str, Any]], store: CallStore) -> float:
    """Return the seconds that earlier processes spent on a run, as far as its log shows.

    Args:
        iterations: The logged iterations.
        store: The calls, before this process makes any.
    """
    # The duration of an iteration that was done again lacks the calls of its first time; they are in llm_s.
    times = [iteration["times"] for iteration in iterations]
    done = math.fsum(max(each["elapsed_s"], each["llm_s"] + each["rollout_s"]) for each in times)
    under_way = math.fsum(reply.latency_s for reply in store.replies if reply.iteration > len(times))
    return done + under_way + store.unanswered_s


class CapReached(RunStopped):
    """The next call would exceed a cap.

    Attributes:
        remedy: What to do about it, in a few words.
        setting: The same as ``key=value``.
    """

    def __init__(self, reason: str, *, remedy: str, setting: str) -> None:
        super().__init__(reason)
        self.remedy = remedy
        self.setting = setting


@dataclass(frozen=True)
class Caps:
    """Limits on a run; None for none. See docs/config.md."""

    max_llm_calls: int | None = None
    max_tokens: int | None = None
    max_cost: float | None = None
    max_wall_time_s: float | None = None


@dataclass(frozen=True)
class _Share:
    """What a call under way may take."""

    tokens: int
    cost: float


class Budget:
    """Stops a run before the call that would exceed a cap, whatever the calls under way beside it take.

    Args:
        caps: The caps.
        accounting: What was used so far.
        earlier_s: Seconds that earlier processes took.
        clock: Seconds that pass; tests replace it.
    """

    def __init__(
        self,
        caps: Caps,
        accounting: Accounting,
        *,
        earlier_s: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.caps = caps
        self._accounting = accounting
        self._earlier_s = earlier_s
        self._clock = clock
        self._began = clock()
        self._ended = threading.Condition()
        self._under_way: dict[object, _Share] = {}

    @contextmanager
    def set_aside(self, question: Question) -> Iterator[Callable[[float], None]]:
        """Set aside what a question may take, until the block ends.

        Where that fits only if the calls under way take less than they may, this waits for one of them to end.

        Yields:
            What must be called before each further attempt, with the seconds until then: it sets aside anew.

        Raises:
            CapReached: It would not fit even if no call under way took anything.
        """
        call = object()

        def renew(wait_s: float = 0.0) -> None:
            with self._ended:
                self._give_back(call)  # else two calls could wait for each other
                while not self._fits(question, wait_s):
                    self._ended.wait()
                self._under_way[call] = _Share(sum(self.expected_tokens(question)), self.expected_cost(question) or 0.0)

        try:
            renew()
            yield renew
        finally:
            with self._ended:
                self._give_back(call)

    def _give_back(self, call: object) -> None:
        if self._under_way.pop(call, None) is not None:
            self._ended.notify_all()

    def _fits(self, question: Question, wait_s: float) -> bool:
        self.check(question, wait_s)
        try:
            self.check(question, wait_s, self._under_way.values())
        except CapReached:
            return False
        return True

    def check(self, question: Question, wait_s: float = 0.0, beside: Collection[_Share] = ()) -> None:
        """Return if a question may be sent after a wait, beside calls that are under way.

        Raises:
            CapReached: It may not.
        """
        self._check_calls(len(beside))
        self._check_tokens(question, sum(share.tokens for share in beside))
        self._check_cost(question, math.fsum(share.cost for share in beside))
        self._check_wall_time(question, wait_s)

    @property
    def elapsed_s(self) -> float:
        """Seconds since the run began, without the pauses between its processes."""
        return self._earlier_s + self._clock() - self._began

    def _check_calls(self, beside: int) -> None:
        cap, store = self.caps.max_llm_calls, self._accounting.store
        if cap is None:
            return
        used = len(store.replies) + store.lost + beside
        if used + 1 > cap:
            lost = f", {store.lost} of them interrupted" if store.lost else ""
            raise _reached("max_llm_calls", f"{used} of {cap} calls are used{lost}", max(2 * cap, used + 1))

    def _check_tokens(self, question: Question, beside: int) -> None:
        cap = self.caps.max_tokens
        if cap is None:
            return
        used = self._accounting.total.total_tokens
        if used is None:
            raise self._unknown("max_tokens", "the model's replies do not say how many tokens they took")
        following = sum(self.expected_tokens(question))
        if used + beside + following > cap:
            what = f"{used:,} of {cap:,} tokens are used, and the next call may take {following:,}"
            raise _reached("max_tokens", what, max(2 * cap, used + 2 * following))

    def _check_cost(self, question: Question, beside: float) -> None:
        cap = self.caps.max_cost
        if cap is None:
            return
        used = self._accounting.total.cost
        if used is None:
            tokens = self._accounting.total.total_tokens
            which = "tokens" if tokens is None else "of their tokens were cached, which have a price of their own"
            raise self._unknown("max_cost", f"the model's replies do not say how many {which}")
        following = self.expected_cost(question)
        assert following is not None  # the config is refused without prices
        if used + beside + following > cap:
            what = f"{used:.6g} of {cap:.6g} are spent, and the next call may cost {following:.3g}"
            raise _reached("max_cost", what, float(f"{max(2 * cap, used + 2 * following):.4g}"))

    def _check_wall_time(self, question: Question, wait_s: float) -> None:
        cap, used = self.caps.max_wall_time_s, self.elapsed_s
        if cap is None:
            return
        latencies = [reply.latency_s for reply in self._accounting.store.replies if reply.role == question.role]
        following = wait_s + (latencies[-1] if latencies else 0.0)
        if used + following > cap:
            what = f"{used:.1f} of {cap:g} s are over, and the next call may take {following:.1f}"
            raise _reached("max_wall_time_s", what, math.ceil(max(2 * cap, used + 2 * following)))

    def expected_tokens(self, question: Question) -> tuple[int, int]:
        """Return the tokens that a prompt and its reply may take, judging by the replies so far."""
        replies = self._accounting.store.replies
        own = [reply for reply in replies if reply.role == question.role]
        characters = sum(reply.prompt_chars for reply in own)
        tokens = sum(reply.reply.usage.prompt_tokens or 0 for reply in own)
        ratio = characters / tokens if tokens else FIRST_CHARACTERS_PER_TOKEN
        largest = max(
            (reply.reply.usage.completion_tokens or 0 for reply in own or replies), default=FIRST_COMPLETION_TOKENS
        )
        limit = self._accounting.terms(question.role).max_output_tokens
        return math.ceil(len(question.prompt) / ratio), limit or largest

    def expected_cost(self, question: Question) -> float | None:
        """Return what a prompt and its reply may cost, judging by the replies so far; None without prices."""
        prices = self._accounting.terms(question.role).prices
        if prices is None:
            return None
        prompt, completion = self.expected_tokens(question)
        return (prompt * prices.input + completion * prices.output) / PER

    def _unknown(self, key: str, why: str) -> CapReached:
        return CapReached(f"{key} cannot be kept: {why}", remedy="leave it out", setting=f"{key}=null")


def _reached(key: str, what: str, more: float) -> CapReached:
    return CapReached(f"{key} is reached: {what}", remedy="raise it", setting=f"{key}={more}")
