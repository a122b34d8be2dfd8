"""The side of the command's machine: lends run directories to nodes that do not see them, and writes what comes back.

It is an actor beside the process that talks to Ray. If it ends, no node can write any more, and the locks are free.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from r2po.errors import InputError
from r2po.experiment.observer import Observer
from r2po.experiment.resolve import name_other_protocols
from r2po.runlog import RunDirectory, RunLockedError
from r2po.runlog.batched import check_not_in_batches
from r2po.sweep.cluster.carrying import PIECE_BYTES, Input, Lent, Piece, Refused
from r2po.sweep.cluster.lending import LentRun
from r2po.sweep.cluster.needs import Needs
from r2po.sweep.cluster.seeing import obstacle_here
from r2po.sweep.plan import PlannedRun

P = ParamSpec("P")
T = TypeVar("T")
TAKEN = "this run was given to another node by now"


def _refusing(method: Callable[Concatenate[Receiver, P], T]) -> Callable[Concatenate[Receiver, P], T | Refused]:
    """Return errors of a method as answers: Ray would put a traceback around them."""

    @wraps(method)
    def call(self: Receiver, /, *args: P.args, **kwargs: P.kwargs) -> T | Refused:
        try:
            return method(self, *args, **kwargs)
        except RunLockedError as error:
            return Refused(str(error), taken=True)
        except (InputError, OSError) as error:
            return Refused(str(error))

    return call


class Receiver:
    """Lends run directories; any number of threads may ask.

    Args:
        token: A file of the sweep: whoever does not see it cannot write its runs.
        needs: What the runs need.
    """

    def __init__(self, token: str, needs: Needs) -> None:
        self._needs = needs
        self._obstacle = obstacle_here(needs.folder, token)
        self._lock = threading.Lock()
        self._latest: dict[int, int] = {}
        self._lent: dict[int, tuple[int, LentRun, Lent]] = {}
        self._inputs: Sequence[Input] | None = None

    def is_there(self) -> bool:
        """Answer: whoever is gone cannot."""
        return True

    @_refusing
    def needs(self) -> tuple[Needs, Sequence[Input]]:
        """Return what the runs need, and which files these are now."""
        if self._obstacle:
            raise OSError(f"nor can Ray on the command's own node write there: {self._obstacle}")
        with self._lock:
            if self._inputs is None:
                told = [(path, False) for path in self._needs.carried] + [(path, True) for path in self._needs.fixed]
                self._inputs = [Input(path, sha256_of(Path(path)), fixed) for path, fixed in told]
            return self._needs, self._inputs

    @_refusing
    def read_input(self, index: int, start: int) -> bytes:
        """Return the next piece of a file that is carried; empty at its end."""
        with Path(self._needs.carried[index]).open("rb") as file:
            file.seek(start)
            return file.read(PIECE_BYTES)

    @_refusing
    def lend(self, run: PlannedRun, loan: int) -> Lent:
        """Lock a run directory, which is made if need be; an earlier loan of the run ends.

        Loans have numbers that grow. Asked for the same one again, since the answer was lost, it answers as before.
        """
        notes = _Notes()
        if run.directory is None:
            name_other_protocols(run.config, notes)
        with self._lock:
            if loan < self._latest.get(run.index, 0):
                raise OSError(TAKEN)
            self._latest[run.index] = loan
            if run.index in self._lent and self._lent[run.index][0] == loan:
                return self._lent[run.index][2]
            self._end(run.index)
            directory, is_new = run.directory, False
            if directory is None:
                directory, is_new = RunDirectory.create(Path(run.config.logdir), run.seed), True
            lent = LentRun(directory, is_new=is_new)
            try:
                check_not_in_batches([directory.path])
                files, folders = lent.content()
            except BaseException:
                lent.close()
                raise
            told = Lent(is_new, files, folders, notes.texts)
            self._lent[run.index] = loan, lent, told
            return told

    @_refusing
    def read(self, run: int, loan: int, name: str, start: int) -> bytes:
        """Return the next piece of a file of a run; empty at its end."""
        return self._find(run, loan).read(name, start)

    @_refusing
    def write(self, piece: Piece) -> None:
        """Write a piece: it is on record when this returns."""
        self._find(piece.run, piece.loan).write(piece)

    @_refusing
    def remove(self, run: int, loan: int) -> None:
        """A run never began: delete its directory."""
        self._find(run, loan).remove()

    @_refusing
    def give_back(self, run: int, loan: int) -> None:
        """A run has ended on its node."""
        self._find(run, loan).give_back()

    def forget(self, run: int, loan: int) -> None:
        """A run has ended, or was lost with its node: this loan ends, and a newer one does not."""
        with self._lock:
            self._latest[run] = max(self._latest.get(run, 0), loan + 1)
            if run in self._lent and self._lent[run][0] <= loan:
                self._end(run)

    def _end(self, run: int) -> None:
        if run in self._lent:
            _, lent, _ = self._lent.pop(run)
            lent.close()

    def _find(self, run: int, loan: int) -> LentRun:
        with self._lock:
            number, lent, _ = self._lent.get(run, (0, None, None))
        if lent is None or number != loan:
            raise RunLockedError(TAKEN)
        return lent


class _Notes(Observer):
    """Keeps what is noted."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def note(self, text: str) -> None:
        """Keep a line."""
        self.texts.append(text)


def sha256_of(path: Path) -> str:
    """Return the hash of a file, in hexadecimal."""
    total = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            total.update(piece)
    return total.hexdigest()
