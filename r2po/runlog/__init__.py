"""The run directory: writer and reader."""

from __future__ import annotations

from r2po.runlog.directory import RunDirectory, RunLockedError, list_runs, open_run

__all__ = ["RunDirectory", "RunLockedError", "list_runs", "open_run"]
