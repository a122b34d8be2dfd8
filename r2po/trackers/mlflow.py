"""MLflow: the server that MLFLOW_TRACKING_URI names, else a SQLite store among the logs.

Times of metrics are those of the log. The store keeps one of two equal metrics, so that nothing is there twice.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from r2po.runlog.lock import take_lock
from r2po.trackers.tracker import Ending, Point, Sent, Sink, TrackedRun, Tracker, TrackerUnavailableError

STORE = "mlflow.db"
ARTIFACTS = "mlflow-artifacts"
LOCK = ".mlflow.lock"
PATIENCE_S = 60.0
"""How long it waits for another process that makes the tables of a new store."""
IDENTITY, DESCRIBED, ENDED = "r2po.run", "r2po.described", "r2po.ended"
"""Tags of a run: which one it is, and what of it has been sent."""
FINISHED = "FINISHED"
COUNTER = "budget/episodes"
"""A metric that every iteration has."""
MOST_METRICS, MOST_PARAMS, LONGEST_PARAM, LONGEST_TAG = 1000, 100, 6000, 5000


class MlflowSink(Sink):
    """A run of MLflow, found again by the identity of the run."""

    def __init__(self, run: TrackedRun) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # else it reports how it is used, even to SQLite
        import mlflow.entities
        from mlflow.tracking import MlflowClient, get_tracking_uri, is_tracking_uri_set

        self._entities: Any = mlflow.entities
        self._tracked = run
        self._is_own = not is_tracking_uri_set()
        if self._is_own:
            for name in ("mlflow", "alembic"):  # they tell each step in which they make tables
                logging.getLogger(name).setLevel(logging.WARNING)
            lock = take_lock(run.logs / LOCK, PATIENCE_S)
            try:
                self._client: Any = MlflowClient(tracking_uri=f"sqlite:///{run.logs / STORE}")
                self._experiment: str | None = self._find_experiment()
            finally:
                lock.close()
        else:
            self._client = MlflowClient(tracking_uri=get_tracking_uri())
            self._experiment = None

    def sent(self) -> Sent:
        """Ask the store, in which the run is made if there is none."""
        self._experiment = self._experiment or self._find_experiment()
        tracked = self._tracked
        found = self._client.search_runs([self._experiment], f"tags.`{IDENTITY}` = '{tracked.identity}'")
        if not found:
            started = {} if tracked.began is None else {"start_time": round(tracked.began * 1000)}
            made = self._client.create_run(
                self._experiment, tags={IDENTITY: tracked.identity}, run_name=tracked.name, **started
            )
            self._id = made.info.run_id
            return Sent()
        self._id = found[0].info.run_id
        tags = found[0].data.tags
        history = self._client.get_metric_history(self._id, COUNTER)
        ended = ENDED in tags and found[0].info.status == FINISHED
        return Sent(DESCRIBED in tags, max((each.step for each in history), default=0), ended)

    def describe(self) -> None:
        """Send the config as parameters, and the tags."""
        entities, flat = self._entities, dict(_flat(self._tracked.config))
        params = [entities.Param(key, text[:LONGEST_PARAM]) for key, text in flat.items()]
        for batch in _batches(params, MOST_PARAMS):
            self._client.log_batch(self._id, params=batch)
        tags = {**self._tracked.tags, "experiment": self._tracked.experiment, DESCRIBED: "true"}
        for name, text in tags.items():
            self._client.set_tag(self._id, name, text[:LONGEST_TAG])

    def log(self, points: Sequence[Point]) -> None:
        """Send the metrics of these iterations, all of an iteration in one call."""
        self._client.update_run(self._id, status="RUNNING")
        batch: list[Any] = []
        for point in points:
            metrics = self._metrics(point)
            if len(batch) + len(metrics) > MOST_METRICS:
                self._client.log_batch(self._id, metrics=batch)
                batch = []
            batch += metrics
        self._client.log_batch(self._id, metrics=batch)

    def end(self, ending: Ending) -> None:
        """Send the held-out metrics and the files."""
        self._client.log_batch(self._id, metrics=self._metrics(ending.point))
        for name, text in ending.texts.items():
            self._client.log_text(self._id, text, name)
        for path in ending.files:
            self._client.log_artifact(self._id, str(path))
        self._client.set_terminated(self._id, FINISHED, end_time=round(ending.point.time * 1000))
        self._client.set_tag(self._id, ENDED, "true")  # the last of all: what a kill leaves out is sent again

    def close(self, *, complete: bool) -> None:
        """Mark a run that was stopped."""
        if not complete:
            self._client.set_terminated(self._id, "KILLED")

    def _find_experiment(self) -> str:
        """Return the id of the experiment, which is made if there is none."""
        name = self._tracked.experiment
        found = self._client.get_experiment_by_name(name)
        if found is not None:
            if self._is_own:
                self._check_place(found.artifact_location)
            return str(found.experiment_id)
        place = {"artifact_location": (self._tracked.logs / ARTIFACTS).as_uri()} if self._is_own else {}
        return str(self._client.create_experiment(name, **place))

    def _check_place(self, location: str) -> None:
        """Refuse a store whose files would go elsewhere: MLflow keeps the path, and logs may be moved or copied."""
        there, here = _path_of(location), self._tracked.logs / ARTIFACTS
        if there is not None and there.resolve() != here.resolve():
            store = self._tracked.logs / STORE
            raise TrackerUnavailableError(
                f"{store} has been moved: files of the experiment {self._tracked.experiment!r} would go to {there}; "
                f"move the store aside, and the logs fill a new one"
            )

    def _metrics(self, point: Point) -> list[Any]:
        at = round(point.time * 1000)
        return [self._entities.Metric(name, value, at, point.step) for name, value in point.values.items()]


def _path_of(location: str) -> Path | None:
    """Return the folder that an address of files names; None if it names something else."""
    parts = urlsplit(location)
    return Path(url2pathname(parts.path)) if parts.scheme == "file" else None


def _flat(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """Yield the settings of a config with their sections before them; those that are not set are left out."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{key}.")
        elif value is not None:
            yield f"{before}{key}", str(value)


def _batches(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


TRACKER = Tracker("mlflow", MlflowSink, ("mlflow", "sqlalchemy", "alembic"), "mlflow")
