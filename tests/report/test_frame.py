"""The page as a text: what it allows, and what its own scripts may not do."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from r2po.report.blocks import Wanted, blocks_of
from r2po.report.frame import SCRIPTS, own_script, run_page
from r2po.report.static_curve import static_curve
from r2po.runlog import open_run
from tests.report.runs import MARKUP

PAGE = Path(run_page.__code__.co_filename).parent / "page"
FORBIDDEN = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|\bFunction\(|setAttribute\([\"']on|"
    r"srcdoc|javascript:|createContextualFragment|localStorage|sessionStorage|document\.cookie|\bfetch\("
)


class Elements(HTMLParser):
    """The elements of a page, with the texts of scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {"script": [], "style": []}
        self._inside = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self._inside = tag if tag in self.texts and dict(attrs).get("type") != "text/plain" else ""
        if self._inside:
            self.texts[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.texts[self._inside][-1] += data


def page_of(run: Path) -> str:
    blocks = blocks_of(open_run(run), Wanted(motion="none"), lambda _: None)
    return run_page(blocks.core, blocks.packed)


def test_the_policy_allows_the_scripts_and_styles_of_the_page_and_no_others(hostile: Path) -> None:
    elements = Elements(page_of(hostile))
    (policy,) = [
        attributes["content"] or ""
        for tag, attributes in elements.found
        if attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    directives = {line.split()[0]: line.split()[1:] for line in policy.split("; ")}
    assert directives["default-src"] == ["'none'"]
    for name in ("script", "style"):
        hashes = [_hash(text) for text in elements.texts[name]]
        assert directives[f"{name}-src"][: len(hashes)] == hashes
        assert all(each.startswith("'sha256-") for each in directives[f"{name}-src"])
    assert len(elements.texts["script"]) == len(directives["script-src"]) == 3


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def test_the_policy_comes_before_anything_it_is_about(cartpole: Path) -> None:
    tags = [tag for tag, _ in Elements(page_of(cartpole)).found]
    assert tags[:4] == ["html", "head", "meta", "meta"]
    assert "style" not in tags[:4]


def test_no_element_has_a_handler_a_style_or_an_address(hostile: Path) -> None:
    for tag, attributes in Elements(page_of(hostile)).found:
        assert not [name for name in attributes if name.startswith("on") or name in ("style", "src")]
        assert tag != "img"
        assert attributes.get("href", "#") in ("#iteration-card", "data:,", "#")


def test_foreign_names_are_text_without_scripts_too(hostile: Path) -> None:
    page = page_of(hostile)
    assert MARKUP not in page
    assert "ProPS on &lt;/script&gt;&lt;script&gt;alert(1)" in page


def test_foreign_names_turn_nothing_without_scripts_too(hostile: Path) -> None:
    assert set(page_of(hostile)) & set("\u202e\u202c\x1b\ufeff\x9b") == set()
    assert "⟦U+202E⟧live⟦U+202C⟧␛[31m⟦U+FEFF⟧⟦U+009B⟧</h1>" in page_of(hostile)


@pytest.mark.parametrize("script", [each for each in SCRIPTS if each != "dom"])
def test_texts_reach_the_screen_in_one_way(script: str) -> None:
    """The functions of ``dom.js`` mark what controls a screen; whatever goes around them would not."""
    text = (PAGE / f"{script}.js").read_text(encoding="utf-8")
    around = re.compile(
        r"\.textContent = |\.innerText|\.replaceChildren\(|createTextNode|"
        r"setAttribute\(\"(aria-label|title)|title: \(?each"
    )
    assert [line for line in text.splitlines() if around.search(line) and "tipOf(" not in line] == []


def test_ids_stand_once(cartpole: Path) -> None:
    ids = [attributes["id"] for _, attributes in Elements(page_of(cartpole)).found if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_each_script_is_part_of_the_page() -> None:
    assert sorted(SCRIPTS) == sorted(path.stem for path in PAGE.glob("*.js"))
    assert own_script().count('"use strict"') == 1


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_is_one_idea_and_makes_no_markup(script: str) -> None:
    text = (PAGE / f"{script}.js").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 300
    assert text.startswith('"use strict";\n/* ')
    assert FORBIDDEN.findall(text) == []
    assert not re.search("</script|<!--", text, re.IGNORECASE)


def test_scripts_can_be_parsed(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs Node")
    path = tmp_path / "page.js"
    path.write_text(own_script(), encoding="utf-8")
    done = subprocess.run([node, "--check", path], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_curve_without_scripts(cartpole: Path) -> None:
    core = blocks_of(open_run(cartpole), Wanted(motion="none"), lambda _: None).core
    assert static_curve(core).count("<circle") == len(core["candidates"])
    assert static_curve({**core, "candidates": []}) == ""
