"""Tables in every format."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from r2po.analysis.output.files import to_json
from r2po.analysis.output.tables import SUFFIXES, Cell, Table, csv_cell, table_json, to_csv, to_latex, to_markdown
from r2po.analysis.output.writing import content, write_table
from r2po.errors import InputError

TABLE = Table(
    "Rewards & more",
    ["environment", "ProPS+", "R2PO"],
    [
        [Cell("Nim", plain="nim"), Cell("0.50 ± 0.10"), Cell("1.00 ± 0.00", ("published 0.61 ± 0.03",), is_best=True)],
        [Cell("A|B_c", plain="ab"), Cell(""), "2"],
    ],
    ["n = 10"],
)


def test_markdown() -> None:
    title, empty, *rows, gap, note = to_markdown(TABLE).splitlines()
    assert (title, empty, gap, note) == ("**Rewards & more**", "", "", "- n = 10")
    assert len({len(row) for row in rows}) == 1, "columns stand below each other"
    cells = [[cell.strip() for cell in row.replace("\\|", "/").strip("|").split("|")] for row in rows]
    assert cells[0] == ["environment", "ProPS+", "R2PO"]
    assert [cell.strip("-") for cell in cells[1]] == ["", ":", ":"]
    assert cells[2] == ["Nim", "0.50 ± 0.10", "**1.00 ± 0.00**<br>published 0.61 ± 0.03"]
    assert cells[3] == ["A/B_c", "\N{EN DASH}", "2"]


def test_csv_has_neither_marks_nor_notes() -> None:
    assert to_csv(TABLE) == ("environment,ProPS+,R2PO\nnim,0.50 ± 0.10,1.00 ± 0.00; published 0.61 ± 0.03\nab,,2\n")


def test_json_has_unrounded_numbers_where_there_are_any() -> None:
    score = {"label": "R2PO", "mean": 1 / 3, "std": 0.1, "runs": 3}
    rows: list[list[Cell | str]] = [
        [Cell("Nim", plain="nim"), Cell("0.33 ± 0.10", figures=score)],
        [Cell("Pong"), Cell("")],
        ["3", Cell("3", figures=3)],
    ]
    record = json.loads(table_json(Table("t", ["environment", "R2PO"], rows, ["n = 3"], ["env", "R2PO"])))
    expected = [{"env": "nim", "R2PO": score}, {"env": "Pong", "R2PO": None}, {"env": "3", "R2PO": 3}]
    assert record == {"title": "t", "notes": ["n = 3"], "rows": expected}


def test_latex() -> None:
    text = to_latex(TABLE)
    assert r"\caption{Rewards \& more. n = 10.}" in text
    assert r"\begin{tabular}{lrr}" in text
    assert r"\textbf{1.00 $\pm$ 0.00}" in text
    assert r"A$|$B\_c & -- & 2 \\" in text
    assert text.count("{") == text.count("}")


@pytest.mark.parametrize("suffix", ["png", "pdf", "svg"])
def test_pictures(suffix: str) -> None:
    data = content(TABLE, suffix)
    assert data == content(TABLE, suffix), "the same table gives the same bytes"
    assert data.startswith({"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml"}[suffix])
    if suffix == "png":
        image = np.asarray(Image.open(io.BytesIO(data)).convert("L"))
        assert image.min() < 50, "something is drawn"
        edges = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
        assert set(edges.tolist()) == {255}, "nothing is cut off"


def test_files(tmp_path: Path) -> None:
    files = write_table(TABLE, tmp_path / "new" / "core_mean_reward", list(SUFFIXES))
    assert [file.name.removeprefix("core_mean_reward.") for file in files] == list(SUFFIXES.values())
    assert all(file.is_file() for file in files)


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot write"):
        write_table(TABLE, tmp_path / "file" / "table", ["md"])


text = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\x00"), max_size=12)


@given(st.lists(st.lists(text, min_size=3, max_size=3), min_size=1, max_size=4))
def test_csv_reads_back(rows: list[list[str]]) -> None:
    read = list(csv.reader(io.StringIO(to_csv(Table("t", ["a", "b", "c"], rows)))))
    assert read == [["a", "b", "c"], *([csv_cell(cell) for cell in row] for row in rows)]


@given(text)
def test_latex_leaves_no_special_character_alone(cell: str) -> None:
    (line,) = [row for row in to_latex(Table("t", ["a"], [[f"x{cell}"]])).split("\n") if row.startswith("    x")]
    for character in "&%#_":
        assert line.count(character) == line.count(f"\\{character}") == cell.count(character)


HOSTILE = (
    "=1+2",
    "@SUM(A1)",
    "+1+cmd|' /C calc'!A0",
    "-2+3=x",
    "<script>a</script>",
    "[a](javascript:b)",
    "a\nb|c",
    "\x1b[2J",
)


def test_names_are_no_formulas_in_a_spreadsheet() -> None:
    figures = ("-0.22 ± 0.10", "+0.5", "-1e-05", "-0.10; [-0.20, 0.00]", "-.5")
    rows = [[name] for name in (*HOSTILE, *figures)]
    cells = [row[0] for row in csv.reader(io.StringIO(to_csv(Table("t", ["=name"], rows))))]
    assert cells[:5] == ["'=name", "'=1+2", "'@SUM(A1)", "'+1+cmd|' /C calc'!A0", "'-2+3=x"]
    assert tuple(cells[-5:]) == figures
    assert r"\x1b[2J" in cells


def test_names_are_neither_tags_nor_links_nor_rows_in_markdown() -> None:
    rows: list[list[Cell | str]] = [[Cell(name, (name,), is_best=True), "1 < 2"] for name in HOSTILE]
    text = to_markdown(Table("<b>", ["<i>", "> 0"], rows, ["<img src=x>\n# heading"]))
    assert len(text.splitlines()) == 4 + len(HOSTILE) + 2
    for tag in ("<b", "<i", "<script", "</script", "<img"):
        assert tag not in text.replace("\\<", "").replace("<br>", "")
    assert "](" not in text
    assert "1 < 2" in text
    assert "\x1b" not in text + to_latex(Table("t", ["a"], [[name] for name in HOSTILE]))


def test_json_shows_no_control_character() -> None:
    text = to_json({"a\x9b": "\x7f\u202e\ud800\x1b\t"}).decode()
    assert text.isprintable() or set(filter(lambda each: not each.isprintable(), text)) == {"\n"}
    assert json.loads(text) == {"a\x9b": "\x7f\u202e\ud800\x1b\t"}
