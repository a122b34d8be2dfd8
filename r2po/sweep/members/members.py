"""Who works on a sweep: a small file for each process, in ``<sweep folder>/workers/``, that the others read.

A file says which runs its process holds, what they have used and may use, and how fast servers let it go. It is
replaced as a whole when that changes, and at least every few seconds: a process whose file stands still is gone.

A claim is written before the files of the others are read. So of two processes that claim a run at the same time, at
least one sees the other, whatever the locks of this file system are worth.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from r2po.errors import InputError, R2POError
from r2po.llm.ledger import larger
from r2po.machine import is_running
from r2po.runlog.jsonl import write_atomically
from r2po.runlog.lock import Lock, take_lock
from r2po.sweep.endings import SweepStopped
from r2po.sweep.members.member import Member, NewerSchema, read_member

FOLDER = "workers"
BEAT_S = 2.0
"""A process says at least so often that it is there."""
STALE_S = 60.0
"""One on another machine that has said nothing for so long is gone: file servers may show a file half a minute late."""
FAILING_S = STALE_S - 10.0
"""After so long without being able to say that it is there, a process stops, before the others take it for gone."""
LONG_OVER_S = 3600.0
"""Nobody needs the file any more of a process that was killed so long ago: its runs are known from their logs."""
READS = 3
"""A network drive may refuse to read a file that is just being replaced; the next attempt finds the new one."""
LOCK_WAIT_S = 5.0
"""Nobody holds the lock for longer than a few milliseconds, unless it stands still."""
RETRY_S = 0.002


@dataclass
class _Seen:
    """What another file said when it was last read; and, by our clock, when it was last seen to change."""

    stamp: tuple[int, int, int]
    member: Member
    written_at: float
    changed_at: float = float("-inf")


class Members:
    """The processes that work on a sweep, as this one sees them.

    Attributes:
        me: What the others are told of this one; ``write`` tells them.
        locks_hold: Whether the file system's locks keep other processes out, as far as that was seen.
    """

    def __init__(self, sweep: Path, *, worker: bool, counted: bool) -> None:
        self.me = Member.of_this_process(worker=worker, counted=counted)
        self.locks_hold = True
        self._folder = sweep / FOLDER
        self._seen: dict[str, _Seen] = {}
        self._keeps_out: bool | None = None
        self._is_stuck = False
        self._fails_since: float | None = None
        self._problem = ""
        self._written_at = float("-inf")
        self._file_time = time.time()

    def join(self) -> bool:
        """Begin; returns whether nobody else is at work. What earlier processes left behind is removed.

        Raises:
            InputError: The folder cannot be written to, or a newer version of r2po works on the sweep.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot make {self._folder}: {error.strerror or error}") from None
        self._lock_once()
        with self.locked():
            if not self.write():
                raise InputError(f"cannot write to {self._folder}: {self._problem}")
            alone = not self.live()
            if alone:
                self._remove(self._files())
            else:
                self._inherit()
            self._remove(self._temporary(alone=alone))
        return alone

    def _inherit(self) -> None:
        """Remove the files of those that have ended, and of those killed long ago; what they said, this one says.

        Where runs failed is still asked for: such files stay.
        """
        over = [
            member
            for member in self.others()
            if not (member.failed or member.again) and (member.over or self._is_long_gone(member))
        ]
        for member in over:
            for run, amount in member.used.items():
                self.me.used[run] = larger(amount, self.me.used.get(run, amount))
        if over and self.write():
            self._remove([self._path(member.id) for member in over])

    def _is_long_gone(self, member: Member) -> bool:
        return not self.is_live(member) and self._file_time - self._seen[member.id].written_at >= LONG_OVER_S

    def _temporary(self, *, alone: bool) -> list[Path]:
        """Return what processes left that were killed while they wrote: nobody writes for long, or without a lock."""
        found = [*self._folder.glob(".*.json.tmp"), *self._folder.parent.glob(".sweep.json.*.tmp")]
        if alone and self._keeps_out:
            return found
        old = []
        for path in found:
            with suppress(OSError):
                if self._file_time - path.stat().st_mtime >= STALE_S:
                    old.append(path)
        return old

    def leave(self) -> None:
        """End: give all runs back. What they have used stays to be read, as long as anybody is at work."""
        self.me.over = True
        self.me.held.clear()
        self.me.aside.clear()
        with suppress(OSError, R2POError), self.locked():
            self.write()
            if not self.live():
                self._remove([*self._files(), self._path(self.me.id)])

    def write(self) -> bool:
        """Tell the others what ``me`` says; returns whether that was possible: drives fail for a moment.

        Raises:
            SweepStopped: It has not been possible for so long that the others may take this process for gone.
        """
        self.me.beat += 1
        path = self._path(self.me.id)
        try:
            if self._fails_since is not None:
                self._folder.mkdir(parents=True, exist_ok=True)
            write_atomically(path, self.me.as_json(), sync=False)
            self._file_time = path.stat().st_mtime
        except OSError as error:
            self._fail(error)
            return False
        self._written_at, self._fails_since = time.monotonic(), None
        return True

    def _fail(self, error: OSError) -> None:
        now, self._problem = time.monotonic(), error.strerror or str(error)
        self._fails_since = now if self._fails_since is None else self._fails_since
        if now - self._fails_since >= FAILING_S:
            raise SweepStopped(f"{self._folder} could not be written to for {FAILING_S:.0f} s: {self._problem}")

    def beat(self) -> None:
        """Write if nothing was written for a while."""
        if time.monotonic() - self._written_at >= BEAT_S:
            self.write()

    def others(self) -> list[Member]:
        """Return what all others say; also those that are gone, until nobody is left who worked beside them."""
        # A list that is read while a file is replaced may lack it: what was there before is looked for by its name.
        known = [self._path(member) for member in self._seen]
        paths = dict.fromkeys([*self._files(), *known])
        found = {path.stem: seen for path in paths if (seen := self._look(path)) is not None}
        self._seen = found
        return [seen.member for seen in found.values()]

    def live(self) -> list[Member]:
        """Return what the others say that are at work now."""
        return [member for member in self.others() if self.is_live(member)]

    def held(self) -> set[str]:
        """Return the runs that others make now."""
        return {run for member in self.live() for run in member.held}

    def is_live(self, member: Member) -> bool:
        """Whether a process that ``others`` returned is still at work, as far as can be known from here."""
        if member.over:
            return False
        if member.machine == self.me.machine and not is_running(member.pid):
            return False
        seen = self._seen[member.id]
        # The first is the file server's clock, on both sides; the second is ours, on both sides.
        silent_s = min(self._file_time - seen.written_at, time.monotonic() - seen.changed_at)
        return silent_s < STALE_S

    def claim(self, run: str) -> bool:
        """Take a run that nobody holds; returns whether it is this process's now."""
        self.me.held.add(run)
        if self.write() and run not in self.held():
            return True
        self.me.held.discard(run)
        self.write()
        return False

    @contextmanager
    def locked(self) -> Iterator[bool]:
        """Keep the others from claiming and from granting calls until the block ends; tells whether they are kept out.

        Where locks do not hold, it keeps nobody out. Nor does it while a process stands still that holds the lock: that
        is waited for once, and not again before the lock was free.
        """
        if self._keeps_out is not None:
            yield self._keeps_out
            return
        lock = self._lock()
        self._keeps_out = lock is not None and lock.holds
        try:
            yield self._keeps_out
        finally:
            self._keeps_out = None
            if lock is not None:
                lock.close()

    def _lock(self) -> Lock | None:
        try:
            lock = take_lock(self._folder / ".lock", 0.0 if self._is_stuck else LOCK_WAIT_S, RETRY_S)
        except BlockingIOError:
            self._is_stuck = True
            return None
        except InputError:  # the drive fails for a moment
            return None
        self.locks_hold, self._is_stuck = lock.holds, False
        return lock

    def _lock_once(self) -> None:
        """Raise an InputError if there are no locks here at all."""
        with suppress(BlockingIOError):
            Lock(self._folder / ".lock").close()

    def _files(self) -> list[Path]:
        try:
            return [path for path in self._folder.glob("*.json") if path.stem != self.me.id]
        except OSError:
            return []

    def _path(self, member: str) -> Path:
        return self._folder / f"{member}.json"

    def _look(self, path: Path) -> _Seen | None:
        """Read a file, if it is another one than before: it is opened all the same, as network drives then ask anew."""
        before = self._seen.get(path.stem)
        for _ in range(READS):
            try:
                return self._read(path, before)
            except FileNotFoundError:  # noqa: PERF203 - as above
                return None
            except NewerSchema as error:
                raise InputError(f"{path}: {error}") from None
            except ValueError:  # not ours
                return before
            except OSError:
                continue
        return before  # it is there, whatever it says now

    def _read(self, path: Path, before: _Seen | None) -> _Seen | None:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            stamp = (status.st_ino, status.st_mtime_ns, status.st_size)
            if before is not None and before.stamp == stamp:
                return before
            try:
                member = read_member(file.read())
            except NewerSchema:
                if self._file_time - status.st_mtime >= STALE_S:  # and is at work no longer
                    return None
                raise
        if member.id != path.stem:
            return None
        changed_at = float("-inf") if before is None else time.monotonic()
        return _Seen(stamp, member, status.st_mtime, changed_at)

    def _remove(self, files: Collection[Path]) -> None:
        for path in files:
            with suppress(OSError):
                path.unlink(missing_ok=True)
