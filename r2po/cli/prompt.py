"""``r2po prompt``: the exact prompt and reply of any call of a run."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from typing import Any

from r2po.cli.starting import place
from r2po.terminal import visible


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("run_directory", type=place, metavar="RUN", help="run directory, e.g. logs/cartpole_r2po/run_1")
    parser.add_argument("iteration", type=int, metavar="ITERATION", help="number of the iteration, from 1")
    parser.add_argument("role", metavar="ROLE", help="who asked: search, critic, or any other role of the method")


def run(options: argparse.Namespace) -> int:
    """Print every attempt of that role in that iteration."""
    from r2po.errors import InputError, unknown
    from r2po.experiment.recorded import moved_parameters
    from r2po.llm.types import CRITIC
    from r2po.runlog import open_run
    from r2po.runlog.events import Call, iterate_calls

    directory = open_run(options.run_directory)
    chosen: list[Call] = []
    roles: set[str] = set()
    last = 0
    for call in iterate_calls(directory.path):
        roles.add(call.role)
        last = max(last, call.iteration)
        if (call.iteration, call.role) == (options.iteration, options.role):
            chosen.append(call)
    if options.role not in roles:
        raise unknown("role", options.role, sorted(roles))
    if not chosen:
        raise InputError(
            f"{directory.path} has no {options.role} call in iteration {options.iteration}; it has 1 to {last}"
        )
    description = directory.read_description()
    critic = description.get("critic_model")
    model = visible(critic if critic and options.role == CRITIC else description["model"])
    if description["stand_in"] and (critic is None or model.startswith("embedded/")):
        model += " (embedded stand-in, no language model)"
    records = {record["iteration"]: record for record in directory.read_iterations()}
    record: Mapping[str, Any] = records.get(options.iteration, {})
    style = (record.get("prompts") or description.get("prompts") or {}).get("style", "")
    worded = f", style {style}" if style else ""
    moved = {candidate.get("call"): moved_parameters(candidate) for candidate in record.get("candidates", [])}
    for call in sorted(chosen, key=lambda call: (call.sample, call.attempt)):
        attempt = f"iteration {call.iteration}, {call.role}, sample {call.sample}, attempt {call.attempt}{worded}"
        outcome = "not answered" if call.reply is None else f"refused: {call.refusal}" if call.refusal else "accepted"
        sys.stdout.write(f"===== prompt: {attempt} =====\n{call.prompt}\n===== reply of {model}: {outcome} =====\n")
        if call.thinking:
            sys.stdout.write(f"<thinking>\n{call.thinking}\n</thinking>\n")
        sys.stdout.write(f"{call.reply or ''}\n")
        if not call.refusal and moved.get(call.key):
            sys.stdout.write(f"(moved to its bounds: {moved[call.key]})\n")
    return 0
