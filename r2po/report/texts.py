"""Prompts, replies and thoughts of a run, packed: each distinct line once, and per prompt the numbers of its lines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from r2po.errors import InputError
from r2po.report.machine_paths import without_paths
from r2po.report.packing import SMALLEST, Values, pack
from r2po.runlog.events import FILE, Failed, GaveUp, Replied, Requested, read_events
from r2po.runlog.packing import fold

LARGEST = 3_200_000
"""Characters of a block from which rollouts in old prompts are left out: a page is to stay below 5 MB."""
RECENT = 100
"""The last so many iterations keep theirs."""
MARK = "\1"
"""Begins a line that stands for lines of a rollout which were left out, and is followed by their number."""
FEWEST = 7
"""So many lines of a rollout in a row are left out as one; fewer stay."""

_NUMBERS = r"[-+\d.eE, \[\]]+"
_STEP = re.compile(rf"{_NUMBERS}->{_NUMBERS}->|(\d+: )?[-\d. ]+ \| [-\d. |]+$")
"""A line of a rollout, in the published style or in the compact one."""


@dataclass(frozen=True)
class Asked:
    """A question and what came of it.

    Attributes:
        iteration: Of which iteration, from 1.
        role: Who was asked.
        sample: Which of several samples.
        attempt: Which attempt, from 1, where replies could not be used.
        prompt: What was sent.
        reply: What came; None if nothing did.
        thinking: Thoughts, if the model tells any.
        refusal: Why the reply was not used; empty if it was.
        usage: Tokens by kind; None where they were not told.
        seconds: From request to reply; None without a reply.
        failures: Attempts at sending it that failed.
        key: Its address, by which candidates name it; empty in logs without one.
    """

    iteration: int
    role: str
    sample: int
    attempt: int
    prompt: str
    reply: str | None
    thinking: str = ""
    refusal: str = ""
    usage: dict[str, int | None] = field(default_factory=dict)
    seconds: float | None = None
    failures: int = 0
    key: str = ""


def read_asked(run: Path) -> tuple[list[Asked], str]:
    """Read all questions of a run, in the order in which they were asked.

    Returns:
        They, and a line on what keeps others from being read; empty if nothing does.
    """
    asked: dict[int, Asked] = {}
    failures: dict[int, int] = {}
    problem = ""
    try:
        for event in read_events(run / FILE):
            if isinstance(event, Requested):
                asked[event.call] = _asked(event)
            elif isinstance(event, Failed):
                failures[event.request.call] = failures.get(event.request.call, 0) + 1
            elif isinstance(event, Replied):
                asked[event.request.call] = _answered(event, failures.get(event.request.call, 0))
            elif isinstance(event, GaveUp):
                asked[event.request.call] = _asked(event.request, failures.get(event.request.call, 0))
    except InputError as error:
        problem = without_paths(str(error).replace(f"{run}/", ""))
    return list(asked.values()), problem


def _asked(request: Requested, failures: int = 0) -> Asked:
    about = (request.iteration, request.role, request.sample, request.attempt)
    return Asked(*about, request.prompt, None, failures=failures, key=request.key)


def _answered(event: Replied, failures: int) -> Asked:
    request = event.request
    return Asked(
        *(request.iteration, request.role, request.sample, request.attempt, request.prompt, event.text),
        thinking=event.thinking,
        refusal=event.refusal,
        usage=dict(event.usage),
        seconds=event.latency_s,
        failures=failures,
        key=request.key,
    )


def pack_texts(asked: Sequence[Asked], problem: str = "", *, whole: bool = False, level: int = SMALLEST) -> str:
    """Return the block of texts.

    Args:
        asked: All questions, in the order in which they were asked.
        problem: A line on questions that are missing.
        whole: Whether all rollouts in prompts are kept, however large the page becomes.
        level: Of compression.
    """
    block = pack(_values(asked, problem, 0), level)
    last = max((each.iteration for each in asked), default=0)
    if whole or len(block) <= LARGEST or last <= RECENT:
        return block
    return pack(_values(asked, problem, last - RECENT), level)


def _values(asked: Sequence[Asked], problem: str, bare: int) -> Values:
    """Return the content of the block; up to iteration ``bare``, prompts are without their rollouts."""
    lines: dict[str, int] = {}
    calls = [_call(each, lines, bare=each.iteration <= bare) for each in asked]
    return {"lines": list(lines), "calls": calls, "problem": problem, "bare_until": bare}


def _call(asked: Asked, lines: dict[str, int], *, bare: bool) -> Values:
    folds = not any(mark in asked.prompt for mark in ("\0", MARK))
    told = without_rollouts(asked.prompt) if bare and folds else asked.prompt
    text = (fold(told) if folds else told).split("\n")
    values: dict[str, Any] = {
        "i": asked.iteration,
        "role": asked.role,
        "sample": asked.sample,
        "attempt": asked.attempt,
        "p": _runs(lines.setdefault(line, len(lines)) for line in text),
        "folds": folds,
        "chars": len(asked.prompt),
        "reply": asked.reply,
        "think": asked.thinking,
        "refusal": asked.refusal,
        "usage": asked.usage,
        "s": asked.seconds,
        "failures": asked.failures,
        "key": asked.key,
    }
    return {name: value for name, value in values.items() if value not in ("", {}, None)}


def without_rollouts(prompt: str) -> str:
    """Return a prompt in which a line stands for each long run of steps of a rollout."""
    kept: list[str] = []
    steps: list[str] = []
    for line in [*prompt.split("\n"), ""]:
        if _STEP.match(line):
            steps.append(line)
            continue
        kept += [f"{MARK}{len(steps)}"] if len(steps) >= FEWEST else steps
        steps = []
        kept.append(line)
    return "\n".join(kept[:-1])


def _runs(numbers: Iterable[int]) -> list[int]:
    """Return numbers as start and length of each run of consecutive ones: most of a prompt repeats an earlier one."""
    runs: list[int] = []
    for number in numbers:
        if runs and number == runs[-2] + runs[-1]:
            runs[-1] += 1
        else:
            runs += [number, 1]
    return runs
