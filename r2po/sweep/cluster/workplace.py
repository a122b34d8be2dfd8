"""The folder of a process on a node that does not see the files of a sweep: it stands for the root of the other one.

A file that is ``/lab/code.py`` on the machine of the command is ``<root>/lab/code.py`` here, so that
relative paths mean the same. Ray ends processes without a word; what one leaves behind, the next one on its node
removes.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from r2po.errors import InputError
from r2po.plugins import Place, load_places, loaded
from r2po.runlog.lock import Lock
from r2po.sweep.cluster.carrying import Ask, Input
from r2po.sweep.cluster.needs import Needs
from r2po.sweep.cluster.receiver import sha256_of

PREFIX, NEW = "r2po-node-", "r2po-new-"
LOCK = ".lock"


class Workplace:
    """The folder, with all files that runs read, and their plugins loaded into this process.

    Raises:
        InputError: This node cannot make these runs.
        OSError: A file cannot be carried, or written.
    """

    def __init__(self, ask: Ask, parent: Path | None = None) -> None:
        needs, inputs = ask("needs")
        self._folder: str = needs.folder
        self._inputs: Sequence[Input] = inputs
        parent = parent or Path(tempfile.gettempdir())
        _remove_left(parent)
        self.root, self._lock = _new_root(parent)
        try:
            self._fill(ask)
            with self.entered():
                self._load(needs)
        except BaseException as error:
            self.close()
            if isinstance(error, InputError):
                raise InputError(self.told(str(error))) from None
            raise

    def path(self, told: str | Path) -> Path:
        """Return where an absolute path of the other machine is here."""
        return self.root / str(told).lstrip("/")

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Make the sweep's working directory that of this process, for as long as the block lasts."""
        before = Path.cwd()
        os.chdir(self.path(self._folder))
        try:
            yield
        finally:
            os.chdir(before)

    def told(self, text: str) -> str:
        """Return a text that names paths as they are on the other machine."""
        return text.replace(str(self.root), "")

    def close(self) -> None:
        """Remove it."""
        shutil.rmtree(self.root, ignore_errors=True)
        self._lock.close()

    def restore(self, ask: Ask) -> None:
        """Make what is gone of it once more: temporary folders are cleared. Plugins stay loaded.

        Raises:
            InputError: A file has changed since.
            OSError: A file cannot be carried, or written.
        """
        is_locked = (self.root / LOCK).is_file()
        carried = all(self.path(each.path).is_file() for each in self._inputs if not each.fixed)
        if is_locked and carried and self.path(self._folder).is_dir():
            return
        if not is_locked:
            self.root.mkdir(exist_ok=True)
            self._lock.close()
            self._lock = Lock(self.root / LOCK)
        self._fill(ask)

    def _fill(self, ask: Ask) -> None:
        self.path(self._folder).mkdir(parents=True, exist_ok=True)
        for index, each in enumerate(self._inputs):
            if each.fixed:
                _check_there(each)
            else:
                self._fetch(ask, index, each)

    def _fetch(self, ask: Ask, index: int, each: Input) -> None:
        path = self.path(each.path)
        path.parent.mkdir(parents=True, exist_ok=True)
        fetch(lambda start: ask("read_input", index, start), path)
        if sha256_of(path) != each.sha256:
            raise InputError(f"{each.path} has changed since the sweep began")

    def _load(self, needs: Needs) -> None:
        load_places([(self._moved(place), told) for place, told in needs.plugins])
        here: dict[str, str] = {plugin.name: plugin.sha256 for plugin in loaded()}
        for name, expected in needs.sums.items():
            if here.get(name) != expected:
                raise InputError(f"the plugin {name!r} is there with other files than here")

    def _moved(self, place: Place) -> Place:
        """Return the place of a plugin here; an installed one is where Python finds it."""
        if not place.folder:
            return place
        return replace(place, file=place.file and str(self.path(place.file)), folder=str(self.path(place.folder)))


def fetch(read: Ask, path: Path) -> None:
    """Write a file that comes in pieces: ``read`` returns the next one, given where it starts."""
    with path.open("wb") as file:
        while piece := read(file.tell()):
            file.write(piece)


def _check_there(each: Input) -> None:
    path = Path(each.path)
    with suppress(OSError):
        if sha256_of(path) == each.sha256:
            return
        raise InputError(f"{each.path} is another file there than here; {_REMEDY}")
    raise InputError(f"{each.path} is not there; {_REMEDY}")


_REMEDY = "what is named by a path from the working directory is carried to the nodes"


def _new_root(parent: Path) -> tuple[Path, Lock]:
    """Make a folder that ``_remove_left`` of other processes never finds without its lock."""
    new = Path(tempfile.mkdtemp(prefix=NEW, dir=parent))
    lock = Lock(new / LOCK)
    return new.rename(new.with_name(new.name.replace(NEW, PREFIX, 1))), lock


def _remove_left(parent: Path) -> Sequence[Path]:
    """Remove the folders of processes of this user that are gone; returns them."""
    removed = []
    for root in parent.glob(f"{PREFIX}*"):
        with suppress(OSError, InputError):  # somebody else's, in use, or just removed
            if not (root / LOCK).is_file() or root.stat().st_uid != os.geteuid():
                continue
            lock = Lock(root / LOCK)
            if lock.holds:
                shutil.rmtree(root, ignore_errors=True)
                removed.append(root)
            lock.close()
    return removed
