"""The parts of papers that can be reproduced. Adding one is a file here and its line in the table."""

from __future__ import annotations

from r2po.errors import unknown
from r2po.reproduce.part import Part
from r2po.reproduce.parts.props_core import PROPS_CORE
from r2po.reproduce.parts.r2po_core import R2PO_CORE
from r2po.reproduce.parts.r2po_salience import R2PO_SALIENCE
from r2po.reproduce.parts.r2po_search import R2PO_SEARCH
from r2po.reproduce.parts.r2po_tau_c import R2PO_TAU_C
from r2po.reproduce.parts.r2po_variants import R2PO_VARIANTS

PARTS: tuple[Part, ...] = (R2PO_CORE, R2PO_VARIANTS, R2PO_TAU_C, R2PO_SALIENCE, R2PO_SEARCH, PROPS_CORE)
"""All parts, in the order in which help names them."""
PAPERS = tuple(dict.fromkeys(part.paper for part in PARTS))
TABLES = tuple(dict.fromkeys(part.name for part in PARTS))


def find_part(paper: str, table: str) -> Part:
    """Return a part of a paper.

    Raises:
        InputError: There is none of that name; names those of the paper.
    """
    known = {part.name: part for part in PARTS if part.paper == paper}
    if not known:
        raise unknown("paper", paper, PAPERS)
    if table not in known:
        raise unknown(f"table of {paper}", table, known)
    return known[table]
