"""``r2po reproduce``: a part of a paper, from its cost to its page beside the published figures."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from r2po.cli import batch_options
from r2po.cli.inside import call, call_quietly, options_of
from r2po.cli.starting import add_override_option, amount, count, duration, in_option, place, told_how_to_continue
from r2po.errors import InputError, R2POError, RunStopped
from r2po.signals import held_back

if TYPE_CHECKING:
    from r2po.baselines.sb3.config import SB3Config
    from r2po.reproduce.part import Command
    from r2po.reproduce.request import Request

PROGRAM = "r2po reproduce"
DEFAULT_RUNS = 10
_PAPERS = ("r2po", "props")
_TABLES = ("core", "variants", "tau_c", "salience", "search")
CONTINUE = "the same command continues"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("paper", metavar="PAPER", help=f"{' or '.join(_PAPERS)}")
    text = f"{', '.join(_TABLES)}; props has core only (default: core)"
    parser.add_argument("--table", default="core", metavar="TABLE", help=text)
    runs = f"runs of each experiment (default: {DEFAULT_RUNS})"
    parser.add_argument("--runs", type=count, default=DEFAULT_RUNS, metavar="N", help=runs)
    model = "model that answers (default: the configs'; with --smoke the embedded stand-in)"
    parser.add_argument("--model", metavar="NAME", help=model)
    smoke = "see that all works: tiny budgets, in minutes, and no distances"
    parser.add_argument("--smoke", action="store_true", help=smoke)
    parser.add_argument(
        "--only", action="append", default=[], metavar="ENV", help="only this environment; may be repeated"
    )
    add_override_option(parser, "KEY=VALUE", "override keys of all configs, e.g. base_url or prices.input")
    parser.add_argument("--without-sb3", action="store_true", help="leave Stable-Baselines3 out")
    parser.add_argument(
        "--set-sb3",
        action="extend",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="override keys of the suites of Stable-Baselines3",
    )
    folder = "folder for everything (default: reproduced/PAPER, with the model's name if --model is given)"
    parser.add_argument("--output", type=place, metavar="DIR", help=folder)
    parser.add_argument("--logs", type=place, metavar="DIR", help="folder for the logs (default: DIR/logs)")
    report = "runs that the report shows: the first of each experiment, all, or none (default: first)"
    parser.add_argument("--report", choices=("first", "all", "none"), default="first", help=report)
    _add_how(parser)


def _add_how(parser: argparse.ArgumentParser) -> None:
    """Declare the options that the sweep has too."""
    parser.add_argument("--dry-run", action="store_true", help="print what it will cost, and do nothing")
    parser.add_argument("--json", action="store_true", help="with --dry-run: print it as JSON")
    for option, text in (
        ("--approve-cost", "start nothing that may cost more, and stop at that amount"),
        ("--max-cost", "cap on the money that all runs cost together"),
        ("--calls-per-minute", "for the forecast: the rate that servers allow"),
        ("--reply-s", "for the forecast: seconds of a reply where none is on record"),
    ):
        parser.add_argument(option, type=amount, metavar="X", help=text)
    for option, text in (
        ("--max-llm-calls", "cap on the calls of all runs together"),
        ("--max-tokens", "cap on the tokens of all runs together"),
        ("--jobs", "runs under way at once (default: all that fit in memory)"),
    ):
        parser.add_argument(option, type=count, metavar="N", help=text)
    text = "how long a server that is out is waited for, e.g. 30min (default: 24h)"
    parser.add_argument("--max-outage", type=duration, metavar="DURATION", help=text)
    batch_options.add(parser)
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors, and where the page is")


def run(options: argparse.Namespace) -> int:
    """Say what it costs, make the runs, and write everything; returns the exit code."""
    with held_back():
        from r2po.reproduce.parts import find_part
        from r2po.reproduce.request import request_of

    request = request_of(
        find_part(options.paper, options.table),
        runs=options.runs,
        model=options.model,
        settings=options.overrides,
        only=options.only,
        smoke=options.smoke,
        suites=not options.without_sb3,
        output=options.output,
        logs=options.logs,
    )
    if options.json and not options.dry_run:
        raise InputError("--json is for a forecast: add --dry-run")
    _check(options, request)
    if options.cancel_batches:
        return call(_sweep_options(options, request, *(["--dry-run"] if options.dry_run else [])))
    configs, missing = _suites(options, request)
    _forecast(options, request, configs, missing)
    if options.dry_run:
        return 0
    since = time.time()
    problems = _make_runs(options, request)
    with told_how_to_continue(lambda: f"; {CONTINUE}"):  # the sweep says so itself
        problems += _train(options, configs)
        _write(options, request, problems, missing, since)
    if problems:
        raise RunStopped("\n".join([f"not all runs are complete; {CONTINUE}", *problems]))
    return 0


def _check(options: argparse.Namespace, request: Request) -> None:
    """Refuse what would have no effect, and runs beside others of another kind."""
    if options.set_sb3 and not request.suites:
        none = f"the table {request.part.name} has none of its suites"
        why = "--without-sb3 leaves its suites out" if request.could_have_suites else none
        raise InputError(f"--set-sb3 is for Stable-Baselines3, and {why}; leave out --set-sb3")
    request.check_marks()


def _tell(options: argparse.Namespace, line: str) -> None:
    if not options.quiet:
        print(line, file=sys.stderr if options.json else sys.stdout, flush=True)


def _suites(options: argparse.Namespace, request: Request) -> tuple[list[SB3Config], list[str]]:
    """Return the suites to be run, and why they are left out, if they are."""
    if not request.suites:
        if options.without_sb3 and request.could_have_suites:
            return [], ["The columns of Stable-Baselines3 are left out, as asked for (--without-sb3)."]
        return [], []
    with held_back():
        from r2po.reproduce.suites import suite_configs, why_left_out

    configs = suite_configs(request, options.set_sb3)
    why = why_left_out(configs)
    return ([], [f"The columns of Stable-Baselines3 are left out: {why}."]) if why else (configs, [])


def _sweep_options(options: argparse.Namespace, request: Request, *more: str) -> argparse.Namespace:
    """Return the options of the sweep that makes the runs; its command to continue is ours."""
    from r2po.installation import shipped_configs

    configs = [str(shipped_configs() / each.config) for each in request.runs]
    asked = [*configs, "--runs", str(options.runs), "--logs", str(request.place.logs), "--name", request.name]
    if request.overrides:
        asked += ["--set", *request.overrides]
    for name in ("jobs", "max_llm_calls", "max_tokens", "max_cost", "approve_cost", "batch_poll", "batch_collect"):
        value = getattr(options, name)
        if value is not None:
            asked += [f"--{name.replace('_', '-')}", str(value)]
    if options.max_outage is not None:
        asked += ["--max-outage", in_option(options.max_outage)]
    for batch in options.resend_batch:
        asked += ["--resend-batch", batch]
    asked += [f"--{name.replace('_', '-')}" for name in ("batch", "cancel_batches", "quiet") if getattr(options, name)]
    found = options_of("sweep", [*asked, *more], PROGRAM)
    return argparse.Namespace(**{**vars(found), "program": PROGRAM, "is_whole": True})


def _forecast(
    options: argparse.Namespace, request: Request, configs: Sequence[SB3Config], missing: Sequence[str]
) -> None:
    """Print what is to come. Smoke runs with the stand-in cost nothing, and a forecast would take as long as they."""
    from r2po.reproduce.request import STAND_IN

    for line in missing:
        _tell(options, line)
    if configs:
        from r2po.reproduce.suites import amount as suites_amount

        _tell(options, suites_amount(configs))
    if options.quiet and not options.dry_run:
        return
    if request.place.smoke and request.model in (None, STAND_IN) and not options.dry_run:
        _tell(options, f"smoke: {len(request.runs) * options.runs} tiny runs, which ask no model and cost no money")
        return
    more = ["--dry-run", *(["--json"] if options.json else [])]
    for name in ("calls_per_minute", "reply_s", "batch_hours"):
        value = getattr(options, name)
        more += [] if value is None else [f"--{name.replace('_', '-')}", str(value)]
    call(_sweep_options(options, request, *more))


def _make_runs(options: argparse.Namespace, request: Request) -> list[str]:
    """Make or continue the runs of the sweep; returns what went wrong with some, which stops no other."""
    with held_back():
        from r2po.sweep.sweep import SweepStopped

    asked = _sweep_options(options, request)
    asked.when_accepted = request.mark_smoke  # before there is any run, and not if there will be none
    try:
        call(asked)
    except SweepStopped as stop:
        return [str(stop)]
    return []


def _train(options: argparse.Namespace, configs: Sequence[SB3Config]) -> list[str]:
    """Run or continue the suites; returns what went wrong with some, likewise."""
    if not configs:
        return []
    with held_back():
        from r2po.reproduce.suites import run_suites

    return run_suites(configs, lambda line: _tell(options, line), quiet=options.quiet)


def _write(
    options: argparse.Namespace, request: Request, problems: list[str], missing: Sequence[str], since: float
) -> None:
    """Write tables, figures, tests, the report, and at last the page."""
    with held_back():
        from r2po.reproduce.writing import commands_of, read_experiments, write_page

    experiments = read_experiments(request)
    commands = commands_of(request, experiments, options.report)
    lacking = [*missing, *_perform(options, commands)]
    outcome, files = write_page(request, experiments, commands, problems, lacking, since)
    told = f"{len(outcome.told)} of {len(outcome.cells)} figures have a distance from the published one"
    if not outcome.cells:
        told = "this table has no published figures of what was asked for"
    if outcome.warnings:
        told = "; ".join(outcome.warnings)
    print(f"{files[0]}: {told}; {len(files) - 1} files beside it")  # noqa: T201 - the answer


def _perform(options: argparse.Namespace, commands: Sequence[Command]) -> list[str]:
    """Make the files; returns why some could not be made, which keeps no other from being made."""
    lines = []
    for number, each in enumerate(commands, 1):
        _tell(options, f"{number}/{len(commands)} {each.name}")
        try:
            call_quietly(each.name, each.arguments)
        except R2POError as error:
            lines.append(f"{each.name} has made nothing: {error}")
    return lines
