"""Imports plugins, each once in a process, and keeps account of them."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from r2po.errors import InputError
from r2po.plugins.failing import failure
from r2po.plugins.finding import VARIABLE, Place, find, installed
from r2po.plugins.sources import roots_of, sha256_of, version_of
from r2po.registry import Source, registering_for


@dataclass(frozen=True)
class Plugin:
    """A plugin that was loaded.

    Attributes:
        place: Where it is.
        version: That of its distribution; None if it has none.
        sha256: Hash of its source files when it was loaded.
        told: Whether its user named it in a command or in ``R2PO_PLUGINS``.
    """

    place: Place
    version: str | None
    sha256: str
    told: bool

    @property
    def name(self) -> str:
        """What configs and logs call it."""
        return self.place.name


@dataclass
class State:
    """What this process has loaded.

    Attributes:
        lock: Runs of a sweep are threads. Reentrant: a plugin may ask for something unknown while it is imported.
        loaded: By name, in the order in which they were loaded.
        failed: Why others did not import, by name.
        under_way: Names of those that are being imported.
        named: The places of what ``R2PO_PLUGINS`` names; None before that is read.
    """

    lock: threading.RLock = field(default_factory=threading.RLock)
    loaded: dict[str, Plugin] = field(default_factory=dict)
    failed: dict[str, InputError] = field(default_factory=dict)
    under_way: set[str] = field(default_factory=set)
    named: list[Place] | None = None


_state = State()


def load_told(names: Iterable[str], folders: Iterable[Path] = ()) -> None:
    """Load the plugins that a command names, and those of ``R2PO_PLUGINS``.

    Args:
        names: Modules, entry points or files.
        folders: Where modules are looked for that Python does not find, after the working directory.

    Raises:
        InputError: One is not found, or does not import.
    """
    folders = list(folders)
    with _state.lock:
        if _state.named is None:
            texts = map(str.strip, os.environ.get(VARIABLE, "").split(","))
            _state.named = [find(text, folders) for text in texts if text]
        for place in (*(find(name, folders) for name in names), *_state.named):
            load(place, told=True)


def load_places(plugins: Sequence[tuple[Place, bool]]) -> None:
    """Load the plugins that another process had loaded, as ``loaded_places`` gave them.

    Raises:
        InputError: One does not import.
    """
    with _state.lock:
        _state.named = [place for place, told in plugins if told]
        for place, told in plugins:
            load(place, told=told)


def load_installed() -> None:
    """Load ``R2PO_PLUGINS`` and all plugins that are installed with an entry point.

    Raises:
        InputError: One does not import.
    """
    with _state.lock:
        load_told(())
        for place in installed():
            load(place, late=True)


def loaded() -> list[Plugin]:
    """Return the plugins that are loaded, in that order."""
    with _state.lock:
        return [*_state.loaded.values()]


def loaded_places() -> list[tuple[Place, bool]]:
    """Return for each plugin that is loaded its place, and whether the user named it: for another process."""
    return [(plugin.place, plugin.told) for plugin in loaded()]


def owner_of(module: str) -> str:
    """Return the name of the loaded plugin that a module belongs to; "" if it belongs to none."""
    top = module.partition(".")[0]
    return next((plugin.name for plugin in loaded() if plugin.place.top == top), "")


def load(place: Place, *, told: bool = False, late: bool = False) -> None:
    """Load a plugin if it is neither loaded nor, further up in this thread, being imported.

    Args:
        place: Where it is.
        told: Whether the user named it.
        late: Whether it is loaded only because something unknown was asked for.

    Raises:
        InputError: It does not import, or another one has its name.
    """
    name = place.name
    with _state.lock:
        if name in _state.failed:
            raise _state.failed[name]
        if name in _state.loaded:
            known = _state.loaded[name]
            _check_same(known.place, place)
            _state.loaded[name] = replace(known, told=known.told or told)
        elif name not in _state.under_way:
            _state.loaded[name] = _load(place, told, Source(name, late))


def _load(place: Place, told: bool, source: Source) -> Plugin:
    _state.under_way.add(place.name)
    try:
        with registering_for(source):
            import_module(place)
    except InputError as error:
        _state.failed[place.name] = error  # half of it may be registered: a second attempt would complain of that
        raise
    finally:
        _state.under_way.discard(place.name)
    return Plugin(place, version_of(place), sha256_of(place, sys.modules[place.top]), told)


def _check_same(known: Place, place: Place) -> None:
    file = getattr(sys.modules.get(known.module), "__file__", None)
    if known.module != place.module or (place.file and place.file != file):
        others = " and ".join(each.file or f"the module {each.module}" for each in (known, place))
        raise InputError(f"two plugins are called {known.name!r}: {others}")


def import_module(place: Place) -> None:
    """Import the module of a place.

    Raises:
        InputError: It raises something, of whatever kind.
    """
    if place.folder and place.folder not in map(os.path.abspath, sys.path):
        sys.path.append(place.folder)
    importlib.invalidate_caches()
    try:
        if place.file and place.module == place.name:
            _import_file(place)
        else:
            importlib.import_module(place.module)
    except (Exception, SystemExit) as error:
        raise failure(place, error, _roots(place)) from error


def _import_file(place: Place) -> None:
    """Import a file, or a package by its ``__init__.py``, under its own name and from nowhere else."""
    if getattr(sys.modules.get(place.module), "__file__", None) == place.file:
        return
    file = Path(place.file)
    folders = [str(file.parent)] if file.name == "__init__.py" else None
    spec = importlib.util.spec_from_file_location(place.module, file, submodule_search_locations=folders)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[place.module] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[place.module]
        raise


def _roots(place: Place) -> list[Path]:
    """Return where a plugin's files are, also if its import has failed."""
    if place.file:
        file = Path(place.file)
        return [file.parent if file.name == "__init__.py" else file]
    if place.top in sys.modules:
        return roots_of(sys.modules[place.top])
    spec = importlib.util.find_spec(place.top)
    if spec is None:
        return []
    return [Path(each) for each in spec.submodule_search_locations or ([spec.origin] if spec.origin else [])]
