"""Runs in the format of the published code, as ``RunData``.

``overall_log.txt`` has a row per iteration; ``episode_K``, from 0, holds what was tried in iteration K + 1. Rows can be
torn and files missing: what is not there is left out and noted.
"""

from __future__ import annotations

import math
import re
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from r2po.analysis.logs.built_in import published_method_facts, task_facts
from r2po.analysis.logs.iteration_data import IterationData
from r2po.analysis.logs.names import read_folder_name
from r2po.analysis.logs.published_episode import read_iteration
from r2po.analysis.logs.reevaluated import read_reevaluated
from r2po.analysis.logs.run_data import RunData, Unusable
from r2po.runlog import RunDirectory
from r2po.runlog.records import LARGEST

FILE = "overall_log.txt"
NOT_RECORDED = "not recorded"
PROTOCOL = "published code"

_FIELDS = 6
_EPISODE = re.compile(r"episode_(\d+)")


class _Row(NamedTuple):
    iteration: int
    api_s: float
    episodes: int
    steps: int
    reward: float


def is_published_run(path: Path) -> bool:
    """Whether a folder holds a log of the published code."""
    return (path / FILE).is_file()


def load_published_run(path: Path) -> RunData:
    """Read the complete rows of one run; its folder's parent tells environment and method.

    Raises:
        Unusable: There is no complete row, or one holds a number that is not finite.
    """
    rows, notes = _read_rows(path)
    notes += _half_written(path, rows)
    api_s = np.array([row.api_s for row in rows])
    parent = path.resolve().parent.name
    name = read_folder_name(parent)
    environment, method, variant = name or (parent, "unknown", "")
    if name is None:
        notes.append(f"the folder's name {parent!r} names neither an environment nor a method")
    task = task_facts(environment)
    logged = [(row.iteration, row.reward) for row in rows]
    reevaluated, unfit = read_reevaluated(RunDirectory(path).reevaluation, logged)
    return RunData(
        path=path,
        origin="published",
        task=task,
        facts=published_method_facts(method),
        model=NOT_RECORDED,
        protocol=PROTOCOL,
        numbers=np.array([row.iteration for row in rows], dtype=np.int64),
        rewards=np.array([row.reward for row in rows]),
        episodes=np.array([row.episodes for row in rows], dtype=np.int64),
        steps=np.array([row.steps for row in rows], dtype=np.int64),
        # A run that was started again counts its time from zero.
        llm_s=np.maximum(np.diff(api_s, prepend=0.0), 0.0),
        read_iterations=partial(_read_iterations, path, method, [(row.iteration, row.reward) for row in rows]),
        variant=variant,
        target=task["optimum"],
        notes=(*notes, *unfit),
        reevaluated=reevaluated,
    )


def _read_iterations(path: Path, method: str, rows: list[tuple[int, float]]) -> tuple[IterationData, ...]:
    return tuple(read_iteration(path / f"episode_{number - 1}", number, reward, method) for number, reward in rows)


def _read_rows(path: Path) -> tuple[list[_Row], list[str]]:
    text = (path / FILE).read_text(encoding="utf-8", errors="replace")
    rows: dict[int, _Row] = {}
    notes: list[str] = []
    *lines, last = text.split("\n")
    for number, line in enumerate(lines, 1):
        row = _parse_row(line, number)
        if row is not None:
            _add(rows, row, number, notes)
        elif line.strip() and not (number == 1 and line.startswith("Iteration")):
            notes.append(f"{FILE}, line {number} is cut off and not counted")
    if last.strip():
        _add_last(rows, last, path, len(lines) + 1, notes)
    if not rows:
        raise Unusable(f"{FILE} has no complete row")
    return [rows[iteration] for iteration in sorted(rows)], notes


def _half_written(path: Path, rows: list[_Row]) -> list[str]:
    """Name the folders of iterations without a row, and count the rows without a folder."""
    there = {int(match[1]) + 1 for folder in path.iterdir() if (match := _EPISODE.fullmatch(folder.name))}
    logged = {row.iteration for row in rows}
    extra = sorted(there - logged)
    notes = [f"episode_{number - 1} is half written: {FILE} has no row of it" for number in extra[:3]]
    if len(extra) > len(notes):
        notes.append(f"... and {len(extra) - len(notes)} more")
    if logged - there:
        notes.append(f"{len(logged - there)} of {len(logged)} iterations have no folder episode_K")
    return notes


def _add(rows: dict[int, _Row], row: _Row, number: int, notes: list[str]) -> None:
    if row.iteration in rows:
        notes.append(f"{FILE}, line {number} is another row of iteration {row.iteration}; it counts, not the earlier")
    rows[row.iteration] = row


def _add_last(rows: dict[int, _Row], line: str, path: Path, number: int, notes: list[str]) -> None:
    """Take a row without a line end only where the reward, its last number, is known to be whole."""
    row = _parse_row(line, number)
    if row is not None and _is_whole(row, path / f"episode_{row.iteration - 1}"):
        _add(rows, row, number, notes)
    else:
        notes.append(f"{FILE}, line {number}, the last one, has no end: it may be cut off and is not counted")


def _is_whole(row: _Row, episode: Path) -> bool:
    """Whether the reward of a row is that of the rollouts to their last bits."""
    iteration = read_iteration(episode, row.iteration, row.reward, method="")
    returns = iteration.candidates[iteration.accepted].returns
    return returns is not None and math.isclose(float(returns.mean()), row.reward, rel_tol=1e-15)


def _parse_row(line: str, number: int) -> _Row | None:
    """Return a row; None if it is not a whole one.

    Raises:
        Unusable: It is whole, but a number in it is not finite or out of all bounds.
    """
    fields = line.split(",")
    if len(fields) != _FIELDS:
        return None
    try:
        values = [float(field) for field in fields]
        odd = [field.strip() for field, value in zip(fields, values, strict=True) if not abs(value) <= LARGEST]
        if odd:
            raise Unusable(f"{FILE}, line {number}: {odd[0]} is not a finite number")
        iteration, _, api_s, episodes, steps, reward = values
        row = _Row(int(iteration), api_s, int(episodes), int(steps), reward)
    except ValueError:
        return None
    return row if row.iteration >= 1 else None
