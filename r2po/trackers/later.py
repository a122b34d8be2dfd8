"""The command that sends a run later."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from r2po.installation import call
from r2po.plugins import Plugin, loaded, shown
from r2po.trackers.registry import TRACKERS


def how_to_send(path: Path, names: Sequence[str]) -> str:
    """Return the command that sends runs to trackers, with the plugins that the user must name for it.

    Args:
        path: A run directory or a log directory.
        names: Names of trackers.
    """
    sources = {TRACKERS.source_of(name).name for name in names}
    plugins = [_told(each) for each in loaded() if each.name in sources and not each.place.installed]
    options = [text for plugin in plugins for text in ("--plugin", plugin)]
    return call("track", shlex.join([str(path), *options, "--to", *names]))


def _told(plugin: Plugin) -> str:
    """Return how a plugin is named from the working directory, wherever that was when it was loaded."""
    place = plugin.place
    if place.file:
        file = Path(place.file)
        return shown(file.parent if file.name == "__init__.py" else file)
    folder = Path(place.folder) if place.folder else None
    if folder is None or folder == Path.cwd() or place.module != place.top:
        return place.name
    file = folder / f"{place.top}.py"
    return shown(file if file.is_file() else folder / place.top)
