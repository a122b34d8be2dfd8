"""``main.py`` and ``r2po run``: one experiment from a config file."""

from __future__ import annotations

import argparse
import sys

from r2po.errors import RunStopped


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--config", required=True, metavar="FILE", help="config of the experiment, e.g. one of configs/"
    )
    parser.add_argument(
        "--set",
        dest="overrides",
        action="extend",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="override keys of the config; may be repeated",
    )
    parser.add_argument("--seed", type=_seed, help="seed of the run (default: the config's, else the run's number)")
    parser.add_argument("--protocol", metavar="NAME", help="published or controlled (default: the config's)")
    parser.add_argument(
        "--resume",
        nargs="?",
        const="latest",
        type=_run_number,
        metavar="N",
        help="continue run_N (default: the latest unfinished run) instead of starting a new one",
    )
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="print the resolved config, the first prompt of each role and what to expect; ask no model, keep nothing",
    )


def run(options: argparse.Namespace) -> int:
    """Run the experiment; returns the exit code."""
    from r2po.config import load_config
    from r2po.environ import read_environ
    from r2po.launch import launch
    from r2po.screen import make_screen

    config = load_config(options.config, options.overrides, seed=options.seed, protocol=options.protocol)
    if options.dry_run:
        from r2po.dry_run import preview

        sys.stdout.write(preview(config))
        return 0
    screen = make_screen(quiet=options.quiet)
    try:
        launch(config, options.resume, read_environ(), screen)
    except RunStopped as stop:
        raise RunStopped(f"{stop}; {_how_to_continue(options, screen.run_number)}") from None
    except BaseException as signal:
        # Signals, not errors: those have their own line.
        if not isinstance(signal, Exception) and screen.run_number is not None:
            print(f"stopped; {_how_to_continue(options, screen.run_number)}", file=sys.stderr)  # noqa: T201
        raise
    return 0


def _how_to_continue(options: argparse.Namespace, number: int | None) -> str:
    again = " ".join(f"--set {override}" for override in options.overrides)
    seed = "" if options.seed is None else f" --seed {options.seed}"
    protocol = "" if options.protocol is None else f" --protocol {options.protocol}"
    return f"to continue: --config {options.config} {again}{seed}{protocol} --resume {number}".replace("  ", " ")


def _seed(text: str) -> int:
    return _at_least(0, text)


def _run_number(text: str) -> int:
    return _at_least(1, text)


def _at_least(least: int, text: str) -> int:
    if not text.isdecimal() or int(text) < least:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least {least}")
    return int(text)
