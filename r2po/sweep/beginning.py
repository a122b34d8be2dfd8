"""What a sweep says before its first run."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from r2po.experiment.resolve import by_model
from r2po.sweep.manifest import Manifest
from r2po.sweep.plan import PlannedRun


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
