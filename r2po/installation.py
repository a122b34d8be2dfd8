"""How r2po came onto this machine, from a checkout or with pip: this decides how people are told what to type."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

NAME = "r2po"
_PACKAGE = Path(__file__).parent
_SCRIPTS = {"run": "main.py"}
"""Scripts of a checkout that are not called after their command."""
_FOR_DEVELOPERS = ("dev", "docs")


def version() -> str:
    """Return the version of r2po; "not installed" if it is used from its sources only."""
    try:
        return metadata.version(NAME)
    except metadata.PackageNotFoundError:
        return "not installed"


def checkout() -> Path | None:
    """Return the checkout that this package runs from; None if it was installed from a wheel."""
    folder = _PACKAGE.parent
    return folder if (folder / "main.py").is_file() and (folder / "pyproject.toml").is_file() else None


def shipped_configs() -> Path:
    """Return the folder of the configs that come with the package; in a checkout it is a link to ``configs/``."""
    return _PACKAGE / "configs"


def shipped_environment() -> Path:
    """Return the file that ``r2po init`` copies as ``.env.example``."""
    return _PACKAGE / "data/env.example"


def call(command: str, *arguments: str) -> str:
    """Return how people call a command from where they are: ``python main.py`` in a checkout, else ``r2po run``."""
    script = _SCRIPTS.get(command, f"{command}.py")
    folder = checkout()
    in_checkout = folder is not None and Path.cwd() == folder.resolve() and (folder / script).is_file()
    return " ".join([f"python {script}" if in_checkout else f"{NAME} {command}", *arguments])


def install(extra: str) -> str:
    """Return how an extra is installed, beside a checkout too: there pip takes what the installed package declares."""
    return f"pip install '{NAME}[{extra}]'"


def install_package(package: str) -> str:
    """Return how a package is installed: by the extra that brings it, or by its own name if none does."""
    try:
        requirements = metadata.requires(NAME) or []
    except metadata.PackageNotFoundError:
        requirements = []
    for requirement in requirements:
        name, extra = re.match(r"[\w.-]+", requirement), re.search(r"extra\s*==\s*[\"']([\w-]+)", requirement)
        if name and extra and name[0].lower() == package.lower() and extra[1] not in _FOR_DEVELOPERS:
            return install(extra[1])
    return f"pip install {package}"
