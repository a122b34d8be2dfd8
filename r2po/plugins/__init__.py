"""Plugins: code of one's own, which runs only where its user said so.

A plugin is a module that registers things when it is imported (``r2po.register``). Two acts let it run: naming it, with
``--plugin`` or in ``R2PO_PLUGINS``, or installing it with an entry point of the group ``r2po.plugins``. A config or a
log can only ask for it by name.

This room knows modules and files; it knows nothing of what they register.
"""

from __future__ import annotations

from r2po.plugins.asking import allow_import, import_for_id, require
from r2po.plugins.finding import Place, shown
from r2po.plugins.loading import (
    Plugin,
    load_installed,
    load_places,
    load_told,
    loaded,
    loaded_places,
    owner_of,
)

__all__ = [
    "Place",
    "Plugin",
    "allow_import",
    "import_for_id",
    "load_installed",
    "load_places",
    "load_told",
    "loaded",
    "loaded_places",
    "owner_of",
    "require",
    "shown",
]
