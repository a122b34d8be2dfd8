"""What figures show, read back from the figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from r2po.analysis.evaluation.figures import api_time, reward_distribution, training_curve
from r2po.analysis.logs.load import load_log_directory
from r2po.analysis.logs.run_data import STAND_IN
from r2po.analysis.output.canvas import DrawPanel, arrange, render
from r2po.analysis.output.curves import CurvePanel, draw_curves
from r2po.analysis.output.lines import Curve
from r2po.analysis.output.panel import Panel
from r2po.analysis.output.style import paper_style
from r2po.methods import METHODS
from tests.analysis.made_logs import iteration, write_lines, write_run

DRAWINGS = (training_curve, reward_distribution, api_time)


def panel(logdir: Path) -> Panel:
    return Panel("some experiment", load_log_directory(logdir).runs)


def line(axes: Axes, label: str) -> Line2D:
    (found,) = [each for each in axes.lines if each.get_label() == label]
    return found


def title(figure: Figure) -> str:
    return figure.get_suptitle()


def caption(figure: Figure) -> str:
    return " ".join(figure.get_supxlabel().split())


def test_training_curve_of_one_run(tmp_path: Path) -> None:
    write_run(tmp_path, 1, [3.0, 1.0, 5.0])
    figure = training_curve(panel(tmp_path))
    (axes,) = figure.axes
    np.testing.assert_array_equal(line(axes, "accepted candidate").get_xydata(), [[14, 3], [18, 1], [22, 5]])
    np.testing.assert_array_equal(line(axes, "best so far").get_xydata(), [[14, 3], [18, 3], [22, 5]])
    assert line(axes, "target 500").get_linestyle() == ":"
    (heldout,) = [each for each in axes.containers if isinstance(each, ErrorbarContainer)]
    np.testing.assert_array_equal(heldout.lines[0].get_xydata(), [[22, 7.5]])
    assert not axes.collections, "a single run has no band"
    assert "One run (run_1, seed 1)" in caption(figure)
    assert "30 fresh episodes" in caption(figure)


def write_revised(
    logdir: Path, number: int, rewards: list[float], method: str = "r2po", *, complete: bool = True
) -> None:
    """Write a run whose proposals all return -1000, except the last, of which the log holds nothing."""
    facts = METHODS.find(method).facts({})
    path = write_run(logdir, number, rewards, description={"method": facts}, complete=complete)
    records = [iteration(i, reward) for i, reward in enumerate(rewards, 1)]
    records[-1] |= {"accepted": 0, "candidates": records[-1]["candidates"][1:]}
    write_lines(path, records)


def test_proposals_stand_behind_the_revised_curve_of_one_run(tmp_path: Path) -> None:
    write_revised(tmp_path, 1, [3.0, 1.0, 5.0])
    figure = training_curve(panel(tmp_path))
    (axes,) = figure.axes
    proposals, curve = line(axes, "proposal"), line(axes, "accepted candidate")
    np.testing.assert_array_equal(proposals.get_xydata(), [[14, -1000], [18, -1000]])
    assert (proposals.get_linestyle(), proposals.get_color()) == ("None", curve.get_color())
    assert proposals.get_zorder() < curve.get_zorder()
    assert (proposals.get_alpha() or 1) < 0.5
    assert "Proposals: their logged rewards, before they were revised." in caption(figure)


def test_proposals_of_several_runs_are_a_faint_mean(tmp_path: Path) -> None:
    write_revised(tmp_path, 1, [3.0, 1.0, 5.0])
    write_revised(tmp_path, 2, [3.0, 1.0, 5.0])
    (axes,) = training_curve(panel(tmp_path)).axes
    np.testing.assert_array_equal(line(axes, "proposal").get_xydata(), [[14, -1000], [18, -1000]])
    assert line(axes, "proposal").get_linestyle() == "-"


def test_proposals_go_on_where_runs_end_before_others(tmp_path: Path) -> None:
    write_revised(tmp_path, 1, [3.0, 1.0, 5.0], complete=False)
    write_revised(tmp_path, 2, [3.0, 1.0, 5.0, 6.0, 7.0])
    (axes,) = training_curve(panel(tmp_path)).axes
    faint = [each for each in axes.lines if each.get_zorder() == line(axes, "proposal").get_zorder()]
    drawn = [each.get_xydata() for each in faint]
    np.testing.assert_array_equal(drawn[0], [[14, -1000], [18, -1000]])
    np.testing.assert_array_equal(drawn[1], [[22, -1000], [26, -1000]])  # run 2 alone
    assert len({each.get_alpha() for each in faint}) == 1
    assert faint[1].get_linewidth() < faint[0].get_linewidth()
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()].count("proposal") == 1


@pytest.mark.parametrize("method", ["props", "pure_search", "promptpo", "cma_es"])
def test_methods_without_a_critic_have_no_proposals(method: str, tmp_path: Path) -> None:
    write_revised(tmp_path, 1, [3.0, 1.0, 5.0], method)
    figure = training_curve(panel(tmp_path))
    assert "proposal" not in {each.get_label() for each in figure.axes[0].lines}
    assert "roposal" not in caption(figure)


def test_a_legend_is_no_wider_than_its_figure(tmp_path: Path) -> None:
    write_revised(tmp_path, 1, [3.0, 1.0, 5.0])
    with paper_style():
        figure = training_curve(panel(tmp_path))
        arrange(figure)
    (axes,) = figure.axes
    assert len(axes.get_legend().get_texts()) == 5  # type: ignore[union-attr]
    assert axes.get_position().width > 0.8, "the legend takes no room from the axes"


def test_training_curve_of_several_runs_states_their_number_and_the_band(tmp_path: Path) -> None:
    write_run(tmp_path, 1, [1.0, 2.0])
    write_run(tmp_path, 2, [3.0, 6.0], heldout=None)
    figure = training_curve(panel(tmp_path))
    (axes,) = figure.axes
    np.testing.assert_array_equal(line(axes, "accepted candidate").get_ydata(), [2.0, 4.0])
    band = axes.collections[0].get_paths()[0].vertices
    spread = 8**0.5  # sample standard deviation of 2 and 6
    assert np.asarray(band)[:, 1].min() == pytest.approx(min(2 - 2**0.5, 4 - spread))
    assert np.asarray(band)[:, 1].max() == pytest.approx(4 + spread)
    assert "Mean of 2 runs †; band: ± 1 sample standard deviation over runs" in caption(figure)
    assert "(1 run)" in caption(figure)


def test_unfinished_runs_are_named(tmp_path: Path) -> None:
    write_run(tmp_path, 1, [1.0, 2.0])
    write_run(tmp_path, 2, [3.0], complete=False, config={"num_iterations": 9})
    for draw in DRAWINGS:
        assert "Unfinished: run_2 (1 of 9 iterations)" in caption(draw(panel(tmp_path)))


@pytest.mark.parametrize("draw", DRAWINGS)
def test_stand_ins_are_marked_in_every_figure(draw: DrawPanel, tmp_path: Path) -> None:
    write_run(tmp_path, 1, [1.0, 2.0])
    assert STAND_IN not in title(draw(panel(tmp_path)))
    write_run(tmp_path, 2, [1.0, 2.0], description={"stand_in": True})
    assert STAND_IN in title(draw(panel(tmp_path)))


def test_distribution_pools_the_returns_of_the_runs(tmp_path: Path) -> None:
    write_run(tmp_path, 1, [10.0, 10.0])
    write_run(tmp_path, 2, [10.0])
    figure = reward_distribution(panel(tmp_path))
    (axes,) = figure.axes
    (boxes,) = [each for each in axes.collections if each.get_label() == "middle half"]
    # Returns 8, 9, 11, 12, twice in iteration 1 and once in iteration 2.
    expected = [np.quantile([8, 8, 9, 9, 11, 11, 12, 12], (0.25, 0.75)), np.quantile([8, 9, 11, 12], (0.25, 0.75))]
    corners = [np.asarray(path.vertices) for path in boxes.get_paths()]
    np.testing.assert_allclose([(box[:, 1].min(), box[:, 1].max()) for box in corners], expected)
    np.testing.assert_allclose([box[:, 0].mean() for box in (each[:4] for each in corners)], [1, 2])
    assert "The 4 to 8 returns" in caption(figure)
    assert "2 runs pooled" in caption(figure)


@pytest.mark.parametrize(("iterations", "width", "boxes"), [(40, 1, 40), (41, 2, 21), (200, 5, 40), (401, 20, 21)])
def test_boxes_of_many_iterations_are_for_several_each(iterations: int, width: int, boxes: int, tmp_path: Path) -> None:
    write_run(tmp_path, 1, [float(number) for number in range(1, iterations + 1)])
    figure = reward_distribution(panel(tmp_path))
    (axes,) = figure.axes
    (drawn,) = [each for each in axes.collections if each.get_label() == "middle half"]
    assert len(drawn.get_paths()) == boxes
    # Rewards are the numbers of the iterations: the mean of a group is its middle.
    full = np.asarray(line(axes, "mean").get_ydata())[: iterations // width]
    np.testing.assert_allclose(np.asarray(line(axes, "mean").get_xdata())[: iterations // width], full)
    assert (f"Each box is for {width} iterations." in caption(figure)) == (width > 1)


@pytest.mark.parametrize("panels", [1, 2, 5])
def test_a_legend_of_long_labels_is_not_cut_off(panels: int, tmp_path: Path) -> None:
    write_run(tmp_path, 1, [1.0, 2.0])
    runs = panel(tmp_path).runs
    about = "R2PO on CartPole, ollama/gpt-oss:20b, published protocol, temperature 0.5"
    labels = [*(f"{number}: {about}" for number in "abcd"), f"a folder (/{'home/somebody/' * 6}logs)"]
    curves = [Curve(label, runs[0].facts["style"], runs) for label in labels]
    with paper_style():
        figure = draw_curves([CurvePanel("CartPole", curves)] * panels, "", "caption")
        figure.draw_without_rendering()
    legends = [*figure.legends, *(axes.get_legend() for axes in figure.axes if axes.get_legend())]
    (extent,) = [legend.get_window_extent() for legend in legends if legend]
    assert figure.bbox.x0 <= extent.x0
    assert extent.x1 <= figure.bbox.x1
    assert extent.y1 <= figure.bbox.y1


@pytest.mark.parametrize("draw", DRAWINGS)
def test_control_characters_of_names_are_drawn_as_codes(draw: DrawPanel, tmp_path: Path) -> None:
    write_run(tmp_path, 1, [1.0, 2.0], description={"model": "a\x1b[2Jb"})
    assert render(draw, panel(tmp_path), ("png",))  # without a warning, which is an error here


def test_distribution_keeps_the_place_of_iterations_that_cannot_be_read(tmp_path: Path) -> None:
    run = write_run(tmp_path, 1, [1.0, 2.0, 3.0])
    damaged = [{**iteration(number, float(number)), "candidates": [{}, {}]} for number in (1, 2)]
    write_lines(run, [*damaged, iteration(3, 3.0)])
    (axes,) = reward_distribution(panel(tmp_path)).axes
    assert axes.get_xlim() == (0, 4)
    assert np.asarray(line(axes, "mean").get_xdata()).tolist() == [3]


def test_model_time_is_shown_per_iteration_and_summed(tmp_path: Path) -> None:
    write_run(tmp_path, 1, [1.0] * 3)
    each, total = api_time(panel(tmp_path)).axes
    np.testing.assert_array_equal(each.lines[0].get_ydata(), [1.0, 2.0, 3.0])
    np.testing.assert_array_equal(total.lines[0].get_ydata(), [1.0, 3.0, 6.0])
    assert total.get_ylabel() == "model time so far (s)"


def test_long_model_times_are_in_minutes(tmp_path: Path) -> None:
    write_run(tmp_path, 1, [1.0] * 100)
    _, total = api_time(panel(tmp_path)).axes
    assert total.lines[0].get_ydata()[-1] == pytest.approx(5050 / 60)  # type: ignore[index]
    assert total.get_ylabel() == "model time so far (min)"


@pytest.mark.parametrize("draw", DRAWINGS)
@pytest.mark.parametrize("iterations", [1, 3])
@pytest.mark.sampled(3)
def test_same_data_give_the_same_bytes(draw: DrawPanel, iterations: int, tmp_path: Path) -> None:
    write_run(tmp_path, 1, [1.0] * iterations, description={"model": "a $ in {a} name_"})
    shown = panel(tmp_path)
    files = render(draw, shown, ("png", "pdf"))
    assert files["png"].startswith(b"\x89PNG")
    assert files["pdf"].startswith(b"%PDF")
    assert b"Software" not in files["png"]
    assert b"CreationDate" not in files["pdf"]
    assert render(draw, shown, ("png", "pdf")) == files


def test_nothing_overlaps_and_nothing_is_cut_off(tmp_path: Path) -> None:
    write_run(tmp_path, 1, [1.0, 400.0, 30.0], description={"stand_in": True})
    write_run(tmp_path, 2, [3.0, 100.0], complete=False, config={"num_iterations": 3})
    for draw in DRAWINGS:
        with paper_style():
            figure = draw(panel(tmp_path))
            arrange(figure)
            figure.draw_without_rendering()
        parts = [text.get_window_extent() for text in figure.texts]
        assert len(parts) == 2, "title and caption"
        for axes in figure.axes:
            legend = axes.get_legend()
            assert legend is None or not legend.get_window_extent().overlaps(axes.get_window_extent())
            tight = axes.get_tightbbox()
            assert tight is not None
            parts.append(tight)
        for index, part in enumerate(parts):
            assert figure.bbox.x0 <= part.x0
            assert part.x1 <= figure.bbox.x1
            assert figure.bbox.y0 <= part.y0
            assert part.y1 <= figure.bbox.y1
            assert not any(part.overlaps(other) for other in parts[:index])
