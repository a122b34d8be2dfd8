"""``r2po sweep``, and ``main.py`` with several configs or runs: many runs, resumed by the same command."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from r2po.cli import batch_options
from r2po.cli.plugin_option import add_plugin_option
from r2po.cli.seeds import DEFAULT_RUNS, seeds_of
from r2po.cli.starting import add_override_option, amount, count, duration, folder_name, place, told_how_to_continue
from r2po.cli.sweep_again import CPUS_PER_RUN, command_to_continue
from r2po.cli.track_option import add_track_option
from r2po.errors import InputError
from r2po.signals import held_back

if TYPE_CHECKING:
    from r2po.llm.ledger import Caps
    from r2po.sweep.plan import SweepRequest
    from r2po.sweep.race import Rule

LOGS = Path("logs")
"""A sweep that is given by its name is looked for here."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.set_defaults(program=parser.prog, when_accepted=None)
    parser.add_argument(
        "config",
        nargs="+",
        type=place,
        metavar="CONFIG",
        help="config files, e.g. configs/nim/*.yaml; or the folder of a sweep, to continue it as it was asked for",
    )
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
    parser.add_argument(
        "--first", nargs="+", type=place, metavar="CONFIG", help="configs of these whose runs are started before others"
    )
    parser.add_argument("--logs", type=place, metavar="DIR", help="put all log directories into this folder")
    parser.add_argument(
        "--name", type=folder_name, help="name of the folder with the manifest (default: derived from the request)"
    )
    parser.add_argument("--max-llm-calls", type=count, metavar="N", help="cap on the calls of all runs together")
    parser.add_argument("--max-tokens", type=count, metavar="N", help="cap on the tokens of all runs together")
    parser.add_argument("--max-cost", type=amount, metavar="X", help="cap on the money that all runs cost together")
    parser.add_argument("--max-cost-each", type=amount, metavar="X", help="cap on the money that each experiment costs")
    parser.add_argument(
        "--approve-cost", type=amount, metavar="X", help="start nothing that may cost more, and stop at that amount"
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="print what the runs to come will take: calls, tokens, money, hours, disk; ask no model, keep nothing",
    )
    parser.add_argument("--json", action="store_true", help="with --dry-run: print it as JSON")
    parser.add_argument(
        "--calls-per-minute", type=amount, metavar="X", help="with --dry-run: the rate that servers allow"
    )
    parser.add_argument(
        "--reply-s", type=amount, metavar="S", help="with --dry-run: seconds of a reply where none is on record"
    )
    parser.add_argument(
        "--worker",
        action="store_true",
        help="be one of several processes, on any machines that see the logs, which divide the runs among them",
    )
    parser.add_argument("--ray", metavar="ADDRESS", help="make the runs on this Ray cluster (auto: a running one)")
    parser.add_argument(
        "--cpus-per-run",
        type=amount,
        default=CPUS_PER_RUN,
        metavar="X",
        help="cores that Ray reserves for one (0.25)",
    )
    parser.add_argument(
        "--race",
        metavar="METRIC:N",
        help="after N seeds, e.g. heldout_reward:5, make no more runs of experiments that are surely not the best",
    )
    parser.add_argument(
        "--hook", metavar="COMMAND", help="run this when all is done, a run has failed or a cap is reached (R2PO_EVENT)"
    )
    batch_options.add(parser)
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")


