"""What trackers are told of a run, read from its files: live, on resume and long after, by the same code."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from r2po.llm.redaction import Redaction
from r2po.llm.types import CRITIC
from r2po.runlog import RunDirectory
from r2po.runlog.chain import DESCRIPTION
from r2po.runlog.events import at_utc
from r2po.trackers.artifacts import files_of, texts_of
from r2po.trackers.metrics import TRAINING_WINDOW, asks_model, ending_scalars, scalars_of, training_scalars
from r2po.trackers.spent import Spent
from r2po.trackers.tail import LogTail
from r2po.trackers.tracker import Ending, Point, TrackedRun

SHORTEST_KEY = 8
"""Shorter keys are not blanked in what is sent: words and numbers may look like them."""
_DIGITS = 16


class RunReader:
    """Reads a run: what it is, its iterations as they come, and its ending.

    Args:
        path: The run directory, with a ``run.yaml``.
        redaction: Blanks the user's keys in whatever is sent.

    Raises:
        InputError: ``run.yaml`` cannot be read.
    """

    def __init__(self, path: Path, redaction: Redaction) -> None:
        self._directory = RunDirectory(path.resolve())
        self._redaction = redaction
        self._description: Mapping[str, Any] = self._directory.read_description()
        self._lines = LogTail(self._directory.iterations)
        self._spent = Spent(self._directory.calls, self._description["config"])
        self._returns: deque[float] = deque(maxlen=TRAINING_WINDOW)
        self._last: Point | None = None
        self.run = _tracked(self._directory.path, self._description, redaction)

    def new_points(self) -> Iterator[Point]:
        """Yield the iterations that the log has got since the last call.

        Raises:
            InputError: The log is damaged.
            OSError: It cannot be read.
        """
        for record in self._lines.new():
            self._last = self._point(record)
            yield self._last

    def ending(self) -> Ending | None:
        """Return what came of the run, once all its iterations were read; None as long as it is not complete.

        Raises:
            InputError: ``result.json`` is damaged.
        """
        if not self._directory.is_complete or self._last is None:
            return None
        result = self._directory.read_result()
        point = Point(self._last.step, self._last.time, ending_scalars(result))
        texts = texts_of(self._directory.path, self._description, result, self.run.config_text)
        return Ending(point, {name: self._clean(text) for name, text in texts.items()}, files_of(self._directory.path))

    def _point(self, record: Mapping[str, Any]) -> Point:
        asks = asks_model(self._description)
        values = scalars_of(record, asks_model=asks)
        if asks:
            values |= self._spent.by(record["iteration"])
        if "training_steps" in record:
            self._returns.extend(record.get("training_returns", ()))
            values |= training_scalars(record, self._returns)
        return Point(record["iteration"], _seconds(record["times"].get("ended")) or self.run.began or 0.0, values)

    def _clean(self, text: str) -> str:
        return clean(text, self._redaction)


def clean(text: str, redaction: Redaction) -> str:
    """Return a text without keys, as any server takes it: replies may hold half a surrogate pair."""
    return redaction.text(text, SHORTEST_KEY).encode("utf-8", "backslashreplace").decode()


def _cleaned(value: Any, redaction: Redaction) -> Any:
    """Return a value of a config with all its texts clean."""
    if isinstance(value, Mapping):
        return {_cleaned(key, redaction): _cleaned(each, redaction) for key, each in value.items()}
    if isinstance(value, list):
        return [_cleaned(each, redaction) for each in value]
    return clean(value, redaction) if isinstance(value, str) else value


def _seconds(at: object) -> float | None:
    """Return a time of the log in seconds since 1970; None if logs of earlier versions have none."""
    try:
        return at_utc(str(at)).timestamp()
    except ValueError:
        return None


def identity_of(path: Path) -> str:
    """Return the identity of a run: a hash of its description, which says when it began, and of its number.

    Runs of earlier versions say it in whole seconds only: then the number tells apart what began side by side.
    """
    return hashlib.sha256((path / DESCRIPTION).read_bytes() + path.name.encode()).hexdigest()[:_DIGITS]


def _tracked(path: Path, description: Mapping[str, Any], redaction: Redaction) -> TrackedRun:
    config = description["config"]
    algorithm = config.get("algorithm")
    folder = path.parent if algorithm is None else path.parent.parent
    experiment = folder.name if algorithm is None else f"{folder.name}/{path.parent.name}"
    replayed = description.get("replay_of")
    sent = _cleaned(dict(config), redaction)  # not its YAML: [key] would be a list there
    mark = " (stand-in)" if description["stand_in"] else " (replay)" if replayed else ""
    return TrackedRun(
        path=path,
        identity=identity_of(path),
        logs=folder.parent,
        experiment=experiment,
        name=f"{path.name}{mark}",
        method=str(algorithm or config.get("method")),
        tags={name: clean(text, redaction) for name, text in _tags(description).items()},
        began=_seconds(description.get("created")),
        config={**sent, "seed": description["seed"]},
        config_text=yaml.safe_dump(sent, sort_keys=False, allow_unicode=True),
    )


def _tags(description: Mapping[str, Any]) -> dict[str, str]:
    config = description["config"]
    named = {
        "environment": config.get("gym_env_name"),
        "method": config.get("method"),
        "algorithm": config.get("algorithm"),
        "model": description["model"],
        f"{CRITIC}_model": description.get("critic_model"),
        "protocol": description["protocol"],
        "seed": description["seed"],
        "created": description.get("created"),
        "stand_in": "true" if description["stand_in"] else None,
        "replay_of": description.get("replay_of"),
    }
    return {name: str(value) for name, value in named.items() if value is not None}
