"""``sb3_baselines.py`` and ``r2po sb3_baselines``: Stable-Baselines3 on one environment."""

from __future__ import annotations

import argparse

from r2po.cli.plugin_option import add_plugin_option
from r2po.cli.starting import add_override_option, count, place, told_how_to_continue
from r2po.cli.track_option import add_track_option
from r2po.errors import RunStopped
from r2po.signals import held_back

CONTINUE = "the same command continues: complete trials stay, the interrupted one is done again"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--config",
        required=True,
        type=place,
        metavar="FILE",
        help="config of the suite, e.g. one of configs/sb3_baselines/",
    )
    add_override_option(
        parser, "KEY=VALUE", "override keys of the config, e.g. algorithm_hyperparams.PPO.n_steps=64; may be repeated"
    )
    add_plugin_option(parser)
    add_track_option(parser)
    parser.add_argument("--algorithms", nargs="+", metavar="NAME", help="only these (default: the config's)")
    parser.add_argument(
        "--trials", nargs="+", type=count, metavar="N", help="only these trials, by number from 1 (default: all)"
    )
    parser.add_argument("--protocol", metavar="NAME", help="published or controlled (default: the config's)")
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")


def run(options: argparse.Namespace) -> int:
    """Run what is missing of the suite; returns the exit code."""
    with held_back():
        from r2po.baselines.sb3.config import load_sb3_config
        from r2po.baselines.sb3.screen import make_suite_screen
        from r2po.baselines.sb3.suite import run_suite
        from r2po.config.environ import read_environ

    given = {"algorithms": options.algorithms, "protocol": options.protocol, "track": options.track}
    changes = {key: value for key, value in given.items() if value is not None}
    config = load_sb3_config(options.config, options.overrides, changes=changes)
    try:
        with told_how_to_continue(lambda: f"; {CONTINUE}"):
            run_suite(config, options.trials, make_suite_screen(quiet=options.quiet), read_environ())
    except RunStopped as stop:
        raise RunStopped(f"{stop}; {CONTINUE}") from None
    return 0
