"""The documentation: no link is dead, every public name has its place, and the built pages ask no other host."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml

import r2po

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
TEXTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")),
    *DOCS.rglob("*.md"),
]
LOADING = {
    "script": "src",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "audio": "src",
    "object": "data",
}
"""Elements that load what they name."""
LOADING_LINKS = {"stylesheet", "icon", "shortcut icon", "preload", "prefetch", "preconnect", "dns-prefetch", "manifest"}


def prose(path: Path) -> str:
    """Return a text without its code, in which brackets are no links and number signs no headings."""
    text = re.sub(r"^(```+).*?^\1$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"^    .*$", "", text, flags=re.MULTILINE)


def anchors(path: Path) -> set[str]:
    """Return the anchors of headings, which GitHub and MkDocs make alike for those that we have."""
    headings = re.findall(r"^#+ (.*)$", prose(path), re.MULTILINE)
    names = [re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings]
    return {re.sub("-+", "-", name) for name in names} | set(names)


def links(path: Path) -> Iterator[tuple[str, str]]:
    """Return path and anchor of each link to a file of the repository."""
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "", prose(path))):
        if "://" not in target:
            name, _, anchor = target.partition("#")
            yield name, anchor


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_link_is_dead(path: Path) -> None:
    dead = []
    for name, anchor in links(path):
        target = path.parent / name if name else path
        if not target.is_file() or (anchor and anchor not in anchors(target)):
            dead.append(f"{name}#{anchor}")
    assert dead == []


def test_the_links_that_are_checked_are_found() -> None:
    found = [link for path in TEXTS for link in links(path)]
    assert len(found) > 80
    assert ("docs/statistics.md", "which-value-of-a-run") in found


def test_every_public_name_has_its_place() -> None:
    described = re.findall(r"^::: r2po\.(\w+)$", (DOCS / "api/index.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert r2po.__all__
    assert set(r2po.__all__) - set(described) == set()


def test_every_document_is_in_the_navigation() -> None:
    settings = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    named = set(re.findall(r"[\w/-]+\.md", str(settings["nav"])))
    of_the_root = {f"{path.stem.lower()}.md" for path in TEXTS if path.parent == ROOT} - {"readme.md"} | {"index.md"}
    assert named == {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")} | of_the_root
    assert settings["theme"]["font"] is False


class _Loads(HTMLParser):
    """Collects what a page makes a browser load, apart from links that a reader follows."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag in LOADING:
            self.found.append(given.get(LOADING[tag], ""))
        if tag == "link" and LOADING_LINKS & {given.get("rel", ""), *given.get("rel", "").split()}:
            self.found.append(given.get("href", ""))
        self.found += re.findall(r"url\(([^)]*)\)", given.get("style", ""))


@pytest.mark.slow
def test_the_pages_are_built_without_a_warning_and_ask_no_other_host(tmp_path: Path) -> None:
    for package in ("mkdocs", "material", "mkdocstrings"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"needs {package}: pip install 'r2po[docs]'")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    environ = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    pages = list(tmp_path.rglob("*.html"))
    assert len(pages) > 20
    for page in pages:
        parser = _Loads()
        parser.feed(page.read_text(encoding="utf-8"))
        assert parser.found
        assert [text for text in parser.found if "//" in text] == [], page
    for sheet in tmp_path.rglob("*.css"):
        loaded = re.findall(r"(?:url\(|@import)\s*[\"']?([^\"')\s]+)", sheet.read_text(encoding="utf-8"))
        assert [text for text in loaded if "//" in text and not text.startswith("data:")] == [], sheet
    api = (tmp_path / "api/index.html").read_text(encoding="utf-8")
    assert [name for name in r2po.__all__ if f'id="r2po.{name}"' not in api] == []
