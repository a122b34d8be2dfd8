"""The run directory: writer and reader."""

from __future__ import annotations

from r2po.runlog.directory import RunDirectory, list_runs, open_run
from r2po.runlog.lock import RunLockedError

__all__ = ["RunDirectory", "RunLockedError", "list_runs", "open_run"]
