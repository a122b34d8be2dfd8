"""Where runs end before others, the mean over those that are left is of another sample: it stands apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from r2po.analysis.logs.experiments import find_experiments
from r2po.analysis.output.curves import CurvePanel, draw_curves
from r2po.analysis.output.style import paper_style
from r2po.analysis.paper.reward_curves import build_curves
from tests.analysis.made_logs import write_run


class TestWhereRunsEnd:
    """Nine runs near 100, one of 450 that goes on alone: a mean over all would jump from 132 to 450."""

    def panels(self, folder: Path, *, unbroken: bool = False) -> tuple[CurvePanel, str]:
        for number in range(1, 10):
            write_run(folder / "a", number, [100.0 - number] * 3, complete=False, config={"num_iterations": 6})
        write_run(folder / "a", 10, [450.0] * 6)
        (figure,), _ = build_curves("core", find_experiments(folder), as_published=unbroken)
        return figure.panels[0], figure.caption

    def lines(self, panel: CurvePanel) -> list[list[float]]:
        with paper_style():
            axes = draw_curves([panel], "", "").axes[0]
        return [[float(value) for value in np.asarray(line.get_ydata())] for line in axes.lines[:-1]]  # the target

    def test_the_line_ends_where_the_first_run_ends(self, tmp_path: Path) -> None:
        panel, caption = self.panels(tmp_path)
        before, after = self.lines(panel)
        assert before == pytest.approx([130.5] * 3)
        assert after == [450.0] * 3
        assert "ProPS on CartPole: n = 10 up to 22, then 1" in caption
        assert "n = 10 runs" in caption

    def test_so_does_its_band(self, tmp_path: Path) -> None:
        panel, _ = self.panels(tmp_path)
        with paper_style():
            axes = draw_curves([panel], "", "").axes[0]
        (band,) = axes.collections
        (path,) = band.get_paths()
        assert float(np.asarray(path.vertices)[:, 0].max()) == 22
        assert [text.get_text() for text in axes.texts] == ["n = 1"]

    def test_the_published_line_goes_on(self, tmp_path: Path) -> None:
        panel, caption = self.panels(tmp_path, unbroken=True)
        assert self.lines(panel) == [pytest.approx([130.5] * 3 + [450.0] * 3)]
        assert "up to 22" not in caption

    def test_unfinished_runs_are_named(self, tmp_path: Path) -> None:
        _, caption = self.panels(tmp_path)
        assert "9 of 10 of ProPS on CartPole (run_1: 3 of 6 iterations, run_2: 3 of 6 iterations" in caption
        assert ", and 6 more)" in caption
