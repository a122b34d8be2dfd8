"""The blocks of a run, read from its log: what a page holds, and what a server of pages would send."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from r2po.analysis.lineage.heading import facts_of
from r2po.analysis.lineage.reading import Log, read_log
from r2po.analysis.logs.load import load_runs_of
from r2po.analysis.logs.replies import RunReplies
from r2po.analysis.logs.run_data import RunData
from r2po.errors import InputError
from r2po.report.core import core_of_log, core_of_run
from r2po.report.motion import Motion, Play, kept_only, play_log
from r2po.report.packing import Values, pack
from r2po.report.spent import spent_by_role
from r2po.report.texts import Asked, pack_texts, read_asked
from r2po.runlog import RunDirectory


@dataclass(frozen=True)
class Wanted:
    """What a report is to hold.

    Attributes:
        motion: Which rollouts are played.
        seconds: How long rolling out again may take, for each run.
        whole_texts: Whether prompts keep all rollouts, however large the page becomes.
        films: Whether environments that the page cannot draw are drawn by their own renderers.
    """

    motion: Motion = "all"
    seconds: float = 60.0
    whole_texts: bool = False
    films: bool = False


@dataclass(frozen=True)
class Blocks:
    """A run as a page shows it.

    Attributes:
        core: What the page draws at once, not packed yet.
        packed: The blocks, by name: ``core``, ``texts``, ``motion``.
        notes: A line on each thing that the page lacks.
    """

    core: Values
    packed: dict[str, str]
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Told:
    """What the log of a run tells, before anything is rolled out again or packed.

    Attributes:
        core: The block ``core``, without what is known of rollouts: ``motion`` and ``maps``.
        asked: All questions, in the order in which they were asked.
        problem: Why questions are missing; empty if none are.
        log: What could be read of a run in this project's format; None of one in the published code's.
    """

    core: Values
    asked: list[Asked]
    problem: str
    log: Log | None


def blocks_of(directory: RunDirectory, wanted: Wanted, tell: Callable[[str], None]) -> Blocks:
    """Return the blocks of a run, in this project's or the published code's format.

    Raises:
        InputError: Nothing of it can be read.
    """
    told = told_by(directory)
    play = play_of(told, wanted, tell)
    core = {**told.core, "motion": play.about, "maps": play.grid}
    packed = {
        "core": pack(core),
        "texts": pack_texts(told.asked, told.problem, whole=wanted.whole_texts),
        "motion": pack({"rollouts": play.rollouts}),
    }
    return Blocks(core, packed, play.notes)


def told_by(directory: RunDirectory) -> Told:
    """Return what the log of a run tells, in this project's or the published code's format.

    Raises:
        InputError: Nothing of it can be read.
    """
    if directory.is_described or directory.has_begun:
        return _of_log(directory)
    loaded = load_runs_of([directory])
    if not loaded.runs:
        raise InputError(f"cannot report on {directory.path}: {loaded.problems[0]}")
    return _of_published(loaded.runs[0])


def play_of(told: Told, wanted: Wanted, tell: Callable[[str], None], before: Play | None = None) -> Play:
    """Return the rollouts of a run; what an earlier look at the same log gave, ``before``, is not made again."""
    if told.log is None:
        return kept_only("Logs of the published code do not hold states that can be drawn.")
    return play_log(told.log, told.core, wanted.motion, wanted.seconds, tell, films=wanted.films, before=before)


def _of_log(directory: RunDirectory) -> Told:
    log = read_log(directory)
    asked, problem = read_asked(directory.path)
    accounts: dict[str, dict[str, Any]] = {} if log.result is None else log.result.get("accounting") or {}
    costs = {role: account.get("cost") for role, account in accounts.items()}
    facts = facts_of(log.description)
    if not (asked or problem) and log.iterations and (facts is None or facts["roles"]):
        problem = f"{directory.calls.name} is missing: what the models were asked and what they said is not known"
    # A part of the calls would pass for all of them.
    core = core_of_log(log, [] if problem else spent_by_role(asked, costs))
    core["calls_problem"] = problem
    if problem and problem not in core["head"]["missing"]:
        core["head"]["missing"].append(problem)
    return Told(core, asked, problem, log)


def _of_published(run: RunData) -> Told:
    core = core_of_run(run)
    core["calls_problem"] = ""
    replies = RunReplies(run, prompts=True)
    asked: list[Asked] = []
    for each in core["iterations"]:
        told = replies.of(each["n"])
        asked += [
            Asked(each["n"], one.role, n, 1, one.prompt, one.text, key=f"{each['n']}.{n}") for n, one in enumerate(told)
        ]
        tried = [candidate for candidate in core["candidates"] if candidate["i"] == each["n"]]
        if len(tried) == len(told):
            for number, candidate in enumerate(tried):
                candidate["call"] = f"{each['n']}.{number}"
    return Told(core, asked, "", None)
