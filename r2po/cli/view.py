"""``r2po view``: the runs under a folder in a browser, while they go on."""

from __future__ import annotations

import argparse

from r2po.cli.plugin_option import add_plugin_option
from r2po.cli.run_options import add_motion
from r2po.cli.starting import place, port
from r2po.signals import held_back


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_plugin_option(parser)
    parser.add_argument("logs", type=place, metavar="LOGS", help="folder of logs, e.g. logs")
    parser.add_argument("--port", type=port, default=0, help="port on 127.0.0.1 (default: a free one)")
    add_motion(parser, "rolling out again may take, for each run that is opened")


def run(options: argparse.Namespace) -> int:
    """Serve until Ctrl-C."""
    with held_back():
        from r2po.report.blocks import Wanted
        from r2po.view.finding import open_logs
        from r2po.view.serving import serve

    root = open_logs(options.logs)
    serve(root, options.port, Wanted(options.motion, options.motion_s), _tell)
    return 0


def _tell(address: str) -> None:
    print(f"Open this address in a browser on this machine; who knows it can read these logs:\n{address}")  # noqa: T201
    print("Ctrl-C ends the server.", flush=True)  # noqa: T201
