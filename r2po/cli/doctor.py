"""``r2po doctor``: check a model, or the wall around code that a model writes, before a run depends on it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from itertools import chain
from typing import TYPE_CHECKING

from r2po.cli.plugin_option import add_plugin_option
from r2po.cli.starting import place
from r2po.errors import InputError

if TYPE_CHECKING:
    from r2po.commands.doctor import Finding


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_plugin_option(parser)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--model", metavar="NAME", help="the model, as llm_model_name in a config")
    which.add_argument("--config", type=place, metavar="FILE", help="the models of a config, with their settings")
    which.add_argument(
        "--isolation", action="store_true", help="the wall around policies written as code: try hostile ones"
    )


def run(options: argparse.Namespace) -> int:
    """Print what is found; without a model, which keys are set. Returns 2 if something must be changed."""
    failed = False
    for finding in _findings(options):
        _say(finding)
        failed |= finding.verdict == "FAILED"
    return 2 if failed else 0


def _findings(options: argparse.Namespace) -> Iterable[Finding]:
    if options.isolation:
        from r2po.commands.isolation import examine_isolation

        return examine_isolation()
    from r2po.commands.doctor import Finding, Patient, examine_all, examine_prices, list_keys
    from r2po.config import load_config
    from r2po.config.environ import read_environ
    from r2po.llm.types import CRITIC

    environ = read_environ(lambda text: _say(Finding("note", ".env", text)))
    if options.config is not None:
        config = load_config(options.config)
        if config.llm_model_name is None:
            raise InputError(f"{options.config}: method {config.method!r} asks no model, so there is none to check")
        critic = config.for_role(CRITIC)
        models = [config] if critic is config else [config, critic]
        patients = [
            Patient(
                str(each.llm_model_name),
                environ,
                each.sampling,
                each.llm_timeout_s,
                each.num_ctx,
                each.base_url,
                each.streaming,
                each.llm_idle_timeout_s,
            )
            for each in models
        ]
        return chain(examine_prices(config), examine_all(patients))
    return list_keys(environ) if options.model is None else examine_all([Patient(options.model, environ)])


def _say(finding: Finding) -> None:
    sys.stdout.write(f"{finding.verdict:<8}{finding.what + ':':<10} {finding.text}\n")
    sys.stdout.flush()
