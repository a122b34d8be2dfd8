"""The run directory: writer and reader."""

from __future__ import annotations

from r2po.experiment.records import candidate_record, warmup_record
from r2po.runlog.directory import RunDirectory, RunLockedError, list_runs, open_run

__all__ = ["RunDirectory", "RunLockedError", "candidate_record", "list_runs", "open_run", "warmup_record"]
