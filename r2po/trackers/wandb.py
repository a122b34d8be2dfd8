"""Weights & Biases: offline unless the user's own settings of W&B say otherwise; `wandb sync` sends offline runs later.

Nothing is sent that the log does not hold: no code, no git, no console, no machine statistics, no reports of errors.
"""

from __future__ import annotations

import atexit
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from r2po.trackers.tracker import Ending, Point, Sent, Sink, TrackedRun, Tracker, TrackerUnavailableError
from r2po.trackers.wandb_file import sent_in

PROJECT = "r2po"
STEP = "iteration"
COMPLETE = "complete"
"""In the summary of a run whose ending is there."""
_NAMES = {"dryrun": "offline", "run": "online"}
"""Modes that have two names."""
_QUIET = {
    "console": "off",
    "disable_code": True,
    "disable_git": True,
    "disable_job_creation": True,
    "save_code": False,
    "silent": True,
    "x_disable_meta": True,
    "x_disable_stats": True,
    "x_save_requirements": False,
}


class WandbSink(Sink):
    """A run of W&B, which keeps its identity when the run is resumed."""

    def __init__(self, run: TrackedRun) -> None:
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # else it reports how it is used, even offline
        import wandb

        self._wandb: Any = wandb
        self._tracked = run
        self._folder = Path(os.environ.get("WANDB_DIR") or run.logs)
        self._run: Any = None
        self._settings: Any = wandb.setup(settings=wandb.Settings(silent=True)).settings
        chosen = "mode" in self._settings.model_fields_set
        self._mode = _NAMES.get(self._settings.mode, self._settings.mode) if chosen else "offline"
        if self._mode == "disabled":
            raise TrackerUnavailableError("W&B is switched off by its mode 'disabled' (WANDB_MODE, or its settings)")

    def sent(self) -> Sent:
        """Read what offline files hold, or ask the server."""
        if self._mode == "offline":
            return sent_in(self._folder, self._tracked.identity, STEP, COMPLETE)
        self._begin()
        return Sent(True, max(int(self._run.starting_step) - 1, 0), ended=False)

    def describe(self) -> None:
        """Begin the run, which takes the config and the tags along."""
        self._begin()

    def log(self, points: Sequence[Point]) -> None:
        """Log a row for each iteration, at the time when it ended."""
        self._begin()
        for point in points:
            row = {**point.values, STEP: point.step, "_timestamp": point.time}
            self._run.log(row, step=point.step, commit=True)

    def end(self, ending: Ending) -> None:
        """Put what came of the run into the summary, and keep the files."""
        self._begin()
        folder = Path(self._run.settings.files_dir)
        for name, text in ending.texts.items():
            (folder / name).write_text(text, "utf-8")
        for path in ending.files:  # W&B itself would make links to them, which break when logs are moved
            shutil.copyfile(path, folder / path.name)
        for name in [*ending.texts, *(path.name for path in ending.files)]:
            self._run.save(str(folder / name), base_path=str(folder), policy="now", glob=False)
        self._run.summary.update({**ending.point.values, COMPLETE: True})

    def close(self, *, complete: bool) -> None:
        """Let W&B write and send what it has; a run that was stopped counts as failed until it is resumed."""
        if self._run is not None:
            self._run.finish(exit_code=0 if complete else 1)

    def abandon(self) -> None:
        """Let the process end although W&B still waits for a server."""
        with suppress(Exception):  # its own affair: the worst is that the process waits for W&B
            connection = self._wandb.setup()._connection
            cleanup, connection._cleanup = connection._cleanup, None
            if cleanup is not None:
                cleanup()
        with suppress(Exception):
            atexit.unregister(self._run._atexit_cleanup)

    def _begin(self) -> None:
        """Begin the run, or go on with it, once."""
        if self._run is not None:
            return
        self._check_key()
        tracked = self._tracked
        marks = [tag for tag in ("stand_in", "replay_of") if tag in tracked.tags]
        self._folder.mkdir(parents=True, exist_ok=True)
        self._run = self._wandb.init(
            project=self._settings.project or PROJECT,
            id=tracked.identity,
            resume="allow",
            reinit="create_new",
            dir=str(self._folder),
            group=tracked.experiment,
            job_type=tracked.method,
            name=tracked.name,
            tags=[tag.removesuffix("_of") for tag in marks],
            config={**tracked.tags, **{key: value for key, value in tracked.config.items() if value is not None}},
            settings=self._wandb.Settings(mode=self._mode, **_QUIET),
        )
        self._run.define_metric(STEP)
        self._run.define_metric("*", step_metric=STEP)

    def _check_key(self) -> None:
        """Refuse to go online without a key: W&B would ask for one on the terminal."""
        if self._mode != "offline" and not self._wandb.api.api_key and not os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
            raise TrackerUnavailableError(
                f"the mode is {self._mode!r}, but W&B has no key: `wandb login` stores one; offline needs none"
            )


TRACKER = Tracker("wandb", WandbSink, ("wandb",), "wandb")
