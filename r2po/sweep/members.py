"""Who works on a sweep: a small file for each process, in ``<sweep folder>/workers/``, that the others read.

A file says which runs its process holds, what they have used and may use, and how fast servers let it go. It is
replaced as a whole when that changes, and at least every few seconds: a process whose file stands still is gone.

A claim is written before the files of the others are read. So of two processes that claim a run at the same time, at
least one sees the other, whatever the locks of this file system are worth.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from r2po.runlog.jsonl import write_atomically
from r2po.runlog.lock import Lock
from r2po.sweep.member import Member, is_running, machine_of, read_member

FOLDER = "workers"
BEAT_S = 2.0
"""A process says at least so often that it is there."""
STALE_S = 60.0
"""One on another machine that has said nothing for so long is gone: file servers may show a file half a minute late."""
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
        self._locked = False
        self._written_at = float("-inf")
        self._file_time = time.time()

    def join(self) -> bool:
        """Begin; returns whether nobody else is at work. What earlier processes left behind is removed then."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with self.locked():
            self.write()
            alone = not self.live()
            if alone:
                self._remove(self._files())
        return alone

    def leave(self) -> None:
        """End: give all runs back. What they have used stays to be read, as long as anybody is at work."""
        self.me.over = True
        self.me.held.clear()
        self.me.aside.clear()
        with suppress(OSError), self.locked():
            self.write()
            if not self.live():
                self._remove([*self._files(), self._path(self.me.id)])

    def write(self) -> None:
        """Tell the others what ``me`` says."""
        self.me.beat += 1
        path = self._path(self.me.id)
        write_atomically(path, self.me.as_json(), sync=False)
        self._written_at = time.monotonic()
        self._file_time = path.stat().st_mtime

    def beat(self) -> None:
        """Write if nothing was written for a while."""
        if time.monotonic() - self._written_at >= BEAT_S:
            self.write()

    def others(self) -> list[Member]:
        """Return what all others say; also those that are gone, until nobody is left who worked beside them."""
        found = {path.stem: seen for path in self._files() if (seen := self._look(path)) is not None}
        self._seen = found
        return [seen.member for seen in found.values()]

    def live(self) -> list[Member]:
        """Return what the others say that are at work now."""
        return [member for member in self.others() if self.is_live(member)]

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
        self.write()
        if not any(run in other.held for other in self.live()):
            return True
        self.me.held.discard(run)
        self.write()
        return False

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep the others from claiming and from granting calls until the block ends.

        Where locks do not hold, it keeps nobody out; nor does it wait for long for a process that stands still.
        """
        if self._locked:
            yield
            return
        lock = self._lock()
        self._locked = True
        try:
            yield
        finally:
            self._locked = False
            if lock is not None:
                lock.close()

    def _lock(self) -> Lock | None:
        deadline = time.monotonic() + LOCK_WAIT_S
        while True:
            try:
                lock = Lock(self._folder / ".lock")
            except BlockingIOError:  # noqa: PERF203 - trying again is what it is for
                if time.monotonic() >= deadline:
                    return None
                time.sleep(RETRY_S)
            else:
                self.locks_hold = lock.holds
                return lock

    def _files(self) -> list[Path]:
        return [path for path in self._folder.glob("*.json") if path.stem != self.me.id]

    def _path(self, member: str) -> Path:
        return self._folder / f"{member}.json"

    def _look(self, path: Path) -> _Seen | None:
        """Read a file, if it is another one than before: it is opened all the same, as network drives then ask anew."""
        before = self._seen.get(path.stem)
        try:
            with path.open("rb") as file:
                status = os.fstat(file.fileno())
                stamp = (status.st_ino, status.st_mtime_ns, status.st_size)
                if before is not None and before.stamp == stamp:
                    return before
                member = read_member(file.read())
        except (OSError, ValueError):  # removed since, or not ours
            return None
        if member.id != path.stem:
            return None
        changed_at = float("-inf") if before is None else time.monotonic()
        return _Seen(stamp, member, status.st_mtime, changed_at)

    def _remove(self, files: Collection[Path]) -> None:
        for path in files:
            path.unlink(missing_ok=True)


def at_work(sweep: Path) -> bool:
    """Whether some process works on a sweep, for who does not take part."""
    return any(not is_gone and not member.over for member, _, is_gone in seen_from_outside(sweep))


def held_in(sweep: Path) -> set[str]:
    """Return the runs that some process makes now, as the manifest calls them, for who does not take part."""
    return {
        run for member, _, is_gone in seen_from_outside(sweep) if not is_gone and not member.over for run in member.held
    }


def seen_from_outside(sweep: Path) -> list[tuple[Member, float, bool]]:
    """Return, for who only looks: what each process says, the seconds since it wrote, and whether it seems gone."""
    found: list[tuple[Member, float, bool]] = []
    for path in sorted((sweep / FOLDER).glob("*.json")):
        with suppress(OSError, ValueError):  # removed since, or not ours
            member = read_member(path.read_bytes())
            age_s = max(0.0, time.time() - path.stat().st_mtime)
            is_here = member.machine == machine_of(socket.gethostname())
            found.append((member, age_s, age_s >= STALE_S or (is_here and not is_running(member.pid))))
    return found
