"""What a sweep says before its first run."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from r2po.experiment.resolve import by_model
from r2po.runlog import RunDirectory
from r2po.runlog.condition import condition_of
from r2po.sweep.manifest import Manifest
from r2po.sweep.plan import PlannedRun

RESULT = "result.json"


def what_begins(
    runs: Sequence[PlannedRun],
    todo: Sequence[PlannedRun],
    damaged: Collection[int],
    rebuilt: Collection[int],
    manifest: Manifest,
) -> list[str]:
    """Return how many runs there are, by what becomes of them, and where the manifest is.

    Args:
        runs: All runs of the sweep.
        todo: Those that are made now.
        damaged: Those that are left alone.
        rebuilt: Those of ``todo`` whose results are made anew.
        manifest: What they are listed in.
    """
    complete = len(runs) - len(todo) - len(damaged)
    begun = sum(run.directory is not None for run in todo) - len(rebuilt)
    new = len(todo) - begun - len(rebuilt)
    anew = f" (the results of {len(rebuilt)} are made anew)" if rebuilt else ""
    hurt = len(damaged) + len(rebuilt)
    damaged_text = f", {hurt} damaged{anew}" if hurt else ""
    lines = [
        f"sweep of {len(runs)} runs: {complete} complete, {begun} to resume, {new} to start{damaged_text}",
        f"manifest: {manifest.folder}",
    ]
    models = {each.llm_model_name or "" for run in runs for each in by_model(run.config).values()}
    if any(name.startswith("embedded/") for name in models):
        lines.append("embedded stand-in: no language model answers; these results say nothing about any model")
    return lines


def set_aside_damaged_results(paths: Iterable[Path], note: Callable[[str], None]) -> None:
    """Let resuming these runs rebuild their results from the logs."""
    for path in paths:
        if not condition_of(RunDirectory(path)).mends_itself:
            continue  # another process has seen to it
        with suppress(FileNotFoundError):  # another sweep did
            (path / RESULT).rename(path / f"{RESULT}.damaged")
        note(f"{path / RESULT} is damaged: kept as {RESULT}.damaged and rebuilt from the logs")
