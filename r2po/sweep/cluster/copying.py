"""A run on a node that does not see its run directory: it works on a copy, and all that it writes goes back at once."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from r2po.runlog import RunLockedError
from r2po.runlog.mirror import mirrored
from r2po.sweep.cluster.carrying import Ask, Lent, Piece, pieces
from r2po.sweep.cluster.workplace import Workplace, fetch
from r2po.sweep.messages import AttemptOutcome, Channel, Ended, Note, PermitRequest, Progress, Verdict
from r2po.sweep.plan import PlannedRun
from r2po.sweep.runner import make_run

COPY = "r2po-copy-"


class Carrier:
    """Passes on what a run writes; returns when it is written on the machine of the command.

    Args:
        run: Index of the run.
        folder: Its copy.
    """

    def __init__(self, ask: Ask, run: int, loan: int, folder: Path) -> None:
        self._ask, self._run, self._loan, self._folder = ask, run, loan, folder
        self._sent = Counter[str]()

    def appended(self, path: Path, start: int, data: bytes, *, sync: bool) -> None:
        """Pass on new lines."""
        self._carry(path, start, data, anew=False, sync=sync)

    def replaced(self, path: Path, data: bytes, *, sync: bool) -> None:
        """Pass on a whole file."""
        self._carry(path, 0, data, anew=True, sync=sync)

    def removed(self) -> None:
        """Let the run directory be removed: the run never began, for a reason that is told all the same."""
        with suppress(OSError, RunLockedError):
            self._ask("remove", self._run, self._loan)

    def _carry(self, path: Path, start: int, data: bytes, *, anew: bool, sync: bool) -> None:
        name = path.relative_to(self._folder).as_posix()
        for place, part, more in pieces(data):
            self._sent[name] += 1
            piece = Piece(self._run, self._loan, name, self._sent[name], start + place, part, more, anew, sync)
            self._ask("write", piece)


def make_copied_run(
    run: PlannedRun,
    loan: int,
    environ: Mapping[str, str],
    channel: Channel,
    ask: Ask,
    workplace: Workplace,
    lock_wait_s: float,
) -> Ended:
    """Make a run on a copy of its directory, lent under a number; it waits so long for a process that has it."""
    until = time.monotonic() + lock_wait_s
    while True:
        try:
            lent: Lent = ask("lend", run, loan)
            break
        except RunLockedError as error:
            if time.monotonic() > until:
                return Ended(run.index, "running", str(error))
            time.sleep(1.0)
        except OSError as error:
            return Ended(run.index, "failed", str(error))
    for text in lent.notes:
        channel.tell(Note(run.index, text))
    try:
        with workplace.entered(), _copied(run, loan, lent, ask, workplace) as folder:
            told = _telling(run, workplace, folder)
            ended = make_run(run, environ, _Translated(channel, told), logdir=str(folder.parent))
            return replace(ended, reason=told(ended.reason))
    except RunLockedError as error:
        return Ended(run.index, "running", str(error))
    except OSError as error:
        return Ended(run.index, "failed", f"its copy cannot be made: {workplace.told(str(error))}")


@contextmanager
def _copied(run: PlannedRun, loan: int, lent: Lent, ask: Ask, workplace: Workplace) -> Iterator[Path]:
    """Copy a run directory, into a folder that nothing else is in: only what was made here is removed."""
    try:
        with tempfile.TemporaryDirectory(prefix=COPY, dir=workplace.root, ignore_cleanup_errors=True) as made:
            folder = Path(made) / run.path.name
            if not lent.is_new:
                _fetch_run(run.index, loan, lent, ask, folder)
            with mirrored(folder, Carrier(ask, run.index, loan, folder)):
                yield folder
    finally:
        with suppress(OSError, RunLockedError):  # nobody waits for it then
            ask("give_back", run.index, loan)


def _fetch_run(run: int, loan: int, lent: Lent, ask: Ask, folder: Path) -> None:
    folder.mkdir()
    for name in lent.folders:
        (folder / name).mkdir()
    for name, size in lent.files.items():
        fetch(_reader(ask, run, loan, name), folder / name)
        found = (folder / name).stat().st_size
        if found != size:
            raise OSError(f"{name} has {size} bytes, and {found} of them came")


def _reader(ask: Ask, run: int, loan: int, name: str) -> Ask:
    return lambda start: ask("read", run, loan, name, start)


def _telling(run: PlannedRun, workplace: Workplace, folder: Path) -> Callable[[str], str]:
    """Return what names paths in a text as they are on the machine of the command."""
    return lambda text: workplace.told(text.replace(str(folder), str(run.path)))


class _Translated:
    """Connects a run to the coordinator, and names paths as they are on the machine of the command."""

    def __init__(self, channel: Channel, told: Callable[[str], str]) -> None:
        self._channel, self._told = channel, told

    def ask(self, ask: PermitRequest | AttemptOutcome) -> Verdict:
        """Pass it on."""
        return self._channel.ask(ask)

    def tell(self, message: AttemptOutcome | Progress | Note) -> None:
        """Pass it on, in words that are true there."""
        if isinstance(message, Note):
            message = replace(message, text=self._told(message.text))
        elif isinstance(message, Progress):
            message = replace(message, now=self._told(message.now))
        self._channel.tell(message)
