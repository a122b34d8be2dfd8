"""TensorBoard: event files in the run directory, which ``tensorboard --logdir logs`` finds.

Scalars are tensors of double precision: the plain scalar of an event has single precision. All of an iteration stand in
one record, so that a kill leaves either all of them or none.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from r2po.trackers.tracker import Ending, Point, Sent, Sink, TrackedRun, Tracker

FOLDER = "tensorboard"
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

        values = [*map(_scalar, *zip(*scalars.items(), strict=True))] if scalars else []
        values += [_text(tag, text) for tag, text in texts.items()]
        values += [_image(tag, data) for tag, data in (figures or {}).items() if _PNG_HEAD.size <= len(data)]
        now = time.time() if at is None else at
        self._writer.add_event(Event(step=step, wall_time=now, summary=Summary(value=values)))
        self._writer.flush()


def _scalar(tag: str, value: float) -> Any:
    from tensorboard.compat.proto.summary_pb2 import DATA_CLASS_SCALAR

    return _value(tag, "scalars", DATA_CLASS_SCALAR, double=value)


def _text(tag: str, text: str) -> Any:
    """Return a text as a block of code: it is shown as Markdown, and must not be taken for any."""
    from tensorboard.compat.proto.summary_pb2 import DATA_CLASS_TENSOR

    block = "\n".join(f"    {line}" for line in text.splitlines())
    return _value(tag, "text", DATA_CLASS_TENSOR, texts=[block.encode()])


def _image(tag: str, data: bytes) -> Any:
    from tensorboard.compat.proto.summary_pb2 import DATA_CLASS_BLOB_SEQUENCE

    _, _, width, height = _PNG_HEAD.unpack_from(data)
    texts = [str(width).encode(), str(height).encode(), data]
    return _value(tag, "images", DATA_CLASS_BLOB_SEQUENCE, texts=texts)


def _value(tag: str, plugin: str, data_class: int, double: float | None = None, texts: Sequence[bytes] = ()) -> Any:
    from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
    from tensorboard.compat.proto.types_pb2 import DT_DOUBLE, DT_STRING

    if double is not None:
        tensor = TensorProto(dtype=DT_DOUBLE, double_val=[double], tensor_shape=TensorShapeProto())
    else:
        shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=len(texts))])
        tensor = TensorProto(dtype=DT_STRING, string_val=texts, tensor_shape=shape)
    about = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name=plugin), data_class=data_class)
    return Summary.Value(tag=tag, tensor=tensor, metadata=about)


TRACKER = Tracker("tensorboard", TensorBoardSink, ("tensorboard",), "tensorboard")
