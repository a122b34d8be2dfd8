"""Random damage to the files of a run: to bytes, lines, values and whole files."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

VALUES: tuple[Any, ...] = (None, True, -1, 0, 1, 7.5, 10**400, 1e300, float("nan"), "", "x", [], [1], {}, {"a": 1})


def mutate(run: Path, rng: random.Random) -> str:
    """Damage a file of a run; returns what was done."""
    path = rng.choice(sorted(path for path in run.rglob("*") if path.is_file()))
    kinds: Mapping[str, Callable[[Path, random.Random], None]] = {
        "bytes": _bytes,
        "lines": _lines,
        "value": _value,
        "file": _file,
    }
    kind = rng.choices(list(kinds), weights=(4, 4, 4, 1))[0]
    before = path.read_bytes()
    kinds[kind](path, rng)
    after = path.read_bytes() if path.is_file() else b""
    return f"{kind} of {path.relative_to(run)}: {_difference(before, after)}"


def _difference(before: bytes, after: bytes) -> str:
    at = next((at for at, pair in enumerate(zip(before, after, strict=False)) if pair[0] != pair[1]), 0)
    return f"{before[max(at - 20, 0) : at + 40]!r} became {after[max(at - 20, 0) : at + 40]!r}, from {at}"


def _bytes(path: Path, rng: random.Random) -> None:
    data = bytearray(path.read_bytes())
    start = rng.randrange(len(data) + 1)
    end = min(len(data), start + rng.choice((0, 1, 1, 2, 20)))
    new = rng.choice((b"", b"0", b"9", b"\n", b"\0" * (end - start), b"}", rng.randbytes(3)))
    data[start:end] = new
    path.write_bytes(data)


def _lines(path: Path, rng: random.Random) -> None:
    lines = path.read_bytes().splitlines(keepends=True) or [b""]
    one, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    action = rng.choice(("lost", "doubled", "swapped", "cut"))
    if action == "lost":
        del lines[one]
    elif action == "doubled":
        lines.insert(one, lines[one])
    elif action == "swapped":
        lines[one], lines[other] = lines[other], lines[one]
    else:
        del lines[one:]
    path.write_bytes(b"".join(lines))


def _value(path: Path, rng: random.Random) -> None:
    """Change a value in a record, and keep its checksum."""
    if path.suffix == ".jsonl":
        lines = path.read_text(encoding="utf-8").splitlines()
        if lines:
            number = rng.randrange(len(lines))
            lines[number] = json.dumps(_changed(json.loads(lines[number]), rng), separators=(",", ":"))
            path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    elif path.suffix == ".json":
        path.write_text(json.dumps(_changed(json.loads(path.read_text()), rng), indent=2) + "\n", encoding="utf-8")
    elif path.suffix == ".yaml":
        values = _changed(yaml.safe_load(path.read_text()), rng)
        path.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
    else:
        _bytes(path, rng)


def _changed(record: Any, rng: random.Random) -> Any:
    if isinstance(record, dict) and record and rng.random() < 0.9:
        key = rng.choice(list(record))
        if rng.random() < 0.1:
            return {name: value for name, value in record.items() if name != key}
        return {**record, key: _changed(record[key], rng)}
    if isinstance(record, list) and record and rng.random() < 0.8:
        index = rng.randrange(len(record))
        return [*record[:index], _changed(record[index], rng), *record[index + 1 :]]
    if isinstance(record, int | float) and rng.random() < 0.5:
        return record + rng.choice((-1, 1, 0.5))
    return rng.choice(VALUES)


def _file(path: Path, rng: random.Random) -> None:
    path.unlink()
    action = rng.choice(("lost", "empty", "folder", "link"))
    if action == "empty":
        path.write_bytes(b"")
    elif action == "folder":
        path.mkdir()
    elif action == "link":
        path.symlink_to(path.name)  # to itself: cannot be opened by anyone


def restore(run: Path, original: Path) -> None:
    """Put the files of a run back."""
    shutil.rmtree(run, ignore_errors=True)
    shutil.copytree(original, run)
