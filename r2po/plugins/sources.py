"""What is recorded of a plugin: a hash of its source files, and its version."""

from __future__ import annotations

import hashlib
from importlib import metadata
from pathlib import Path
from types import ModuleType

from r2po.errors import InputError
from r2po.plugins.finding import GROUP, Place

SUFFIXES = (".py", ".yaml", ".j2")
"""Files of a package that count as its source: code, task cards and configs, templates."""


def sha256_of(place: Place, top: ModuleType) -> str:
    """Return the SHA-256, in hexadecimal, over the names and contents of a plugin's source files, sorted by name.

    Args:
        place: The plugin.
        top: Its imported module or, if that is inside a package, the outermost package.

    Raises:
        InputError: It is not in files, or they cannot be read.
    """
    total = hashlib.sha256()
    try:
        for name, path in sorted(_files(top).items()):
            content = path.read_bytes()
            total.update(f"{name}\0{len(content)}\0".encode("utf-8", "surrogateescape"))
            total.update(content)
    except OSError as error:
        raise InputError(f"plugin {place.name!r}: cannot read {error.filename}: {error.strerror}") from None
    return total.hexdigest()


def roots_of(module: ModuleType) -> list[Path]:
    """Return the folders of a package, or the file of a module; nothing if it is in no file."""
    if hasattr(module, "__path__"):
        return [Path(folder) for folder in module.__path__]
    return [Path(module.__file__)] if module.__file__ else []


def version_of(place: Place) -> str | None:
    """Return the version of the distribution that a plugin is from; None if it is a file or folder of the user's."""
    if place.installed:
        points = metadata.entry_points(group=GROUP, name=place.name)
        found = next((point.dist for point in points if point.module == place.module), None)
        return found.version if found is not None else None
    if place.folder:
        return None
    names = metadata.packages_distributions().get(place.top)
    return metadata.version(names[0]) if names else None


def _files(module: ModuleType) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for root in roots_of(module):
        if root.is_dir():
            found = [path for path in root.rglob("*") if path.suffix in SUFFIXES and path.is_file()]
            files |= {path.relative_to(root).as_posix(): path for path in found}
        else:
            files[root.name] = root
    if not files:
        raise InputError(f"plugin {module.__name__!r} is not in files of source, which run.yaml is to have a hash of")
    return files
