"""The gate of a single run: calls pass at once, except while their server is out."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime

from r2po.llm.gate import Gate, Permit
from r2po.llm.outage import Breaker, OutageTooLong, Sign, in_words, is_sign, probe
from r2po.llm.types import SEARCH, AttemptFailed, Provider, Question, Reply

MAX_OUTAGE_S = 600.0


class OutageGate(Gate):
    """Has a breaker for each model at its server. Any number of threads may wait at it.

    Args:
        providers: By role, as in a ``Client``.
        longest_s: How long an outage is waited for; 0 if there are none.
        note: Takes a line for the user when one begins or ends.
    """

    def __init__(self, providers: Mapping[str, Provider], longest_s: float, note: Callable[[str], None]) -> None:
        self._providers = providers
        self._note = note
        self._breakers = {role: Breaker(longest_s) for role in providers}
        self._changed = threading.Condition()
        self._numbers = itertools.count()
        self._is_closed = False

    def enter(self, question: Question) -> Permit:
        """Pass; in an outage, wait until it is over, or until this attempt may find out whether it is.

        Raises:
            OutageTooLong: It is not waited for any longer.
            AttemptFailed: The run was stopped.
        """
        role = question.role if question.role in self._providers else SEARCH
        provider = self._providers[role]
        while True:
            permit, is_probe = self._permit(self._breakers[role], provider.address)
            if not is_probe:
                return permit
            with permit:
                sign = probe(provider)
            if sign is None:
                return permit
            permit.failed_with(sign)

    def close(self) -> None:
        """The run is over: nobody waits any longer."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def _permit(self, breaker: Breaker, address: str) -> tuple[_Permit, bool]:
        with self._changed:
            while not self._is_closed and (wait_s := breaker.wait_s(time.monotonic())) != 0:
                self._changed.wait(wait_s)
            if self._is_closed:
                raise AttemptFailed(f"{address}: not sent, since the run was stopped", retryable=False)
            if breaker.gave_up:
                raise OutageTooLong(breaker.why_given_up)
            permit = _Permit(self, breaker, address, next(self._numbers))
            if breaker.is_open:
                breaker.probes(permit.number)
            return permit, breaker.is_open

    def tell(self, breaker: Breaker, address: str, what: Callable[[float], object]) -> None:
        """Let a breaker learn something, given the time; say so if an outage begins or ends with it."""
        with self._changed:
            now = time.monotonic()
            before = breaker.outage(now)
            what(now)
            after = breaker.outage(now)
            self._changed.notify_all()
        if after is not None and before is None:
            self._note(
                f"{address}: no answer since {datetime.now().astimezone():%H:%M} ({after.reason}); this waits for up "
                f"to {in_words(breaker.longest_s)} and asks now and then; Ctrl-C stops, and the run can be resumed"
            )
        elif before is not None and after is None:
            self._note(f"{address} answers again after {in_words(round(before.lasts_s))}")


class _Permit(Permit):
    """Lets a breaker learn what came of an attempt."""

    def __init__(self, gate: OutageGate, breaker: Breaker, address: str, number: int) -> None:
        self.number = number
        self._gate = gate
        self._breaker = breaker
        self._address = address

    def abandon(self) -> None:
        self._tell(lambda now: self._breaker.lost(self.number, now))

    def answered(self, reply: Reply) -> None:  # noqa: ARG002 - that there is one is enough
        self._tell(lambda now: self._breaker.works(self.number, now))

    def failed(self, failure: AttemptFailed) -> bool:
        """Learn from a failure; in an outage, it counts for nothing."""
        if is_sign(failure):
            return self.failed_with(Sign(failure.reason, failure.retry_after_s))
        is_there = not failure.retryable or (failure.status is not None and failure.status < 500)
        learn = self._breaker.works if is_there else self._breaker.slow
        self._tell(lambda now: learn(self.number, now))
        return False

    def failed_with(self, sign: Sign) -> bool:
        """Learn from a sign of an outage; returns whether there is one."""
        self._tell(lambda now: self._breaker.sign(self.number, now, sign))
        return self._breaker.is_open

    def _tell(self, what: Callable[[float], object]) -> None:
        self._gate.tell(self._breaker, self._address, what)
