"""From logs to the folder of a part: its cells, its page, and a list of the commands that make the rest."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from r2po.analysis.logs.built_in import task_facts
from r2po.analysis.logs.experiments import ExperimentLogs, find_experiments
from r2po.analysis.logs.run_data import RunData
from r2po.analysis.output.files import to_json, write_file
from r2po.installation import shipped_configs
from r2po.reproduce import making
from r2po.reproduce.compared import is_comparable
from r2po.reproduce.context import Context
from r2po.reproduce.outcome import Outcome, as_csv, as_json, outcome_of
from r2po.reproduce.page import Made, page_of
from r2po.reproduce.part import Command, Place
from r2po.reproduce.request import Request, logdirs

PAGE, SCRIPT = "index.html", "commands.sh"
ALONE = "Tables, tests and figures have no published figures beside ours: some runs are smoke or those of a stand-in."


def commands_of(request: Request, experiments: Sequence[ExperimentLogs], report: str) -> list[Command]:
    """Return the commands that make everything beside the page, in their order."""
    place = replace(request.place, compared=_all_comparable(experiments))
    summaries = Command("eval_all_results", [*place.from_logs, *making.only(place), "--figures", "experiments"])
    return [summaries, *request.part.commands(place), *_report(request, experiments, report)]


def _all_comparable(experiments: Sequence[ExperimentLogs]) -> bool:
    """Whether tables may have published figures: a table is of all runs in the logs."""
    return all(is_comparable(run) for each in experiments for run in each.runs)


def _report(request: Request, experiments: Sequence[ExperimentLogs], which: str) -> list[Command]:
    """Return what writes runs as a page: the first complete one of each experiment of the part, or all."""
    wanted = {(each.environment, each.method) for each in request.experiments}
    paths: list[str] = []
    for each in experiments:
        if (each.environment, each.method) in wanted and which != "none":
            runs = [run for run in each.runs if run.num_iterations]
            first = sorted(runs, key=lambda run: not run.complete)[:1]
            paths += [str(run.path) for run in (runs if which == "all" else first)]
    if not paths:
        return []
    how = ["--output", request.place.file("report.html"), "--motion", "shown", "--motion-s", "5"]
    return [Command("report", [*paths, *how])]


def read_experiments(request: Request) -> list[ExperimentLogs]:
    """Return what the logs hold by now."""
    return find_experiments(request.place.logs, request.place.runs, parallel=True)


def write_page(
    request: Request,
    experiments: Sequence[ExperimentLogs],
    commands: Sequence[Command],
    problems: Sequence[str],
    missing: Sequence[str],
    since: float,
) -> tuple[Outcome, list[Path]]:
    """Write the page, and its cells as JSON and CSV; returns what came out, and all files of this part.

    Args:
        request: What is asked for.
        experiments: What was found.
        commands: What has made the other files.
        problems: What went wrong.
        missing: What is not there, and why.
        since: When this began, in seconds since the epoch: older files are of another time, and are not listed.
    """
    place = request.place
    context = Context(request.part, shipped_configs(), logdirs(request.experiments))
    outcome = outcome_of(request.part, request.part.compare(experiments, place), context, smoke=place.smoke)
    write_file(place.folder / "cells.json", to_json(as_json(outcome)))
    write_file(place.folder / "cells.csv", as_csv(outcome).encode())
    write_file(place.folder / SCRIPT, _script(commands).encode())
    files = sorted(path for path in place.folder.rglob("*") if path.is_file() and path.stat().st_mtime >= since - 1)
    files = [path for path in files if path.name != PAGE]
    alone = [] if place.smoke or _all_comparable(experiments) else [ALONE]
    lines = [*missing, *alone, *_incomplete(experiments, request), *_unpublished(outcome, place), *_lacking(outcome)]
    made = Made(place.folder, files, [_told(each, request) for each in commands], problems, lines)
    page = write_file(place.folder / PAGE, page_of(outcome, made).encode())
    return outcome, [page, *files]


def _script(commands: Sequence[Command]) -> str:
    lines = [shlex.join(["r2po", each.name, *each.arguments]) for each in commands]
    return "# From the folder in which the reproduction was started.\n" + "".join(f"{line}\n" for line in lines)


def _told(command: Command, request: Request) -> str:
    """Write a command without the places of the machine."""
    places = {"LOGS": str(request.place.logs), "FOLDER": str(request.place.folder)}
    return shlex.join(["r2po", command.name, *(_without_place(text, places) for text in command.arguments)])


def _without_place(argument: str, places: Mapping[str, str]) -> str:
    """Return an argument, with a name for the folder that it is, or is in."""
    for name, place in places.items():
        if argument == place or argument.startswith(f"{place}{os.sep}"):
            return name + argument[len(place) :]
    return argument


def _incomplete(experiments: Sequence[ExperimentLogs], request: Request) -> list[str]:
    """Name the runs that are not complete, and the folders of which some cannot be read."""
    wanted = {(each.environment, each.method) for each in request.experiments}
    lines = []
    for each in experiments:
        if each.runs and (each.environment, each.method) in wanted:
            lines += [f"{each.cell}: {_state(run)}" for run in each.runs if not run.complete]
        lines += [f"{each.path.name}: {problem}" for problem in each.problems]
    return lines


def _state(run: RunData) -> str:
    return f"{run.name} is not complete, {run.progress}{f' ({run.damage})' if run.damage else ''}"


def _unpublished(outcome: Outcome, place: Place) -> list[str]:
    """Name the environments that were asked for and of which this table has no figures."""
    there = {cell.environment for cell in outcome.cells}
    names = [task_facts(name)["label"] for name in place.environments if name not in there]
    told = "what is made of the runs stands in the files"
    return [f"There are no published figures of {', '.join(names)} in this table; {told}."] if names else []


def _lacking(outcome: Outcome) -> list[str]:
    """Name the cells that the paper has and ours lack, by column."""
    rows: dict[str, dict[str, None]] = {}
    for cell in outcome.cells:
        if cell.ours is None and cell.published is not None:
            rows.setdefault(cell.column, {})[cell.row] = None
    return [f"No runs of {column} on {', '.join(names)}." for column, names in rows.items()]
