"""Reward curves, comparisons, the sensitivity to tau_c, and the evaluation of everything."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_hex

from r2po.analysis.evaluation.evaluate_all import evaluate_all
from r2po.analysis.logs.built_in import BUILT_IN
from r2po.analysis.logs.comparable import choose
from r2po.analysis.logs.experiments import find_experiments
from r2po.analysis.output.curves import default_layout, draw_curves
from r2po.analysis.output.style import paper_style
from r2po.analysis.output.tables import to_csv
from r2po.analysis.paper.reward_curves import build_curves
from r2po.analysis.paper.tau_c import build_published_tau_c_table, build_tau_c_table
from r2po.analysis.published import published_tau_c
from r2po.cli import main
from r2po.errors import InputError
from tests.analysis.made_logs import write_run
from tests.analysis.published_format import folder_name, write_published_run


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    root = tmp_path / "logs"
    for environment in ("nim", "cartpole"):
        for method in ("props", "r2po"):
            for number, rewards in enumerate(([1.0, 2.0, 5.0], [3.0, 4.0, 9.0]), 1):
                write_published_run(root / folder_name(environment, method), number, rewards, method=method)
    return root


def test_lines_are_means_on_a_common_grid(logs: Path) -> None:
    (figure,), lines = build_curves("core", find_experiments(logs))
    assert lines == []
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
    assert "n = 1 for SB3 on Nim" in figure.caption
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


class TestComparison:
    def test_files(self, logs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        folders = [str(logs / folder_name("nim", method)) for method in ("props", "r2po")]
        out = tmp_path / "compared"
        assert main(["eval", "--logdir", *folders, "--labels", "A", "B", "--compare-output", str(out)]) == 0
        assert f"comparison: {out}" in capsys.readouterr().out
        assert {path.name for path in out.iterdir()} == {
            "comparison_training_curve.png",
            "comparison_training_curve.pdf",
            "comparison_summary.json",
        }
        first, second = json.loads((out / "comparison_summary.json").read_text())["experiments"]
        assert (first["label"], second["label"]) == ("A", "B")
        assert first["mean_reward_mean"] == pytest.approx((8 / 3 + 16 / 3) / 2)
        assert second["method"] == ["r2po"]

    def test_one_log_directory_is_not_compared(self, logs: Path, tmp_path: Path) -> None:
        out = tmp_path / "compared"
        assert main(["eval", "--logdir", str(logs / "nim_props"), "--compare-output", str(out)]) == 0
        assert not out.exists()

    def test_alike_names_are_told_apart(self, logs: Path, tmp_path: Path) -> None:
        write_published_run(logs / "deeper" / "nim_props", 1, [1.0])
        folders = [str(logs / "nim_props"), str(logs / "deeper" / "nim_props")]
        assert main(["eval", "--logdir", *folders, "--compare-output", str(tmp_path / "c")]) == 0
        entries = json.loads((tmp_path / "c" / "comparison_summary.json").read_text())["experiments"]
        assert len({entry["label"] for entry in entries}) == 2


class TestEvaluateAll:
    def test_reports(self, logs: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (logs / "maze_props" / "run_1").mkdir(parents=True)
        assert main(["eval_all_results", "--logs-root", str(logs)]) == 0
        output = capsys.readouterr()
        assert len(output.out.splitlines()) == 4
        assert "R2PO on Nim: 2 runs: mean 4.00 ± 1.89, best 7.00 ± 2.83, final 7.00 ± 2.83" in output.out
        assert f"warning: {logs / 'maze_props'}: left out: run_1: it has no run.yaml" in output.err
        summary = json.loads((logs / "nim_props" / "eval_report" / "summary.json").read_text())
        assert summary["num_runs"] == 2
        assert (logs / "nim_props" / "run_1" / "eval_report" / "training_curve.png").exists()

    def test_only_some(self, logs: Path) -> None:
        evaluations = evaluate_all(logs, None, ["nim"], ["props"])
        assert [each.line.partition(":")[0] for each in evaluations] == ["ProPS on Nim"]
        assert not (logs / "nim_props").parent.joinpath("cartpole_props", "eval_report").exists()

    def test_many_runs_get_no_single_figures_unless_asked(self, logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("r2po.analysis.evaluation.evaluate_all.MANY_RUNS", 3)
        *_, note = evaluate_all(logs, None, ["nim"])
        assert "figures of the 4 single runs are left out" in note.line
        run = logs / "nim_props" / "run_1" / "eval_report"
        assert {path.name for path in run.iterdir()} == {"summary.json", "summary.txt"}
        assert (logs / "nim_props" / "eval_report" / "training_curve.png").exists()
        evaluate_all(logs, None, ["nim"], ["props"], figures="all")
        assert (run / "reward_distribution.png").exists()

    def test_nothing_there(self, tmp_path: Path) -> None:
        (only,) = evaluate_all(tmp_path, None)
        assert "no log directory" in only.line

    def test_baselines_without_iterations(self, tmp_path: Path) -> None:
        folder = tmp_path / "nim_sb3" / "ppo"
        folder.mkdir(parents=True)
        (folder / "summary.json").write_text(json.dumps({"per_run_summaries": [{"best_reward": 1.0}]}))
        (only,) = evaluate_all(tmp_path, None)
        assert only.line.startswith("SB3-PPO on Nim: 1 run: best 1.00 ± 0.00")
        text = (folder / "eval_report" / "summary.txt").read_text()
        assert "no figures: the iterations are not logged" in text


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
        assert "n = 2 runs on a common grid" in figures[1].caption

    def test_another_word_is_refused(self, logs: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["paper_reward_curves", "--logs-root", str(logs), "--layout", "per-envs"]) == 2
        assert capsys.readouterr().err.endswith("(did you mean 'per-env'?)\n")


class TestTauC:
    def test_reports_are_made_anew_on_request(self, logs: Path, tmp_path: Path) -> None:
        options = ["tau_c_sensitivity_results", "--logs-root", str(logs), "--output-dir", str(tmp_path / "out")]
        report = logs / folder_name("cartpole", "r2po") / "eval_report" / "summary.json"
        assert main(options) == 0
        assert not report.exists()
        report.parent.mkdir()
        report.write_text("{}")
        assert main([*options, "--reanalyze"]) == 0
        assert json.loads(report.read_text())["best_reward_mean"] == 7.0
        assert not (logs / folder_name("cartpole", "props") / "eval_report").exists()
        assert main([*options, "--reanalyze", "--from-published"]) == 2

    def test_settings_of_both_formats(self, tmp_path: Path) -> None:
        write_published_run(tmp_path / "cartpole_tau_c_sensitivity_half", 1, [3.0], method="r2po")
        write_published_run(tmp_path / "cartpole_reflective_prompted_policy_optimization", 1, [5.0], method="r2po")
        table, _ = build_tau_c_table(find_experiments(tmp_path))
        lines = to_csv(table).splitlines()
        assert "cartpole,default,480,1,5.00 ± 0.00,5.00 ± 0.00,5.00 ± 0.00," in lines
        assert "cartpole,half,240,1,3.00 ± 0.00,3.00 ± 0.00,3.00 ± 0.00," in lines
        assert "pong,none,,no runs,,,," in lines

    def test_the_default_is_the_main_experiment(self, tmp_path: Path) -> None:
        study, main_one = tmp_path / "pong_tau_c_sensitivity_default", tmp_path / folder_name("pong", "r2po")
        for number in (1, 2):
            write_published_run(study, number, [1.0], method="r2po")
        table, lines = build_tau_c_table(find_experiments(tmp_path))
        assert "pong,default,2.8,2,1.00 ± 0.00,1.00 ± 0.00,1.00 ± 0.00," in to_csv(table).splitlines()
        assert lines == []
        write_published_run(main_one, 1, [2.0], method="r2po")
        table, lines = build_tau_c_table(find_experiments(tmp_path))
        assert "pong,default,2.8,1,2.00 ± 0.00,2.00 ± 0.00,2.00 ± 0.00," in to_csv(table).splitlines()
        assert lines == [f"{study}: left out, {main_one} is tau_c default too"]

    def test_the_words_of_our_study_make_no_other_setting(self, tmp_path: Path) -> None:
        """The main experiment, and the study's three: in the tables of methods, only the main one."""
        settings = {"main": 480.0, "default": 480.0, "half": 240.0, "none": None}
        for number, (name, tau_c) in enumerate(settings.items(), 1):
            rule = None if name == "main" else "order"
            config = {"method": "r2po", "critic_llm_conservative_threshold": tau_c, "revision_rule": rule}
            for run in (1, 2) if name == "default" else (1,):
                write_run(tmp_path / name, run, [float(number)], config=config, heldout=None)
        experiments = find_experiments(tmp_path)
        table, lines = build_tau_c_table(experiments)
        cells = [line.split(",")[1:5] for line in to_csv(table).splitlines() if line.startswith("cartpole")]
        assert cells == [
            ["default", "480", "1", "1.00 ± 0.00"],
            ["half", "240", "1", "3.00 ± 0.00"],
            ["none", "", "1", "4.00 ± 0.00"],
        ]
        assert lines == [f"{tmp_path / 'default'}: left out, {tmp_path / 'main'} is tau_c default too"]
        chosen, remarks = choose(experiments)
        assert [each.path.name for each in chosen] == ["main"]
        assert remarks == []

    def test_ours(self, tmp_path: Path) -> None:
        for number, tau_c in enumerate((480.0, 240.0, None, 100.0), 1):
            config = {"method": "r2po", "critic_llm_conservative_threshold": tau_c}
            write_run(tmp_path / "a", number, [float(number)], config=config, heldout=2.0)
        table, _ = build_tau_c_table(find_experiments(tmp_path))
        cells = [line.split(",")[1:5] for line in to_csv(table).splitlines() if line.startswith("cartpole")]
        assert cells == [
            ["default", "480", "1", "1.00 ± 0.00"],
            ["half", "240", "1", "2.00 ± 0.00"],
            ["none", "", "1", "3.00 ± 0.00"],
            ["100", "100", "1", "4.00 ± 0.00"],
        ]

    def test_published(self, tmp_path: Path) -> None:
        text = to_csv(build_published_tau_c_table())
        for figure in published_tau_c().values():
            assert f"{figure.mean:.2f} ± {figure.std:.2f}" in text
        assert main(["tau_c_sensitivity_results", "--from-published", "--output-dir", str(tmp_path)]) == 0
        assert (tmp_path / "tau_c_sensitivity.csv").read_text() == text

    def test_reference(self, tmp_path: Path) -> None:
        write_published_run(tmp_path / "pong_tau_c_sensitivity_none", 1, [2.0], method="r2po")
        table, _ = build_tau_c_table(find_experiments(tmp_path), with_reference=True)
        assert "2.00 ± 0.00; published 2.40 ± 0.59; z = -2.14" in to_csv(table)
