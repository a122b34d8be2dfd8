"""How prompts are worded: in one of our styles, or with a user's templates in place of some of ours."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Literal, cast, get_args

from r2po.errors import InputError, nearest
from r2po.places import expanded
from r2po.policies import FAMILIES

Style = Literal["published", "compact"]
STYLES: tuple[Style, ...] = get_args(Style)

STYLE_FILE = "style"
"""The file of a folder that says in which of our styles all that it does not override is written."""

OURS = "r2po/"
"""What precedes the name of a template that is ours, whatever the folder overrides."""

_KINDS = ("parameters", "program")
"""Folders for policies of a kind."""

_BYTES = 1_000_000
_REFERRED = re.compile(r"""["']([^"'\n]+\.j2)["']""")


@dataclass(frozen=True)
class OwnTemplates:
    """A user's templates: data, which is read once, so that it stays the same for a whole run.

    Attributes:
        folder: Where they are.
        style: Our style for all that they do not override.
        texts: Their texts, by name, e.g. ``parameters/values.j2``; sorted.
    """

    folder: str
    style: Style
    texts: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Wording:
    """The config key ``prompts``.

    Attributes:
        given: One of our styles, or the path of a folder. The folder is read when it is first needed, so that runs
            whose folder is gone can still be read.
    """

    given: str = "published"

    @cached_property
    def own(self) -> OwnTemplates | None:
        """The user's templates; None without.

        Raises:
            InputError: The folder cannot be read, or has a file that is no template.
        """
        return None if self.given in STYLES else read_folder(self.given)

    @property
    def style(self) -> Style:
        """The style of ours."""
        return self.own.style if self.own else cast("Style", self.given)


PUBLISHED = Wording()


def folder_of_templates() -> Path:
    """Return where our templates are: those of the published style, and below ``compact`` those of the other one."""
    return Path(__file__).parent / "templates"


def resolved(text: str, base: Path, source: str) -> str:
    """Return the key ``prompts`` with the path of a folder as seen from the working directory.

    Args:
        text: The value.
        base: The folder that a path is relative to.
        source: Whose value it is, for messages.

    Raises:
        InputError: It is neither a style nor a folder.
    """
    if text in STYLES:
        return text
    path = os.path.normpath(base / expanded(text, f"{source}: prompts"))
    if not Path(path).is_dir():
        siblings = [each.name for each in base.iterdir() if each.is_dir()] if base.is_dir() else []
        raise InputError(
            f"{source}: prompts is {text!r}, and there is no folder {path!r}; expected published, compact or a folder "
            f"of templates{nearest(text, [*STYLES, *siblings])}"
        )
    return path


def read_folder(path: str) -> OwnTemplates:
    """Read a user's templates.

    Raises:
        InputError: In one line: the folder cannot be read, a file has no name of a template, or is no text.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise InputError(f"prompts: there is no folder {path!r}")
    style: Style = "published"
    texts: dict[str, str] = {}
    for file in sorted(_files(folder)):
        name = file.relative_to(folder).as_posix()
        if name == STYLE_FILE:
            style = _style(file)
        elif not name.startswith("README"):
            texts[name] = _text(file)
    _check_names(path, texts)
    return OwnTemplates(path, style, tuple(texts.items()))


def _files(folder: Path) -> Iterator[Path]:
    """Yield all files that are not hidden."""
    try:
        for entry in folder.iterdir():
            if not entry.name.startswith("."):
                yield from _files(entry) if entry.is_dir() else [entry]
    except OSError as error:
        raise InputError(f"prompts: cannot read {str(folder)!r}: {error.strerror or error}") from None


def _text(file: Path) -> str:
    try:
        with file.open(encoding="utf-8") as opened:
            text = opened.read(_BYTES + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"prompts: cannot read {str(file)!r}: {error}") from None
    if len(text) > _BYTES:
        raise InputError(f"prompts: {str(file)!r} has more than {_BYTES:,} characters; expected a template")
    return text


def _style(file: Path) -> Style:
    text = _text(file).strip()
    if text not in STYLES:
        raise InputError(
            f"{file}: found {text[:40]!r}; expected {' or '.join(STYLES)}, the style of all templates that the folder "
            f"does not override{nearest(text[:40], STYLES)}"
        )
    return text


def _check_names(path: str, texts: Mapping[str, str]) -> None:
    """Refuse a file that overrides nothing and that no other one refers to: nothing would ever read it."""
    referred = {name for text in texts.values() for name in _REFERRED.findall(text)}
    known = known_names()
    for name in texts:
        folder, _, file = name.rpartition("/")
        overrides = name in known or (file in known and folder in (*FAMILIES, *_KINDS))
        if not overrides and name not in referred:
            raise InputError(
                f"{path}/{name} overrides no template of r2po, and no template of the folder refers to it"
                f"{_nearest(name, known)}"
            )


def _nearest(name: str, options: Iterable[str]) -> str:
    """Return the nearest name, by the file's name if not by its path."""
    options = sorted(options)
    return nearest(name, options) or nearest(name.rpartition("/")[2], options)


@cache
def known_names() -> Collection[str]:
    """Return the names that override a template: paths in our folder, and file names, which hold for all families."""
    folder = folder_of_templates()
    paths = {file.relative_to(folder).as_posix().removeprefix("compact/") for file in folder.rglob("*.j2")}
    return paths | {path.rpartition("/")[2] for path in paths}
