"""The budget of a run: it stops before the call that would exceed a cap."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from r2po.errors import RunStopped
from r2po.llm.accounting import Accounting
from r2po.llm.ledger import Amount, Caps, Ledger, Obstacle
from r2po.llm.tokens import features_of, token_range
from r2po.llm.types import Question

FIRST_COMPLETION_TOKENS = 500
"""Assumed for the first reply if the config sets no limit: enough for the parameters and a few sentences."""


class CapReached(RunStopped):
    """The next call would exceed a cap.

    Attributes:
        remedy: What to do about it, in a few words.
        setting: The same as ``key=value``.
    """

    def __init__(self, obstacle: Obstacle) -> None:
        super().__init__(obstacle.reason)
        self.remedy = "leave it out" if obstacle.enough is None else "raise it"
        self.setting = f"{obstacle.cap}={'null' if obstacle.enough is None else obstacle.enough}"


class Budget:
    """Stops a run before a call that would exceed a cap, however much the other calls under way take.

    Args:
        caps: The caps.
        accounting: What was used so far.
        earlier_s: Seconds that earlier processes took.
        clock: Returns the time in seconds; tests replace it.
    """

    def __init__(
        self, caps: Caps, accounting: Accounting, *, earlier_s: float = 0.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._accounting = accounting
        self._earlier_s = earlier_s
        self._clock = clock
        self._began = clock()
        self._ledger = Ledger(caps)
        self._ended = threading.Condition()

    @contextmanager
    def set_aside(self, question: Question) -> Iterator[Callable[[float], None]]:
        """Set aside what a question may take, until the block ends.

        If it fits only when the calls under way take less than they may, this waits until one of them ends.

        Yields:
            What must be called before each further attempt, with the seconds until then: it sets aside anew.

        Raises:
            CapReached: It would not fit even if no call under way took anything.
        """
        if not self._ledger.caps.any:
            yield lambda _wait_s: None
            return
        call = object()

        def renew(wait_s: float = 0.0) -> None:
            with self._ended:
                self._give_back(call)  # else two calls could wait for each other
                while not self._fits(question, wait_s):
                    self._ended.wait()
                self._ledger.set_aside(call, self.expected(question))

        try:
            renew()
            yield renew
        finally:
            with self._ended:
                self._give_back(call)

    def _give_back(self, call: object) -> None:
        self._ledger.settle(call, Amount())
        self._ended.notify_all()

    def _fits(self, question: Question, wait_s: float) -> bool:
        self.check(question, wait_s)
        return not self._ledger.must_wait(self.expected(question))

    def check(self, question: Question, wait_s: float = 0.0) -> None:
        """Return if a question may be sent after a wait, should the calls under way take nothing.

        Raises:
            CapReached: It may not.
        """
        if not self._ledger.caps.any:
            return
        self._ledger.used = self._accounting.used
        obstacle = self._ledger.obstacle(self.expected(question)) or self._overtime(question, wait_s)
        if obstacle is None:
            return
        lost = self._accounting.store.lost
        if obstacle.cap == "max_llm_calls" and lost:
            obstacle = replace(obstacle, reason=f"{obstacle.reason}, {lost} of them interrupted")
        raise CapReached(obstacle)

    def check_time(self, question: Question) -> None:
        """Return if the wall time allows for a question.

        Raises:
            CapReached: It does not.
        """
        obstacle = self._overtime(question, 0.0)
        if obstacle is not None:
            raise CapReached(obstacle)

    def _overtime(self, question: Question, wait_s: float) -> Obstacle | None:
        cap = self._ledger.caps.max_wall_time_s
        if cap is None:
            return None
        used = self._earlier_s + self._clock() - self._began
        latencies = [reply.latency_s for reply in self._accounting.store.replies if reply.role == question.role]
        following = wait_s + (latencies[-1] if latencies else 0.0)
        if used + following <= cap:
            return None
        what = f"{used:.1f} of {cap:g} s have passed, and the next call may take {following:.1f}"
        return Obstacle.reached("max_wall_time_s", what, math.ceil(max(2 * cap, used + 2 * following)))

    def expected(self, question: Question) -> Amount:
        """Return what a question and its reply may take, judging by the replies so far; no cost without prices."""
        prompt, completion = self.expected_tokens(question)
        terms = self._accounting.terms(question.role)
        written = math.ceil(prompt * question.stable_share) if terms.writes_cache else 0
        cost = None if terms.prices is None else terms.prices.most(prompt, completion, written, terms.price_share)
        return Amount(1, prompt + completion, cost)

    def expected_tokens(self, question: Question) -> tuple[int, int]:
        """Return the tokens that a prompt and its reply may take, judging by the replies so far.

        As long as those tell nothing of the tokenizer, it is taken for one that splits much.
        """
        features = features_of(question.prompt)
        prompt = self._accounting.prompt_tokens(question.role, features) or token_range(features)[1]
        replies = self._accounting.store.replies
        own = [reply for reply in replies if reply.role == question.role]
        largest = max(
            (reply.reply.usage.completion_tokens or 0 for reply in own or replies), default=FIRST_COMPLETION_TOKENS
        )
        limit = self._accounting.terms(question.role).max_output_tokens
        return prompt, limit or largest
