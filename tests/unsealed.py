"""Logs as older versions left them, for tests that change what they say: without checksums."""

from __future__ import annotations

import re
from pathlib import Path

_CHECKSUM = re.compile(r',?"sum":"[0-9a-f]{16}"\}$', re.MULTILINE)
_CHECKSUMS = re.compile(r',"sums":\{[^{}]*\}')
_AT_THE_END = re.compile(r',\n  "sums": \{[^{}]*\},\n  "sum": "[0-9a-f]{16}"')


def unseal(run: Path) -> Path:
    """Take the checksums out of all files of a run, and what older versions did not write; returns its folder."""
    (run / "reevaluation.jsonl").unlink(missing_ok=True)
    path = run / "run.yaml"
    text = re.sub(r"(?m)^sum: .*\n", "", path.read_text(encoding="utf-8"))
    path.write_text(re.sub(r"^schema: \d+", "schema: 3", text), encoding="utf-8")
    for log in run.glob("*.jsonl"):
        log.write_text(without_checksums(log.read_text(encoding="utf-8")), encoding="utf-8")
    result = run / "result.json"
    if result.exists():
        result.write_text(_AT_THE_END.sub("", result.read_text(encoding="utf-8")), encoding="utf-8")
    return run


def without_checksums(lines: str) -> str:
    """Return lines of a log without their checksums."""
    return _CHECKSUMS.sub("", _CHECKSUM.sub("}", lines))
