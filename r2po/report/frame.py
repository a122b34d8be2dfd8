"""The page: the frame, filled with blocks, styles and scripts, under a policy that lets nothing else run."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from r2po.installation import version
from r2po.report.marks import shown
from r2po.report.packing import Values
from r2po.report.static_curve import static_curve
from r2po.report.vendored import libraries

_HERE = Path(__file__).parent
_PAGE = _HERE / "page"

SCRIPTS = (
    *("dom", "colours", "blocks", "data", "texts", "choosing", "head", "curve", "heat"),
    *("strokes", "drawings", "grids", "motion", "returns", "parameters", "sources"),
    *("detail", "prompts", "space", "tables", "compare", "keys", "main"),
)
"""The page's own scripts, in the order in which they are joined: each may use those before it."""


def run_page(core: Values, blocks: Mapping[str, str]) -> str:
    """Return the page of a single run.

    Args:
        core: Its block ``core``, not packed: what stands at the top can be read without scripts.
        blocks: All of its blocks, packed, by name.
    """
    head = core["head"]
    return _filled(
        [(f"run-{name}", block) for name, block in sorted(blocks.items())],
        several=False,
        title=head["title"],
        subtitle=" · ".join([head["run"], *head["about"]]),
        badges=head["badges"],
        tiles=core["tiles"],
        missing=head["missing"],
        curve=static_curve(core),
    )


def overview_page(title: str, badges: Sequence[str], left_out: Sequence[str], blocks: Sequence[tuple[str, str]]) -> str:
    """Return the page of several runs.

    Args:
        title: Its title.
        badges: What readers must know of some of the runs.
        left_out: A line on each run that is not in it.
        blocks: Its blocks, by the names of their elements.
    """
    return _filled(blocks, several=True, title=title, subtitle="", badges=badges, tiles=[], missing=left_out, curve="")


def served_page(title: str, scripts: Sequence[str], style: str, *, several: bool) -> str:
    """Return a page for a server, whose scripts and style it gives by the addresses that stand here; it has no blocks.

    Args:
        title: Its title.
        scripts: Addresses of the scripts, in their order.
        style: Address of the style sheet.
        several: Whether it compares runs.
    """
    content: dict[str, Any] = {"title": title, "subtitle": "", "badges": [], "tiles": [], "missing": [], "curve": ""}
    return rendered("frame.j2", served=True, scripts=scripts, style=style, several=several, blocks=[], **content)


def _filled(blocks: Sequence[tuple[str, str]], **content: Any) -> str:
    scripts = [library.source for library in libraries()] + [own_script()]
    style = own_style()
    policy = security_policy(scripts, style)
    return rendered("frame.j2", served=False, policy=policy, style=style, scripts=scripts, blocks=blocks, **content)


def rendered(template: str, /, folder: Path | None = None, **content: Any) -> str:
    """Return a page from a template, in which texts are escaped, and marked as ``shown`` does."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder or _HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_marked,
    )
    return environment.get_template(template).render(libraries=libraries(), version=version(), **content)


def _marked(value: object) -> object:
    """Return what stands in the place of a variable: of texts, what may be shown; our own markup is as it is."""
    return shown(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def security_policy(scripts: Sequence[str], style: str) -> str:
    """Return the content security policy: these scripts, this style and those of the libraries, and nothing else."""
    allowed = " ".join(_hash(script) for script in scripts)
    of_libraries = " ".join(f"'{each}'" for library in libraries() for each in library.styles)
    return (
        f"default-src 'none'; script-src {allowed}; style-src {_hash(style)} {of_libraries}; "
        "img-src data: blob:; media-src data: blob:; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@cache
def own_script() -> str:
    """Return the page's own script."""
    return joined(script_file(name) for name in SCRIPTS)


def script_file(name: str) -> Path:
    """Return the file of a part of the page's own script."""
    return _PAGE / f"{name}.js"


def joined(files: Iterable[Path]) -> str:
    """Return files as one script, whose names are its own."""
    parts = [file.read_text(encoding="utf-8").removeprefix('"use strict";\n') for file in files]
    return '"use strict";\n(() => {\n' + "\n".join(parts) + "})();\n"


@cache
def own_style() -> str:
    """Return the page's own style sheet."""
    return (_PAGE / "page.css").read_text(encoding="utf-8")
