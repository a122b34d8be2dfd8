"""Which code of a user's own a run was made with, as its log tells."""

from __future__ import annotations

import hashlib

from r2po.runlog.records import Description


def plugins_hash(description: Description) -> str:
    """Return one hash of the source of all plugins that a run depends on; empty without any.

    Names and versions make no difference: a plugin has the same code as a folder and installed under another name.
    """
    hashes = sorted({plugin["sha256"] for plugin in description.get("plugins", [])})
    return hashlib.sha256("+".join(hashes).encode()).hexdigest()[:16] if hashes else ""
