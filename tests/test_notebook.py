"""The notebook in docs does what it shows, and ``tools/notebook.py`` executes and compares notebooks as it says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "docs/your_own_problem.ipynb"


def execute(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the tool in a process of its own, away from the checkout, with its code."""
    return subprocess.run(
        [sys.executable, str(ROOT / "tools/notebook.py"), *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def write(path: Path, *sources: str) -> Path:
    cells = [{"cell_type": "code", "source": [source], "outputs": [], "metadata": {}} for source in sources]
    text = {"cell_type": "markdown", "source": ["# Words"], "metadata": {}}
    path.write_text(json.dumps({"cells": [text, *cells], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    return path


def outputs(path: Path) -> list[list[dict[str, Any]]]:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [cell["outputs"] for cell in cells if cell["cell_type"] == "code"]


@pytest.mark.slow
def test_the_notebook_says_what_it_shows(tmp_path: Path) -> None:
    done = execute(tmp_path, NOTEBOOK, "--check")
    assert (done.returncode, done.stderr) == (0, "")
    figures = [each for made in outputs(NOTEBOOK) for each in made if "image/png" in each.get("data", {})]
    assert len(figures) == 2
    assert "embedded stand-in" in NOTEBOOK.read_text(encoding="utf-8")


def test_outputs_are_written_and_compared(tmp_path: Path) -> None:
    notebook = write(
        tmp_path / "a.ipynb",
        "n = 3\nprint('one')\nn + 1",
        "n = n * 2;",
        "import matplotlib.pyplot as plt\nplt.plot([n]);",
        "n",
    )
    assert execute(tmp_path, notebook, "--check").returncode == 1
    assert execute(tmp_path, notebook).returncode == 0
    first, nothing, figure, last = outputs(notebook)
    assert [each["output_type"] for each in first] == ["stream", "execute_result"]
    assert (first[0]["text"], first[1]["data"]["text/plain"], nothing) == (["one\n"], ["4"], [])
    assert list(figure[0]["data"]) == ["image/png", "text/plain"]
    assert last[0]["data"]["text/plain"] == ["6"]
    before = notebook.read_bytes()
    assert execute(tmp_path, notebook, "--check").returncode == 0
    notebook.write_bytes(before.replace(b'"6"', b'"7"'))
    done = execute(tmp_path, notebook, "--check")
    assert (done.returncode, done.stderr) == (1, "cell 4 says ['6']; the file has ['7']\n")


@pytest.mark.parametrize("options", [[], ["--check"]])
def test_a_cell_that_fails_leaves_the_file_as_it_was(tmp_path: Path, options: list[str]) -> None:
    notebook = write(tmp_path / "a.ipynb", "print(1)", "1 / 0")
    before = notebook.read_bytes()
    done = execute(tmp_path, notebook, *options)
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr
    assert notebook.read_bytes() == before
