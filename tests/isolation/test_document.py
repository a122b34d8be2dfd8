"""docs/isolation.md says what the code does."""

from __future__ import annotations

import re
from dataclasses import fields

from r2po.isolation.attacks import ATTACKS
from r2po.isolation.episode import IMPORTS
from r2po.isolation.limits import SOURCE_BYTES, SUMMARY_CHARACTERS, Limits
from r2po.isolation.process import ENVIRONMENT
from r2po.isolation.protocol import KINDS
from r2po.isolation.seccomp import ALLOWED
from r2po.isolation.wall import ISOLATIONS
from tests.isolation.kernels import ROOT
from tests.isolation.test_attacks import BY_NAME, STOPPED_BY

TEXT = (ROOT / "docs/isolation.md").read_text(encoding="utf-8")


def rows(head: str) -> list[list[str]]:
    """Return the cells of the table that begins with this cell."""
    lines = TEXT[TEXT.index(f"| {head} |") :].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines]


def test_values_kinds_and_limits() -> None:
    assert [row[0] for row in rows("value")] == list(ISOLATIONS)
    assert [row[0] for row in rows("kind")] == list(KINDS)
    assert {row[0]: float(row[1]) for row in rows("limit")} == {
        field.name: getattr(Limits(), field.name) for field in fields(Limits)
    }
    assert f"{SOURCE_BYTES:,} bytes" in TEXT
    assert f"{SUMMARY_CHARACTERS:,} characters" in TEXT
    assert f"{len(ALLOWED)} system calls" in TEXT
    assert len(ENVIRONMENT) == 4


def test_imports() -> None:
    said = re.findall(r"`(\w+)`", TEXT[TEXT.index("It may import") :].split("\n\n")[0])
    assert said == sorted({name.partition(".")[0] for name in IMPORTS} - {"__future__"})


def test_the_table_of_attacks() -> None:
    tries = {attack.tries: attack.name for attack in ATTACKS}
    for what, none, *alone, together in rows("a policy that"):
        name = tries[what]
        if name == "environ":
            continue
        assert (none, together) == ("no", "stopped")
        for layer, cell in zip(("limits", "landlock", "seccomp"), alone, strict=True):
            if (name, layer) == ("fork", "limits"):
                assert cell == "stopped, not for root"
            else:
                assert (cell == "stopped") == (layer in STOPPED_BY[name])
    assert STOPPED_BY.keys() <= BY_NAME.keys()
