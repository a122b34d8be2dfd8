"""Executes a notebook in this process and writes its outputs into it; needs no Jupyter.

    python tools/notebook.py docs/your_own_problem.ipynb [--check]

Each cell is executed as in Jupyter: what it prints, its figures and the value of its last line are its outputs. There
are no magics. ``--check`` writes nothing, and fails if a text differs from the one that the file holds, or if a figure
is missing or new. Whether a figure shows the same is not compared.
"""

from __future__ import annotations

import argparse
import ast
import base64
import io
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

Cell = dict[str, Any]


def executed(cells: Sequence[Cell]) -> Iterator[list[Cell]]:
    """Execute the cells of code in their order, in one namespace; yields the outputs of each.

    Raises:
        Exception: What a cell raised.
    """
    import matplotlib as mpl

    mpl.use("agg")
    names: dict[str, Any] = {"__name__": "__main__"}
    for number, cell in enumerate(cells, 1):
        printed = io.StringIO()
        with redirect_stdout(printed):
            value = _value("".join(cell["source"]), f"<cell {number}>", names)
        outputs = [_stream(printed.getvalue())] if printed.getvalue() else []
        outputs += [_figure(image) for image in _images()]
        yield outputs + ([] if value is None else [_result(value, number)])


def _value(source: str, name: str, names: dict[str, Any]) -> Any:
    """Execute the source of a cell and return the value of its last line, if that is an expression."""
    tree = ast.parse(source, name)
    last = tree.body[-1] if tree.body else None
    if not isinstance(last, ast.Expr):
        exec(compile(tree, name, "exec"), names)  # noqa: S102 - what this is for
        return None
    exec(compile(ast.Module(tree.body[:-1], []), name, "exec"), names)  # noqa: S102 - likewise
    value = eval(compile(ast.Expression(last.value), name, "eval"), names)  # noqa: S307 - likewise
    return None if source.rstrip().endswith(";") else value


def _images() -> Iterator[bytes]:
    """Yield the open figures as PNG, and close them."""
    from matplotlib import pyplot as plt

    for number in plt.get_fignums():
        buffer = io.BytesIO()
        plt.figure(number).savefig(buffer, format="png", dpi=110, bbox_inches="tight", metadata={"Software": None})
        yield buffer.getvalue()
    plt.close("all")


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def _stream(text: str) -> Cell:
    return {"name": "stdout", "output_type": "stream", "text": _lines(text)}


def _figure(image: bytes) -> Cell:
    data = {"image/png": base64.b64encode(image).decode(), "text/plain": ["<Figure>"]}
    return {"data": data, "metadata": {}, "output_type": "display_data"}


def _result(value: Any, number: int) -> Cell:
    data = {"text/plain": _lines(repr(value))}
    if hasattr(value, "_repr_html_"):
        data["text/html"] = _lines(value._repr_html_())
    return {"data": data, "execution_count": number, "metadata": {}, "output_type": "execute_result"}


def texts(outputs: Sequence[Cell]) -> list[str]:
    """Return what outputs say: printed lines, values of last lines, and a word for each figure."""
    return ["".join(each["text"] if "text" in each else each["data"]["text/plain"]) for each in outputs]


def differences(kept: Sequence[Cell], cells: Sequence[Cell]) -> Iterator[str]:
    """Yield a line for each cell whose outputs say something else than it holds."""
    for number, (old, new) in enumerate(zip(kept, cells, strict=True), 1):
        if texts(old["outputs"]) != texts(new["outputs"]):
            yield f"cell {number} says {texts(new['outputs'])}; the file has {texts(old['outputs'])}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Execute; returns the exit code."""
    parser = argparse.ArgumentParser(description="Execute a notebook and write its outputs into it.")
    parser.add_argument("notebook", type=Path)
    parser.add_argument("--check", action="store_true", help="write nothing, and fail if a text differs")
    options = parser.parse_args(arguments)
    content = json.loads(options.notebook.read_text(encoding="utf-8"))
    code = [cell for cell in content["cells"] if cell["cell_type"] == "code"]
    made = [{**cell, "outputs": outputs} for cell, outputs in zip(code, executed(code), strict=True)]
    if options.check:
        found = [*differences(code, made)]
        sys.stderr.writelines(f"{line}\n" for line in found)
        return 1 if found else 0
    for number, (cell, new) in enumerate(zip(code, made, strict=True), 1):
        cell.update(outputs=new["outputs"], execution_count=number)
    text = json.dumps(content, indent=1, ensure_ascii=False, sort_keys=True)
    options.notebook.write_text(f"{text}\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
