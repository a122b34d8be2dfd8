"""R2PO's sensitivity to tau_c, from logs of both formats and from the published figures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from r2po.analysis.logs.comparable import choose
from r2po.analysis.logs.experiments import find_experiments
from r2po.analysis.output.tables import to_csv
from r2po.analysis.paper.tau_c import build_published_tau_c_table, build_tau_c_table
from r2po.analysis.published import published_tau_c
from r2po.cli import main
from tests.analysis.made_logs import write_run
from tests.analysis.published_format import folder_name, write_published_run, write_two_methods


def test_settings_of_both_formats(tmp_path: Path) -> None:
    write_published_run(tmp_path / "cartpole_tau_c_sensitivity_half", 1, [3.0], method="r2po")
    write_published_run(tmp_path / "cartpole_reflective_prompted_policy_optimization", 1, [5.0], method="r2po")
    table, _ = build_tau_c_table(find_experiments(tmp_path))
    lines = to_csv(table).splitlines()
    assert "cartpole,default,480,1,5.00 ± 0.00,5.00 ± 0.00,5.00 ± 0.00," in lines
    assert "cartpole,half,240,1,3.00 ± 0.00,3.00 ± 0.00,3.00 ± 0.00," in lines
    assert "pong,none,,no runs,,,," in lines


def test_the_default_is_the_main_experiment(tmp_path: Path) -> None:
    study, main_one = tmp_path / "pong_tau_c_sensitivity_default", tmp_path / folder_name("pong", "r2po")
    for number in (1, 2):
        write_published_run(study, number, [1.0], method="r2po")
    table, lines = build_tau_c_table(find_experiments(tmp_path))
    assert "pong,default,2.8,2,1.00 ± 0.00,1.00 ± 0.00,1.00 ± 0.00," in to_csv(table).splitlines()
    (biased,) = lines
    assert f"run `r2po reevaluate {study}`" in biased
    write_published_run(main_one, 1, [2.0], method="r2po")
    table, lines = build_tau_c_table(find_experiments(tmp_path), as_published=True)
    assert "pong,default,2.8,1,2.00 ± 0.00,2.00 ± 0.00,2.00 ± 0.00," in to_csv(table).splitlines()
    assert lines == [f"{study}: left out, {main_one} is tau_c default too"]


def test_the_words_of_our_study_make_no_other_setting(tmp_path: Path) -> None:
    """The main experiment, and the study's three: in the tables of methods, only the main one."""
    settings = {"main": 480.0, "default": 480.0, "half": 240.0, "none": None}
    for number, (name, tau_c) in enumerate(settings.items(), 1):
        rule = None if name == "main" else "order"
        config = {"method": "r2po", "critic_llm_conservative_threshold": tau_c, "revision_rule": rule}
        for run in (1, 2) if name == "default" else (1,):
            write_run(tmp_path / name, run, [float(number)], config=config, heldout=None)
    experiments = find_experiments(tmp_path)
    table, lines = build_tau_c_table(experiments, as_published=True)
    cells = [line.split(",")[1:5] for line in to_csv(table).splitlines() if line.startswith("cartpole")]
    assert cells == [
        ["default", "480", "1", "1.00 ± 0.00"],
        ["half", "240", "1", "3.00 ± 0.00"],
        ["none", "", "1", "4.00 ± 0.00"],
    ]
    (line,) = lines
    assert line.startswith(f"{tmp_path / 'default'}: left out, {tmp_path / 'main'} is tau_c default too, with other ")
    assert "revision_rule" in line
    chosen, remarks = choose(experiments)
    assert [each.path.name for each in chosen] == ["main"]
    assert remarks == []


@pytest.mark.usefixtures("blank_figures")
def test_reports_are_made_anew_on_request(tmp_path: Path) -> None:
    logs = write_two_methods(tmp_path / "logs")
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


def test_ours(tmp_path: Path) -> None:
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


def test_published(tmp_path: Path) -> None:
    text = to_csv(build_published_tau_c_table())
    for figure in published_tau_c().values():
        assert f"{figure.mean:.2f} ± {figure.std:.2f}" in text
    assert main(["tau_c_sensitivity_results", "--from-published", "--output-dir", str(tmp_path)]) == 0
    assert (tmp_path / "tau_c_sensitivity.csv").read_text() == text


def test_reference(tmp_path: Path) -> None:
    write_published_run(tmp_path / "pong_tau_c_sensitivity_none", 1, [2.0], method="r2po")
    experiments = find_experiments(tmp_path)
    table, _ = build_tau_c_table(experiments, with_reference=True)
    assert "2.00 ± 0.00; published 2.40 ± 0.59; one run: not tested" in to_csv(table)
    table, _ = build_tau_c_table(experiments, with_reference=True, as_published=True)
    assert "2.00 ± 0.00; published 2.40 ± 0.59; z = -2.14" in to_csv(table)
