"""``--plugin``: the option of all commands that run code of a user's own, and what loads the plugins."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path

from r2po.signals import held_back


def add_plugin_option(parser: argparse.ArgumentParser) -> None:
    """Declare ``--plugin``; ``load_plugins`` then loads what it names before the command runs."""
    parser.add_argument(
        "--plugin",
        dest="plugins",
        action="append",
        default=[],
        metavar="PLUGIN",
        help="let code of your own run: a module, a file.py, or an entry point; may be repeated. R2PO_PLUGINS=a,b "
        "names some for all commands that have this option",
    )


def load_plugins(options: argparse.Namespace) -> None:
    """Load the plugins that a command names, if it has the option, and those of ``R2PO_PLUGINS``.

    Modules are looked for where Python looks, in the working directory, and in the folders of the command's configs.

    Raises:
        InputError: One is not found, or does not import.
    """
    names = getattr(options, "plugins", None)
    if names is None or not (names or os.environ.get("R2PO_PLUGINS")):
        return
    with held_back():  # the plugin itself may be interrupted, but not what it builds on
        import r2po.registration  # noqa: F401 - what plugins import
        from r2po.plugins import load_told

    load_told(names, [path.parent for path in _files(options)])


def _files(options: argparse.Namespace) -> Iterator[Path]:
    """Return the configs and cards that a command is given."""
    for key in ("config", "task"):
        value = getattr(options, key, None)
        for text in [value] if isinstance(value, str) else value or []:
            yield Path(text)
