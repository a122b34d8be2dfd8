"""``main.py`` and ``r2po run``: one experiment from a config file."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from functools import partial

from r2po.cli import sweep
from r2po.cli.plugin_option import load_plugins
from r2po.cli.starting import add_override_option, command_of, count, in_option, place, told_how_to_continue
from r2po.errors import InputError, RunStopped
from r2po.signals import held_back

LATEST = "latest"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.set_defaults(program=parser.prog)
    parser.add_argument(
        "--config",
        required=True,
        nargs="+",
        type=place,
        metavar="FILE",
        help="config of the experiment, e.g. one of configs/; several make a sweep",
    )
    add_override_option(parser, "KEY=VALUE", "override keys of the config; may be repeated")
    parser.add_argument(
        "--seed", type=partial(count, least=0), help="seed of the run (default: the config's, else the run's number)"
    )
    parser.add_argument("--protocol", metavar="NAME", help="published or controlled (default: the config's)")
    start = parser.add_mutually_exclusive_group()
    start.add_argument("--fresh", action="store_true", help="start a new run even if the config has resume_run")
    start.add_argument(
        "--resume",
        nargs="?",
        const=LATEST,
        type=_run_number,
        metavar="N",
        help="continue run_N (default: the latest unfinished run) instead of starting a new one",
    )
    sweep.add_sweep_options(parser)
    parser.add_argument(
        "--replay-by-position",
        action="store_true",
        help="with llm_model_name=replay/<run dir>: continue where prompts differ from the recorded ones",
    )
    parser.add_argument("--list", action=_List, help="list environments, methods, policies, models and configs")
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="print the resolved config, the first prompt of each role and what to expect (of several runs, what "
        "they will take); ask no model, keep nothing",
    )


def run(options: argparse.Namespace) -> int:
    """Run the experiment, or a sweep if there are to be several runs; returns the exit code."""
    if len(options.config) > 1 or options.runs is not None or options.jobs is not None:
        _check_sweep(options)
        return sweep.run(sweep.without_extras(options))
    options.config = options.config[0]
    with held_back():
        from r2po.config import load_config
        from r2po.config.environ import read_environ
        from r2po.experiment.launch import launch
        from r2po.experiment.live_view import LiveView
        from r2po.experiment.screen import Lines, Screen
        from r2po.llm.budget import CapReached
        from r2po.llm.outage_gate import MAX_OUTAGE_S
        from r2po.llm.providers.replay import BY_POSITION, WHOLE
        from r2po.trackers import known_trackers

    screen = Screen() if options.quiet else LiveView() if sys.stdout.isatty() else Lines()
    config = load_config(
        options.config, options.overrides, seed=options.seed, protocol=options.protocol, note=screen.note
    )
    if options.fresh:
        config = config.model_copy(update={"resume_run": None})
    if options.track is not None:
        config = config.model_copy(update={"track": known_trackers(options.track)})
    if options.dry_run:
        from r2po.commands.dry_run import preview

        sys.stdout.write(preview(config, read_environ()))
        return 0

    def how_to_continue() -> str:
        return _how_to_continue(options, screen.run_number)

    try:
        with told_how_to_continue(lambda: f"; {how_to_continue()}" if screen.run_number else " before the run began"):
            launch(
                config,
                options.resume,
                read_environ(screen.note),
                screen,
                replay_by_position=options.replay_by_position,
                accept_changed_prompts=options.accept_changed_prompts,
                max_outage_s=MAX_OUTAGE_S if options.max_outage is None else options.max_outage,
            )
    except CapReached as stop:
        key = stop.setting.partition("=")[0]
        options.overrides = [text for text in options.overrides if text.partition("=")[0].strip() != key]
        options.overrides.append(stop.setting)
        raise RunStopped(f"{stop}; {stop.remedy} {how_to_continue()}") from None
    except RunStopped as stop:
        if WHOLE in str(stop):
            raise
        # Without it, the command would come to the same end.
        options.replay_by_position |= BY_POSITION in str(stop)
        raise RunStopped(f"{stop}; {how_to_continue()}") from None
    return 0


def _check_sweep(options: argparse.Namespace) -> None:
    """Refuse what makes sense for a single run only."""
    for option in ("--seed", "--resume", "--fresh", "--replay-by-position"):
        value = vars(options)[option[2:].replace("-", "_")]
        if value is not None and value is not False:
            raise InputError(f"{option} is for a single run; several configs, --runs and --jobs make a sweep")


class _List(argparse.Action):
    """Prints the tables of ``r2po list`` and ends, as ``--help`` does."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str) -> None:  # noqa: A002 - argparse's name
        super().__init__(option_strings, dest, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, *_: object) -> None:
        """Print and end, with the plugins that are named before it."""
        from r2po.cli.list import print_tables

        load_plugins(namespace)
        print_tables()
        parser.exit()


def _how_to_continue(options: argparse.Namespace, number: int | None) -> str:
    command = [*command_of(options.program), "--config", options.config]
    for plugin in options.plugins:
        command += ["--plugin", plugin]
    if options.overrides:
        command += ["--set", *options.overrides]
    if options.track:
        command += ["--track", *options.track]
    if options.seed is not None:
        command += ["--seed", str(options.seed)]
    if options.protocol is not None:
        command += ["--protocol", options.protocol]
    if options.replay_by_position:
        command.append("--replay-by-position")
    if options.max_outage is not None:
        command += ["--max-outage", in_option(options.max_outage)]
    if options.accept_changed_prompts:
        command.append("--accept-changed-prompts")
    return f"to continue: {shlex.join([*command, '--resume', str(number)])}"


def _run_number(text: str) -> int | str:
    return text if text == LATEST else count(text)
