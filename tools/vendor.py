"""Fetch the libraries that pages carry, as ``r2po/report/vendor/vendor.yaml`` names them: ``python tools/vendor.py``.

For another version, change its entry first; of ``integrity`` and ``sha256``, the script says what it found. The style
hashes of a library show in the browser's console, where a page with a new version is refused its styles.
"""

from __future__ import annotations

import base64
import hashlib
import io
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path

import requests
import yaml

FOLDER = Path(__file__).parents[1] / "r2po/report/vendor"
LICENCE = "package/LICENSE"


def main() -> int:
    """Write each library and its licence; returns 1 if any is not what its entry says."""
    faults = [fault for entry in _entries() for fault in _fetch(entry)]
    for fault in faults:
        print(fault, file=sys.stderr)  # noqa: T201
    return 1 if faults else 0


def _entries() -> list[Mapping[str, str]]:
    entries: list[Mapping[str, str]] = yaml.safe_load((FOLDER / "vendor.yaml").read_text(encoding="utf-8"))
    return entries


def _fetch(entry: Mapping[str, str]) -> list[str]:
    """Write the files of an entry, unless they are not what it says; returns what they are then."""
    reply = requests.get(entry["tarball"], timeout=60)
    reply.raise_for_status()
    integrity = f"sha512-{base64.b64encode(hashlib.sha512(reply.content).digest()).decode()}"
    if integrity != entry["integrity"]:
        return [f"{entry['name']}: the tarball has integrity {integrity}; vendor.yaml says {entry['integrity']}"]
    with tarfile.open(fileobj=io.BytesIO(reply.content)) as archive:
        source, licence = (_member(archive, name) for name in (entry["member"], LICENCE))
    found = hashlib.sha256(source).hexdigest()
    if found != entry["sha256"]:
        return [f"{entry['name']}: {entry['member']} has SHA-256 {found}; vendor.yaml says {entry['sha256']}"]
    (FOLDER / entry["file"]).write_bytes(source)
    (FOLDER / entry["licence_file"]).write_bytes(licence)
    return []


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    assert file is not None
    return file.read()


if __name__ == "__main__":
    sys.exit(main())
