"""What the offline files of W&B hold of a run. W&B has no reader of its own for them.

A file has a head of 7 bytes and then records as LevelDB logs have them, in blocks of 32 KiB: a checksum, a length and a
type before each piece of a record. Each record is one of W&B's protocol buffers.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from r2po.errors import InputError
from r2po.trackers.tracker import Sent

_BLOCK = 1 << 15
_FILE_HEAD = 7
_PIECE_HEAD = struct.Struct("<IHB")
_WHOLE, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4


def sent_in(folder: Path, identity: str, step: str, complete: str) -> Sent:
    """Return how much of a run the offline files in a folder hold.

    Args:
        folder: Where W&B was told to put its own folder.
        identity: The id of the run.
        step: Name of the value that counts the iterations.
        complete: Name of the entry of the summary that is there once the run has ended.
    """
    described, last, ended = False, 0, False
    for path in sorted(folder.glob(f"*wandb/offline-run-*-{identity}/run-{identity}.wandb")):
        for record in records(path):
            described |= record.HasField("run")
            last = max([last, *(int(value) for name, value in row(record) if name == step)])
            ended |= any(complete in (item.key, *item.nested_key) for item in record.summary.update)
    return Sent(described, last, ended)


def row(record: Any) -> Iterator[tuple[str, Any]]:
    """Yield the names and values of a row of the history; none of any other record."""
    for item in record.history.item:
        yield item.key or ".".join(item.nested_key), json.loads(item.value_json)


def records(path: Path) -> Iterator[Any]:
    """Yield the records of a file, up to the first that is not whole: what a killed process leaves.

    Raises:
        InputError: The file is damaged.
    """
    from google.protobuf.message import DecodeError
    from wandb.proto.wandb_internal_pb2 import Record

    try:
        for data in _joined(path.read_bytes()):
            yield Record.FromString(data)
    except DecodeError as error:
        raise InputError(f"{path} is damaged: {error}") from None


def _joined(data: bytes) -> Iterator[bytes]:
    at, pieces = _FILE_HEAD, b""
    while True:
        left = _BLOCK - at % _BLOCK
        if left < _PIECE_HEAD.size:  # filled with zeros
            at += left
            continue
        if at + _PIECE_HEAD.size > len(data):
            return
        _, length, kind = _PIECE_HEAD.unpack_from(data, at)
        at += _PIECE_HEAD.size
        if at + length > len(data) or kind not in (_WHOLE, _FIRST, _MIDDLE, _LAST):
            return
        piece, at = data[at : at + length], at + length
        pieces = piece if kind in (_WHOLE, _FIRST) else pieces + piece
        if kind in (_WHOLE, _LAST):
            yield pieces
