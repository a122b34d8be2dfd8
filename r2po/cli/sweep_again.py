"""The command that continues a sweep: what its errors and its end print, to be copied."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType

from r2po.cli.starting import command_of, in_option

CPUS_PER_RUN = 0.25
"""What Ray sets aside for a run if the command does not say it."""
SWEEP = "r2po sweep"
MOST_CONFIGS = 3
"""With more configs, the command that continues a sweep names its folder instead."""


def command_to_continue(
    options: argparse.Namespace, folder: Path, setting: str = "", limits: Mapping[str, float] = MappingProxyType({})
) -> str:
    """Return the command that continues the sweep: the same one, with a raised cap if one was reached.

    Limits that were set while it was under way replace those of the command, which would be the later word.

    Where the shell has made a long list of a pattern, the sweep's folder stands for all that it says; not with
    plugins, which are looked for beside the configs, and not where another command has named them (``is_whole``).
    """
    program: str = options.program
    given = {name: value for name, value in limits.items() if getattr(options, name) is not None and name != "max_cost"}
    settings = [f"--{name.replace('_', '-')} {value}" for name, value in given.items()]
    settings += _about_cost(options, limits.get("max_cost"), setting)
    if len(options.config) <= MOST_CONFIGS or options.plugins or getattr(options, "is_whole", False):
        arguments = sys.argv[len(program.split()) :]
        return shlex.join([*command_of(program), *_with_settings(arguments, settings)])
    is_script = Path(sys.argv[0]).name == program
    called = ["python", "-m", *SWEEP.split()] if is_script else command_of(SWEEP)
    return shlex.join([*called, str(folder), *_with_settings(list(_kept(options)), settings)])


def _about_cost(options: argparse.Namespace, limit: float | None, setting: str) -> list[str]:
    """Return the last setting, and the cap on money that was set meanwhile: above what was approved, it approves more.

    What was approved is a cap of the command, and would be the later word.
    """
    is_cost = setting.startswith(("--max-cost ", "--approve-cost "))
    value = setting.split()[1] if is_cost else limit
    approved = options.approve_cost
    others = [] if is_cost else [setting]
    if limit is None or (approved is None and options.max_cost is None):
        return [setting]
    if approved is None or limit <= approved:
        return [*others, setting if is_cost else f"--max-cost {value}"]
    return [*others, f"--approve-cost {value}", *([] if options.max_cost is None else [f"--max-cost {value}"])]


def _with_settings(arguments: Sequence[str], settings: Sequence[str]) -> list[str]:
    return reduce(with_setting, settings, list(arguments))


def _kept(options: argparse.Namespace) -> Iterator[str]:
    """Yield the options of a sweep that do not say what to run, but how."""
    for name in (
        "jobs",
        "max_llm_calls",
        "max_tokens",
        "max_cost",
        "max_cost_each",
        "approve_cost",
        "ray",
        "cpus_per_run",
        "hook",
        "race",
        "batch_poll",
        "batch_collect",
    ):
        value = getattr(options, name)
        if value is not None and (name, value) != ("cpus_per_run", CPUS_PER_RUN):
            yield from (f"--{name.replace('_', '-')}", str(value))
    if options.max_outage is not None:
        yield from ("--max-outage", in_option(options.max_outage))
    if options.track:
        yield from ("--track", *options.track)
    if options.first:
        yield from ("--first", *options.first)
    for name in ("accept_changed_prompts", "batch", "worker", "quiet"):
        if getattr(options, name):
            yield f"--{name.replace('_', '-')}"


def with_setting(arguments: Sequence[str], setting: str) -> list[str]:
    """Replace the earlier values of an option; an abbreviated one stays, but the last one counts."""
    if not setting:
        return list(arguments)
    option, value = setting.split()
    kept = [
        text
        for before, text in pairwise(["", *arguments])
        if option not in (before, text) and not text.startswith(f"{option}=")
    ]
    return [*kept, option, value]
