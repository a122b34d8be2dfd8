"""The state of a sweep that runs in other processes, perhaps on other machines: read from its manifest and run logs."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

from r2po.installation import NAME
from r2po.runlog import RunDirectory
from r2po.runlog.condition import condition_of
from r2po.sweep.board import STUCK, WINDOW_S, Board, Speed
from r2po.sweep.control import Orders, read_orders, told
from r2po.sweep.endings import deferred
from r2po.sweep.from_logs import ended_at, read_shared
from r2po.sweep.manifest import Manifest
from r2po.sweep.members.onlookers import held_in, seen_from_outside
from r2po.sweep.messages import Progress
from r2po.sweep.outages import read_outages
from r2po.sweep.screen import headline, table
from r2po.terminal import console as make_console

IDLE_S = 900.0
"""A run whose log has not grown for this long counts as waiting; a call may take five minutes and be repeated."""
NARROWEST = 100
MOST_NAMED = 4
"""So many of the runs that a process makes are named."""


def print_status(manifest: Manifest, *, everything: bool) -> None:
    """Print the sums, the running, failed and damaged runs, or all of them; and how what is stuck goes on.

    Raises:
        InputError: What people ask of the sweep cannot be read.
    """
    board, speed = read_board(manifest)
    states = ("running", *STUCK, "waiting", "complete") if everything else ("running", *STUCK)
    console = make_console(soft_wrap=True)
    if not console.is_terminal:
        console.width = max(console.width, NARROWEST)
    console.print(f"{manifest.folder}  started {manifest.created}")
    if any(run.state in states for run in board.runs):
        console.print(table(board, states, len(board.runs)))
    orders = read_orders(manifest.folder)
    board.is_paused = bool(orders.paused)
    for line in _at_work(manifest):
        console.print(line, markup=False, highlight=False)
    console.print(headline(board, speed))
    for line in (*told(Orders(), orders, manifest.folder), *deferred(manifest)):
        console.print(line, markup=False, highlight=False)
    for line in _how_to_go_on(manifest, board):
        console.print(line, markup=False, highlight=False)


def _at_work(manifest: Manifest) -> Iterator[str]:
    """Yield a line for each process that works on the sweep, or that was killed while others did."""
    for member, age_s, is_gone in seen_from_outside(manifest.folder):
        if member.over:
            continue
        held = sorted(member.held)
        more = f" and {len(held) - MOST_NAMED} more" if len(held) > MOST_NAMED else ""
        count = f"{len(held)} run{'s' if len(held) > 1 else ''}"
        runs = f"{count}: {', '.join(held[:MOST_NAMED])}{more}" if held else "no run now"
        gone = "; it is gone" if is_gone else ""
        yield f"{member.host}, process {member.pid}: {runs}; heard of {age_s:.0f} s ago{gone}"


def _how_to_go_on(manifest: Manifest, board: Board) -> Iterator[str]:
    """Yield the commands that mend damaged runs, and the one that continues the sweep, each in a line to be copied."""
    damaged = [condition_of(RunDirectory(manifest.path(run.run))) for run in board.runs if run.state == "damaged"]
    remedies = [condition.remedy for condition in damaged if condition.remedy and not condition.mends_itself]
    if remedies:
        yield "to mend what is damaged:"
        yield from (f"  {remedy}" for remedy in remedies)
    if board.total.done < board.total.runs and manifest.request is not None:
        yield f"to continue: {NAME} sweep {shlex.quote(str(manifest.folder))}"


def read_board(manifest: Manifest) -> tuple[Board, Speed | None]:
    """Return where the runs stand, and the speed of the last minutes."""
    paths = [manifest.path(index) for index in range(len(manifest.runs))]
    runs = [
        _with_state(
            read_shared(index, path, run["planned"] or 0, lambda name=run["run"]: name in held_in(manifest.folder)),  # type: ignore[misc]
            path,
            manifest.failures.get(run["run"], ""),
        )
        for index, (path, run) in enumerate(zip(paths, manifest.runs, strict=True))
    ]
    recent = [runs[index] for index, path in enumerate(paths) if _age_s(path) < WINDOW_S]
    board = Board([run["run"] for run in manifest.runs], runs, outages=read_outages(manifest.folder))
    return board, _speed([paths[run.run] for run in recent], recent)


def _with_state(run: Progress, path: Path, failure: str) -> Progress:
    age_s = _age_s(path)
    if run.state != "waiting":
        return run
    if failure:
        return replace(run, state="failed", now=failure)
    return replace(run, state="running", now=f"log grew {age_s:.0f} s ago") if age_s < IDLE_S else run


def _age_s(path: Path) -> float:
    """Return the seconds since the logs of a run last grew."""
    written = []
    directory = RunDirectory(path)
    for each in (*directory.logs, directory.reevaluation):
        with suppress(OSError):  # not there, or not to be read: reading it says so
            written.append(each.stat().st_mtime)
    return max(0.0, time.time() - max(written)) if written else float("inf")


def _speed(paths: list[Path], runs: list[Progress]) -> Speed | None:
    now = datetime.now(timezone.utc)
    ended = [(when, run, rollouts) for path, run in zip(paths, runs, strict=True) for when, rollouts in ended_at(path)]
    recent = [each for each in ended if (now - each[0]).total_seconds() < WINDOW_S]
    if not recent:
        return None
    elapsed = max((now - min(when for when, _, _ in recent)).total_seconds(), 1.0)
    calls = sum(run.calls / run.iterations for _, run, _ in recent if run.iterations)
    return Speed(len(recent) / elapsed, calls / elapsed, sum(rollouts for _, _, rollouts in recent) / elapsed)
