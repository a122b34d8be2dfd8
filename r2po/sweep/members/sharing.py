"""A coordinator that shares caps and servers with the other processes that work on the same sweep."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from r2po.llm.ledger import Amount
from r2po.sweep.coordinator import Coordinator, ServerQueue
from r2po.sweep.members.accounts import Accounts
from r2po.sweep.members.member import Member, Pace
from r2po.sweep.members.members import BEAT_S, Members
from r2po.sweep.messages import AttemptOutcome, Instruction, PermitRequest, Verdict

LOOK_S = 0.05
"""While a cap makes calls wait for those of other processes, it looks so often whether these have ended."""
TELL_S = 0.2
"""What a call has taken, and that a server wants no calls, is told within this time."""
NOTICE_S = 1.0
"""Nobody takes longer to grant calls under the lock; who then looks again reads that another grants without it."""
LEAST_CLOSURE_S = 5.0
"""All spare a server that wants no calls for so long. If they did for each refusal, its rate would go unused."""


class SharedCoordinator(Coordinator):
    """Grants permits so that all processes together keep to the caps, and to what servers said to one of them."""

    def __init__(self, accounts: Accounts, members: Members, max_outage_s: float = 0.0) -> None:
        super().__init__(accounts, max_outage_s)
        self._accounts = accounts
        self._members = members
        self._looked_at = self._told_at = self._heard_at = float("-inf")
        self._untold = self._tells_first = False
        self._unlocked_at = float("-inf")
        self._beats: dict[str, int] = {}
        self._lost: Mapping[str, Member] = {}

    def obey(self, asked: Instruction) -> None:
        """Do from now on what people ask, and tell the others whether there are caps now."""
        super().obey(asked)
        self._members.me.counted = self._accounts.counts
        self._accounts.tell(self._members.me)
        self._members.write()
        self._looked_at = float("-inf")

    def _provider(self, name: str) -> ServerQueue:
        """Return what is known of a server; of one that others know, this process begins with its share."""
        is_new = name not in self._providers
        provider = super()._provider(name)
        if is_new:
            server = _name(name)
            rates = [rate for each in self._live() if (rate := each.paces.get(server, Pace()).rate) is not None]
            if rates:
                provider.limiter.begin_at(sum(rates) / (len(rates) + 1))
        return provider

    def end(self, outcome: AttemptOutcome, now: float) -> Verdict | None:
        """An attempt is over; returns whether it belongs to an outage, if it shows a sign of one."""
        self._untold = True
        self._looked_at = float("-inf")
        return super().end(outcome, now)

    def grants(self, now: float) -> list[Verdict]:
        """Return the requests that can be answered now: under a cap, one process after the other grants."""
        refused = self._give_way()
        if not self._accounts.counts or self.is_paused or self.is_stopping:
            return refused + super().grants(now)  # none is granted that a cap forbids
        if not self._has_turn(now):
            return refused
        with self._members.locked() as keeps_out:
            others = self._hear(now)
            if not self._is_told_of(keeps_out, now):
                return refused
            self._tells_first = not keeps_out or any(each.unlocked for each in others)
            verdicts = super().grants(now)
            if any(not verdict.reached for verdict in verdicts):
                self._tell(now)
        self._looked_at = float("-inf") if verdicts else now
        return refused + verdicts

    def _is_told_of(self, keeps_out: bool, now: float) -> bool:
        """Whether the others know by now that this process grants calls without the lock, if it has to."""
        me = self._members.me
        if me.unlocked == keeps_out:
            me.unlocked, self._unlocked_at = not keeps_out, now
            self._tell(now)
        # Where locks hold, others may be about to grant calls, and have not read this.
        return keeps_out or not self._members.locks_hold or now - self._unlocked_at >= NOTICE_S

    def _verdict(self, provider: ServerQueue, ask: PermitRequest, now: float) -> Verdict | None:
        """Answer a request. Without a lock, others are told first, so of two at once, one sees the other."""
        if (
            not self._tells_first
            or provider.wait_s(ask.model, now) != 0
            or self.ledger.must_wait(ask.following, ask.run)
        ):
            return super()._verdict(provider, ask, now)
        self.ledger.set_aside(ask.key, ask.following)
        is_told = self._tell(now)
        self._hear(now)
        self.ledger.settle(ask.key, Amount())
        verdict = super()._verdict(provider, ask, now) if is_told else None
        if verdict is None or verdict.reached:
            self._tell(now)
        return verdict

    def wait_s(self, now: float) -> float | None:
        """Return the seconds until ``grants`` may answer more; under a cap, other processes may make room."""
        wait = super().wait_s(now)
        if (
            self.is_paused
            or not self._accounts.counts
            or not any(provider.queue for provider in self._providers.values())
        ):
            return wait
        pause = max(0.0, self._looked_at + LOOK_S - now)
        return LOOK_S if wait is None else max(wait, pause)

    def paces(self, now: float) -> dict[str, float]:
        """Return the pace that is kept with each server. This is asked for at every tick, so others are heard too."""
        self.exchange(now)
        return super().paces(now)

    def exchange(self, now: float) -> None:
        """Tell the others what is new, or only that this process is there; and hear what they tell, now and then."""
        if self._members.me.unlocked and now - self._told_at >= BEAT_S:
            with self._members.locked() as keeps_out:  # whoever stood still may go on
                self._members.me.unlocked = not keeps_out
        if now - self._told_at >= (TELL_S if self._untold and (self._accounts.counts or self._is_closed) else BEAT_S):
            self._tell(now)
        if now - self._heard_at >= BEAT_S:
            self._hear(now)

    @property
    def _is_closed(self) -> bool:
        return any(provider.limiter.is_closed for provider in self._providers.values())

    def _has_turn(self, now: float) -> bool:
        """Whether to look at what the others use: only if a call may go, and not all the time while none may."""
        waits = [
            provider.wait_s(model, now)
            for provider in self._providers.values()
            for model in {ask.model for ask in provider.queue}
        ]
        return bool(waits) and now - self._looked_at >= (LOOK_S if 0 in waits else TELL_S)

    def _tell(self, now: float) -> bool:
        self._told_at = now
        me = self._members.me
        self._accounts.tell(me)
        limiters = {_name(name): provider.limiter for name, provider in self._providers.items() if name}
        me.paces = {name: Pace(limiter.rate(now), limiter.closed_s(now)) for name, limiter in limiters.items()}
        is_told = self._members.write()
        self._untold = not is_told
        return is_told

    def _give_way(self) -> list[Verdict]:
        """Refuse what runs ask that another process has claimed too: they stop before they ask their model again."""
        verdicts = []
        for provider in self._providers.values() if self._lost else ():
            for ask in list(provider.queue):
                other = self._lost.get(self._accounts.name_of(ask.run))
                if other is not None:
                    provider.queue.remove(ask)
                    reason = f"{other.host}, process {other.pid}, has claimed this run too"
                    verdicts.append(Verdict(ask.run, reason, call=ask.call, taken=True))
        return verdicts

    def _hear(self, now: float) -> Sequence[Member]:
        """Take over what the others say; returns those that are at work."""
        self._heard_at = now
        others = self._members.others()
        self._accounts.hear(others, self._members.is_live)
        me = self._members.me
        # A network drive may have shown two processes each other's claims late: one of them must give way.
        first = [each for each in others if each.id < me.id and self._members.is_live(each)]
        self._lost = {run: each for each in first for run in each.held & me.held}
        news = [each for each in others if self._beats.get(each.id) != each.beat and self._members.is_live(each)]
        self._beats |= {each.id: each.beat for each in news}
        for name, provider in self._providers.items():
            server = _name(name)
            closed_s = max((each.paces.get(server, Pace()).closed_s for each in news), default=0.0)
            if closed_s >= LEAST_CLOSURE_S:
                provider.limiter.spare(now + closed_s)
        return [each for each in others if self._members.is_live(each)]

    def _live(self) -> Sequence[Member]:
        return self._members.live()


def _name(server: str) -> str:
    """Return what stands for a server in files: addresses are nobody's business."""
    return hashlib.sha256(server.encode()).hexdigest()[:12]
