"""How runs of a sweep ended that are not complete, in words."""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Mapping, Sequence

from r2po.errors import RunStopped
from r2po.installation import NAME
from r2po.runlog.condition import Condition
from r2po.sweep.manifest import Manifest
from r2po.sweep.messages import Ended, Verdict

MOST_NAMED = 8
STOPPED = {"waiting": "a cap is reached", "running": "by another process"}
"""Why a run stopped that is neither complete nor failed, by its state."""


class SweepStopped(RunStopped):
    """Some runs are not complete.

    Attributes:
        setting: If a cap stopped them, an option that lets the sweep continue.
        events: What happened, in the words of hooks.
    """

    def __init__(self, reason: str, setting: str = "", events: Sequence[str] = ()) -> None:
        super().__init__(reason)
        self.setting = setting
        self.events = events


def stopped(endings: Mapping[int, Ended], reached: Verdict | None, names: Sequence[str]) -> SweepStopped | None:
    """Return why a sweep ends although runs are not complete; None if all are that have ended."""
    if all(ended.state == "complete" for ended in endings.values()):
        return None
    parts, events, setting = [], [], ""
    kinds = [("failed", "failed"), ("damaged", "are damaged"), ("running", "are held by other processes")]
    if reached is None:  # never an end without a reason
        kinds.insert(0, ("waiting", "stopped without a cap or a request"))
    elif _reasons(endings, "waiting"):
        parts, events, setting = [reached.reached], ["cap"], reached.setting
    for state, what in kinds:
        reasons = _reasons(endings, state)
        if reasons:
            parts.append(f"{len(reasons)} of {len(names)} runs {what}:{grouped(reasons, names)}")
            events.append("failed")
    return SweepStopped("; ".join(parts), setting, tuple(dict.fromkeys(events)))


def _reasons(endings: Mapping[int, Ended], state: str) -> dict[int, str]:
    return {run: ended.reason for run, ended in endings.items() if ended.state == state}


def grouped(errors: Mapping[int, str], names: Sequence[str]) -> str:
    """Say what failed, each reason once."""
    runs: dict[str, list[str]] = defaultdict(list)
    for run, reason in sorted(errors.items()):
        runs[reason].append(names[run])
    parts = []
    for reason, failed in runs.items():
        more = f" and {len(failed) - MOST_NAMED} more" if len(failed) > MOST_NAMED else ""
        parts.append(f"\n  {', '.join(failed[:MOST_NAMED])}{more}: {reason}")
    return "".join(parts)


def deferred(manifest: Manifest) -> list[str]:
    """Return what a race has left out, and how to make it all the same; nothing where no run was left to be made."""
    race = manifest.race or {"deferred": ()}
    lines = []
    for each in race["deferred"]:
        runs = each["runs"]
        if not runs:
            continue
        more = f" and {len(runs) - MOST_NAMED} more" if len(runs) > MOST_NAMED else ""
        which = f"{', '.join(runs[:MOST_NAMED])}{more}"
        name = " ".join([each["experiment"]["config"], *each["experiment"]["overrides"]])
        lines.append(f"deferred by the race {race['rule']} after {each['seeds']} seeds: {name}: {which}")
    how = f"{NAME} sweep {shlex.quote(str(manifest.folder))}"
    return [*lines, *([f"to make what was deferred, without a race: {how}"] if lines else [])]


def with_remedy(condition: Condition) -> str:
    """Say what is damaged, and which command lets this sweep make the run whole again."""
    return f"{condition.fault}; to mend it: {condition.remedy}" if condition.remedy else condition.fault
