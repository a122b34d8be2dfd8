"""What the runs of a sweep have used, in all processes that work on it; its caps, and those of each experiment."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import cast

from r2po.errors import InputError
from r2po.llm.ledger import Amount, Caps, Ledger, Obstacle, larger
from r2po.sweep.members.member import Member
from r2po.sweep.messages import Key

_OTHERS = "others"
"""Stands for all calls that are under way in other processes."""


@dataclass(frozen=True)
class Account:
    """A run, as the accounts see it.

    Attributes:
        name: What the manifest calls it.
        experiment: What shares the budget of an experiment: its log directory.
    """

    name: str
    experiment: str


class Accounts(Ledger):
    """Says of each call of a run whether it fits.

    Each run has one amount, all that it has ever used. The process that holds the run knows the amount and tells it to
    the others. If that process is killed, they read it from the run's log.

    Args:
        caps: Limits on all runs together.
        each: Limits on the runs of each experiment.
        runs: All runs.
        usage: Reads from its log what a run has used.

    Attributes:
        counts: Whether there is a cap, so that it is known what the runs have used.
    """

    def __init__(self, caps: Caps, each: Caps, runs: Sequence[Account], usage: Callable[[int], Amount]) -> None:
        super().__init__(caps)
        self._runs = runs
        self._usage = usage
        self.counts = caps.any or each.any
        self._has_budgets = each.any
        self._each = {run.experiment: Ledger(each) for run in runs} if each.any else {}
        self._numbers = {run.name: number for number, run in enumerate(runs)}
        self._known = [usage(number) if self.counts else Amount() for number in range(len(runs))]
        self._held: set[int] = set()
        self._made: set[int] = set()
        self._untold: set[int] = set()
        self._met: set[str] = set()
        self._read: set[tuple[str, str]] = set()
        self._heard: list[tuple[str, int, bool]] | None = None
        self._add_up()

    def obstacle(self, following: Amount, owner: Hashable = None) -> Obstacle | None:
        """Return the cap that a call of a run would exceed even if no call under way took anything."""
        return super().obstacle(following) or self._own_obstacle(following, owner)

    def must_wait(self, following: Amount, owner: Hashable = None) -> bool:
        """Return whether a call of a run fits only if those under way take less than they may."""
        own = self._ledger_of(owner)
        return super().must_wait(following) or (own is not None and own.must_wait(following))

    def waits_alone(self, following: Amount, owner: Hashable = None) -> bool:
        """Return whether a call must wait for the budget of its experiment alone."""
        own = self._ledger_of(owner)
        if own is None or not own.must_wait(following) or self.obstacle(following, owner) is not None:
            return False
        return not super().must_wait(following)

    def set_aside(self, key: Hashable, following: Amount) -> None:
        """Set aside what a call may take."""
        super().set_aside(key, following)
        own = self._ledger_of(cast("Key", key)[0])
        if own is not None:
            own.set_aside(key, following)

    def settle(self, key: Hashable, used: Amount) -> None:
        """A call is over: count what it took in place of what was set aside for it."""
        number = cast("Key", key)[0]
        if key in self._set_aside:
            self._known[number] += used
        super().settle(key, used)
        own = self._ledger_of(number)
        if own is not None:
            own.settle(key, used)

    def set_caps(self, caps: Caps, used: Sequence[Amount] | None = None) -> None:
        """Keep to other caps on all runs together from now on.

        Args:
            caps: The caps.
            used: What each run had used before this process made it; None if that is known.
        """
        self.caps = caps
        self.counts = caps.any or self._has_budgets
        if used is None:
            return
        self._known = [before + since for before, since in zip(used, self._known, strict=True)]
        # Others may have read the logs of its runs before these had ended, and hear of them from here alone.
        self._untold = set(self._made)
        self._heard, self._met = None, set()
        self._add_up()

    def name_of(self, number: int) -> str:
        """Return what the manifest calls a run."""
        return self._runs[number].name

    def take(self, number: int) -> None:
        """This process makes a run from now on: what it uses is known here, and what it has used is in its log."""
        self._held.add(number)
        self._made.add(number)
        self.read(number)

    def read(self, number: int) -> None:
        """Count what a run has used by its log, which nobody writes now."""
        if self.counts:
            self._read_log(number)
            self._add_up()

    def lose_all(self) -> None:
        """The runs of this process are cut off: their calls under way may be paid for, and count as their logs say."""
        if not self.counts:
            return
        for key in [key for key in self._set_aside if key != _OTHERS]:
            self.settle(key, Amount(1))
        for number in self._held:
            self._read_log(number)
        self._add_up()

    def give_back(self, number: int) -> None:
        """This process makes a run no longer."""
        self._held.discard(number)

    def tell(self, me: Member) -> None:
        """Write down for the others what the runs of this process have used, and what their calls may use."""
        if not self.counts:
            me.aside.clear()
            return
        aside: dict[str, Amount] = defaultdict(Amount)
        for key, amount in self._set_aside.items():
            if key != _OTHERS:
                aside[self._runs[cast("Key", key)[0]].name] += amount
        me.aside = dict(aside)
        me.used |= {self._runs[number].name: self._known[number] for number in self._held | self._untold}
        self._untold.clear()

    def hear(self, others: Sequence[Member], is_live: Callable[[Member], bool]) -> None:
        """Count what the other processes tell, and read the logs of runs that a killed one held."""
        if not self.counts:
            return
        live = {member.id for member in others if is_live(member)}
        heard = [(member.id, member.beat, member.id in live) for member in others]
        if heard == self._heard:
            return
        self._heard = heard
        for member in others:
            self._take_over(member, is_current=member.id in live and member.id not in self._met)
        self._met |= {member.id for member in others if member.counted}
        self._read_lost([member for member in others if not member.over and member.id not in live], others, live)
        self._add_up()
        self._set_aside_for([member for member in others if member.id in live])

    def _take_over(self, member: Member, *, is_current: bool) -> None:
        for name, amount in member.used.items():
            number = self._numbers.get(name)
            if number is None or number in self._held:
                continue
            # When this process began to count, it took calls under way for lost ones; who makes them knows better.
            is_better = is_current and name in member.held
            self._known[number] = amount if is_better else larger(self._known[number], amount)

    def _read_lost(self, lost: Sequence[Member], others: Sequence[Member], live: set[str]) -> None:
        going_on = {name for member in others if member.id in live for name in member.held}
        for member in lost:
            for name in member.held - going_on:
                number = self._numbers.get(name)
                if number is None or number in self._held or (member.id, name) in self._read:
                    continue
                self._read.add((member.id, name))
                self._read_log(number)

    def _read_log(self, number: int) -> None:
        """Count what the log of a run tells; one that is damaged tells nothing, and its run will say so."""
        with suppress(InputError):
            self._known[number] = larger(self._known[number], self._usage(number))

    def _set_aside_for(self, live: Sequence[Member]) -> None:
        sums: dict[str, Amount] = defaultdict(Amount)
        for member in live:
            for name, amount in member.aside.items():
                if name in self._numbers:
                    sums[self._runs[self._numbers[name]].experiment] += amount
        super().set_aside(_OTHERS, sum(sums.values(), Amount()))
        for experiment, ledger in self._each.items():
            ledger.set_aside(_OTHERS, sums[experiment])

    def _add_up(self) -> None:
        self.used = sum(self._known, Amount())
        by_experiment: dict[str, Amount] = defaultdict(Amount)
        for run, known in zip(self._runs, self._known, strict=True):
            by_experiment[run.experiment] += known
        for experiment, ledger in self._each.items():
            ledger.used = by_experiment[experiment]

    def _ledger_of(self, number: Hashable) -> Ledger | None:
        return self._each[self._runs[cast("int", number)].experiment] if self._each else None

    def _own_obstacle(self, following: Amount, number: Hashable) -> Obstacle | None:
        own = self._ledger_of(number)
        found = None if own is None else own.obstacle(following)
        if found is None:
            return None
        cap = f"{found.cap}_each"
        whose = self._runs[cast("int", number)].experiment
        return replace(found, cap=cap, reason=found.reason.replace(found.cap, cap, 1), whose=whose)
