"""The results tables, from small logs whose figures are known, and from the published figures."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

import pytest
from scipy import stats

from r2po.analysis.logs.built_in import task_facts
from r2po.analysis.logs.experiments import find_experiments
from r2po.analysis.logs.names import method_key
from r2po.analysis.output.scores import Score, difference, reference_lines, z_score
from r2po.analysis.output.tables import Table, to_csv
from r2po.analysis.paper.presets import PRESETS
from r2po.analysis.paper.results_tables import build_published_tables, build_tables
from r2po.analysis.paper.reward_curves import build_curves
from r2po.analysis.paper.validation import Validation
from r2po.analysis.published import published_results
from r2po.cli import main
from tests.analysis.made_logs import write_run
from tests.analysis.published_format import folder_name, write_published_run


def rows(table: Table) -> dict[str, dict[str, str]]:
    return {row["environment"]: row for row in csv.DictReader(to_csv(table).splitlines())}


def best(table: Table, environment: str) -> set[str]:
    (row,) = [cells for cells in table.cells if cells[0].plain == environment]
    return {column for column, cell in zip(table.columns, row, strict=True) if cell.is_best}


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    for method, values in {"props": ([1, 3], [3, 5]), "propsp": ([0, 6], [2, 4]), "r2po": ([4, 4], [4, 5])}.items():
        for number, rewards in enumerate(values, 1):
            write_published_run(tmp_path / folder_name("nim", method), number, rewards, method=method)
    return tmp_path


def tables(root: Path, preset: str = "core", **options: bool | str) -> dict[str, Table]:
    return build_tables(preset, find_experiments(root), Validation(), **options)  # type: ignore[arg-type]


def test_mean_and_sample_standard_deviation(logs: Path) -> None:
    row = rows(tables(logs)["mean_reward"])["nim"]
    assert row["ProPS"] == f"3.00 ± {math.sqrt(2):.2f}"
    assert row["ProPS+"] == "3.00 ± 0.00"
    assert row["R2PO"] == "4.25 ± 0.35"
    assert row["SB3"] == ""
    assert rows(tables(logs)["mean_best_reward"])["nim"]["ProPS+"] == "5.00 ± 1.41"
    assert rows(tables(logs)["mean_final_reward"])["nim"]["ProPS"] == "4.00 ± 1.41"
    assert rows(tables(logs)["heldout"])["nim"]["ProPS"] == ""


def test_heldout_of_our_runs(tmp_path: Path) -> None:
    for number, heldout in enumerate([6.0, 8.0, None], 1):
        write_run(tmp_path / "a", number, [1.0], heldout=heldout)
    table = tables(tmp_path)["heldout"]
    assert rows(table)["cartpole"]["ProPS"] == "7.00 ± 1.41"
    assert any("n = 2 runs" in note for note in table.notes)


def test_the_best_cells_are_marked(logs: Path) -> None:
    assert best(tables(logs)["mean_reward"], "nim") == {"R2PO"}
    assert best(tables(logs)["mean_best_reward"], "nim") == {"ProPS+"}
    assert best(tables(logs)["mean_reward"], "pong") == set()


def test_cells_that_look_equal_are_equally_good(tmp_path: Path) -> None:
    write_published_run(tmp_path / "nim_props", 1, [1.001])
    write_published_run(tmp_path / "nim_propsp", 1, [1.002])
    assert best(tables(tmp_path)["mean_reward"], "nim") == {"ProPS", "ProPS+"}


def test_best_baseline_and_ties(logs: Path) -> None:
    table = tables(logs, "variants")["mean_reward"]
    assert rows(table)["nim"]["BestBaseline"] == "ProPS: 3.00 ± 1.41"
    for number in (1, 2):
        write_published_run(logs / "nim_sb3" / "trpo", number, [3.5])
        write_published_run(logs / "nim_sb3" / "a2c", number, [3.5])
    assert rows(tables(logs, "variants")["mean_reward"])["nim"]["BestBaseline"] == "SB3-A2C: 3.50 ± 0.00"
    assert rows(tables(logs)["mean_reward"])["nim"]["SB3"] == "A2C: 3.50 ± 0.00"


def test_one_run_has_no_spread(tmp_path: Path) -> None:
    write_published_run(tmp_path / "nim_props", 1, [1.0])
    assert rows(tables(tmp_path)["mean_reward"])["nim"]["ProPS"] == "1.00 ± 0.00"


def test_models_and_protocols_have_rows_of_their_own(logs: Path) -> None:
    write_run(logs / "mine", 1, [9.0], config={"gym_env_name": "nim-v0"})
    write_run(logs / "mine", 2, [1.0], config={"gym_env_name": "nim-v0"}, description={"stand_in": True})
    table = tables(logs)["mean_reward"]
    nim = [[cell.text for cell in row] for row in table.cells if row[0].plain == "nim"]
    assert [row[2] for row in nim] == ["3.00 ± 1.41 †", "9.00 ± 0.00 †", "1.00 ± 0.00 †"]
    assert "no language model" in nim[2][1]


def test_numbers_of_runs_are_checked(logs: Path) -> None:
    write_published_run(logs / folder_name("nim", "props"), 3, [100.0, 100.0])
    counted, strict = Validation(2), Validation(2, strict=True)
    experiments = find_experiments(logs)
    assert rows(build_tables("core", experiments, counted)["mean_reward"])["nim"]["ProPS"].startswith("35.33")
    assert rows(build_tables("core", experiments, strict)["mean_reward"])["nim"]["ProPS"] == ""
    nim, pong = task_facts("nim"), task_facts("pong")
    assert (nim, "ProPS", 3, "counted: 2 expected") in counted.rows
    assert (nim, "ProPS", 3, "left out: 2 expected") in strict.rows
    assert (pong, "R2PO", 0, "no runs") in counted.rows
    assert (nim, "ProPS", 0, "no runs") not in strict.rows, "what is left out is reported once"


def test_numbers_of_iterations_are_checked(logs: Path) -> None:
    write_published_run(logs / folder_name("nim", "props"), 3, [100.0])
    experiments = find_experiments(logs)
    expected = {"props": 2, "r2po": 2}
    counted = Validation(expected_iterations=expected)
    strict = Validation(strict=True, expected_iterations=expected)
    assert rows(build_tables("core", experiments, counted)["mean_reward"])["nim"]["ProPS"] != ""
    row = rows(build_tables("core", experiments, strict)["mean_reward"])["nim"]
    assert (row["ProPS"], row["R2PO"] != "") == ("", True)
    nim, text = task_facts("nim"), "2 iterations per run expected, found 1"
    assert (nim, "ProPS", 3, f"counted: {text}") in counted.rows
    assert (nim, "ProPS", 3, f"left out: {text}") in strict.rows
    assert not any(method == "R2PO" and "iterations" in remark for _, method, _, remark in counted.rows)


METHODS_OF_OPTIONS = {
    "--expected-episodes": {"r2po", "reptraj", "three_traj", "always_critic", "pure_search", "actor_second_pass"},
    "--expected-props-episodes": {"props", "propsp"},
    "--expected-critic-only-episodes": {"critic_only"},
    "--expected-sb3-episodes": {"sb3"},
}


@pytest.fixture
def every_method(tmp_path: Path) -> Path:
    """Runs of 100 iterations of every method that is named there, on Nim."""
    for method in (name for names in METHODS_OF_OPTIONS.values() for name in names):
        name = "nim_sb3/ppo" if method == "sb3" else folder_name("nim", method)
        write_published_run(tmp_path / "logs" / name, 1, [1.0] * 100)
    return tmp_path / "logs"


def odd_methods(logs: Path, *options: str) -> dict[str, str]:
    """Return what the command reports of iterations, by method."""
    odd = {}
    for preset in PRESETS:
        out = logs.parent / "out"
        arguments = ["--preset", preset, "--logs-root", str(logs), "--output-dir", str(out), "--formats", "csv"]
        assert main(["paper_results_tables", *arguments, "--envs", "nim", *options]) == 0
        missing = out / f"{preset}_missing.csv"
        for line in missing.read_text().splitlines() if missing.exists() else []:
            if "iterations" in line:
                _, label, _, *remark = line.replace('"', "").split(",")
                odd[method_key(label.removesuffix("-PPO"))] = ",".join(remark)
    return odd


@pytest.mark.parametrize("option", METHODS_OF_OPTIONS)
def test_each_option_is_about_its_methods(option: str, every_method: Path) -> None:
    odd = odd_methods(every_method, option, "7")
    assert set(odd) == METHODS_OF_OPTIONS[option]
    assert set(odd.values()) == {"counted: 7 iterations per run expected, found 100"}
    assert odd_methods(every_method, option, "100") == {}


def test_strict_validation_expects_the_published_numbers(every_method: Path) -> None:
    odd = odd_methods(every_method, "--strict-validation", "--expected-runs", "1", "--expected-props-episodes", "100")
    text = "left out: {} iterations per run expected, found 100"
    assert odd == {"critic_only": text.format(200), "sb3": text.format(190)}


def test_the_published_figures_have_no_iterations(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--from-published", "--expected-sb3-episodes", "190", "--output-dir", str(tmp_path)]
    assert main(["paper_results_tables", *options]) == 2
    assert "--from-published reads no logs: leave out" in capsys.readouterr().err


def test_what_is_left_out_of_one_model_is_still_missing_of_another(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        write_run(tmp_path / "a", number, [1.0], description={"model": "ollama/one"})
    for number in (1, 2):
        changes = {"description": {"model": "ollama/other"}, "config": {"method": "r2po"}}
        write_run(tmp_path / "b", number, [1.0], **changes)  # type: ignore[arg-type]
        write_run(tmp_path / "c", number, [1.0], description={"model": "ollama/one"}, config={"method": "r2po"})
    validation = Validation(2, strict=True)
    build_tables("core", find_experiments(tmp_path), validation, environments=["cartpole"])
    missing = {(method, remark) for _, method, _, remark in validation.rows if method == "ProPS"}
    assert missing == {("ProPS", "left out: 2 expected"), ("ProPS", "no runs (ollama/other, published protocol)")}


def test_published_figures_beside_ours(logs: Path) -> None:
    z = (4.25 - 0.61) / math.sqrt(0.125 / 2 + 0.03**2 / 10)
    p = 2 * stats.t.sf(z, 1)
    row = rows(tables(logs, reference="published")["mean_reward"])["nim"]
    assert row["R2PO"] == f"4.25 ± 0.35; published 0.61 ± 0.03; t = {z:+.2f}, p = {p:.3f}"
    published = rows(tables(logs, reference="published", as_published=True)["mean_reward"])["nim"]
    assert published["R2PO"] == f"4.25 ± 0.35; published 0.61 ± 0.03; z = {z:+.2f}"
    assert row["SB3"] == "published A2C: 0.01 ± 0.32"
    assert "published" not in rows(tables(logs, reference="published")["mean_final_reward"])["nim"]["R2PO"]


def test_the_figures_of_the_props_paper_beside_ours(logs: Path) -> None:
    made = tables(logs, reference="props")
    table = rows(made["mean_best_reward"])
    z = (4.0 - 0.33) / math.sqrt(2 / 2 + 0.29**2 / 10)
    assert table["nim"]["ProPS"].startswith(f"4.00 ± {math.sqrt(2):.2f}; published 0.33 ± 0.29; t = {z:+.2f}, p = ")
    assert table["nim"]["R2PO"] == "4.50 ± 0.71"
    assert table["hopper"] == {
        "environment": "hopper",
        "ProPS": "published 284.16 ± 165.62",
        "ProPS+": "published 356.22 ± 292.35",
        "SB3": "published TRPO: 716.90 ± 385.20",
        "R2PO": "",
    }
    assert {"reacher", "walker2d", "cliffwalking"} < table.keys()
    assert "navigation" not in table
    assert any("2511.21928" in note for note in made["mean_best_reward"].notes)
    assert "published" not in rows(made["mean_reward"])["nim"]["ProPS"]
    assert "There are no published figures of this metric." in made["mean_reward"].notes


def test_the_command_takes_either_paper(logs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = str(logs / "tables")
    options = ["paper_results_tables", "--logs-root", str(logs), "--output-dir", output, "--formats", "csv"]
    for reference, figure in (("published", "0.75 ± 0.30"), ("props", "0.33 ± 0.29")):
        assert main([*options, "--reference", reference]) == 0
        assert figure in (logs / "tables" / "core_mean_best_reward.csv").read_text(encoding="utf-8")
    with pytest.raises(SystemExit):
        main(["paper_significance_tests", "--reference", "props"])
    assert "invalid choice: 'props'" in capsys.readouterr().err


def test_nothing_is_said_of_a_difference_without_spread_or_from_one_run() -> None:
    published = Score("b", 2.0, 0.0, 10)
    assert z_score(Score("a", 1.0, 0.0, 3), published) is None
    assert difference(Score("a", 1.0, 0.0, 3), published) is None
    assert difference(Score("a", 1.0, 0.0, 1), Score("b", 2.0, 1.0, 10)) is None
    one = reference_lines(Score("a", 1.0, 0.0, 1), Score("b", 2.0, 1.0, 10), "2.00 ± 1.00")
    assert one == ("published 2.00 ± 1.00", "one run: not tested")


@pytest.mark.parametrize("preset", PRESETS)
def test_published_tables(preset: str) -> None:
    made = build_published_tables(preset)
    assert list(made) == ["mean_reward", "mean_best_reward"]
    for name, metric in (("mean_reward", "mean_reward"), ("mean_best_reward", "best_reward")):
        table = rows(made[name])
        assert len(table) == 10
        for (environment, method, which), figure in published_results().items():
            columns = [c for c, methods in PRESETS[preset].items() if methods == (method,)]
            if which == metric and columns:
                cell, algorithm = table[environment][columns[0]], figure.label.removeprefix("SB3-")
                assert cell.removeprefix(f"{algorithm}: ") == f"{figure.mean:.2f} ± {figure.std:.2f}"
    if preset == "variants":
        assert rows(made["mean_reward"])["maze"]["BestBaseline"] == "SB3-A2C: 0.83 ± 0.13"
        assert rows(made["mean_reward"])["cartpole"]["BestBaseline"] == "ProPS: 258.09 ± 138.58"
        assert best(made["mean_reward"], "frozenlake") == {"ThreeTraj"}


def test_command(logs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "tables"
    options = ["--formats", "md", "csv", "png", "latex", "--output-dir", str(out)]
    assert main(["paper_results_tables", "--preset", "variants", "--logs-root", str(logs), *options]) == 0
    names = [
        f"variants_{name}" for name in ("mean_reward", "mean_best_reward", "mean_final_reward", "heldout", "missing")
    ]
    assert {path.name for path in out.iterdir()} == {
        f"{name}.{s}" for name in names for s in ("md", "csv", "png", "tex")
    }
    error = capsys.readouterr().err
    assert "warning: ThreeTraj: no runs: nim, pong" in error
    missing = (out / "variants_missing.csv").read_text().splitlines()
    assert "nim,ThreeTraj,0,no runs" in missing


def test_command_writes_json(logs: Path, tmp_path: Path) -> None:
    options = ["--format", "json", "--reference", "published", "--output-dir", str(tmp_path / "tables")]
    assert main(["paper_results_tables", "--logs-root", str(logs), *options]) == 0
    record = json.loads((tmp_path / "tables" / "core_mean_reward.json").read_text())
    cell = next(row for row in record["rows"] if row["environment"] == "nim")["R2PO"]
    assert (cell["mean"], cell["std"], cell["runs"]) == (4.25, pytest.approx(0.125**0.5), 2)
    assert cell["published"] == {"label": "R2PO", "mean": 0.61, "std": 0.03, "runs": 10}


def test_command_without_any_logs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    out = str(tmp_path / "out")
    assert main(["paper_results_tables", "--logs-root", str(tmp_path / "empty"), "--output-dir", out]) == 0
    assert "R2PO: no runs" in capsys.readouterr().err
    assert main(["paper_results_tables", "--logs-root", str(tmp_path / "nowhere"), "--output-dir", out]) == 2
    assert main(["paper_results_tables", "--from-published", "--output-dir", out]) == 0


def test_few_runs_are_marked_for_people_only(logs: Path) -> None:
    for number in range(3, 6):
        write_published_run(logs / folder_name("nim", "r2po"), number, [4.0], method="r2po")
    table = tables(logs)["mean_final_reward"]
    (nim,) = [row for row in table.cells if row[0].plain == "nim"]
    assert [cell.text.endswith(" †") for cell in nim[1:4]] == [True, True, False], "2, 2 and 5 runs"
    assert rows(table)["nim"]["ProPS"] == "4.00 ± 1.41"
    assert "† Fewer than 5 runs: how much they vary is hardly known." in table.notes


def test_unfinished_and_copied_runs_are_named(tmp_path: Path) -> None:
    write_run(tmp_path / "a", 1, [1.0, 2.0])
    write_run(tmp_path / "a", 2, [3.0, 4.0], description={"seed": 1})
    write_run(tmp_path / "a", 3, [1.0, 2.0], description={"seed": 1})
    write_run(tmp_path / "a", 4, [5.0], complete=False, config={"num_iterations": 2})
    for table in tables(tmp_path).values():
        assert (
            "Unfinished runs, counted as far as they came: 1 of 3 of ProPS on CartPole (run_4: 1 of 2 iterations)."
            in (table.notes)
        )
        assert "Copied runs, with the same seed and rewards, count once: run_1 of ProPS on CartPole (also run_3)." in (
            table.notes
        )
    assert rows(tables(tmp_path)["mean_final_reward"])["cartpole"]["ProPS"] == "3.67 ± 1.53"


def test_unequal_calls_are_named_and_methods_without_a_model_are_not_compared_in_them(tmp_path: Path) -> None:
    write_run(tmp_path / "a", 1, [1.0] * 10)
    write_run(tmp_path / "b", 1, [1.0] * 20, config={"method": "r2po"})
    write_run(tmp_path / "c", 1, [1.0] * 90, config={"method": "random_search"}, description={"model": "none"})
    for path in (tmp_path / "c" / "run_1" / "iterations.jsonl",):
        lines = [{**json.loads(line), "llm_calls": 0} for line in path.read_text().splitlines()]
        path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    notes = tables(tmp_path, "search")["mean_reward"].notes
    assert "Not at the same budget, in calls per run: CartPole 20 (ProPS) to 40 (R2PO)." in notes
    assert "Not at the same budget, in episodes per run: CartPole 50 (ProPS) to 370 (Random search)." in notes


def test_numbers_and_code_stand_beside_each_other(tmp_path: Path) -> None:
    kinds: list[tuple[str, dict[str, Any]]] = [
        ("ProPS+", {"method": "propsp"}),
        ("R2PO", {"method": "r2po"}),
        ("ProPS+ (code)", {"method": "propsp", "policy": "code"}),
        ("R2PO (code)", {"method": "r2po", "policy": "code"}),
        ("PromptPO", {"method": "promptpo", "policy": "code"}),
        ("PromptPO tuned", {"method": "promptpo_tuned", "policy": "code"}),
    ]
    for reward, (_, config) in enumerate(kinds, 1):
        write_run(tmp_path / str(reward), 1, [float(reward)], config=config)
    # Another family, and another tau_c, are still other experiments.
    write_run(tmp_path / "mlp", 1, [90.0], config={"method": "r2po", "policy": "projected_mlp"})
    write_run(
        tmp_path / "half",
        1,
        [91.0],
        config={"method": "r2po", "policy": "code", "critic_llm_conservative_threshold": 240.0},
    )
    experiments = find_experiments(tmp_path)
    row = rows(build_tables("code", experiments, Validation())["mean_reward"])["cartpole"]
    assert row.pop("environment") == "cartpole"
    assert row == {label: f"{reward:.2f} ± 0.00" for reward, (label, _) in enumerate(kinds, 1)}
    core = rows(build_tables("core", experiments, Validation())["mean_reward"])["cartpole"]
    assert (core["ProPS+"], core["R2PO"]) == ("1.00 ± 0.00", "2.00 ± 0.00")
    (figure,), _ = build_curves("code", experiments, ["cartpole"])
    (panel,) = figure.panels
    assert [curve.label for curve in panel.curves] == [label for label, _ in kinds]
    assert len({curve.style["colour"] for curve in panel.curves}) == len(kinds)


def test_code_is_missed_on_every_task(tmp_path: Path) -> None:
    write_run(tmp_path / "a", 1, [1.0], config={"method": "r2po"})
    validation = Validation()
    build_tables("code", find_experiments(tmp_path), validation, environments=["nim"])
    assert {"R2PO (code)", "PromptPO"} <= {column for _, column, _, _ in validation.rows}


def test_windows_are_named_and_never_averaged_with_whole_prompts(tmp_path: Path) -> None:
    windows = {"rollout_window": {"first": 8, "last": 4}, "history_window": {"best": 5, "last": 3}}
    for number in range(1, 6):
        write_run(tmp_path / "whole", number, [100.0])
        write_run(tmp_path / "windows", number, [200.0], config=windows)
        write_run(tmp_path / "rollouts", number, [300.0], config={"rollout_window": windows["rollout_window"]})
    table = tables(tmp_path)["mean_best_reward"]
    column = table.columns.index("ProPS")
    found = [(row[1].text, row[column].text) for row in table.cells if row[0].plain == "cartpole"]
    model, steps = "ollama/some-model, published protocol", "rollouts of 8 first and 4 last steps"
    assert found == [
        (model, "100.00 ± 0.00"),
        (f"{model}, {steps}", "300.00 ± 0.00"),
        (f"{model}, {steps}, histories of 5 best and 3 latest trials", "200.00 ± 0.00"),
    ]
