"""From what a user names to the place of a plugin's code. Nothing here runs any of it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from r2po.errors import InputError, nearest

GROUP = "r2po.plugins"
"""The group of entry points by which an installed package says that it is a plugin."""
VARIABLE = "R2PO_PLUGINS"
"""The environment variable that names plugins, separated by commas."""

_MODULE = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*")


@dataclass(frozen=True)
class Place:
    """Where a plugin is, in a form that other processes can be sent.

    Attributes:
        name: What configs and logs call it.
        module: The module that is imported.
        file: Absolute path of that module, if the plugin was named by its file; else "".
        folder: Absolute path of the folder in which its modules are looked for, after all others; "" for none.
        installed: Whether it is installed with an entry point.
    """

    name: str
    module: str
    file: str = ""
    folder: str = ""
    installed: bool = False

    @property
    def top(self) -> str:
        """The package, or the only module, that it belongs to."""
        return self.module.partition(".")[0]


def find(told: str, folders: Iterable[Path] = ()) -> Place:
    """Return the place of a plugin that a user names: by its file or folder, by its entry point, or by its module.

    Args:
        told: The name. With a slash or the ending ``.py`` it is a path.
        folders: Where modules are looked for that Python does not find, after the working directory.

    Raises:
        InputError: There is no such plugin.
    """
    told = told.strip()
    if told.endswith(".py") or os.sep in told:
        return _by_path(told)
    for place in installed():
        if told in (place.name, place.module):
            return place
    return _by_module(told, [Path(), *folders])


def installed() -> list[Place]:
    """Return the plugins that are installed with an entry point, by name.

    Raises:
        InputError: Two packages use one name, or an entry point is none of a module.
    """
    found: dict[str, Place] = {}
    for point in metadata.entry_points(group=GROUP):
        if point.attr or not is_module(point.module):
            raise InputError(
                f"the entry point {point.name!r} of {GROUP} is {point.value!r}; expected the name of a module"
            )
        place = Place(point.name, point.module, installed=True)
        other = found.setdefault(place.name, place)
        if other != place:
            raise InputError(
                f"two installed packages have a plugin {place.name!r}: modules {other.module} and {place.module}; "
                "uninstall one of them"
            )
    return [found[name] for name in sorted(found)]


def is_module(name: str) -> bool:
    """Whether a text is the name of a module, with dots between packages."""
    return _MODULE.fullmatch(name) is not None


def beside(name: str, folders: Iterable[Path]) -> tuple[Path, Path] | None:
    """Return the folder that holds a module, and the module's own file or folder; None if none of the folders does."""
    top = name.partition(".")[0]
    for folder in folders:
        for path in (folder / f"{top}.py", folder / top):
            if path.is_file() or (path / "__init__.py").is_file():
                return folder, path
    return None


def shown(path: Path) -> str:
    """Return a path as people write it: from the working directory if it is below it, with ``./`` if it is in it."""
    try:
        path = path.absolute().relative_to(Path.cwd())
    except ValueError:
        return str(path)
    return f"./{path}" if len(path.parts) == 1 else str(path)


def _by_path(told: str) -> Place:
    path = Path(told).expanduser().absolute()
    path = path.parent if path.name == "__init__.py" else path
    file = path / "__init__.py" if path.is_dir() else path
    module = (path if path.is_dir() else path.with_suffix("")).name
    if not file.is_file() or file.suffix != ".py":
        raise InputError(f"no plugin {told!r}: expected a file that ends in .py, or a folder with __init__.py")
    if not is_module(module):
        raise InputError(f"plugin {told!r}: {module!r} cannot be the name of a module; expected letters, digits and _")
    other = _origin(module)
    if other is not None and other != str(file):
        raise InputError(
            f"plugin {told!r}: there is another module {module!r} ({other or 'part of Python'}), which it would "
            "replace; give the plugin another name"
        )
    return Place(module, module, str(file), str(path.parent))


def _by_module(told: str, folders: list[Path]) -> Place:
    if not is_module(told):
        raise InputError(f"no plugin {told!r}: expected the name of a module or entry point, or the path of a file")
    place = Place(told, told)
    origin = _origin(place.top)
    local = beside(told, folders)
    if origin is None and local is None:
        known = [each.name for each in installed()]
        where = " or ".join(dict.fromkeys(shown(folder.absolute() / f"{place.top}.py") for folder in folders))
        raise InputError(
            f"no plugin {told!r}{nearest(told, [*known, *_modules_in(folders)])}: expected the name of an installed "
            f"module or entry point, or {where}"
        )
    if local is None or (origin and not _is_at(origin, local[1])):
        return place
    # Also where Python finds it by itself: other processes may look elsewhere.
    return Place(told, told, folder=str(local[0].absolute()))


def _origin(module: str) -> str | None:
    """Return the file of a top-level module, "" if it is in none; None if Python finds no such module."""
    try:
        spec = find_spec(module)
    except ValueError:  # it is imported, and does not say from where
        return ""
    if spec is None:
        return None
    return os.path.abspath(spec.origin) if spec.has_location and spec.origin else ""  # noqa: PTH100 - as Place.file


def _is_at(origin: str, path: Path) -> bool:
    return Path(origin) in (path.absolute(), path.absolute() / "__init__.py")


def _modules_in(folders: Iterable[Path]) -> Iterator[str]:
    for folder in folders:
        yield from (path.stem for path in folder.glob("*.py") if path.stem not in ("__init__", "main"))
        yield from (path.parent.name for path in folder.glob("*/__init__.py"))
