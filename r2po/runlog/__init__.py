"""The run directory: writer and reader."""

from __future__ import annotations

from r2po.runlog.directory import RunDirectory, RunLocked, list_runs, open_run

__all__ = ["RunDirectory", "RunLocked", "list_runs", "open_run"]
