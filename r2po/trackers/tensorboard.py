"""TensorBoard: event files in the run directory, which ``tensorboard --logdir logs`` finds.

TensorBoard shows scalars of single precision only: its fast loader, which is the default, leaves all others out. So
each scalar is there twice, once to be shown, and once in double precision, with ``EXACT`` before its name, to be read.
All of an iteration stand in one record, so that a kill leaves either all of them or none.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from r2po.trackers.tracker import Ending, Point, Sent, Sink, TrackedRun, Tracker

FOLDER = "tensorboard"
EXACT = "exact"
PLUGIN = "r2po"
"""No plugin of TensorBoard has this name, so that it keeps what has it without showing it."""
CONFIG, RUN, RESULT = "config", "run", "result"
"""Tags of the texts; that of the best policy is the name of its file without an ending."""
_PNG_HEAD = struct.Struct(">8s4x4sII")


class TensorBoardSink(Sink):
    """Writes event files; each process that goes on with a run writes one of its own beside the others."""

    def __init__(self, run: TrackedRun) -> None:
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        self._run = run
        self._folder = run.path / (f"{FOLDER} (stand-in)" if run.is_stand_in else FOLDER)
        self._make: Any = EventFileWriter
        self._open: Any = None

    def sent(self) -> Sent:
        """Read what is in the files."""
        described, step, ended = False, 0, False
        for event in self._events():
            tags = {value.tag for value in event.summary.value}
            described |= CONFIG in tags
            ended |= RESULT in tags
            step = max(step, event.step) if "budget/episodes" in tags else step
        return Sent(described, step, ended)

    def describe(self) -> None:
        """Write the config and the tags as texts."""
        tags = "\n".join(f"{name}: {text}" for name, text in self._run.tags.items())
        self._write(0, None, {}, {CONFIG: self._run.config_text, RUN: tags})

    def log(self, points: Sequence[Point]) -> None:
        """Write an event for each iteration."""
        for point in points:
            self._write(point.step, point.time, point.values, {})
        self._writer.flush()

    def end(self, ending: Ending) -> None:
        """Write the held-out scalars, the texts and the figures, as one event."""
        texts = {Path(name).stem: text for name, text in ending.texts.items() if Path(name).stem != CONFIG}
        figures = {f"figures/{each.stem}": each.read_bytes() for each in ending.files if each.suffix == ".png"}
        self._write(ending.point.step, ending.point.time, ending.point.values, texts, figures)

    def close(self, *, complete: bool) -> None:  # noqa: ARG002 - the files do not say it
        """Close the file."""
        if self._open is not None:
            self._open.close()

    @property
    def _writer(self) -> Any:
        """The writer of a new file, which is made with the first event: a run of which nothing is new gets none."""
        if self._open is None:
            self._open = self._make(str(self._folder))
        return self._open

    def _events(self) -> Iterator[Any]:
        from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader

        for path in sorted(self._folder.glob("events.out.tfevents.*")):
            yield from LegacyEventFileLoader(str(path)).Load()

    def _write(
        self,
        step: int,
        at: float | None,
        scalars: Mapping[str, float],
        texts: Mapping[str, str],
        figures: Mapping[str, bytes] | None = None,
    ) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        values = [each for tag, value in scalars.items() for each in _scalar(tag, value)]
        values += [_text(tag, text) for tag, text in texts.items()]
        values += [_image(tag, data) for tag, data in (figures or {}).items() if _PNG_HEAD.size <= len(data)]
        now = time.time() if at is None else at
        self._writer.add_event(Event(step=step, wall_time=now, summary=Summary(value=values)))
        self._writer.flush()


def _scalar(tag: str, value: float) -> tuple[Any, Any]:
    """Return a scalar as it is shown, and as it is."""
    from tensorboard.compat.proto.summary_pb2 import DATA_CLASS_SCALAR, DATA_CLASS_TENSOR
    from tensorboard.compat.proto.types_pb2 import DT_DOUBLE, DT_FLOAT

    shown = _value(tag, "scalars", DATA_CLASS_SCALAR, dtype=DT_FLOAT, float_val=[value])
    return shown, _value(f"{EXACT}/{tag}", PLUGIN, DATA_CLASS_TENSOR, dtype=DT_DOUBLE, double_val=[value])


def _text(tag: str, text: str) -> Any:
    """Return a text as a block of code: it is shown as Markdown, and must not be taken for any."""
    block = "\n".join(f"    {line}" for line in text.splitlines())
    return _texts(tag, "text", [block.encode()])


def _image(tag: str, data: bytes) -> Any:
    _, _, width, height = _PNG_HEAD.unpack_from(data)
    return _texts(tag, "images", [str(width).encode(), str(height).encode(), data])


def _texts(tag: str, plugin: str, texts: Sequence[bytes]) -> Any:
    from tensorboard.compat.proto.summary_pb2 import DATA_CLASS_BLOB_SEQUENCE, DATA_CLASS_TENSOR
    from tensorboard.compat.proto.types_pb2 import DT_STRING

    data_class = DATA_CLASS_BLOB_SEQUENCE if plugin == "images" else DATA_CLASS_TENSOR
    return _value(tag, plugin, data_class, [len(texts)], dtype=DT_STRING, string_val=texts)


def _value(tag: str, plugin: str, data_class: int, shape: Sequence[int] = (), **tensor: Any) -> Any:
    from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto

    dims = TensorShapeProto(dim=[TensorShapeProto.Dim(size=size) for size in shape])
    about = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name=plugin), data_class=data_class)
    return Summary.Value(tag=tag, tensor=TensorProto(tensor_shape=dims, **tensor), metadata=about)


TRACKER = Tracker("tensorboard", TensorBoardSink, ("tensorboard",), "tensorboard")
