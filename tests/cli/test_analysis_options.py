"""What the options of the analyses offer, before anything of an analysis is loaded, is what there is."""

from __future__ import annotations

import argparse
from importlib import import_module

import pytest

from r2po.analysis.logs.run_data import METRICS
from r2po.analysis.output.tables import SUFFIXES
from r2po.analysis.output.writing import FIGURE_FORMATS
from r2po.analysis.paper.presets import PRESETS
from r2po.cli import COMMANDS, analysis_options, paper_reward_curves

ANALYSES = [name for name in COMMANDS if name.startswith(("eval", "paper_", "tau_c_"))]


def test_choices_are_those_that_there_are() -> None:
    assert analysis_options.METRICS == METRICS
    assert tuple(PRESETS) == analysis_options.PRESETS
    assert set(analysis_options.TABLE_FORMATS) == set(SUFFIXES)
    assert paper_reward_curves.FORMATS == FIGURE_FORMATS


@pytest.mark.parametrize("command", ANALYSES)
def test_every_analysis_can_be_made_as_published(command: str) -> None:
    parser = argparse.ArgumentParser()
    import_module(f"r2po.cli.{command}").add_options(parser)
    needed = ["--logdir", "x"] if command == "eval" else []
    assert parser.parse_args(needed).as_published is False
    assert parser.parse_args([*needed, "--as-published"]).as_published is True
