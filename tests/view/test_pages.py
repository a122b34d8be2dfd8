"""The scripts of the pages: what they may not do, and that they are whole."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from r2po.view import pages
from r2po.view.pages import LIST_SCRIPTS, LIVE_SCRIPTS, files, list_page, run_page
from tests.report.runs import MARKUP, TURNED
from tests.report.test_frame import FORBIDDEN, Elements

PAGE = Path(pages.__file__).parent / "page"
SCRIPTS = sorted(path.stem for path in PAGE.glob("*.js"))


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_is_one_idea_and_makes_no_markup(script: str) -> None:
    text = (PAGE / f"{script}.js").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 300
    assert text.startswith('"use strict";\n/* ')
    asks = {"served": ["fetch("], "asking": ["fetch("]}
    assert FORBIDDEN.findall(text) == asks.get(script, [])
    around = re.compile(r"\.textContent = |\.innerText|createTextNode|setAttribute\(\"(aria-label|title)")
    assert [line for line in text.splitlines() if around.search(line)] == []


def test_each_script_is_part_of_a_page() -> None:
    assert set(SCRIPTS) == {*LIST_SCRIPTS, *LIVE_SCRIPTS, "served"} - {"dom"}
    for name in ("run.js", "list.js"):
        assert files()[name].text.count('"use strict"') == 1


@pytest.mark.parametrize("name", ["run.js", "list.js"])
def test_scripts_can_be_parsed(name: str, tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs Node")
    (tmp_path / name).write_text(files()[name].text, encoding="utf-8")
    done = subprocess.run([node, "--check", tmp_path / name], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("page", [list_page("logs"), run_page(several=False), run_page(several=True)])
def test_a_page_has_no_script_style_or_handler_of_its_own(page: str) -> None:
    elements = Elements(page)
    assert [text.strip() for text in (*elements.texts["script"], *elements.texts["style"])] == [""] * len(
        elements.texts["script"]
    )
    for _tag, attributes in elements.found:
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        for name in ("src", "href"):
            address = attributes.get(name) or "#"
            assert address.startswith("#") or address in ("/", "data:,") or address.removeprefix("/static/") in files()
    ids = [attributes["id"] for _, attributes in elements.found if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_the_name_of_the_folder_is_text() -> None:
    page = list_page(f"{MARKUP}{TURNED}")
    assert MARKUP not in page
    assert set(page) & set("\u202e\x1b\ufeff") == set()
