"""Options of the commands that start from config files."""

from __future__ import annotations

import argparse


def add_override_option(parser: argparse.ArgumentParser, metavar: str, text: str) -> None:
    """Declare ``--set``, which overrides keys of the config."""
    parser.add_argument("--set", dest="overrides", action="extend", nargs="+", default=[], metavar=metavar, help=text)
