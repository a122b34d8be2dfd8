"""``r2po serve``: serve a model file on this machine, for runs to use."""

from __future__ import annotations

import argparse
import sys

from r2po.cli.starting import count, place, port
from r2po.signals import held_back


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--model",
        required=True,
        type=place,
        metavar="FILE",
        help="a GGUF file, or smollm2: a model for trials",
    )
    parser.add_argument("--port", type=port, default=0, help="port on 127.0.0.1 (default: a free one)")
    parser.add_argument(
        "--context",
        type=count,
        metavar="TOKENS",
        help="most tokens of a prompt and its reply (default: the model's, but at most 32768)",
    )
    parser.add_argument("--slots", type=count, default=1, help="how many calls it answers at once (default: 1)")
    parser.add_argument("--threads", type=count, help="threads that compute (default: half as many as there are cores)")


def run(options: argparse.Namespace) -> int:
    """Serve until Ctrl-C; returns the exit code."""
    with held_back():
        from r2po.commands.serve import instructions, with_free_name
        from r2po.errors import RunStopped
        from r2po.serving import ServerSettings, find_model, serve
        from r2po.serving.server import CONTEXT, why_it_ended

    model = with_free_name(find_model(options.model))
    settings = ServerSettings(
        model,
        port=options.port,
        context=options.context or CONTEXT,
        slots=options.slots,
        threads=options.threads,
    )
    with serve(settings) as served:
        sys.stdout.write(instructions(model, served))
        sys.stdout.flush()
        raise RunStopped(why_it_ended(served))