def add_sweep_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options that ``main.py`` has too."""
    add_plugin_option(parser)
    add_track_option(parser)
    parser.add_argument(
        "--runs", type=count, metavar="N", help=f"runs of each experiment, with seeds 1 to N (sweep: {DEFAULT_RUNS})"
    )
    parser.add_argument(
        "--jobs", type=count, metavar="N", help="runs under way at once (sweep: all that fit in memory)"
    )
    parser.add_argument(
        "--max-outage",
        type=duration,
        metavar="DURATION",
        help="how long a server that is out is waited for, e.g. 30min; 0 for not at all (24h; a single run: 10min)",
    )
    parser.add_argument(
        "--accept-changed-prompts",
        action="store_true",
        help="resume a run although templates or the description of its task have changed since; its log says so",
    )


def run(options: argparse.Namespace) -> int:
    """Run the sweep, or tell what it will take; returns the exit code."""
    _check_options(options)
    with held_back():
        from r2po.config.environ import read_environ
        from r2po.experiment.screen import say
        from r2po.llm.ledger import Caps
        from r2po.sweep.order import chosen_first
        from r2po.sweep.outages import MAX_OUTAGE_S
        from r2po.sweep.race import Rule
        from r2po.sweep.sweep import Sweep, SweepOptions, SweepStopped

    folder = _sweep_folder(options)
    request = _request_of(folder) if folder is not None else _request(options)
    request = replace(request, accept_changed_prompts=options.accept_changed_prompts)
    caps = Caps(options.max_llm_calls, options.max_tokens, options.max_cost)
    rule = None if options.race is None else Rule.parse(options.race)
    first = chosen_first(options.first or (), request.configs)
    if options.dry_run or _must_be_approved(options):
        _foresee(options, request, caps, rule)
    if options.dry_run:
        return 0
    if _must_be_approved(options):  # a forecast may be wrong: no more is spent than was approved
        caps = replace(caps, max_cost=options.approve_cost)
    how = SweepOptions(
        name=options.name if folder is None else folder.resolve().name,
        jobs=options.jobs,
        caps=caps,
        each=Caps(max_cost=options.max_cost_each),
        worker=options.worker,
        ray=options.ray,
        cpus_per_run=options.cpus_per_run,
        quiet=options.quiet,
        max_outage_s=MAX_OUTAGE_S if options.max_outage is None else options.max_outage,
        hook=options.hook,
        race=rule,
        first=first,
        batch=batch_options.terms(options),
        track=options.track,
    )
    sweep: Sweep | None = None

    def again(setting: str = "") -> str:
        assert sweep is not None
        return command_to_continue(options, sweep.manifest.folder, setting, sweep.limits_set)

    def how_to_continue() -> str:
        return f"{batch_options.out(sweep)}; to continue: {again()}" if sweep is not None else " before the sweep began"

    try:
        with told_how_to_continue(how_to_continue):
            environ = read_environ() if options.quiet else read_environ(say)
            sweep = Sweep(request, how, environ)
            if options.when_accepted is not None:
                options.when_accepted()
            if options.cancel_batches:
                batch_options.cancel(sweep)
            else:
                sweep.run()
    except SweepStopped as stop:
        setting = stop.setting
        if _must_be_approved(options):  # that was the cap: a higher --max-cost would not be one
            setting = setting.replace("--max-cost ", "--approve-cost ")
        remedy = f"; raise it with {setting}" if setting else ""
        stop_line = f"{stop}{remedy}{batch_options.out(sweep, surely=True)}"
        raise SweepStopped(f"{stop_line}\nto continue: {again(setting)}") from None
    return 0


def _check_options(options: argparse.Namespace) -> None:
    """Refuse options that exclude each other, and what only a forecast has, without one."""
    batch_options.check(options)
    if options.worker and options.ray is not None:
        raise InputError("--worker and --ray exclude each other: Ray divides the runs by itself")
    if options.worker and options.batch:
        raise InputError("--worker and --batch exclude each other: one process collects the calls of all runs")
    for option in ("--json", "--calls-per-minute", "--reply-s"):
        if vars(options)[option[2:].replace("-", "_")] and not options.dry_run:
            raise InputError(f"{option} is for a forecast: add --dry-run")


def _must_be_approved(options: argparse.Namespace) -> bool:
    """Whether a forecast must say that no more is spent than was approved; a cap says so too."""
    if options.approve_cost is None:
        return False
    return options.max_cost is None or bool(options.max_cost > options.approve_cost)


def _foresee(options: argparse.Namespace, request: SweepRequest, caps: Caps, rule: Rule | None) -> None:
    """Forecast what the runs to come take, print that if it is asked for, and stop if it was not approved."""
    with held_back():
        from r2po.config.environ import read_environ
        from r2po.experiment.screen import say
        from r2po.llm.ledger import Caps
        from r2po.sweep.caps import used_so_far
        from r2po.sweep.forecast.forecast import Terms, forecast
        from r2po.sweep.forecast.report import as_json, check_approved, money, print_forecast
        from r2po.sweep.plan import plan
        from r2po.sweep.racing import Racing

    terms = Terms(options.jobs, options.ray is None, options.calls_per_minute, options.reply_s)
    terms = replace(terms, batch_hours=batch_options.hours(options))
    notes: list[str] = []
    runs = plan(request, notes.append)
    Racing(rule, runs)  # it refuses a rule that does not fit
    found = forecast(runs, terms, read_environ())
    if options.dry_run:
        if options.json:
            sys.stdout.write(json.dumps(as_json(found), indent=1, ensure_ascii=False) + "\n")
        else:
            each = Caps(max_cost=options.max_cost_each)
            used = used_so_far(runs) if replace(caps, max_wall_time_s=None) != Caps() or each != Caps() else {}
            print_forecast(found, caps, each, used)
        for note in dict.fromkeys(notes):  # beside the JSON, not in it
            print(note, file=sys.stderr if options.json else sys.stdout)
    if _must_be_approved(options):
        cost = check_approved(found, options.approve_cost)
        if not options.dry_run and not options.quiet:
            say(f"the runs to come should cost {money(cost)} at most, of {options.approve_cost:g} that are approved")


def without_extras(options: argparse.Namespace) -> argparse.Namespace:
    """Return the options of ``main.py`` as those of a sweep."""
    names = ("seeds", "logs", "name", "max_llm_calls", "max_tokens", "max_cost", "max_cost_each", "ray", "approve_cost")
    more = ("first", "hook", "race", "worker", "dry_run", "json", "calls_per_minute", "reply_s", "batch")
    extras: dict[str, Any] = dict.fromkeys((*names, *more, *batch_options.DETAILS, "when_accepted"))
    return argparse.Namespace(**{**extras, "cpus_per_run": CPUS_PER_RUN, "resend_batch": [], **vars(options)})


def _request(options: argparse.Namespace) -> SweepRequest:
    from r2po.sweep.plan import SweepRequest

    return SweepRequest(options.config, options.overrides, seeds_of(options), options.protocol, options.logs)


def _sweep_folder(options: argparse.Namespace) -> Path | None:
    """Return the folder of the sweep that is to continue; None if configs are given.

    Raises:
        InputError: Something else is given beside it that says what to run.
    """
    from r2po.sweep.manifest import FILE

    places = [place for text in options.config for place in (Path(text), LOGS / text)]
    folders = [place for place in places if (place / FILE).is_file()]
    if not folders:
        missing = next((text for text in options.config if not Path(text).is_file()), None)
        if options.worker and missing is not None:
            remedy = "--worker with configs makes one, as does the same command without --worker"
            raise InputError(f"{missing!r} is neither a config file nor a sweep, which has a {FILE}; {remedy}")
        return None
    given = {"--set": options.overrides, "--runs": options.runs, "--seeds": options.seeds}
    given |= {"--protocol": options.protocol, "--logs": options.logs, "--name": options.name}
    more = [*options.config[1:], *(option for option, value in given.items() if value)]
    if more:
        raise InputError(f"{folders[0]} is a sweep, which says itself what to run; leave out {', '.join(more)}")
    return folders[0]


def _request_of(folder: Path) -> SweepRequest:
    from r2po.sweep.manifest import FILE, read

    request = read(folder).request
    if request is None:
        older = "was written by an older version, which does not say how the sweep was asked for"
        raise InputError(f"{folder / FILE} {older}; give its configs and options again")
    return request
