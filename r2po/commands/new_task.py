"""Draft a task card, and check it: what ``r2po new-task`` does."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from r2po.commands.check_task import check_task
from r2po.commands.doctor import Finding
from r2po.errors import InputError
from r2po.installation import call
from r2po.isolation.wall import Isolation
from r2po.tasks.bare import is_registered, unknown_environment
from r2po.tasks.draft import Draft, as_yaml, draft, finished
from r2po.tasks.task import NUMBERS, TODO, Dimension, Task

GOOD = {"seed": "reproducible by seed", "reuse": "reusable", "end": "ends"}
"""What a passed check means, for those that are told."""


@dataclass(frozen=True)
class Written:
    """What came of it: lines for the user, and whether something was found that no entry of the card mends."""

    lines: Sequence[str]
    has_faults: bool


def new_task(gym_id: str, output: Path | None, env_kwargs: Mapping[str, Any], isolation: Isolation = "auto") -> Written:
    """Draft the card of a registered environment, settle what checks find of it, and write it into a new file.

    Args:
        gym_id: Its id.
        output: The file; by default ``tasks/<name>.yaml``.
        env_kwargs: Arguments of the environment, which the card will say.
        isolation: The wall for the checks; nothing runs behind it as long as the card has no ``reward_source``.

    Raises:
        InputError: There is no such environment, no policy can take its spaces, or the file is there or cannot be
            written.
    """
    if not is_registered(gym_id):
        raise unknown_environment(gym_id)
    drafted = draft(gym_id, env_kwargs)
    path = output or Path("tasks") / f"{drafted.card.name}.yaml"
    if path.exists():  # before the checks, which take time; it is looked at once more at the end
        raise _is_there(path)
    drafted, findings = _checked(drafted, isolation)
    _write(path, as_yaml(drafted))
    failed = [finding for finding in findings if finding.verdict == "FAILED" and not _is_open(finding, drafted.card)]
    faults = [f"  FAILED {finding.what}: {finding.text}" for finding in failed]
    lines = [_wrote(path, drafted), f"  checked: {', '.join(_good(findings, drafted.card))}", *faults]
    return Written([*lines, _to_fill_in(drafted.card), _next(path)], bool(faults))


def _checked(drafted: Draft, isolation: Isolation) -> tuple[Draft, list[Finding]]:
    """Check a draft; what an entry of the card settles is settled, and checked again."""
    findings = list(check_task(drafted.card, isolation))
    failed = {finding.what for finding in findings if finding.verdict == "FAILED"}
    mends: dict[str, Any] = {"reuse": {"reuse": False}, "start": {"fixed_start": True}}
    entries = {key: value for what in mends if what in failed for key, value in mends[what].items()}
    if not entries:
        return drafted, findings
    drafted = finished(drafted, **entries)
    return drafted, list(check_task(drafted.card, isolation))


def _is_open(finding: Finding, card: Task) -> bool:
    """Whether a finding is about a number that the draft leaves to be filled in."""
    return finding.what == "end" and card.max_traj_length is None


def _good(findings: Sequence[Finding], card: Task) -> list[str]:
    passed = {finding.what for finding in findings if finding.verdict == "ok"}
    good = [text for what, text in GOOD.items() if what in passed and (what != "reuse" or card.reuse)]
    settled = [] if card.reuse else ["not reusable (reuse: false)"]
    return [*good, *settled, *(["starts the same (fixed_start: true)"] if card.fixed_start else [])] or [
        "nothing passed"
    ]


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise _is_there(path) from None
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from None


def _is_there(path: Path) -> InputError:
    return InputError(f"{path} is there already, and is not overwritten; --output FILE writes another one")


def _wrote(path: Path, drafted: Draft) -> str:
    card, spaces = drafted.card, drafted.spaces
    seen = f"{spaces.observation_size} {'states' if spaces.discrete_observation else 'observations'}"
    many = "" if spaces.action_size == 1 else "s"
    done = f"{spaces.action_size} {f'action{many}' if spaces.discrete_action else f'number{many} per action'}"
    limit = "no limit" if card.max_traj_length is None else f"limit {card.max_traj_length}"
    target = "no target" if card.optimum is None else f"target {card.optimum:g} (Gymnasium's threshold)"
    return f"wrote {path}: {seen}, {done}, {limit}, {target}"


def _to_fill_in(card: Task) -> str:
    open_ = [*(name for name in NUMBERS if getattr(card, name) is None), "summary"]
    for entry, what in (("observation", "observation"), ("actions", "action")):
        count = _unnamed(getattr(card, entry))
        open_ += [f"{count} {what} name{'s' if count > 1 else ''}"] if count else []
    if isinstance(card.observation, str):
        open_.append("observation")
    entries = ", ".join([*open_, "reward", "ending"])
    return f"  to fill in: {entries} (marked {TODO}; methods that describe the environment refuse a card with {TODO})"


def _next(path: Path) -> str:
    checked = call("check-task", shlex.quote(str(path)))
    return f"  then: {checked}; a config names the card as `task: PATH`, from the folder of the config"


def _unnamed(entries: Sequence[str | Dimension] | str) -> int:
    if isinstance(entries, str):
        return 0
    return sum(TODO in (entry.name if isinstance(entry, Dimension) else entry) for entry in entries)
