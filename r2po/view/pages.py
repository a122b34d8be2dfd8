"""The pages and what they load: made once when the server starts, and the same for everybody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from r2po.report.frame import SCRIPTS, joined, own_style, rendered, script_file, served_page
from r2po.report.vendored import Library, libraries

_HERE = Path(__file__).parent
_PAGE = _HERE / "page"

RUN_SCRIPTS = tuple("served" if name == "blocks" else name for name in SCRIPTS if name != "main")
"""Those of a report's page, but for where blocks come from; then what keeps a page up to date, and the start."""
LIST_SCRIPTS = ("dom", "asking", "sparks", "filters", "runs", "sweeps", "list_keys", "list")
LIVE_SCRIPTS = ("asking", "live")
_SCRIPT, _STYLE = "text/javascript; charset=utf-8", "text/css; charset=utf-8"


@dataclass(frozen=True)
class File:
    """A file that pages load: its text, and its type as servers name it."""

    text: str
    kind: str


def files() -> Mapping[str, File]:
    """Return what pages load, by the last part of its address."""
    found = {f"{_short(library)}.js": File(library.source, _SCRIPT) for library in libraries()}
    run_scripts = (*RUN_SCRIPTS, *LIVE_SCRIPTS, "main")
    return {
        **found,
        "run.js": File(joined(map(_script, run_scripts)), _SCRIPT),
        "list.js": File(joined(map(_script, LIST_SCRIPTS)), _SCRIPT),
        "page.css": File(own_style() + (_PAGE / "view.css").read_text(encoding="utf-8"), _STYLE),
    }


def _script(name: str) -> Path:
    own = _PAGE / f"{name}.js"
    return own if own.is_file() else script_file(name)


def library_addresses() -> list[str]:
    """Return the addresses of the libraries, in their order."""
    return [f"/static/{_short(library)}.js" for library in libraries()]


def _short(library: Library) -> str:
    """Return a library's name without that of its publisher."""
    return library.name.split("/")[-1]


def list_page(logs: str) -> str:
    """Return the page of all runs, given the name of the folder of logs."""
    return rendered("list.j2", _HERE, logs=logs, style="/static/page.css", scripts=["/static/list.js"])


def run_page(*, several: bool) -> str:
    """Return the page of a run, or of several side by side; its script asks for the rest."""
    title = "Runs side by side" if several else "r2po view"
    return served_page(title, [*library_addresses(), "/static/run.js"], "/static/page.css", several=several)
