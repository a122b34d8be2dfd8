"""The command that continues a sweep: what its errors and its end print, to be copied."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from r2po.cli.starting import command_of

CPUS_PER_RUN = 0.25
"""What Ray sets aside for a run if the command does not say it."""
SWEEP = "r2po sweep"
MOST_CONFIGS = 3
"""With more configs, the command that continues a sweep names its folder instead."""


def command_to_continue(options: argparse.Namespace, folder: Path, setting: str = "") -> str:
    """Return the command that continues the sweep: the same one, with a raised cap if one was reached.

    Where the shell has made a long list of a pattern, the sweep's folder stands for all that it says; not with
    plugins, which are looked for beside the configs.
    """
    program: str = options.program
    if len(options.config) <= MOST_CONFIGS or options.plugins:
        arguments = sys.argv[len(program.split()) :]
        return shlex.join([*command_of(program), *with_setting(arguments, setting)])
    is_script = Path(sys.argv[0]).name == program
    called = ["python", "-m", *SWEEP.split()] if is_script else command_of(SWEEP)
    return shlex.join([*called, str(folder), *with_setting(list(_kept(options)), setting)])


def _kept(options: argparse.Namespace) -> Iterator[str]:
    """Yield the options of a sweep that do not say what to run, but how."""
    names = ("jobs", "max_llm_calls", "max_tokens", "max_cost", "max_cost_each", "approve_cost", "ray", "cpus_per_run")
    for name in names:
        value = getattr(options, name)
        if value is not None and (name, value) != ("cpus_per_run", CPUS_PER_RUN):
            yield from (f"--{name.replace('_', '-')}", str(value))
    for name in ("accept_changed_prompts", "worker", "quiet"):
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
