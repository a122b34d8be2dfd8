"""What configs and logs ask for. Asking lets nothing run: only a user's own act does."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from r2po.errors import InputError
from r2po.plugins.finding import Place, beside, installed, is_module, shown
from r2po.plugins.loading import Plugin, import_module, load, load_told, loaded

_BY_ITSELF = "; what this program has imported itself is named without the module"


def require(name: str, asker: str, folders: Iterable[Path] = ()) -> Plugin:
    """Return a plugin that a config or a log asks for.

    Args:
        name: Its name, or its module.
        asker: What asks for it, for messages.
        folders: Where it might be, for messages; the working directory besides.

    Raises:
        InputError: It is neither named by the user nor installed, nor has the process imported it already; or it does
            not import.
    """
    load_told(())
    plugin = _loaded(name)
    if plugin is None:
        place = next((each for each in installed() if name in (each.name, each.module)), None)
        if place is None and name in sys.modules:  # the user's own script has imported it
            place = Place(name, name)
        if place is None:
            raise _not_let(name, asker, folders)
        load(place)
        plugin = _loaded(name)
    if plugin is None:
        raise InputError(f"{asker} asks for the plugin {name!r}, which is still being imported")
    return plugin


def allow_import(module: str, asker: str, folders: Iterable[Path] = ()) -> Place:
    """Return the plugin that a module belongs to whose import the user has let happen. Nothing of it runs here.

    Args:
        module: What is to be imported.
        asker: What asks for it, for messages.
        folders: Where it might be, for messages; the working directory besides.

    Raises:
        InputError: Neither has the user named its package, nor is that installed as a plugin.
    """
    load_told(())
    top = module.partition(".")[0]
    places = [plugin.place for plugin in loaded() if plugin.told] + installed()
    place = next((place for place in places if place.top == top), None)
    if place is None or not is_module(module):
        raise _not_let(top, asker, folders, imported=module in sys.modules)
    return place


def import_for_id(module: str, gym_id: str) -> None:
    """Import the module of a Gymnasium id ``module:Id``, if that is allowed.

    Raises:
        InputError: It is not, or the module does not import.
    """
    place = allow_import(module, f"the environment {gym_id!r}")
    load(place)
    import_module(replace(place, module=module))


def _loaded(name: str) -> Plugin | None:
    return next((plugin for plugin in loaded() if name in (plugin.name, plugin.place.module)), None)


def _not_let(name: str, asker: str, folders: Iterable[Path], *, imported: bool = False) -> InputError:
    """Return the error for a plugin that nobody has let run code, or, if ``imported``, that has run already."""
    found = beside(name, [Path(), *folders]) if is_module(name) else None
    where = f" ({shown(found[1])})" if found else ""
    return InputError(
        f"{asker} asks for the plugin {name!r}{where}; to let it run code: --plugin {shlex.quote(name)}, or install it "
        f"with an entry point{_BY_ITSELF if imported else ''}"
    )
