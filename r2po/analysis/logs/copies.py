"""Copied runs: the same sample twice, which must not count as two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from r2po.analysis.logs.run_data import RunData


def without_copies(runs: Sequence[RunData]) -> list[RunData]:
    """Return the runs of a folder, by number, without copies; the run that each copy repeats names it.

    A copy has the seed of a run with a lower number, the same settings, and the same bytes of all its rewards. Runs
    that do not log their seed are kept: in some environments independent ones get the same rewards. So is a replay,
    which is marked as one and stands apart anyway.
    """
    originals: list[RunData] = []
    copies: dict[str, list[str]] = {}
    for run in sorted(runs, key=lambda run: int(run.name.removeprefix("run_"))):
        original = next((each for each in originals if _is_copy(run, each)), None)
        if original is None:
            originals.append(run)
        else:
            copies.setdefault(original.name, []).append(run.name)
    return [_noted(run, copies[run.name]) if run.name in copies else run for run in originals]


def _is_copy(run: RunData, other: RunData) -> bool:
    return (
        run.seed is not None
        and run.seed == other.seed
        and run.num_iterations > 0
        and run.rewards.tobytes() == other.rewards.tobytes()
        and (run.environment, run.method, run.algorithm) == (other.environment, other.method, other.algorithm)
        and (run.model, run.critic_model, run.replay_of) == (other.model, other.critic_model, other.replay_of)
        and (run.prompts_hash, run.plugins_hash) == (other.prompts_hash, other.plugins_hash)
        and (run.protocol, run.settings) == (other.protocol, other.settings)
    )


def _noted(run: RunData, copies: Sequence[str]) -> RunData:
    note = f"{', '.join(copies)} repeat{'s' if len(copies) == 1 else ''} it: the same seed and rewards, counted once"
    return replace(run, copies=tuple(copies), notes=(*run.notes, note))
