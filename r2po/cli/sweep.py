"""``r2po sweep``, and ``main.py`` with several configs or runs: many runs, resumed by the same command."""

from __future__ import annotations

import argparse
import re
import shlex
import sys
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from r2po.cli.plugin_option import add_plugin_option
from r2po.cli.starting import add_override_option, command_of, count, place, told_how_to_continue
from r2po.errors import InputError
from r2po.signals import held_back

DEFAULT_RUNS = 10


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.set_defaults(program=parser.prog)
    parser.add_argument("config", nargs="+", type=place, metavar="CONFIG", help="config files, e.g. configs/nim/*.yaml")
    add_override_option(
        parser,
        "KEY=V1,V2",
        "override keys of all configs; several values make several experiments ('key=[a,b]' is one value)",
    )
    parser.add_argument("--protocol", metavar="NAME", help="published or controlled (default: the configs')")
    add_sweep_options(parser)
    parser.add_argument(
        "--seeds", nargs="+", metavar="N", help="seeds, e.g. 1-5 8: run_N of each experiment has seed N"
    )
    parser.add_argument("--logs", type=place, metavar="DIR", help="put all log directories into this folder")
    parser.add_argument(
        "--name", type=_name, help="name of the folder with the manifest (default: derived from the request)"
    )
    parser.add_argument("--max-llm-calls", type=count, metavar="N", help="cap on the calls of all runs together")
    parser.add_argument("--max-tokens", type=count, metavar="N", help="cap on the tokens of all runs together")
    parser.add_argument("--max-cost", type=_amount, metavar="X", help="cap on the money that all runs cost together")
    parser.add_argument("--ray", metavar="ADDRESS", help="make the runs on this Ray cluster (auto: a running one)")
    parser.add_argument(
        "--cpus-per-run", type=_amount, default=0.25, metavar="X", help="cores that Ray reserves for a run (0.25)"
    )
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")


def add_sweep_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options that ``main.py`` has too."""
    add_plugin_option(parser)
    parser.add_argument(
        "--runs", type=count, metavar="N", help=f"runs of each experiment, with seeds 1 to N (sweep: {DEFAULT_RUNS})"
    )
    parser.add_argument(
        "--jobs", type=count, metavar="N", help="runs under way at once (sweep: all that fit in memory)"
    )
    parser.add_argument(
        "--accept-changed-prompts",
        action="store_true",
        help="resume a run although templates or the description of its task have changed since; its log says so",
    )


def run(options: argparse.Namespace) -> int:
    """Run the sweep; returns the exit code."""
    with held_back():
        from r2po.config.environ import read_environ
        from r2po.experiment.screen import say
        from r2po.llm.ledger import Caps
        from r2po.sweep.plan import SweepRequest
        from r2po.sweep.sweep import Sweep, SweepOptions, SweepStopped

    request = SweepRequest(
        options.config,
        options.overrides,
        _seeds(options),
        options.protocol,
        options.logs,
        options.accept_changed_prompts,
    )
    how = SweepOptions(
        name=options.name,
        jobs=options.jobs,
        caps=Caps(options.max_llm_calls, options.max_tokens, options.max_cost),
        ray=options.ray,
        cpus_per_run=options.cpus_per_run,
        quiet=options.quiet,
    )
    sweep: Sweep | None = None

    def how_to_continue() -> str:
        return f"; to continue: {_again(options.program)}" if sweep is not None else " before the sweep began"

    try:
        with told_how_to_continue(how_to_continue):
            environ = read_environ() if options.quiet else read_environ(say)
            sweep = Sweep(request, how, environ)
            sweep.run()
    except SweepStopped as stop:
        remedy = f"; raise it with {stop.setting}" if stop.setting else ""
        raise SweepStopped(f"{stop}{remedy}\nto continue: {_again(options.program, stop.setting)}") from None
    return 0


def without_extras(options: argparse.Namespace) -> argparse.Namespace:
    """Return the options of ``main.py`` as those of a sweep."""
    extras: dict[str, Any] = dict.fromkeys(("seeds", "logs", "name", "max_llm_calls", "max_tokens", "max_cost", "ray"))
    return argparse.Namespace(**{**extras, "cpus_per_run": 0.25, **vars(options)})


def _seeds(options: argparse.Namespace) -> list[int]:
    if options.seeds is None:
        return list(range(1, (options.runs or DEFAULT_RUNS) + 1))
    if options.runs is not None:
        raise InputError("--runs and --seeds exclude each other: there is a run for each seed")
    seeds = [seed for text in options.seeds for part in text.split(",") for seed in _range(part)]
    return list(dict.fromkeys(seeds))


def _range(text: str) -> range:
    match = re.fullmatch(r"(\d+)(?:-(\d+))?", text.strip())
    if not match or int(match[1]) < 1 or int(match[2] or match[1]) < int(match[1]):
        raise InputError(f"--seeds {text!r}: expected a number of at least 1, or a range like 1-10")
    return range(int(match[1]), int(match[2] or match[1]) + 1)


def _again(program: str, setting: str = "") -> str:
    """Return the command that continues the sweep: the same one, with a raised cap if one was reached."""
    arguments = sys.argv[len(program.split()) :]
    return shlex.join([*command_of(program), *_with_setting(arguments, setting)])


def _with_setting(arguments: Sequence[str], setting: str) -> list[str]:
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


def _name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_.+=-]+", text) or not text.strip("."):
        raise argparse.ArgumentTypeError(f"{text!r} is not a folder name: expected letters, digits and any of _.+=-")
    return text


def _amount(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return value
