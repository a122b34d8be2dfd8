"""Reward curves: means over runs on a common grid, their captions and their files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_hex

from r2po.analysis.logs.built_in import BUILT_IN
from r2po.analysis.logs.experiments import find_experiments
from r2po.analysis.output.curves import default_layout, draw_curves
from r2po.analysis.output.lines import Curve
from r2po.analysis.output.style import paper_style
from r2po.analysis.paper.reward_curves import Plot, build_curves
from r2po.analysis.statistics.align import Series
from r2po.cli import main
from r2po.errors import InputError
from tests.analysis.made_calls import write_calls
from tests.analysis.made_logs import write_run
from tests.analysis.published_format import folder_name, write_published_run, write_two_methods


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    return write_two_methods(tmp_path / "logs")


def test_lines_are_means_on_a_common_grid(logs: Path) -> None:
    (figure,), lines = build_curves("core", find_experiments(logs))
    (biased,) = lines
    assert "rewards of R2PO (mean, final, curves) are logged ones" in biased
    assert "biased upwards; `r2po reevaluate` helps" in figure.caption
    assert build_curves("core", find_experiments(logs), as_published=True)[1] == []
    assert [panel.title for panel in figure.panels] == ["Nim", "CartPole"]
    props, r2po = figure.panels[0].curves
    np.testing.assert_array_equal(props.mean.grid, [13, 16, 19])
    np.testing.assert_array_equal(props.mean.mean, [2.0, 3.0, 7.0])
    np.testing.assert_allclose(r2po.mean.std, np.std([[1, 2, 5], [3, 4, 9]], axis=0, ddof=1))
    with paper_style():
        drawn = draw_curves(figure.panels, figure.title, figure.caption)
    axes = drawn.axes[0]
    assert to_hex(axes.lines[0].get_color()) == BUILT_IN["props"]["style"]["colour"]
    np.testing.assert_array_equal(axes.lines[1].get_ydata(), [2.0, 3.0, 7.0])
    assert len(axes.collections) == 2, "a band for each line"
    caption = drawn.get_supxlabel().replace("\n", " ")
    assert "n = 2 runs" in caption
    assert "± 1 sample standard deviation" in caption
    assert "No runs: ProPS+; SB3." in caption


def test_shifted_episode_counts_do_not_zigzag(tmp_path: Path) -> None:
    """Two runs with constant rewards 0 and 10, reported at different points: the mean is 5 throughout."""
    write_run(tmp_path / "a", 1, [0.0] * 4, warmup=10)
    write_run(tmp_path / "a", 2, [10.0] * 4, warmup=12)
    (figure,), _ = build_curves("core", find_experiments(tmp_path))
    mean = figure.panels[0].curves[0].mean
    assert set(mean.mean) == {5.0}
    assert len(mean.grid) > 4


def test_a_method_that_scatters_does_not_flatten_the_others(logs: Path) -> None:
    for number, offset in enumerate((-1e6, 1e6), 1):
        write_published_run(logs / folder_name("nim", "propsp"), number, [offset + x for x in (1.0, 2.0, 3.0)])
    (figure,), _ = build_curves("core", find_experiments(logs), ["nim"])
    with paper_style():
        (axes,) = draw_curves(figure.panels, "", figure.caption).axes
    low, high = axes.get_ylim()
    assert -10 < low < high < 30


def test_the_best_algorithm_is_drawn_and_named(logs: Path) -> None:
    write_published_run(logs / "nim_sb3" / "ppo", 1, [1.0, 1.0])
    write_published_run(logs / "nim_sb3" / "a2c", 1, [2.0, 2.0])
    (figure,), _ = build_curves("core", find_experiments(logs), ["nim"])
    assert "SB3 is the one with the best mean reward: SB3-A2C on Nim." in figure.caption
    assert "n = 1 † for SB3 on Nim" in figure.caption
    (figure,), _ = build_curves("variants", find_experiments(logs), ["nim"])
    assert "BestBaseline is the one with the best mean reward: ProPS on Nim." in figure.caption


@pytest.mark.parametrize("panels", range(1, 13))
def test_default_layout_holds_all(panels: int) -> None:
    rows, columns = default_layout(panels)
    assert rows * columns >= panels > (rows - 1) * columns
    assert columns <= 3


def test_command(logs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "new" / "curves.png"
    arguments = ["paper_reward_curves", "--logs-root", str(logs), "--output", str(output)]
    assert main([*arguments, "--formats", "pdf", "svg", "--envs", "CartPole", "nim", "--layout", "1x2"]) == 0
    assert {path.name for path in output.parent.iterdir()} == {"curves.png", "curves.pdf", "curves.svg"}
    capsys.readouterr()
    for wrong, message in (
        (["--layout", "1x1"], "--layout 1x1 has no room for 2 panels"),
        (["--layout", "2by1"], "expected all-in-one, per-env or ROWSxCOLUMNS"),
        (["--envs", "nimm"], "did you mean 'nim'"),
        (["--output", "curves.gif"], "expected .png, .pdf or .svg"),
    ):
        assert main([*arguments, *wrong]) == 2
        assert message in capsys.readouterr().err


def test_models_have_figures_of_their_own(logs: Path, tmp_path: Path) -> None:
    write_run(logs / "mine", 1, [9.0], description={"stand_in": True})
    assert main(["paper_reward_curves", "--logs-root", str(logs), "--output", str(tmp_path / "c.png")]) == 0
    names = sorted(path.name for path in tmp_path.glob("c*.png"))
    assert len(names) == 2
    assert any("no_language_model" in name for name in names)


def test_nothing_to_draw_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing to draw"):
        build_curves("core", find_experiments(tmp_path))


class TestLayout:
    def draw(self, logs: Path, folder: Path, *options: str) -> set[str]:
        out = ["--logs-root", str(logs), "--output", str(folder / "curves.svg")]
        assert main(["paper_reward_curves", *out, *options]) == 0
        return {path.name for path in folder.iterdir()}

    def test_all_in_one_is_one_figure(self, logs: Path, tmp_path: Path) -> None:
        (tmp_path / "a").mkdir()
        (tmp_path / "b").mkdir()
        assert self.draw(logs, tmp_path / "a", "--layout", "all-in-one") == {"curves.svg"}
        assert self.draw(logs, tmp_path / "b") == {"curves.svg"}

    def test_every_environment_may_have_a_file(
        self, logs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        folder = tmp_path / "out"
        folder.mkdir()
        assert self.draw(logs, folder, "--layout", "per-env") == {"curves_nim.svg", "curves_cartpole.svg"}
        assert self.draw(logs, folder, "--layout", "per-env", "--envs", "nim", "pong", "--formats", "pdf") == {
            "curves_nim.svg",
            "curves_nim.pdf",
            "curves_cartpole.svg",
        }
        assert "warning: Pong: no runs, no figure" in capsys.readouterr().err

    def test_with_several_models_the_files_name_them_too(self, logs: Path, tmp_path: Path) -> None:
        for number in (1, 2):
            write_run(logs / "mine", number, [1.0])
        folder = tmp_path / "out"
        folder.mkdir()
        published = "logs_of_the_published_code"
        assert self.draw(logs, folder, "--layout", "per-env") == {
            f"curves_nim_{published}.svg",
            f"curves_cartpole_{published}.svg",
            "curves_cartpole_ollama_some_model_published_protocol.svg",
        }

    def test_each_figure_speaks_of_its_environment_alone(self, logs: Path) -> None:
        write_published_run(logs / folder_name("nim", "props"), 3, [1.0, 2.0, 5.0])
        figures, _ = build_curves("core", find_experiments(logs), apart=True)
        assert [(each.environment, [panel.title for panel in each.panels]) for each in figures] == [
            ("nim", ["Nim"]),
            ("cartpole", ["CartPole"]),
        ]
        assert "CartPole" not in figures[0].caption
        assert "n = 2 runs † on a common grid" in figures[1].caption

    def test_another_word_is_refused(self, logs: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["paper_reward_curves", "--logs-root", str(logs), "--layout", "per-envs"]) == 2
        assert capsys.readouterr().err.endswith("(did you mean 'per-env'?)\n")


@pytest.mark.parametrize("seed", range(5))
def test_no_line_jumps_for_its_sample(seed: int) -> None:
    """Runs at constant levels that end at random: whatever is drawn as one line is one level."""
    rng = np.random.default_rng(seed)
    series = [Series(np.arange(1, 2 + rng.integers(60)), np.array([]), carried=False) for _ in range(8)]
    series = [replace(each, values=np.full(len(each.at), rng.normal(0, 100))) for each in series]
    curve = Curve("", BUILT_IN["props"]["style"], [], series)
    for part in curve.shown:
        np.testing.assert_allclose(part.mean, part.mean[0])
        assert len(set(part.count)) == 1


class TestAxis:
    @pytest.fixture
    def runs(self, tmp_path: Path) -> Path:
        for number, rewards in enumerate(([1.0, 3.0, 2.0], [5.0, 3.0, 4.0]), 1):
            run = write_run(tmp_path / "a", number, rewards, config={"prices": {"input": 1.0, "output": 1.0}})
            write_calls(run, [(each, "search", 400_000, 100_000) for each in (1, 2, 3)])
        about = {"model": "none"}
        write_run(tmp_path / "b", 1, [4.0, 6.0], config={"method": "random_search"}, description=about)
        return tmp_path

    def figure(self, runs: Path, plot: Plot) -> tuple[dict[str, Curve], str]:
        (figure,), _ = build_curves("search", find_experiments(runs), plot=plot)
        return {curve.label: curve for curve in figure.panels[0].curves}, figure.caption

    @pytest.mark.parametrize(
        ("axis", "grid"),
        [("episodes", [14, 18, 22]), ("steps", [100, 200, 300]), ("calls", [2, 4, 6]), ("money", [0.5, 1.0, 1.5])],
    )
    def test_what_was_spent(self, axis: str, grid: list[float], runs: Path) -> None:
        curves, _ = self.figure(runs, Plot(axis))
        np.testing.assert_allclose(curves["ProPS"].mean.grid, grid)
        np.testing.assert_array_equal(curves["ProPS"].mean.mean, [3.0, 3.0, 3.0])

    def test_the_incumbent(self, runs: Path) -> None:
        curves, caption = self.figure(runs, Plot(incumbent=True))
        np.testing.assert_array_equal(curves["ProPS"].mean.mean, [3.0, 4.0, 4.0])
        assert "(the logged reward, a largest noisy mean, which flatters" in caption

    def test_methods_without_a_model_are_a_level(self, runs: Path) -> None:
        curves, caption = self.figure(runs, Plot("tokens"))
        level = curves["Random search (no tokens)"]
        assert level.is_free
        assert level.mean.mean[-1] == 6.0
        assert "Level lines: what methods that ask no model reach at their end, for none of it." in caption

    def test_what_is_not_on_record_is_named(self, runs: Path) -> None:
        (runs / "a" / "run_2" / "llm_calls.jsonl").unlink()
        curves, caption = self.figure(runs, Plot("tokens"))
        assert len(curves["ProPS"].runs) == 1
        assert "No tokens on record: 1 of 2 runs of ProPS on CartPole (" in caption

    @pytest.mark.parametrize("axis", ["calls", "money"])
    def test_command(self, axis: str, runs: Path, tmp_path: Path) -> None:
        arguments = ["--logs-root", str(runs), "--output", str(tmp_path / "c.svg"), "--preset", "search"]
        assert main(["paper_reward_curves", *arguments, "--axis", axis, "--value", "incumbent"]) == 0
        assert (tmp_path / "c.svg").stat().st_size > 0
