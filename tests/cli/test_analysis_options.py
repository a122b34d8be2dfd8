"""What the options of the analyses offer, before anything of an analysis is loaded, is what there is."""

from __future__ import annotations

from r2po.analysis.logs.run_data import METRICS
from r2po.analysis.output.tables import SUFFIXES
from r2po.analysis.output.writing import FIGURE_FORMATS
from r2po.analysis.paper.presets import PRESETS
from r2po.cli import analysis_options, paper_reward_curves


def test_choices_are_those_that_there_are() -> None:
    assert analysis_options.METRICS == METRICS
    assert tuple(PRESETS) == analysis_options.PRESETS
    assert set(analysis_options.TABLE_FORMATS) == set(SUFFIXES)
    assert paper_reward_curves.FORMATS == FIGURE_FORMATS
