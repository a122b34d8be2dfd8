"""The libraries that pages carry are those that were published, and can stand in a script element."""

from __future__ import annotations

import hashlib
import re

import pytest

from r2po.report.vendored import FOLDER, facts, libraries


@pytest.mark.parametrize("entry", facts(), ids=lambda entry: entry["name"])
def test_a_library_is_the_file_that_was_fetched(entry: dict[str, str]) -> None:
    content = (FOLDER / entry["file"]).read_bytes()
    assert hashlib.sha256(content).hexdigest() == entry["sha256"]
    assert f"v{entry['version']} Copyright" in content.decode()[:200]
    assert re.fullmatch(r"sha512-[A-Za-z0-9+/]{86}==", entry["integrity"])
    assert entry["tarball"].endswith(f"-{entry['version']}.tgz")


def test_no_library_can_end_the_element_that_it_stands_in() -> None:
    for library in libraries():
        assert not re.search("</script|<!--", library.source, re.IGNORECASE)


def test_each_library_has_its_licence() -> None:
    for library in libraries():
        assert "Permission to use, copy, modify, and/or distribute this software" in library.licence
    named = {entry[key] for entry in facts() for key in ("file", "licence_file")}
    assert {path.name for path in FOLDER.iterdir()} == {*named, "vendor.yaml"}
